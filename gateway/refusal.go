package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/linli-project/linli/pkg/texts"
)

// refusals are the answers to calls that were not let in, made beforehand:
// under pressure most answers are this one.
type refusals struct {
	bodies map[string]readyBody // by language
	count  *atomic.Uint64
	// Values of headers, shared by all answers and changed by none.
	problem []string
	after   [spreadSeconds][]string
}

type readyBody struct {
	text   []byte
	length []string
}

// spreadSeconds: callers are told to come again after one to so many seconds in
// turn, so that they do not come back all at once.
const spreadSeconds = 3

func newRefusals() refusals {
	out := refusals{bodies: map[string]readyBody{}, count: &atomic.Uint64{}, problem: []string{"application/problem+json"}}
	for i := range out.after {
		out.after[i] = []string{strconv.Itoa(1 + i)}
	}
	for _, language := range []string{texts.Chinese, texts.English} {
		const reason, status = "OVERLOADED", http.StatusTooManyRequests
		body, err := json.Marshal(problemBody{
			Type: "urn:linli:reason:" + reason, Title: http.StatusText(status), Status: status,
			Detail: texts.Text(language, reason), Reason: reason,
		})
		if err != nil {
			panic("gateway: strings do not encode: " + err.Error())
		}
		body = append(body, '\n')
		out.bodies[language] = readyBody{body, []string{strconv.Itoa(len(body))}}
	}
	return out
}

// write answers a call, with nothing that has to be made for it.
func (f refusals) write(w http.ResponseWriter, r *http.Request) {
	body := f.bodies[texts.Language(r.Header.Get("Accept-Language"))]
	h := w.Header()
	h["Retry-After"] = f.after[f.count.Add(1)%spreadSeconds]
	h["Content-Type"] = f.problem
	h["Content-Length"] = body.length
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write(body.text) // the caller is gone when this fails
}
