package requests_test

import (
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/rpc"
)

// atOnce starts calls together and answers the error of each.
func atOnce(calls ...func() error) []error {
	errs := make([]error, len(calls))
	start := make(chan struct{})
	var all sync.WaitGroup
	for i, call := range calls {
		all.Go(func() {
			<-start
			errs[i] = call()
		})
	}
	close(start)
	all.Wait()
	return errs
}

// Two officers at once on one request: one step is taken, the other officer
// gets a clear answer, and the request is where the one step led.
func TestTwoOfficersAtOnce(t *testing.T) {
	h := newHouse(t, kv.New(memkv.New(), kv.Options{}))
	second := h.as(typev1.Role_ROLE_COMMITTEE_STAFF, "second", c1)
	type act struct {
		name string
		do   func(id, etag, into string) error
		want pb.RequestState
	}
	acts := []act{
		{"dispatch", func(id, etag, _ string) error {
			_, err := h.client.DispatchRequest(h.staff(), &pb.DispatchRequestRequest{Id: id, Etag: etag, MemberId: "m1"})
			return err
		}, pb.RequestState_REQUEST_STATE_DISPATCHED},
		{"hand", func(id, etag, _ string) error {
			_, err := h.handling().HandRequest(second, &pb.HandRequestRequest{Id: id, Etag: etag, Person: "property", OrganizationId: "C1"})
			return err
		}, pb.RequestState_REQUEST_STATE_DISPATCHED},
		{"resolve", func(id, etag, _ string) error {
			_, err := h.client.ResolveRequest(second, &pb.ResolveRequestRequest{Id: id, Etag: etag, Answer: "好了"})
			return err
		}, pb.RequestState_REQUEST_STATE_RESOLVED},
		{"merge", func(id, etag, into string) error {
			_, err := h.handling().MergeRequest(second, &pb.MergeRequestRequest{Id: id, Etag: etag, IntoId: into})
			return err
		}, pb.RequestState_REQUEST_STATE_MERGED},
		{"escalate", func(id, etag, _ string) error {
			_, err := h.handling().EscalateRequest(second, &pb.EscalateRequestRequest{Id: id, Etag: etag, Reason: "需要街道协调"})
			return err
		}, pb.RequestState_REQUEST_STATE_ESCALATED},
		{"decline", func(id, etag, _ string) error {
			_, err := h.handling().DeclineRequest(h.staff(), &pb.DeclineRequestRequest{Id: id, Etag: etag, Reason: "不属于受理范围"})
			return err
		}, pb.RequestState_REQUEST_STATE_DECLINED},
	}
	for i, a := range acts {
		for _, b := range acts[i:] {
			into := h.post(h.resident("r2"), t, problem()).GetId()
			r := h.admitted(t, problem())
			errs := atOnce(
				func() error { return a.do(r.GetId(), r.GetEtag(), into) },
				func() error { return b.do(r.GetId(), r.GetEtag(), into) })
			got := ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: r.GetId()})).GetRequest()
			want := a.want
			if errs[0] != nil {
				want = b.want
			}
			if (errs[0] == nil) == (errs[1] == nil) || got.GetState() != want || got.GetEtag() != "3" {
				t.Errorf("%s and %s: %v, now %s with etag %s", a.name, b.name, errs, got.GetState(), got.GetEtag())
			}
			for _, err := range errs {
				if err != nil && (status.Code(err) != codes.Aborted || rpc.Reason(err) != "STALE_ETAG") {
					t.Errorf("%s and %s: %v", a.name, b.name, err)
				}
			}
			merged := ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: into})).GetRequest().GetMerged()
			if (len(merged) == 1) != (got.GetState() == pb.RequestState_REQUEST_STATE_MERGED) {
				t.Errorf("%s and %s: linked %v", a.name, b.name, merged)
			}
		}
	}
}

// Without an etag the second gets what the state after the first allows.
func TestTwoOfficersAtOnce_WithoutAnEtag(t *testing.T) {
	h := newHouse(t, kv.New(memkv.New(), kv.Options{}))
	for range 20 {
		id := h.admitted(t, problem()).GetId()
		errs := atOnce(
			func() error {
				_, err := h.client.DispatchRequest(h.staff(), &pb.DispatchRequestRequest{Id: id, MemberId: "m1"})
				return err
			},
			func() error {
				_, err := h.client.ResolveRequest(h.staff(), &pb.ResolveRequestRequest{Id: id, Answer: "好了"})
				return err
			})
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("both or neither: %v", errs)
		}
		for _, err := range errs {
			if err != nil && rpc.Reason(err) != "WRONG_STATE" {
				t.Errorf("the other: %v", err)
			}
		}
	}
}

// Two requests merged into each other at once: one merge stands.
func TestMerge_IntoEachOtherAtOnce(t *testing.T) {
	h := newHouse(t, kv.New(memkv.New(), kv.Options{}))
	for range 20 {
		a, b := h.post(h.resident("r1"), t, problem()).GetId(), h.post(h.resident("r2"), t, problem()).GetId()
		merge := func(id, into string) func() error {
			return func() error {
				_, err := h.handling().MergeRequest(h.staff(), &pb.MergeRequestRequest{Id: id, IntoId: into})
				return err
			}
		}
		errs := atOnce(merge(a, b), merge(b, a))
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("both or neither: %v", errs)
		}
		for _, err := range errs {
			if reason := rpc.Reason(err); err != nil && reason != "WRONG_STATE" && reason != "NOT_MERGEABLE" {
				t.Errorf("the other: %v", err)
			}
		}
	}
}

