package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linli-project/linli/cmd/signin"
)

// Where the load lives.
const (
	cityID      = "430100"
	communityID = "430101002001"
	workplaceID = "W00001"
)

const organizationsFile = `编码,名称,类别,上级编码,亮身份
430100,长沙市,city,,是
430101,天心区,district,430100,是
430101002,青园街道,street,430101,是
430101002001,芙蓉南路社区,community,430101002,是
W00001,区图书馆党支部,workplace,430101,是
`

// helpers is how many members solve requests; the others report in while the
// load runs.
const helpers = 32

// breath is the pause between two chains of a writer that is ahead.
const breath = time.Second

// load writes through the public interface, without end, and notes what was
// acknowledged.
type load struct {
	client  *client
	ledger  *ledger
	prefix  string // of its idempotency keys
	members []string

	next     atomic.Int64 // chain
	reporter atomic.Int64 // index of the next member to report in
	gate     sync.RWMutex // held for reading during a chain
	// cheat has the client note what never was: nothing, "drop" or "twice".
	cheat string
}

// author posts request no and rates it: a member, who may enter as often as the
// clock asks for it. A resident is sent one code a minute at most.
func (l *load) author(no int) signin.Person { return memberOf(l.members[(no+1)%helpers]) }

// settle brings in organizations and a roster, and has the helpers report in.
func (l *load) settle(ctx context.Context, members int) error {
	if _, err := l.client.send(ctx, write{who: admin(), path: "/v1/organizations:import", key: l.prefix + "organizations",
		contentType: "text/csv", body: organizationsFile}); err != nil {
		return fmt.Errorf("import organizations: %w", err)
	}
	roster := &strings.Builder{}
	roster.WriteString("姓名,性别,身份证号,手机号,入党日期,党员状态,党员类别,组织关系所在党组织编码,工作单位编码,居住社区编码,楼栋,特长,兴趣爱好\n")
	for i := range members {
		fmt.Fprintf(roster, "党员%c%c,男,,138%08d,2001-07-01,正式党员,在职,%s,%s,%s,%d栋,水电维修,象棋\n",
			'一'+rune(i/500), '一'+rune(i%500), i, workplaceID, workplaceID, communityID, i%20+1)
	}
	answer, err := l.client.send(ctx, write{who: officer(), path: "/v1/organizations/" + workplaceID + "/rosters:import",
		key: l.prefix + "roster", contentType: "text/csv", body: roster.String()})
	if err != nil {
		return fmt.Errorf("import the roster: %w", err)
	}
	if err := l.listMembers(ctx); err != nil {
		return err
	}
	if len(l.members) != members {
		return fmt.Errorf("%d of %d members came in: %.300s", len(l.members), members, answer)
	}
	for range helpers {
		if err := l.reportIn(ctx); err != nil {
			return err
		}
	}
	return l.drain(ctx)
}

func (l *load) listMembers(ctx context.Context) error {
	l.members = nil
	return l.client.pages(ctx, officer(), "/v1/organizations/"+workplaceID+"/members", func(text []byte) error {
		var page struct{ Members []struct{ ID string } }
		if err := json.Unmarshal(text, &page); err != nil {
			return err
		}
		for _, m := range page.Members {
			l.members = append(l.members, m.ID)
		}
		return nil
	})
}

// pages reads a list to its end.
func (c *client) pages(ctx context.Context, who signin.Person, path string, each func([]byte) error) error {
	for next := ""; ; {
		var text json.RawMessage
		if err := c.get(ctx, who, path+"?pageSize=200&pageToken="+url.QueryEscape(next), &text); err != nil {
			return err
		}
		var page struct{ NextPageToken string }
		if err := errors.Join(json.Unmarshal(text, &page), each(text)); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if next = page.NextPageToken; next == "" {
			return nil
		}
	}
}

// drainTries is how often a drain may run out of time: on a busy machine, and
// with streams that are filled again, effects take longer than an answer.
const drainTries = 3

// drain waits until everything that was committed had its effects.
func (l *load) drain(ctx context.Context) error {
	var err error
	for range drainTries {
		_, err = l.client.send(ctx, write{who: admin(), path: "/v1/dev/events:drain", body: "{}"})
		if err == nil {
			return nil
		}
		if answered(err) || ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("drain: %w", err)
}

// do sends a write and notes its answer.
func (l *load) do(ctx context.Context, w write, out any, and func()) error {
	w.key = l.prefix + w.key
	answer, err := l.client.send(ctx, w)
	if err != nil {
		return err
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			return fmt.Errorf("decode the answer of %s: %w", w.path, err)
		}
	}
	l.ledger.acknowledge(w, compact(answer), and)
	return nil
}

