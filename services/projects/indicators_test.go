package projects_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/projects"
)

// The ladder goes up rung by rung, each told once, however long nobody looked;
// the letter has a number and stops the next tranche until it is closed; the
// tranche that was stopped is not late support.
func TestLadder_FromTheReminderToTheLetterEachOnce(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01", manual(24, "2013-08-15"), manual(24, "2013-12-31"))
	y.deliver(p.GetId(), "p1", "")
	y.deliver(p.GetId(), "p2", "")
	y.deliver(p.GetId(), "p4", "")
	y.on("2013-04-15")
	y.read(p, 0, 20, "2013-04-14")
	y.read(p, 1, 24, "2013-04-14")
	told := func(reminded, behind, overdue, supervised, recovered int) {
		t.Helper()
		for name, want := range map[string]int{"reminded": reminded, "fell_behind": behind, "overdue": overdue, "supervised": supervised, "recovered": recovered} {
			if n := y.told("indicator." + name); n != want {
				t.Errorf("%s told %d times, want %d", name, n, want)
			}
		}
	}
	y.on("2013-05-15")
	told(0, 0, 0, 0, 0)
	y.on("2013-05-16") // 32 days after the reading
	told(1, 0, 0, 0, 0)
	y.on("2013-07-31")
	if got := y.stands(p)[0]; got.GetLight() != pb.Light_LIGHT_GREEN || got.GetRung() != pb.Rung_RUNG_REMINDED {
		t.Errorf("15 days before: %v", got)
	}
	y.on("2013-08-01")
	told(1, 1, 0, 0, 0)
	if got := y.stands(p)[0]; got.GetLight() != pb.Light_LIGHT_YELLOW || got.GetValue() != 20 || got.GetAsOf() != "2013-04-14" {
		t.Errorf("14 days before: %v", got)
	}
	y.on("2013-08-20") // red from the 16th
	told(1, 1, 1, 0, 0)
	if got := y.stands(p)[0]; got.GetLight() != pb.Light_LIGHT_RED {
		t.Errorf("overdue: %v", got)
	}
	y.on("2013-09-01") // the letter was due on the 25th
	told(1, 1, 1, 1, 0)
	letters := y.letters(p)
	if len(letters) != 1 || letters[0].GetNumber() != "2013-1" || letters[0].GetIssuedOn() != "2013-08-25" || letters[0].GetValue() != 20 || letters[0].GetTarget() != 24 {
		t.Fatalf("letters %v", letters)
	}
	y.stopsTranche(p, letters[0])
	y.read(p, 0, 24, "2013-09-10")
	y.on("2013-09-11")
	told(1, 1, 1, 1, 1)
	if got := y.stands(p)[0]; got.GetLight() != pb.Light_LIGHT_GREEN || !got.GetMet() || got.GetRung() != pb.Rung_RUNG_UNSPECIFIED {
		t.Errorf("met late: %v", got)
	}
}

