package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
)

// known is a member of the records with the id that linli gave.
type known struct {
	n                   int // place in the roster
	id, home, community string
	reportedOn          string
}

const membersFile = "city-members.txt"

// listMembers asks every workplace's list for the ids of its members and writes
// them to a file in the order of the roster, so that no later step has to hold
// all of them: a line a member, without anything personal.
func (c *city) listMembers(ctx context.Context) error {
	next := c.file(membersFile + ".next")
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("note the members: %w", err)
	}
	out := bufio.NewWriter(f)
	homes := inOrder[[]person, []known]{do: c.membersOf, each: func(_ []person, all []known) error {
		for _, m := range all {
			if _, err := fmt.Fprintln(out, m.n, m.id, m.home, m.community, m.reportedOn); err != nil {
				return fmt.Errorf("note the members: %w", err)
			}
		}
		return nil
	}}
	err = c.records.eachHome(func(_ string, people []person) error { return homes.add(ctx, people) })
	if err == nil {
		err = homes.flush(ctx)
	}
	if err := errors.Join(err, out.Flush(), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("note the members: %w", err)
	}
	return os.Rename(next, c.file(membersFile))
}

// membersOf finds the people of one workplace in its list.
func (c *city) membersOf(ctx context.Context, people []person) ([]known, error) {
	home := people[0].home
	ids := map[string]string{}
	for token := ""; ; {
		var page registryv1.ListMembersResponse
		err := c.client.call(ctx, c.officer(home), http.MethodGet, "/v1/organizations/"+home+"/members?pageSize=200&pageToken="+token, "", nil, &page)
		if err != nil {
			return nil, err
		}
		for _, m := range page.GetMembers() {
			key := rosterKey(home, m.GetName(), m.GetMaskedIdNumber())
			if ids[key] != "" {
				return nil, fmt.Errorf("workplace %s has a member twice, or two who look alike", home)
			}
			ids[key] = m.GetId()
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if len(ids) != len(people) {
		return nil, fmt.Errorf("workplace %s has %d members, and sent %d", home, len(ids), len(people))
	}
	out := make([]known, len(people))
	for i, p := range people {
		id, ok := ids[rosterKey(home, p.name, p.maskedID)]
		if !ok {
			return nil, fmt.Errorf("a member of %s is not in the registry", home)
		}
		out[i] = known{n: p.n, id: id, home: home, community: p.community, reportedOn: p.reportedOn}
	}
	return out, nil
}

// eachMember reads the members in the order of the roster.
func (c *city) eachMember(do func(known) error) error {
	f, err := os.Open(c.file(membersFile))
	if err != nil {
		return fmt.Errorf("read who is who: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		m, err := knownOf(lines.Text())
		if err != nil {
			return err
		}
		if err := do(m); err != nil {
			return err
		}
	}
	return lines.Err()
}

func knownOf(line string) (known, error) {
	part := strings.Split(line, " ")
	if len(part) != 5 {
		return known{}, fmt.Errorf("read who is who: %q is no line of %s", line, membersFile)
	}
	n, err := strconv.Atoi(part[0])
	return known{n: n, id: part[1], home: part[2], community: part[3], reportedOn: part[4]}, err
}

// workplace is one with its people, as the records have them and as linli knows
// them.
type workplace struct {
	home   string
	people []person
	known  []known
}

// eachWorkplace reads records and ids side by side.
func (c *city) eachWorkplace(do func(workplace) error) error {
	f, err := os.Open(c.file(membersFile))
	if err != nil {
		return fmt.Errorf("read who is who: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	lines := bufio.NewScanner(f)
	return c.records.eachHome(func(home string, people []person) error {
		w := workplace{home: home, people: people}
		for _, p := range people {
			if !lines.Scan() {
				return errors.Join(lines.Err(), io.ErrUnexpectedEOF)
			}
			m, err := knownOf(lines.Text())
			if err == nil && m.n != p.n {
				err = fmt.Errorf("read who is who: line of %d where %d is", m.n, p.n)
			}
			if err != nil {
				return err
			}
			w.known = append(w.known, m)
		}
		return do(w)
	})
}