// What is for staff only is not merged with what is public, either way, nor
// anything across communities.
func TestMerge_OnlyWhatIsAlike(t *testing.T) {
	h := newHouse(t, inMemory())
	sealed := problem()
	sealed.Visibility = pb.Visibility_VISIBILITY_STAFF_ONLY
	elsewhere := problem()
	elsewhere.CommunityId = "C2"
	a, b := h.post(h.resident("r1"), t, problem()).GetId(), h.post(h.resident("r2"), t, sealed).GetId()
	c := h.post(h.as(typev1.Role_ROLE_RESIDENT, "r3", c2), t, elsewhere).GetId()
	both := h.As("both", access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: c1}, access.Grant{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Path: c2})
	for _, pair := range [][2]string{{a, b}, {b, a}, {a, a}, {a, c}} {
		_, err := h.handling().MergeRequest(both, &pb.MergeRequestRequest{Id: pair[0], IntoId: pair[1]})
		refused(t, "merged", err, codes.FailedPrecondition, "NOT_MERGEABLE")
	}
	_, err := h.handling().MergeRequest(h.staff(), &pb.MergeRequestRequest{Id: a, IntoId: c})
	refused(t, "into what one may not know of", err, codes.NotFound, "NOT_FOUND")
}

// Me too of many at once: each counts once.
func TestJoin_ManyAtOnce(t *testing.T) {
	h := newHouse(t, kv.New(memkv.New(), kv.Options{}))
	id := h.post(h.resident("a"), t, problem()).GetId()
	var calls []func() error
	for _, person := range []string{"b", "b", "c", "d", "c", "e"} {
		calls = append(calls, func() error {
			_, err := h.circle().JoinRequest(h.resident(person), &pb.JoinRequestRequest{Id: id})
			return err
		})
	}
	for _, err := range atOnce(calls...) {
		if err != nil {
			t.Error(err)
		}
	}
	got := ok[*pb.GetRequestResponse](t)(h.client.GetRequest(h.staff(), &pb.GetRequestRequest{Id: id})).GetRequest()
	if got.GetJoined() != 4 {
		t.Errorf("%d joined", got.GetJoined())
	}
}

// Two nuisance posts at once beside an open one: the limit of two holds.
func TestNuisance_TwoAtOnce(t *testing.T) {
	h := newHouse(t, kv.New(memkv.New(), kv.Options{}))
	h.post(h.resident("r1"), t, nuisance("15栋"))
	post := func() error {
		_, err := h.client.PostRequest(h.resident("r1"), nuisance("3栋"))
		return err
	}
	if errs := atOnce(post, post); (errs[0] == nil) == (errs[1] == nil) || rpc.Reason(errs[0])+rpc.Reason(errs[1]) != "TOO_MANY_OPEN" {
		t.Errorf("at once: %v", errs)
	}
}

// A member who moves away after the dispatch cannot say yes any more; a no, or
// the office, takes it back. What was taken on before is finished.
func TestDispatch_TheMemberMovesAway(t *testing.T) {
	for state, to := range map[registryv1.ReportInState]string{
		registryv1.ReportInState_REPORT_IN_STATE_ACCEPTED: c2, registryv1.ReportInState_REPORT_IN_STATE_RETURNED: c1,
	} {
		h := newHouse(t, inMemory())
		dispatched := func() string {
			id := h.admitted(t, problem()).GetId()
			ok[*pb.DispatchRequestResponse](t)(h.client.DispatchRequest(h.staff(), &pb.DispatchRequestRequest{Id: id, MemberId: "m1"}))
			return id
		}
		before, recalled, declined := dispatched(), dispatched(), dispatched()
		ok[*pb.TakeOnRequestResponse](t)(h.client.TakeOnRequest(h.member("m1"), &pb.TakeOnRequestRequest{Id: before}))
		h.moved("m1", to, state)
		_, err := h.client.TakeOnRequest(h.member("m1"), &pb.TakeOnRequestRequest{Id: recalled})
		refused(t, state.String(), err, codes.FailedPrecondition, "MEMBER_NOT_IN_COMMUNITY")
		_, err = h.handling().AnswerOffer(h.member("m1"), &pb.AnswerOfferRequest{Id: recalled, TakeOn: true})
		refused(t, state.String(), err, codes.FailedPrecondition, "MEMBER_NOT_IN_COMMUNITY")
		ok[*pb.RecallRequestResponse](t)(h.handling().RecallRequest(h.staff(), &pb.RecallRequestRequest{Id: recalled}))
		_, err = h.client.DispatchRequest(h.staff(), &pb.DispatchRequestRequest{Id: recalled, MemberId: "m1"})
		refused(t, state.String(), err, codes.FailedPrecondition, "MEMBER_NOT_IN_COMMUNITY")
		if r := ok[*pb.AnswerOfferResponse](t)(h.handling().AnswerOffer(h.member("m1"), &pb.AnswerOfferRequest{Id: declined})).GetRequest(); r.GetState() != pb.RequestState_REQUEST_STATE_ADMITTED {
			t.Errorf("%s: after the no: %v", state, r)
		}
		ok[*pb.ResolveRequestResponse](t)(h.client.ResolveRequest(h.member("m1"), &pb.ResolveRequestRequest{Id: before, Answer: "换了石板", QuarterHours: 4}))
	}
}
