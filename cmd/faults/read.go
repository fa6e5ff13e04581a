package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// number reads 64-bit figures, which JSON carries as strings.
type number int

func (n *number) UnmarshalJSON(text []byte) error {
	var s string
	if json.Unmarshal(text, &s) != nil {
		s = string(text)
	}
	v, err := strconv.Atoi(s)
	*n = number(v)
	return err
}

// observe reads everything that the load wrote.
func (l *load) observe(ctx context.Context) (observed, error) {
	got := observed{requests: map[string][]request{}, entries: map[string][]entry{}}
	err := l.client.pages(ctx, staff(), "/v1/organizations/"+communityID+"/requests", func(text []byte) error {
		var page struct {
			Requests []struct{ ID, State, Excerpt string }
		}
		err := json.Unmarshal(text, &page)
		for _, r := range page.Requests {
			got.requests[r.Excerpt] = append(got.requests[r.Excerpt], request{r.ID, r.State})
		}
		return err
	})
	if err != nil {
		return got, err
	}
	err = l.client.pages(ctx, party(), "/v1/organizations/"+communityID+"/entries", func(text []byte) error {
		var page struct {
			Entries []struct {
				ID, MemberID, SourceID string
				QuarterHours           int
			}
		}
		err := json.Unmarshal(text, &page)
		for _, e := range page.Entries {
			got.entries[e.SourceID] = append(got.entries[e.SourceID], entry{e.ID, e.MemberID, e.QuarterHours})
		}
		return err
	})
	if err != nil {
		return got, err
	}
	return got, l.observeFigures(ctx, &got)
}

func (l *load) observeFigures(ctx context.Context, got *observed) error {
	var circle struct {
		Kinds []struct{ Posted, Resolved number }
	}
	if err := l.client.get(ctx, staff(), "/v1/organizations/"+communityID+"/circle", &circle); err != nil {
		return err
	}
	for _, k := range circle.Kinds {
		got.posted, got.resolved = got.posted+int(k.Posted), got.resolved+int(k.Resolved)
	}
	var completion struct{ Total struct{ Accepted number } }
	if err := l.client.get(ctx, party(), "/v1/organizations/"+communityID+"/completion", &completion); err != nil {
		return err
	}
	got.accepted = int(completion.Total.Accepted)
	return nil
}

// checkNew reads each chain from a number on by itself, and sends some recent
// writes once more: their answers must be the first ones.
func (l *load) checkNew(ctx context.Context, first int, random *rand.Rand) (problems []string, err error) {
	for _, c := range l.ledger.since(first) {
		var got struct {
			ID, Text, State, MemberID string
			QuarterHours              int
		}
		if err := l.client.get(ctx, staff(), "/v1/requests/"+c.id, &got); err != nil {
			if !answered(err) {
				return problems, err
			}
			problems = append(problems, fmt.Sprintf("%srequest %s: %v (chain %d)", says(saysLost, err), c.id, err, c.no))
			continue
		}
		if got.Text != c.text || got.State != c.state || got.QuarterHours != c.quarterHours || got.MemberID != c.member {
			problems = append(problems, fmt.Sprintf(saysWrong+"request %s is %+v, acknowledged %+v", c.id, got, c))
		}
	}
	again, err := l.sendAgain(ctx, random, 8)
	return append(problems, again...), err
}

// sendAgain repeats some of the recent writes.
func (l *load) sendAgain(ctx context.Context, random *rand.Rand, n int) (problems []string, err error) {
	recent := l.ledger.repeatable()
	random.Shuffle(len(recent), func(i, j int) { recent[i], recent[j] = recent[j], recent[i] })
	for _, s := range recent[:min(n, len(recent))] {
		answer, err := l.client.send(ctx, s.write)
		if err != nil {
			if !answered(err) {
				return problems, err
			}
			problems = append(problems, fmt.Sprintf("%s%s under key %s again: %v", says(saysDoubled, err), s.write.path, s.write.key, err))
		} else if compact(answer) != s.answer {
			problems = append(problems, fmt.Sprintf(saysDoubled+"%s under key %s answers %s, first %s", s.write.path, s.write.key, compact(answer), s.answer))
		}
	}
	return problems, nil
}
