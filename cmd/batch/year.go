package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

const (
	atOnce  = 50 // members that one call names
	writers = 16 // calls at once while the ledger is written
)

// loaded is the folder with the roster and the ledger.
func (b *bench) loaded() string { return filepath.Join(b.data, "loaded") }

// year writes the ledger, freezes the roster and sums the year as often as
// asked for, each time on a copy of the same folder.
func (b *bench) year(ctx context.Context) error {
	h, err := open(ctx, b.loaded())
	if err != nil {
		return err
	}
	c, err := timed(func() error { return b.writeLedger(ctx, h) })
	if err != nil {
		return errors.Join(err, h.close())
	}
	b.cost(fmt.Sprintf("ledger: %d lines proposed and confirmed through the door", b.members*b.lines), c)
	var id string
	c, err = timed(func() (err error) { id, err = h.openCycle(ctx); return err })
	if err = errors.Join(err, h.close()); err != nil {
		return err
	}
	b.cost(fmt.Sprintf("roster of the year frozen, %d members", b.members), c)
	reference, err := b.referenceYear()
	if err != nil {
		return err
	}
	for i := range b.repeats {
		if err := b.sumOnce(ctx, i, id); err != nil {
			return err
		}
	}
	b.ratio(fmt.Sprintf("evaluation of %d members, %d lines, stored", b.members, b.members*b.lines), b.evaluations,
		[]float64{reference.wall.Seconds()}, "plain Go: every line read from bbolt, results put, nothing else", "")
	return nil
}

// sumOnce sums the year on a copy of the folder.
func (b *bench) sumOnce(ctx context.Context, i int, id string) error {
	folder := filepath.Join(b.data, fmt.Sprintf("year-%d", i))
	if err := copyFolder(b.loaded(), folder); err != nil {
		return err
	}
	h, err := open(ctx, folder)
	if err != nil {
		return err
	}
	var done *evaluationv1.Cycle
	err = b.profiled(fmt.Sprintf("year-%d", i), func() error {
		c, err := timed(func() (err error) { done, err = h.compute(ctx, id); return err })
		b.evaluations = append(b.evaluations, c)
		fmt.Fprintf(b.out, "%-58s %s\n", "evaluation, once", c)
		return err
	})
	if err == nil {
		fmt.Fprintf(b.out, "  check members=%d served=%d times=%d cases=%d quarters=%d letters=%d\n", done.GetMembers(),
			done.GetMembersWithService(), done.GetTimes(), done.GetCases(), done.GetQuarterHours(), done.GetLetters())
	}
	if err == nil && i == 0 {
		err = b.letters(ctx, h, id)
	}
	return errors.Join(err, h.close(), os.RemoveAll(folder))
}

// runJobs runs the work on cycles while fn does.
func (h *rooms) runJobs(ctx context.Context, fn func(context.Context) error) error {
	jobs, stop := context.WithCancel(ctx)
	g, jobs := errgroup.WithContext(jobs)
	for _, j := range h.jobs {
		if j.Name == "evaluation-cycles" {
			g.Go(func() error { return j.Run(jobs) })
		}
	}
	err := fn(ctx)
	stop()
	if failed := g.Wait(); failed != nil && !errors.Is(failed, context.Canceled) {
		err = errors.Join(err, failed)
	}
	return err
}

func (h *rooms) openCycle(ctx context.Context) (id string, err error) {
	err = h.runJobs(ctx, func(ctx context.Context) error {
		reply, err := h.evaluation.OpenCycle(officer(ctx), &evaluationv1.OpenCycleRequest{DistrictId: districtID, Year: 2013})
		if err != nil {
			return err
		}
		id = reply.GetCycle().GetId()
		_, err = h.await(ctx, id, evaluationv1.CycleState_CYCLE_STATE_OPEN)
		return err
	})
	return id, err
}

func (h *rooms) compute(ctx context.Context, id string) (c *evaluationv1.Cycle, err error) {
	err = h.runJobs(ctx, func(ctx context.Context) error {
		if _, err := h.evaluation.ComputeCycle(officer(ctx), &evaluationv1.ComputeCycleRequest{Id: id}); err != nil {
			return err
		}
		c, err = h.await(ctx, id, evaluationv1.CycleState_CYCLE_STATE_COMPUTED)
		return err
	})
	return c, err
}

// await asks for a cycle until it is in a state.
func (h *rooms) await(ctx context.Context, id string, state evaluationv1.CycleState) (*evaluationv1.Cycle, error) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		reply, err := h.evaluation.GetCycle(officer(ctx), &evaluationv1.GetCycleRequest{Id: id})
		if err != nil || reply.GetCycle().GetState() == state {
			return reply.GetCycle(), err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// writeLedger proposes and confirms the services of every member, a community
// at a time: of each round a part of its members did the same.
func (b *bench) writeLedger(ctx context.Context, h *rooms) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for c := range b.communities() {
		g.Go(func() error {
			members, err := h.membersOf(ctx, c)
			for round := 0; err == nil && round < b.lines; round++ {
				for from := 0; err == nil && from < len(members); from += atOnce {
					err = h.serve(ctx, c, round, members[from:min(from+atOnce, len(members))])
				}
			}
			return err
		})
	}
	return g.Wait()
}

// membersOf answers the members who reported in to a community.
func (h *rooms) membersOf(ctx context.Context, c int) (ids []string, err error) {
	staff := as(ctx, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, "staff", streetPath+communityID(c)+"/")
	token := ""
	for {
		page, err := h.registry.ListMembers(staff, &registryv1.ListMembersRequest{OrganizationId: communityID(c), PageSize: 200, PageToken: token})
		if err != nil {
			return nil, err
		}
		for _, m := range page.GetMembers() {
			ids = append(ids, m.GetId())
		}
		if token = page.GetNextPageToken(); token == "" {
			return ids, nil
		}
	}
}

// serve writes one service of many members and confirms it.
func (h *rooms) serve(ctx context.Context, c, round int, members []string) error {
	path := streetPath + communityID(c) + "/"
	staff := func(person string) context.Context {
		return as(ctx, typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, person, path)
	}
	v := mix(uint64(c)<<20 + uint64(round))
	day := time.Date(2013, 1, 3, 0, 0, 0, 0, time.UTC).AddDate(0, 0, round*17%340)
	made, err := h.ledger.ProposeEntries(staff("one"), &evaluationv1.ProposeEntriesRequest{
		CommunityId: communityID(c), MemberIds: members,
		Service: &evaluationv1.Service{
			Kind: evaluationv1.ServiceKind(1 + v%3), Source: evaluationv1.EntrySource_ENTRY_SOURCE_ACTIVITY,
			SourceId: fmt.Sprintf("act-%d-%d", c, round), Day: day.Format(time.DateOnly),
			Times: 1, Cases: int32(v >> 8 % 3), QuarterHours: int32(1 + v>>16%8),
		},
	})
	if err != nil {
		return err
	}
	ids := make([]string, len(made.GetEntries()))
	for i, e := range made.GetEntries() {
		ids[i] = e.GetId()
	}
	_, err = h.ledger.ConfirmEntries(staff("another"), &evaluationv1.ConfirmEntriesRequest{CommunityId: communityID(c), Ids: ids})
	return err
}

func copyFolder(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	for _, name := range []string{"registry.db", "evaluation.db"} {
		if err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
