package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// Who is honored, and for what, is sample; that there are 70 boards with more
// than 500 members is the article's.
const (
	honoredOfCommunity = 16 // half of them on each of the two boards
	activityHours      = 8  // quarters of an hour
	trustDay           = "2013-12-05"
	honorDay           = "2013-12-06"
	honorEnds          = "2014-11-30"
)

// activityDays are days on which every community holds an activity.
func activityDays() []string { return []string{"2013-11-05", "2013-11-19", "2013-12-03"} }

func (r *run) planHonors(on func(string, task)) {
	for _, day := range activityDays() {
		on(day, r.everywhere(r.holdActivity))
	}
	on(trustDay, r.everywhere(r.praise))
	on(honorDay, r.everywhere(r.honor))
}

// everywhere runs a task for each community, some at a time.
func (r *run) everywhere(do func(ctx context.Context, community, day string) error) task {
	return func(ctx context.Context, day string) error {
		if r.ids == nil {
			if err := r.fetchIDs(ctx); err != nil {
				return err
			}
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for _, community := range r.communities() {
			g.Go(func() error { return do(ctx, community, day) })
		}
		return g.Wait()
	}
}

// honored are the first members who reported in to a community from elsewhere.
func (r *run) honored(ctx context.Context, community string) (ids []string, err error) {
	for _, m := range r.firstHere(community) {
		id, err := r.memberID(ctx, m)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (r *run) firstHere(community string) []member {
	var here []member
	for _, m := range r.records.members {
		if m.community == community && m.reportedOn != "" && m.reportedOn < activityDays()[0] &&
			r.records.organizations[m.home].kind == "workplace" {
			here = append(here, m)
		}
	}
	slices.SortStableFunc(here, func(a, b member) int { return strings.Compare(a.reportedOn, b.reportedOn) })
	return here[:min(len(here), honoredOfCommunity)]
}

func (r *run) streetOf(community string) who {
	street := r.records.organizations[community].parent
	return as(typev1.Role_ROLE_STREET_OFFICER, "demo-street-"+street, r.records.path(street))
}

// holdActivity writes an activity into the ledger of everybody who took part;
// the street confirms.
func (r *run) holdActivity(ctx context.Context, community, day string) error {
	ids, err := r.honored(ctx, community)
	if err != nil {
		return err
	}
	base := "/v1/organizations/" + community + "/entries:"
	var out evaluationv1.ProposeEntriesResponse
	err = r.client.call(ctx, r.partyStaff(community), http.MethodPost, base+"propose", "demo-activity-"+community+day,
		&evaluationv1.ProposeEntriesRequest{CommunityId: community, MemberIds: ids, Service: &evaluationv1.Service{
			Kind: evaluationv1.ServiceKind_SERVICE_KIND_ENVIRONMENT, Source: evaluationv1.EntrySource_ENTRY_SOURCE_ACTIVITY,
			SourceId: "demo-activity-" + community + "-" + day, Day: day, Times: 1, QuarterHours: activityHours,
		}}, &out)
	if err != nil {
		return err
	}
	confirm := &evaluationv1.ConfirmEntriesRequest{CommunityId: community}
	for _, e := range out.GetEntries() {
		confirm.Ids = append(confirm.Ids, e.GetId())
	}
	return r.client.call(ctx, r.streetOf(community), http.MethodPost, base+"confirm", "demo-confirm-"+community+day, confirm, nil)
}

// praise records a letter of thanks for each.
func (r *run) praise(ctx context.Context, community, day string) error {
	ids, err := r.honored(ctx, community)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := r.client.call(ctx, r.partyStaff(community), http.MethodPost, "/v1/organizations/"+community+"/trust", "demo-trust-"+id,
			&evaluationv1.RecordTrustRequest{
				CommunityId: community, MemberId: id, Kind: evaluationv1.TrustKind_TRUST_KIND_PRAISE, SourceId: "demo-letter-" + id, Day: day,
			}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// honor makes the two boards of a community, names half of the honored on each,
// has them consent, and begins the public notice.
func (r *run) honor(ctx context.Context, community, _ string) error {
	ids, err := r.honored(ctx, community)
	if err != nil {
		return err
	}
	kinds := []evaluationv1.BoardKind{evaluationv1.BoardKind_BOARD_KIND_GOOD_DEEDS, evaluationv1.BoardKind_BOARD_KIND_SERVICE}
	for i, kind := range kinds {
		var created evaluationv1.Board
		err := r.client.call(ctx, r.partyStaff(community), http.MethodPost, "/v1/organizations/"+community+"/boards",
			fmt.Sprintf("demo-board-%s-%d", community, kind), &evaluationv1.CreateBoardRequest{CommunityId: community, Kind: kind}, &created)
		if err != nil {
			return err
		}
		board := created.GetId()
		half := len(ids) / len(kinds)
		for _, member := range ids[i*half : (i+1)*half] {
			if err := r.name(ctx, community, board, member); err != nil {
				return err
			}
		}
		err = r.client.call(ctx, r.partyStaff(community), http.MethodPost, "/v1/boards/"+board+":giveNotice", "demo-notice-"+board,
			&evaluationv1.GiveBoardNoticeRequest{BoardId: board}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// name proposes a member for a board, and has the member say yes.
func (r *run) name(ctx context.Context, community, board, member string) error {
	var proposed evaluationv1.Honor
	err := r.client.call(ctx, r.partyStaff(community), http.MethodPost, "/v1/boards/"+board+"/honors", "demo-honor-"+board+member,
		&evaluationv1.ProposeHonorRequest{BoardId: board, MemberId: member, EndsOn: honorEnds}, &proposed)
	if err != nil {
		return err
	}
	id := proposed.GetId()
	w := as(typev1.Role_ROLE_MEMBER, member, r.records.path(community))
	return r.client.call(ctx, w, http.MethodPost, "/v1/me/honors/"+id+":answer", "demo-consent-"+id,
		&evaluationv1.AnswerHonorRequest{Id: id, Consent: true}, nil)
}

// reportHonors compares the boards of the district.
func (r *run) reportHonors(ctx context.Context, c *comparison) error {
	var figures evaluationv1.GetHonorFiguresResponse
	err := r.client.call(ctx, r.districtOfficer(), http.MethodGet, "/v1/organizations/"+districtID+"/honor-figures", "", nil, &figures)
	c.count("honor rolls", "article", 70, figures.GetBoards())
	c.atLeast("members on them", 500, figures.GetMembers())
	c.count("members on them, of the sample", "sample", int64(honoredOfCommunity*len(r.communities())), figures.GetMembers())
	return err
}
