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
	bodies map[string][]byte // by language
	count  *atomic.Uint64
}

// spreadSeconds: callers are told to come again after one to so many seconds in
// turn, so that they do not come back all at once.
const spreadSeconds = 3

func newRefusals() refusals {
	out := refusals{bodies: map[string][]byte{}, count: &atomic.Uint64{}}
	for _, language := range []string{texts.Chinese, texts.English} {
		const reason, status = "OVERLOADED", http.StatusTooManyRequests
		body, err := json.Marshal(problemBody{
			Type: "urn:linli:reason:" + reason, Title: http.StatusText(status), Status: status,
			Detail: texts.Text(language, reason), Reason: reason,
		})
		if err != nil {
			panic("gateway: strings do not encode: " + err.Error())
		}
		out.bodies[language] = append(body, '\n')
	}
	return out
}

func (f refusals) write(w http.ResponseWriter, r *http.Request) {
	body := f.bodies[texts.Language(r.Header.Get("Accept-Language"))]
	h := w.Header()
	h.Set("Retry-After", strconv.FormatUint(1+f.count.Add(1)%spreadSeconds, 10))
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write(body) // the caller is gone when this fails
}
