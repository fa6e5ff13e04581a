package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/clock"
)

// paged is an answer that goes on.
type paged[T any] interface {
	*T
	proto.Message
	GetNextPageToken() string
}

// eachPage walks a list.
func eachPage[T any, P paged[T]](ctx context.Context, c *city, w who, path string, do func(P)) error {
	for token := ""; ; {
		page := P(new(T))
		if err := c.client.call(ctx, w, http.MethodGet, path+"?pageSize=200&pageToken="+token, "", nil, page); err != nil {
			return err
		}
		do(page)
		if token = page.GetNextPageToken(); token == "" {
			return nil
		}
	}
}

func dayOf(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return clock.Day(t.AsTime())
}

// compare puts linli's figures beside the records' and makes the digest.
func (c *city) compare(ctx context.Context) error {
	if err := c.advance(ctx, letterDay); err != nil {
		return err
	}
	report, digest := &comparison{}, sha256.New()
	for _, part := range []func(context.Context, *comparison, io.Writer) error{
		c.compareOrganizations, c.compareCampaign, c.compareCommunities, c.compareYear,
	} {
		if err := part(ctx, report, digest); err != nil {
			return err
		}
	}
	c.notes.Lines = nil
	for _, l := range report.lines {
		c.notes.Lines = append(c.notes.Lines, cityLine{l.what, l.says, l.linli, l.same})
		fmt.Fprintln(digest, l.what, l.linli)
	}
	_, _ = digest.Write(c.notes.Letters.Digest) // a hash never fails
	c.notes.Digest = hex.EncodeToString(digest.Sum(nil))
	return nil
}

// completion is read by the organization's own office, and by the city's of one
// that has nobody in this run: that office does nothing in it.
func (c *city) completion(ctx context.Context, id string) (*registryv1.CompletionOfKind, error) {
	var out registryv1.Completion
	reader := c.officer(id)
	switch c.records.organizations[id].kind {
	case "workplace", "community":
		if c.records.byHome[id].members+c.records.byCommunity[id].members == 0 {
			reader = c.officer(cityID)
		}
	}
	err := c.client.call(ctx, reader, http.MethodGet, "/v1/organizations/"+id+"/completion", "", nil, &out)
	return out.GetTotal(), err
}

// compareOrganizations: who is there and who reported in, by where they live
// and by where they work.
func (c *city) compareOrganizations(ctx context.Context, report *comparison, _ io.Writer) error {
	report.count("organizations", "records", int64(len(c.records.organizations)), c.notes.Organizations)
	report.count("rows of rosters refused", "records", 0, c.notes.Refused)
	total, err := c.completion(ctx, cityID)
	if err != nil {
		return err
	}
	report.count("members in service", "records", c.records.members, total.GetMembers())
	report.count("reported in and accepted", "records", c.records.reported, total.GetAccepted())
	for _, district := range c.records.ofKind("district") {
		var lives cityCount
		for id, n := range c.records.byCommunity {
			if c.records.at("district", id) == district {
				lives.members, lives.reported = lives.members+n.members, lives.reported+n.reported
			}
		}
		got, err := c.completion(ctx, district)
		if err != nil {
			return err
		}
		report.same("live in "+district+", accepted there", "records",
			fmt.Sprint(lives.members, " ", lives.reported), fmt.Sprint(got.GetMembers(), " ", got.GetAccepted()))
	}
	workplaces, err := c.agreeing(ctx, "workplace", c.records.byHome)
	if err != nil {
		return err
	}
	communities, err := c.agreeing(ctx, "community", c.records.byCommunity)
	report.count("workplaces with the records' completion", "records", int64(len(c.records.ofKind("workplace"))), workplaces)
	report.count("communities with the records' completion", "records", int64(len(c.records.ofKind("community"))), communities)
	return err
}

func (c *city) agreeing(ctx context.Context, kind string, counts map[string]cityCount) (n int64, err error) {
	all := inOrder[string, bool]{
		do: func(ctx context.Context, id string) (bool, error) {
			got, err := c.completion(ctx, id)
			return got.GetMembers() == counts[id].members && got.GetAccepted() == counts[id].reported, err
		},
		each: func(_ string, same bool) error { n += one(same); return nil },
	}
	for _, id := range c.records.ofKind(kind) {
		if err := all.add(ctx, id); err != nil {
			return n, err
		}
	}
	return n, all.flush(ctx)
}

