package demo

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

const (
	// askedEvery: of so many members who reported in one is asked what was told.
	askedEvery = 100
	// toldWithin is how long the report waits for what is told in slices.
	toldWithin = time.Minute
)

// once are topics of which a thing has one message in an inbox.
func once() []string {
	return []string{
		"request.posted", "request.admitted", "hardship.relief_asked", "entry.confirmed", "letter.issued", "cycle.computed", "call.opened",
	}
}

// reportTold reads the inboxes of some: who posted for the neighbour, the
// community office, the street, every home organization and one member in a
// hundred.
func (r *run) reportTold(ctx context.Context, c *comparison) error {
	c.scenario = "told"
	if err := r.drain(ctx); err != nil {
		return err
	}
	twice, err := r.toldOfHardship(ctx, c)
	if err != nil {
		return err
	}
	office, err := r.inbox(ctx, r.committee(), "/v1/organizations/"+circleID+"/messages")
	if err != nil {
		return err
	}
	var told int64
	for _, p := range r.records.posts {
		told += count(office, "request.posted", r.notes.Requests[p.No])
	}
	c.count("posts that the community office was told of", "records", int64(len(r.records.posts)), told)
	c.count("told twice of one thing, office", "sample", 0, repeated(office))
	letters, more, err := r.toldOfLetters(ctx, c)
	if err != nil {
		return err
	}
	members, err := r.toldOfSheets(ctx, c)
	c.count("told twice of one thing, everybody else asked", "sample", 0, twice+letters+more+members)
	return err
}

// toldOfHardship: the author was told of each step of the request and of the
// case, the street of the relief that was asked for.
func (r *run) toldOfHardship(ctx context.Context, c *comparison) (twice int64, err error) {
	i := slices.IndexFunc(r.records.posts, func(p post) bool { return p.OnBehalfOf })
	p := r.records.posts[i]
	poster := as(typev1.Role_ROLE_MEMBER, r.notes.Hardship.Poster, r.records.path(circleID))
	mine, err := r.inbox(ctx, poster, "/v1/me/messages")
	if err != nil {
		return 0, err
	}
	id := r.notes.Requests[p.No]
	steps := count(mine, "request.admitted", id) + count(mine, "request.resolved", id) + count(mine, "request.closed", id)
	c.count("steps of the hardship request told to its author", "sample", 3, steps)
	c.count("steps of the case: visit, relief asked, referral, decision, end", "sample", 5, count(mine, "hardship.step", id))
	street := r.records.organizations[circleID].parent
	officer := as(typev1.Role_ROLE_STREET_OFFICER, "demo-street-"+street, r.records.path(street))
	theirs, err := r.inbox(ctx, officer, "/v1/organizations/"+street+"/messages")
	c.count("relief that the street is to decide on", "sample", 1, count(theirs, "hardship.relief_asked", id))
	return repeated(mine) + repeated(theirs), err
}

// toldOfLetters: each home organization has one message of its letter, and what
// is to be printed is the department's.
func (r *run) toldOfLetters(ctx context.Context, c *comparison) (twice, more int64, err error) {
	letters, err := r.letters(ctx)
	if err != nil {
		return 0, 0, err
	}
	var told, printed, receipts int64
	var mu sync.Mutex
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, l := range letters {
		home := l.GetHomeOrganizationId()
		if r.records.organizations[home].kind == "external" {
			printed++
			continue
		}
		g.Go(func() error {
			_, officer := r.officerOf(home)
			all, err := r.inbox(inner, officer, "/v1/organizations/"+home+"/messages")
			mu.Lock()
			defer mu.Unlock()
			told += count(all, "letter.issued", l.GetId())
			receipts += min(1, count(all, "report_in.receipts", ""))
			twice += repeated(all)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, 0, err
	}
	district, err := r.inbox(ctx, r.districtOfficer(), "/v1/organizations/"+districtID+"/messages")
	c.count("home organizations told of their letter", "records", int64(len(letters))-printed, told)
	c.count("letters that the department is to print", "records", printed, count(district, "letter.to_print", ""))
	c.count("letters whose answer the department was told of", "sample", int64(r.notes.Replies), things(district, "letter.answered"))
	c.count("home organizations with receipts", "records", r.homesReported(), receipts)
	return twice, repeated(district), err
}

// homesReported counts the home organizations in linli of members who reported
// in.
func (r *run) homesReported() int64 {
	homes := map[string]bool{}
	for _, m := range r.records.members {
		if m.reportedOn != "" && r.records.organizations[m.home].kind != "external" {
			homes[m.home] = true
		}
	}
	return int64(len(homes))
}

// toldOfSheets: one member in a hundred has one message that the own sheet can
// be seen. All are told in slices, so that the last may have to be waited for.
func (r *run) toldOfSheets(ctx context.Context, c *comparison) (twice int64, err error) {
	var asked, told int64
	for i, m := range r.records.members {
		if i%askedEvery != 0 || m.reportedOn == "" {
			continue
		}
		id, err := r.memberID(ctx, m)
		if err != nil {
			return 0, err
		}
		all, err := r.awaitTold(ctx, as(typev1.Role_ROLE_MEMBER, id, r.records.path(m.home)), "cycle.computed")
		if err != nil {
			return 0, err
		}
		asked++
		told += count(all, "cycle.computed", r.notes.Cycle)
		twice += repeated(all)
	}
	c.count("members told that their sheet can be seen, of those asked", "sample", asked, told)
	return twice, nil
}

// awaitTold reads an own inbox until there is something of a topic in it, or the
// patience ends.
func (r *run) awaitTold(ctx context.Context, w who, topic string) ([]*registryv1.Message, error) {
	patience, end := context.WithTimeout(ctx, toldWithin)
	defer end()
	t := time.NewTicker(poll)
	defer t.Stop()
	for {
		all, err := r.inbox(ctx, w, "/v1/me/messages")
		if err != nil || count(all, topic, "") > 0 {
			return all, err
		}
		select {
		case <-t.C:
		case <-patience.Done():
			return all, ctx.Err()
		}
	}
}

// inbox reads every page.
func (r *run) inbox(ctx context.Context, w who, path string) (all []*registryv1.Message, err error) {
	for token := ""; ; {
		var page registryv1.ListMyMessagesResponse
		if err := r.client.call(ctx, w, http.MethodGet, path+"?pageSize=200&pageToken="+token, "", nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.GetMessages()...)
		if token = page.GetNextPageToken(); token == "" {
			return all, nil
		}
	}
}

// count counts messages of a topic, and about one thing where it is named.
func count(all []*registryv1.Message, topic, about string) (n int64) {
	for _, m := range all {
		if m.GetTopic() == topic && (about == "" || m.GetAbout() == about) {
			n++
		}
	}
	return n
}

// things counts what messages of a topic are about: a letter that was issued
// again is answered again.
func things(all []*registryv1.Message, topic string) int64 {
	about := map[string]bool{}
	for _, m := range all {
		if m.GetTopic() == topic {
			about[m.GetAbout()] = true
		}
	}
	return int64(len(about))
}

// repeated counts messages that say again what another said.
func repeated(all []*registryv1.Message) (n int64) {
	seen := map[string]bool{}
	for _, m := range all {
		keys := []string{m.GetId()}
		if slices.Contains(once(), m.GetTopic()) {
			keys = append(keys, m.GetTopic()+" "+m.GetAbout())
		}
		for _, k := range keys {
			if seen[k] {
				n++
			}
			seen[k] = true
		}
	}
	return n
}