func (y *yard) stopsTranche(p *pb.KeyProject, letter *pb.SupervisionLetter) {
	y.t.Helper()
	y.on("2013-09-10")
	_, err := y.delivery().DeliverPromise(y.officer(), &pb.DeliverPromiseRequest{Id: p.GetId(), PromiseId: "p3", Document: "拨款单"})
	refused(y.t, "a tranche while a letter is open", err, codes.FailedPrecondition, "SUPERVISION_OPEN", "")
	_, err = y.indicators().AnswerSupervision(y.officer(), &pb.AnswerSupervisionRequest{ProjectId: p.GetId(), Id: letter.GetId(), Answer: "已整改"})
	refused(y.t, "answered by the district", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	must[*pb.AnswerSupervisionResponse](y.house)(y.indicators().AnswerSupervision(y.applicant(community),
		&pb.AnswerSupervisionRequest{ProjectId: p.GetId(), Id: letter.GetId(), Answer: "九月补办四场"}))
	closed := must[*pb.CloseSupervisionResponse](y.house)(y.indicators().CloseSupervision(y.officer(),
		&pb.CloseSupervisionRequest{ProjectId: p.GetId(), Id: letter.GetId(), Document: "督办销号单"})).GetSupervisionLetter()
	if closed.GetState() != pb.SupervisionState_SUPERVISION_STATE_CLOSED || closed.GetClosedOn() != "2013-09-10" {
		y.t.Errorf("closed %v", closed)
	}
	_, err = y.indicators().CloseSupervision(y.officer(), &pb.CloseSupervisionRequest{ProjectId: p.GetId(), Id: letter.GetId(), Document: "d"})
	wrongState(y.t, "closed twice", err)
	if got := y.deliver(p.GetId(), "p3", ""); got.GetReceivedFen() != 100000 || got.GetStandstill().GetDays() != 0 || got.GetLetters() != 1 || got.GetOpenLetters() != 0 {
		y.t.Errorf("paid after it was closed: %v", got)
	}
}

// The same days looked at in one go or one by one say the same.
func TestLadder_ManyDaysAtOnceSayTheSame(t *testing.T) {
	slow, fast := newYard(t), newYard(t)
	var projects []*pb.KeyProject
	for _, y := range []*yard{slow, fast} {
		p := y.begun(community, "2013-01", manual(24, "2013-06-30"))
		y.deliver(p.GetId(), "p2", "")
		projects = append(projects, p)
	}
	for d := day("2013-04-02"); !d.After(day("2013-08-20")); d = d.AddDate(0, 0, 1) {
		slow.on(d.Format("2006-01-02"))
	}
	fast.on("2013-08-20")
	for _, name := range []string{"promise.overdue", "indicator.reminded", "indicator.fell_behind", "indicator.overdue", "indicator.supervised"} {
		if a, b := slow.told(name), fast.told(name); a != b {
			t.Errorf("%s told %d times day by day, %d at once", name, a, b)
		}
	}
	a, b := slow.project(projects[0].GetId()), fast.project(projects[1].GetId())
	if a.GetStandstill().String() != b.GetStandstill().String() || a.GetLetters() != b.GetLetters() {
		t.Errorf("day by day %v, at once %v", a, b)
	}
}

func requestEvent(id string, revision uint64, name string, r *requestsv1.RequestChanged) store.Event {
	r.Id, r.Revision = id, revision
	return store.Event{Name: "request." + name, EntityID: id, Revision: revision, Data: r}
}

// What the other services announce is counted by place and day: problems that
// were resolved, suggestions, residents, floating members, heart homes,
// attendance.
func TestQueries_CountWhatOthersAnnounce(t *testing.T) {
	y := newYard(t)
	here, street := y.paths[community], y.paths[community].Parent()
	problem, suggestion := requestsv1.RequestKind_REQUEST_KIND_PROBLEM, requestsv1.RequestKind_REQUEST_KIND_SUGGESTION
	at := func(kind requestsv1.RequestKind, day string, first bool, was requestsv1.RequestState) *requestsv1.RequestChanged {
		return &requestsv1.RequestChanged{CommunityPath: string(here), Kind: kind, Day: day, ParticipantIsNewInYear: first, PreviousState: was}
	}
	y.Announce("requests",
		requestEvent("r1", 1, "posted", at(problem, "2013-01-31", true, 0)),
		requestEvent("r1", 2, "resolved", at(problem, "2013-02-01", false, 0)),
		requestEvent("r2", 1, "posted", at(suggestion, "2013-02-03", true, 0)),
		requestEvent("r2", 2, "resolved", at(suggestion, "2013-02-04", false, 0)),
		requestEvent("r3", 1, "posted", at(problem, "2013-02-05", false, 0)),
		requestEvent("r3", 2, "resolved", at(problem, "2013-02-06", false, 0)),
		requestEvent("r3", 3, "reopened", at(problem, "2013-03-01", false, requestsv1.RequestState_REQUEST_STATE_RESOLVED)),
		requestEvent("r4", 1, "reopened", at(problem, "2013-03-01", false, requestsv1.RequestState_REQUEST_STATE_UNSOLVED)),
		store.Event{Name: "request.joined", EntityID: "r1", Revision: 3, Data: &requestsv1.RequestJoined{Id: "r1", CommunityPath: string(here), ParticipantIsNewInYear: true}},
	)
	floating, retired := registryv1.MemberKind_MEMBER_KIND_FLOATING, registryv1.MemberKind_MEMBER_KIND_RETIRED
	y.Announce("registry",
		store.Event{Name: "member.imported", EntityID: "i1", Revision: 1, Data: &registryv1.MembersImported{ImportId: "i1", Members: []*registryv1.MemberState{
			{Id: "m1", Kind: floating, CommunityPath: string(here)}, {Id: "m2", Kind: floating, CommunityPath: string(here)}, {Id: "m3", Kind: retired, CommunityPath: string(here)},
		}}},
		store.Event{Name: "member.imported", EntityID: "i2", Revision: 1, Data: &registryv1.MembersImported{ImportId: "i2", Members: []*registryv1.MemberState{
			{Id: "m2", Kind: floating, CommunityPath: string(y.paths[otherPlace]), PreviousKind: floating, PreviousCommunityPath: string(here)},
		}}},
		store.Event{Name: "organization.registered", EntityID: "H9", Revision: 1, Data: &registryv1.OrganizationChanged{Id: "H9", Revision: 1,
			Kind: registryv1.OrganizationKind_ORGANIZATION_KIND_HEART_HOME, Path: string(street) + "H9/"}},
		store.Event{Name: "organization.changed", EntityID: "H9", Revision: 2, Data: &registryv1.OrganizationChanged{Id: "H9", Revision: 2,
			Kind: registryv1.OrganizationKind_ORGANIZATION_KIND_HEART_HOME, Path: string(street) + "H9/"}},
	)
	confirmed, activity := evaluationv1.EntryState_ENTRY_STATE_CONFIRMED, evaluationv1.EntrySource_ENTRY_SOURCE_ACTIVITY
	entry := func(id string, revision uint64, name string, source evaluationv1.EntrySource, to, was evaluationv1.EntryState) store.Event {
		return store.Event{Name: "entry." + name, EntityID: id, Revision: revision, Data: &evaluationv1.EntryChanged{Id: id, CommunityPath: string(here),
			State: to, PreviousState: was, Day: "2013-02-10", Times: 1, Source: source}}
	}
	y.Announce("evaluation",
		entry("e1", 2, "confirmed", activity, confirmed, 1), entry("e2", 2, "confirmed", activity, confirmed, 1), entry("e4", 2, "confirmed", activity, confirmed, 1),
		entry("e2", 3, "put_on_hold", activity, 5, confirmed), entry("e3", 2, "confirmed", evaluationv1.EntrySource_ENTRY_SOURCE_REQUEST, confirmed, 1),
		store.Event{Name: "entry.reversed", EntityID: "e5", Revision: 1, Data: &evaluationv1.EntryReversed{Id: "e5", Reverses: "e4", CommunityPath: string(here),
			Day: "2013-02-10", Times: -1, ReversedSource: activity}})
	y.Drain()
	for _, c := range []struct {
		query string
		at    scope.Path
		until string
		want  int64
	}{
		{"requests.resolved", here, "2013-01-31", 0}, {"requests.resolved", here, "2013-02-01", 1}, {"requests.resolved", here, "2013-02-28", 2},
		{"requests.resolved", here, "2013-03-01", 1}, {"requests.resolved", here, "2013-12-31", 1}, {"requests.resolved", street, "2013-12-31", 1},
		{"requests.resolved", y.paths[otherPlace], "2013-12-31", 0}, {"requests.suggestions", here, "2013-12-31", 1},
		{"requests.residents", here, "2013-12-31", 3}, {"requests.residents", here, "2013-01-31", 2},
		{"registry.floating", here, "2014-05-01", 1}, {"registry.floating", y.paths[otherPlace], "2014-05-01", 1}, {"registry.floating", district, "2014-05-01", 2},
		{"registry.heart_homes", street, "2013-12-31", 1}, {"registry.heart_homes", here, "2013-12-31", 0}, {"ledger.attendance", here, "2013-12-31", 1},
	} {
		got, err := projects.Figure(t.Context(), y.svc, c.query, c.at, 2013, c.until)
		if err != nil || got != c.want {
			t.Errorf("%s at %s until %s: %d, want %d (%v)", c.query, c.at, c.until, got, c.want, err)
		}
	}
	if strings.Contains(string(y.Events("projects")), "r1") {
		t.Error("an event of a count")
	}
}

// An application names a stored query that there is, and a direction that fits.
func TestDraftApplication_IndicatorsCanBeMeasured(t *testing.T) {
	y := newYard(t)
	draft := func(change func(*pb.Indicator)) error {
		req := application(y.call.GetId(), community, "2013-08")
		change(req.Indicators[0])
		_, err := y.DraftApplication(y.applicant(community), req)
		return err
	}
	refused(t, "no such query", draft(func(n *pb.Indicator) { n.Source = "requests.solved" }), codes.InvalidArgument, "UNKNOWN_QUERY", "indicators[0].source")
	refused(t, "up to less", draft(func(n *pb.Indicator) { n.Direction, n.Baseline = pb.Direction_DIRECTION_UP, 800 }),
		codes.InvalidArgument, "DIRECTION_CONTRADICTED", "indicators[0].direction")
	if err := draft(func(n *pb.Indicator) { n.Direction, n.Baseline, n.Target = pb.Direction_DIRECTION_DOWN, 60, 20 }); err != nil {
		t.Error(err)
	}
}

// An indicator that linli counts has its value without anybody recording it.
func TestIndicators_AreFedByTheServiceCircle(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01")
	y.Announce("requests", requestEvent("r1", 2, "resolved", &requestsv1.RequestChanged{CommunityPath: string(y.paths[community]),
		Kind: requestsv1.RequestKind_REQUEST_KIND_PROBLEM, Day: "2013-04-03"}))
	y.on("2013-05-01")
	got := y.stands(p)[0]
	if got.GetValue() != 1 || got.GetAsOf() != "2013-05-01" || got.GetLight() != pb.Light_LIGHT_YELLOW || got.GetTarget() != 700 {
		t.Errorf("stands %v", got)
	}
	readings := must[*pb.ListReadingsResponse](y.house)(y.indicators().ListReadings(y.officer(), &pb.ListReadingsRequest{ProjectId: p.GetId()})).GetReadings()
	if len(readings) != 1 || readings[0].GetAsOf() != "2013-04-30" || readings[0].GetQuery() != "requests.resolved" || readings[0].GetValue() != 1 {
		t.Errorf("kept %v", readings)
	}
	_, err := y.indicators().RecordReading(y.applicant(community), &pb.RecordReadingRequest{ProjectId: p.GetId(), Value: proto.Float64(700), AsOf: "2013-05-01", Proof: "台账"})
	refused(t, "by hand", err, codes.FailedPrecondition, "NOT_MANUAL", "indicator")
	queries := must[*pb.ListQueriesResponse](y.house)(y.indicators().ListQueries(y.applicant(community), &pb.ListQueriesRequest{})).GetQueries()
	if len(queries) != 6 || !queries[0].GetYearly() || strings.HasPrefix(queries[0].GetCounts(), "query.") {
		t.Errorf("queries %v", queries)
	}
}

func TestReadings_NeedAProofAndTheDistrict(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01", manual(24, "2013-12-31"))
	mine := y.applicant(community)
	record := func(asOf, proof string) (*pb.RecordReadingResponse, error) {
		return y.indicators().RecordReading(mine, &pb.RecordReadingRequest{ProjectId: p.GetId(), Value: proto.Float64(6), AsOf: asOf, Proof: proof})
	}
	y.on("2013-05-01")
	for name, value := range map[string]*float64{"no value": nil, "below 0": proto.Float64(-30)} {
		_, err := y.indicators().RecordReading(mine, &pb.RecordReadingRequest{ProjectId: p.GetId(), Value: value, AsOf: "2013-04-30", Proof: "台账"})
		refused(t, name, err, codes.InvalidArgument, "INVALID_FIELD", "value")
	}
	_, err := record("2013-05-02", "照片册")
	refused(t, "tomorrow", err, codes.InvalidArgument, "INVALID_FIELD", "as_of")
	_, err = record("2013-03-31", "照片册")
	refused(t, "before it began", err, codes.InvalidArgument, "INVALID_FIELD", "as_of")
	_, err = record("2013-05-01", "")
	refused(t, "without a proof", err, codes.InvalidArgument, "INVALID_FIELD", "proof")
	v := must[*pb.RecordReadingResponse](y.house)(record("2013-05-01", "签到表")).GetReading()
	if got := y.stands(p)[0]; got.GetValue() != 0 {
		t.Errorf("counts before it is confirmed: %v", got)
	}
	_, err = y.indicators().ConfirmReading(mine, &pb.ConfirmReadingRequest{ProjectId: p.GetId(), Id: v.GetId()})
	refused(t, "by the applicant", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", "")
	must[*pb.TurnDownReadingResponse](y.house)(y.indicators().TurnDownReading(y.officer(), &pb.TurnDownReadingRequest{ProjectId: p.GetId(), Id: v.GetId()}))
	_, err = y.indicators().ConfirmReading(y.officer(), &pb.ConfirmReadingRequest{ProjectId: p.GetId(), Id: v.GetId()})
	wrongState(t, "after it was turned down", err)
	y.read(p, 0, 6, "2013-05-01")
	if got := y.stands(p)[0]; got.GetValue() != 6 || got.GetAsOf() != "2013-05-01" {
		t.Errorf("confirmed: %v", got)
	}
}

// A target changes by a dated approval only; the old one stays to be seen.
func TestTargetChange_ByADatedApprovalOldValueStays(t *testing.T) {
	y := newYard(t)
	p := y.begun(community, "2013-01", manual(24, "2013-12-31"), manual(10, "2013-12-31"))
	mine := y.applicant(community)
	ask := func(target float64) (*pb.AskTargetChangeResponse, error) {
		return y.indicators().AskTargetChange(mine, &pb.AskTargetChangeRequest{ProjectId: p.GetId(), Target: target, Reason: "场地改造停用两个月"})
	}
	y.on("2013-06-01")
	_, err := ask(24)
	refused(t, "the same", err, codes.FailedPrecondition, "TARGET_UNCHANGED", "target")
	_, err = ask(-1)
	refused(t, "on the other side", err, codes.InvalidArgument, "INVALID_FIELD", "target")
	first := must[*pb.AskTargetChangeResponse](y.house)(ask(18)).GetTargetChange()
	_, err = ask(20)
	refused(t, "another while one waits", err, codes.FailedPrecondition, "CHANGE_PENDING", "indicator")
	decide := func(id string, approve bool, on string) (*pb.DecideTargetChangeResponse, error) {
		return y.indicators().DecideTargetChange(y.officer(), &pb.DecideTargetChangeRequest{ProjectId: p.GetId(), Id: id, Approve: approve, Document: "天组复〔2013〕3号", DecidedOn: on})
	}
	_, err = decide(first.GetId(), true, "2013-06-02")
	refused(t, "tomorrow", err, codes.InvalidArgument, "INVALID_FIELD", "decided_on")
	if got := must[*pb.DecideTargetChangeResponse](y.house)(decide(first.GetId(), false, "")).GetTargetChange(); got.GetState() != pb.TargetChangeState_TARGET_CHANGE_STATE_REFUSED {
		t.Errorf("refused %v", got)
	}
	if got := y.stands(p)[0]; got.GetTarget() != 24 || len(got.GetFormerTargets()) != 0 {
		t.Errorf("after the refusal %v", got)
	}
	second := must[*pb.AskTargetChangeResponse](y.house)(ask(18)).GetTargetChange()
	must[*pb.DecideTargetChangeResponse](y.house)(decide(second.GetId(), true, "2013-06-01"))
	_, err = decide(second.GetId(), true, "")
	wrongState(t, "twice", err)
	got := y.stands(p)[0]
	if got.GetTarget() != 18 || len(got.GetFormerTargets()) != 1 || got.GetFormerTargets()[0].GetTarget() != 24 || got.GetFormerTargets()[0].GetUntil() != "2013-06-01" {
		t.Errorf("approved %v", got)
	}
	if all := must[*pb.ListTargetChangesResponse](y.house)(y.indicators().ListTargetChanges(mine, &pb.ListTargetChangesRequest{ProjectId: p.GetId()})).GetTargetChanges(); len(all) != 2 || all[0].GetOldTarget() != 24 {
		t.Errorf("listed %v", all)
	}
	if y.told("indicator.target_changed") != 1 {
		t.Error("told")
	}
}

func resolvedAt(path, day string) *requestsv1.RequestChanged {
	return &requestsv1.RequestChanged{CommunityPath: path, Kind: requestsv1.RequestKind_REQUEST_KIND_PROBLEM, Day: day}
}