// compareCampaign: on time, late and missing, the city's and each district's.
func (c *city) compareCampaign(ctx context.Context, report *comparison, _ io.Writer) error {
	for _, id := range append([]string{cityID}, c.records.ofKind("district")...) {
		var want cityCount
		for home, n := range c.records.byHome {
			if id == cityID || c.records.at("district", home) == id {
				want.members, want.reported, want.onTime = want.members+n.members, want.reported+n.reported, want.onTime+n.onTime
			}
		}
		var got registryv1.CampaignCompletion
		err := c.client.call(ctx, c.officer(id), http.MethodGet, "/v1/campaigns/"+c.notes.Campaign+"/completion/"+id, "", nil, &got)
		if err != nil {
			return err
		}
		var says registryv1.CampaignOfKind
		for _, k := range got.GetKinds() {
			if k.GetInScope() {
				proto.Merge(&says, k)
			}
		}
		report.same("due in "+id+", on time, late, missing", "records",
			fmt.Sprint(want.members, want.onTime, want.reported-want.onTime, want.members-want.reported),
			fmt.Sprint(says.GetMembers(), says.GetAcceptedOnTime(), says.GetAcceptedLate(), says.GetMissing()))
	}
	return nil
}

// compareCommunities: each community's office was told once of each who
// reported in.
func (c *city) compareCommunities(ctx context.Context, report *comparison, digest io.Writer) error {
	var told, twice int64
	all := inOrder[string, []*registryv1.Message]{
		do: func(ctx context.Context, id string) ([]*registryv1.Message, error) {
			return c.inbox(ctx, c.officer(id), "/v1/organizations/"+id+"/messages")
		},
		each: func(id string, inbox []*registryv1.Message) error {
			about := map[string]bool{}
			for _, m := range inbox {
				key := m.GetTopic() + " " + m.GetAbout()
				if twice += one(about[key]); m.GetTopic() == "report_in.submitted" && !about[key] {
					told++
				}
				about[key] = true
			}
			lines := toldLines(id, inbox)
			slices.Sort(lines)
			_, err := fmt.Fprintln(digest, lines)
			return err
		},
	}
	for _, id := range c.records.communities() {
		if err := all.add(ctx, id); err != nil {
			return err
		}
	}
	err := all.flush(ctx)
	report.count("report-ins that their communities were told of", "records", c.records.reported, told)
	report.count("communities told twice of one thing", "records", 0, twice)
	return err
}

// compareYear: the cycle and the letters that the workplaces read.
func (c *city) compareYear(ctx context.Context, report *comparison, _ io.Writer) error {
	var served, quarters int64
	err := c.eachMember(func(m known) error {
		if m.served() {
			served, quarters = served+1, quarters+int64(quartersOf(m.community))
		}
		return nil
	})
	if err != nil {
		return err
	}
	cycle, err := c.cycle(ctx)
	if err != nil {
		return err
	}
	letters, read := int64(len(c.records.byHome)), c.notes.Letters
	report.same("the cycle of the city", "records", "CYCLE_STATE_CLOSED", cycle.GetState().String())
	report.count("members on its frozen roster", "records", c.records.members, cycle.GetMembers())
	report.count("confirmed services", "sample", served, cycle.GetTimes())
	report.count("their hours, in quarters", "sample", quarters, cycle.GetQuarterHours())
	report.count("letters", "records", letters, cycle.GetLetters())
	report.count("read by their workplaces", "records", letters, read.Letters)
	report.count("list exactly their members, each once", "records", letters, read.Exact)
	report.count("lines in the letters", "records", c.records.members, read.Lines)
	report.count("members with service in the letters", "sample", served, read.WithService)
	report.count("services in the letters", "sample", served, read.Times)
	report.count("their hours in the letters, in quarters", "sample", quarters, read.QuarterHours)
	report.count("say the same as CSV and as workbook", "records", letters, read.Alike)
	report.count("genuine by their code, facts hold", "records", letters, read.Genuine)
	return nil
}

// print tells what was compared, and what each step took.
func (c *city) print(out io.Writer) error {
	differ := 0
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\twhat\tsays\tlinli")
	for _, l := range c.notes.Lines {
		mark := "✓"
		if !l.Same {
			mark, differ = "✗", differ+1
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", mark, l.What, l.Says, l.Linli)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	fmt.Fprintln(w, "\n\tstep\ttime\tserver's CPU\tserver, MB\tthis program, MB")
	var took time.Duration
	for _, s := range c.notes.Steps {
		took += s.Took
		fmt.Fprintf(w, "\t%s\t%s\t%s\t%d\t%d\n", s.Name, s.Took.Round(10*time.Millisecond), s.CPU.Round(10*time.Millisecond), s.Server>>20, s.Client>>20)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	fmt.Fprintf(out, "\n%d figures compared, %d differ; all steps took %s\ndigest %s\n", len(c.notes.Lines), differ, took.Round(100*time.Millisecond), c.notes.Digest)
	if differ > 0 {
		return ErrDiffers
	}
	return nil
}