// compact is JSON without the spaces that linli puts into it at random.
func compact(text []byte) string {
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return string(text)
	}
	return out.String()
}

// run lives until the context ends; the error is that of a chain that met what
// it must not meet.
func (l *load) run(ctx context.Context) error {
	for ctx.Err() == nil {
		l.gate.RLock()
		err := l.chain(ctx, int(l.next.Add(1)))
		l.gate.RUnlock()
		if err != nil && ctx.Err() == nil {
			return err
		}
		if l.ledger.ahead() {
			_ = rest(ctx, breath) // a context that ended ends the loop
		}
	}
	return nil
}

// chain leads one request from post to rating.
func (l *load) chain(ctx context.Context, no int) error {
	c, err := l.post(ctx, no)
	if err != nil {
		return fmt.Errorf("chain %d: post: %w", no, err)
	}
	if err := l.solve(ctx, c, 1+no%8); err != nil {
		return fmt.Errorf("chain %d: %w", no, err)
	}
	if no%4 == 0 {
		return l.reportIn(ctx)
	}
	return nil
}

func (l *load) post(ctx context.Context, no int) (*chain, error) {
	c := &chain{no: no, text: "no" + strconv.Itoa(no), state: "REQUEST_STATE_POSTED"}
	w := write{who: l.author(no), path: "/v1/requests", key: "post-" + strconv.Itoa(no), body: fmt.Sprintf(
		`{"communityId":%q,"kind":"REQUEST_KIND_PROBLEM","visibility":"VISIBILITY_PUBLIC","text":%q}`, communityID, c.text)}
	if l.cheat == "drop" && no%5 == 0 {
		l.ledger.acknowledge(w, "{}", func() { l.ledger.chains = append(l.ledger.chains, &chain{no: no, text: "dropped" + c.text}) })
	}
	var made struct{ ID string }
	err := l.do(ctx, w, &made, func() {
		c.id = made.ID
		l.ledger.chains = append(l.ledger.chains, c)
	})
	if err == nil && l.cheat == "twice" && no%5 == 0 {
		w.key += "-again"
		_, err = l.client.send(ctx, w)
	}
	return c, err
}

// solve takes a posted request to its end.
func (l *load) solve(ctx context.Context, c *chain, quarterHours int) error {
	member := l.members[c.no%helpers]
	for _, step := range []struct {
		who               signin.Person
		verb, body, state string
		and               func()
	}{
		{staff(), "admit", `{}`, "ADMITTED", nil},
		{staff(), "dispatch", fmt.Sprintf(`{"memberId":%q}`, member), "DISPATCHED", nil},
		{memberOf(member), "takeOn", `{}`, "TAKEN_ON", nil},
		{memberOf(member), "resolve", fmt.Sprintf(`{"answer":"换了新石板","quarterHours":%d}`, quarterHours), "RESOLVED", func() {
			c.member, c.quarterHours = member, quarterHours
			l.ledger.solved++
		}},
		{l.author(c.no), "rate", `{"rating":5,"solved":true}`, "RATED", nil},
	} {
		w := write{who: step.who, path: "/v1/requests/" + c.id + ":" + step.verb, key: step.verb + "-" + strconv.Itoa(c.no), body: step.body}
		err := l.do(ctx, w, nil, func() {
			c.state = "REQUEST_STATE_" + step.state
			if step.and != nil {
				step.and()
			}
		})
		if err != nil {
			return fmt.Errorf("%s: %w", step.verb, err)
		}
	}
	return nil
}

// reportIn has the next member report in, and the community accept.
func (l *load) reportIn(ctx context.Context) error {
	i := int(l.reporter.Add(1)) - 1
	if i >= len(l.members) {
		return nil
	}
	member := l.members[i]
	var made struct{ ID string }
	w := write{who: memberOf(member), path: "/v1/reportIns", key: "report-" + member,
		body: fmt.Sprintf(`{"memberId":%q}`, member)}
	if err := l.do(ctx, w, &made, nil); err != nil {
		return fmt.Errorf("report in: %w", err)
	}
	w = write{who: party(), path: "/v1/reportIns/" + made.ID + ":accept", key: "accept-" + member, body: `{}`}
	if err := l.do(ctx, w, nil, func() { l.ledger.accepted++ }); err != nil {
		return fmt.Errorf("accept a report-in: %w", err)
	}
	return nil
}
