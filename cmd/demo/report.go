package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/services/projects/selection"
)

// line compares one figure.
type line struct {
	scenario string
	what     string
	source   string // "article", "records" or "sample"
	says     string
	linli    string
	same     bool
}

// comparison collects the lines of a report.
type comparison struct {
	scenario string
	lines    []line
}

func (c *comparison) same(what, source, says, linli string) {
	c.lines = append(c.lines, line{c.scenario, what, source, says, linli, says == linli})
}

func (c *comparison) count(what, source string, says, linli int64) {
	c.same(what, source, strconv.FormatInt(says, 10), strconv.FormatInt(linli, 10))
}

// atLeast is for the article's 多 and 余.
func (c *comparison) atLeast(what string, says, linli int64) {
	c.lines = append(c.lines, line{c.scenario, what, "article",
		"≥ " + strconv.FormatInt(says, 10), strconv.FormatInt(linli, 10), linli >= says})
}

// report asks linli for its figures and prints them beside the records'.
func (r *run) report(ctx context.Context, out io.Writer, took time.Duration) error {
	c := &comparison{}
	for _, scenario := range []func(context.Context, *comparison) error{
		r.reportReportIn, r.reportCampaign, r.reportHardship, r.reportCircle, r.reportProjects, r.reportYearEnd, r.reportTold,
	} {
		if err := scenario(ctx, c); err != nil {
			return err
		}
	}
	differ := 0
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tscenario\twhat\tfrom\tsays\tlinli")
	last := ""
	for _, l := range c.lines {
		mark := "✓"
		if !l.same {
			mark, differ = "✗", differ+1
		}
		scenario := l.scenario
		if scenario == last {
			scenario = ""
		}
		last = l.scenario
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", mark, scenario, l.what, l.source, l.says, l.linli)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	fmt.Fprintf(out, "\n%d figures compared, %d differ; this run took %s\n", len(c.lines), differ, took.Round(100*time.Millisecond))
	if differ > 0 {
		return ErrDiffers
	}
	return nil
}

func (r *run) completion(ctx context.Context, w who, organization string) (*registryv1.Completion, error) {
	var out registryv1.Completion
	err := r.client.call(ctx, w, http.MethodGet, "/v1/organizations/"+organization+"/completion", "", nil, &out)
	return &out, err
}

func (r *run) reportReportIn(ctx context.Context, c *comparison) error {
	c.scenario = "1 report-in"
	if err := r.drain(ctx); err != nil {
		return err
	}
	var reported, inService int64
	byHome, byCommunity := map[string]int64{}, map[string]int64{}
	for _, m := range r.records.members {
		if m.reportedOn == "" {
			continue
		}
		reported++
		if m.kind == "在职" {
			inService++
		}
		byHome[m.home]++
		byCommunity[m.community]++
	}
	district, err := r.completion(ctx, r.districtOfficer(), districtID)
	if err != nil {
		return err
	}
	c.count("members on the rosters", "records", int64(len(r.records.members)), district.GetTotal().GetMembers())
	c.count("rows refused", "records", 0, int64(r.notes.Refused))
	c.count("reported in and accepted", "records", reported, district.GetTotal().GetAccepted())
	for _, k := range district.GetKinds() {
		if k.GetKind() == registryv1.MemberKind_MEMBER_KIND_IN_SERVICE {
			c.count("of them in service", "records", inService, k.GetAccepted())
		}
	}
	c.count("sent back once and submitted again", "sample", int64(r.notes.Returned), r.expectedReturned())
	workplaces, err := r.agreeing(ctx, byHome, "workplace")
	if err != nil {
		return err
	}
	communities, err := r.agreeing(ctx, byCommunity, "community")
	if err != nil {
		return err
	}
	c.count("workplaces with the records' completion", "records", 300, workplaces)
	c.count("communities with the records' completion", "records", 35, communities)
	return nil
}

func (r *run) expectedReturned() (n int64) {
	for i, m := range r.records.members {
		if m.reportedOn != "" && i%returnedEvery == 0 {
			n++
		}
	}
	return n
}

// agreeing counts the organizations of a kind whose completion is the records'.
func (r *run) agreeing(ctx context.Context, accepted map[string]int64, kind string) (n int64, err error) {
	for id, o := range r.records.organizations {
		if o.kind != kind {
			continue
		}
		_, officer := r.officerOf(id)
		got, err := r.completion(ctx, officer, id)
		if err != nil {
			return n, err
		}
		if got.GetTotal().GetAccepted() == accepted[id] {
			n++
		}
	}
	return n, nil
}

func (r *run) reportHardship(ctx context.Context, c *comparison) error {
	c.scenario = "3 hardship"
	c.same("for staff only, text sealed", "article", "true", strconv.FormatBool(r.notes.Hardship.StaffOnly))
	c.same("read by the committee with a reason", "article", "true", strconv.FormatBool(r.notes.Hardship.Revealed))
	posted := r.notes.Hardship.Posted.In(clock.Shanghai())
	c.same("posted on a Sunday evening", "article", "2013-12-29 Sunday", posted.Format("2006-01-02 Monday"))
	c.same("after six o'clock", "article", "true", strconv.FormatBool(posted.Hour() >= 18))
	c.same("seen to on", "article", "2013-12-30", r.notes.Hardship.Day)
	return r.checkHelp(ctx, c)
}

// circlePeople are those who posted, and all who took part, by the records.
func (r *run) circlePeople() (authors, participants map[string]bool) {
	authors, participants = map[string]bool{}, map[string]bool{}
	for _, p := range r.records.posts {
		author := p.Resident
		if p.OnBehalfOf {
			author = r.notes.Hardship.Poster
		}
		authors[author], participants[author] = true, true
		if mergedAgain(p) {
			authors[p.Supporters[0]] = true
		}
		for _, s := range p.Supporters {
			participants[s] = true
		}
	}
	return authors, participants
}

func (r *run) reportCircle(ctx context.Context, c *comparison) error {
	c.scenario = "4 service circle"
	var circle requestsv1.Circle
	err := r.client.call(ctx, r.committee(), http.MethodGet, "/v1/organizations/"+circleID+"/circle", "", nil, &circle)
	if err != nil {
		return err
	}
	var suggestions, solved, closed int64
	for _, k := range circle.GetKinds() {
		closed += k.GetClosed()
		switch k.GetKind() {
		case requestsv1.RequestKind_REQUEST_KIND_SUGGESTION, requestsv1.RequestKind_REQUEST_KIND_PRAISE:
			suggestions += k.GetPosted()
		default:
			solved += k.GetResolved()
		}
	}
	authors, participants := r.circlePeople()
	c.atLeast("suggestions and opinions", 500, suggestions)
	c.count("problems solved", "article", 798, solved)
	c.count("posts filed", "records", int64(len(r.records.posts)), closed)
	c.count("residents who posted", "records", int64(len(authors)), circle.GetAuthors())
	c.atLeast("residents taking part", 1500, circle.GetParticipants())
	c.count("residents who posted or said me too", "records", int64(len(participants)), circle.GetParticipants())
	return r.reportRates(ctx, c)
}

// reportRates compares the rates with the choices that the demo made.
func (r *run) reportRates(ctx context.Context, c *comparison) error {
	var rates requestsv1.Rates
	err := r.client.call(ctx, r.committee(), http.MethodGet, "/v1/organizations/"+circleID+"/circle/rates?year=2013", "", nil, &rates)
	if err != nil {
		return err
	}
	var satisfied int64
	for _, p := range r.records.posts {
		if chance(p.No, "rating")%3 > 0 { // 4 or 5 of 3 to 5
			satisfied++
		}
	}
	c.count("satisfied", "sample", satisfied, rates.GetSatisfaction().GetNumerator())
	return r.reportSamples(ctx, c, &rates)
}

func (r *run) reportProjects(ctx context.Context, c *comparison) error {
	c.scenario = "7 project year"
	round := r.records.round
	twelve := "01 02 03 04 05 07 09 12 13 18 21 23"
	short := func(numbers []string) string {
		out := slices.Clone(numbers)
		for i := range out {
			_, out[i], _ = strings.Cut(out[i], "-")
		}
		return strings.Join(out, " ")
	}
	c.count("applications", "article", 23, int64(len(r.notes.Applications)))
	c.count("sheets refused because of the tree", "records",
		int64(len(round.Reviewers)*len(round.Applications)-len(round.Reviews)), int64(r.notes.Conflicts))
	c.count("selected", "article", 12, int64(len(r.notes.Twelve["decided"])))
	c.same("by the mean", "records", twelve, short(r.notes.Twelve["AGGREGATION_MEAN"]))
	c.same("by drop high and low", "records", twelve, short(r.notes.Twelve["AGGREGATION_DROP_HIGH_LOW"]))
	c.same("as decided", "records", twelve, short(r.notes.Twelve["decided"]))
	if err := r.recount(ctx, c); err != nil {
		return err
	}
	if err := r.reportNotice(ctx, c); err != nil {
		return err
	}
	return r.reportDelivery(ctx, c)
}

// recount counts the selection file again, as anybody can.
func (r *run) recount(ctx context.Context, c *comparison) error {
	content, err := r.client.send(ctx, r.districtOfficer(), http.MethodGet, "/v1/calls/"+r.notes.Call+"/selection", "", "", nil)
	if err != nil {
		return err
	}
	file, err := selection.Read(bytes.NewReader(content))
	if err != nil {
		return err
	}
	c.count("sheets in the selection file", "records", int64(len(r.records.round.Reviews)), int64(len(file.Sheets)))
	c.count("differences when counted again", "sample", 0, int64(len(selection.Check(file))))
	return nil
}

func (r *run) reportYearEnd(ctx context.Context, c *comparison) error {
	c.scenario = "8 year-end"
	cycle, err := r.cycle(ctx)
	if err != nil {
		return err
	}
	homes := map[string]bool{}
	var roster int64
	for _, m := range r.records.members {
		if m.home == "X00001" && m.reportedOn == "" {
			continue // belongs elsewhere and never came
		}
		roster++
		homes[m.home] = true
	}
	services, quarters, err := r.expectedServices(ctx)
	if err != nil {
		return err
	}
	ofCircle := services + int64(honoredOfCommunity*len(activityDays()))
	activities := int64(honoredOfCommunity * len(r.communities()) * len(activityDays()))
	services, quarters = services+activities+lateServices, quarters+activities*activityHours+lateServices*lateHours
	c.count("members on the frozen roster", "records", roster, cycle.GetMembers())
	c.count("confirmed services of members", "sample", services, cycle.GetTimes())
	c.count("their hours, in quarters", "sample", quarters, cycle.GetQuarterHours())
	c.count("letters to home organizations", "records", int64(len(homes)), cycle.GetLetters())
	c.count("lines in the letters", "records", roster, int64(r.notes.LetterLines))
	c.count("lines with a name when rendered", "records", roster, int64(r.notes.LetterNames))
	c.same("closed after signatures of community and street", "sample", "CYCLE_STATE_CLOSED", cycle.GetState().String())
	if err := r.reportReplies(ctx, c, cycle.GetLetters()); err != nil {
		return err
	}
	return r.reportBranch(ctx, c, ofCircle)
}

// reportReplies compares who has not answered with who has.
func (r *run) reportReplies(ctx context.Context, c *comparison, letters int64) error {
	waiting := int64(0)
	for token := ""; ; {
		var page evaluationv1.ListUnansweredResponse
		err := r.client.call(ctx, r.districtOfficer(), http.MethodGet,
			"/v1/cycles/"+r.notes.Cycle+"/unanswered?pageSize=200&pageToken="+token, "", nil, &page)
		if err != nil {
			return err
		}
		waiting += int64(len(page.GetLetters()))
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	c.count("letters still waited for", "sample", letters-int64(r.notes.Replies), waiting)
	if err := r.reportPolls(ctx, c); err != nil {
		return err
	}
	return r.reportHonors(ctx, c)
}

// expectedServices follows the same choices that solve made.
func (r *run) expectedServices(ctx context.Context) (services, quarters int64, err error) {
	for _, p := range r.records.posts {
		kind := kindOf(p.Category)
		if kind != requestsv1.RequestKind_REQUEST_KIND_PROBLEM && kind != requestsv1.RequestKind_REQUEST_KIND_NUISANCE {
			continue
		}
		helper, err := r.helper(ctx, p, min(later(p.day(), 2), yearEnd))
		if err != nil {
			return 0, 0, err
		}
		if helper != "" {
			services++
			quarters += int64(1 + chance(p.No, "hours")%8)
		}
	}
	return services, quarters, nil
}
