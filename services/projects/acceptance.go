package projects

import (
	"context"
	"math/big"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/acceptance"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
	"github.com/linli-project/linli/services/projects/internal/review"
)

// acceptances answers linli.projects.v1.AcceptanceService.
type acceptances struct {
	pb.UnsafeAcceptanceServiceServer
	*Service
}

var _ pb.AcceptanceServiceServer = acceptances{}

// OpenAcceptance names the panel for a look at a project. The ladder is brought
// up to today first, and what stored queries say now is kept.
func (s acceptances) OpenAcceptance(ctx context.Context, req *pb.OpenAcceptanceRequest) (*pb.OpenAcceptanceResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	if err := s.upToDate(ctx, sight(c), req.GetProjectId()); err != nil {
		return nil, err
	}
	readings, err := s.readNow(ctx, req.GetProjectId(), dayNumber(today))
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.OpenAcceptanceResponse, error) {
		row, err := s.keyProject(tx, sight(c), req.GetProjectId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		p := row.Value.GetKeyProject()
		if err := s.checkPanel(tx, req.GetPanel(), p); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.KeyProject.Looks++
		moved, err := s.moveProject(tx, row, next, keyproject.Opening(keyproject.State(p.GetState())), today)
		if err != nil {
			return nil, err
		}
		for _, reading := range readings {
			if _, err := s.delivery.readings.Insert(tx, reading); err != nil {
				return nil, err
			}
		}
		sheet, err := s.sheetOn(tx, moved.Value, today)
		if err != nil {
			return nil, err
		}
		look, err := s.delivery.acceptances.Insert(tx, &pb.AcceptanceRow{
			Acceptance: &pb.Acceptance{
				ProjectId: p.GetId(), Look: moved.Value.GetKeyProject().GetLooks(), State: pb.AcceptanceState(acceptance.Scoring),
				Most: sheet, Panel: req.GetPanel(), OpenedOn: today,
			},
			ApplicantPath: row.Value.GetApplicantPath(), DistrictPath: row.Value.GetDistrictPath(),
		})
		if err != nil {
			return nil, err
		}
		return &pb.OpenAcceptanceResponse{Acceptance: acceptanceProto(look)}, tx.Emit(acceptanceOpened(look))
	})
}

// readNow answers a reading of each indicator that a stored query counts.
func (s *Service) readNow(ctx context.Context, projectID string, today int) (readings []*pb.ReadingRow, err error) {
	err = s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.keyProject(r, scope.All(), projectID, "")
		if err != nil {
			return err
		}
		ran := clockOf(row.Value, today)
		for _, t := range row.Value.GetIndicators() {
			m, err := s.measure(r, row.Value, t.GetIndicator(), ran, today, today)
			if err != nil {
				return err
			}
			if m.query {
				readings = append(readings, s.takenReading(row.Value, t.GetIndicator(), m, today))
			}
		}
		return nil
	})
	return readings, err
}

// checkPanel answers CONFLICT_OF_INTEREST for a member in conflict, and
// INVALID_FIELD for one who is named twice.
func (s acceptances) checkPanel(r kv.Reader, panel []*pb.Reviewer, p *pb.KeyProject) error {
	seen := map[string]bool{}
	for i, m := range panel {
		if seen[m.GetPerson()] {
			field := "panel[" + strconv.Itoa(i) + "].person"
			return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", "each person once")
		}
		seen[m.GetPerson()] = true
		if err := s.checkMember(r, m, p); err != nil {
			return err
		}
	}
	return nil
}

// checkMember answers CONFLICT_OF_INTEREST for a member of a panel on one line
// of the tree with the applicant, or with a co-applicant.
func (s acceptances) checkMember(r kv.Reader, member *pb.Reviewer, p *pb.KeyProject) error {
	for _, applicant := range append([]string{p.GetApplicantId()}, p.GetCoApplicantIds()...) {
		if err := s.checkConflict(r, member.GetOrganizationId(), applicant); err != nil {
			return err
		}
	}
	return nil
}

// sheetOn answers the highest points of the policy, in halves like all points.
func (s acceptances) sheetOn(r kv.Reader, row *pb.KeyProjectRow, today string) (*pb.AcceptancePoints, error) {
	p, err := s.policyOn(r, row, dayNumber(today))
	if err != nil {
		return nil, err
	}
	most := func(name string) int32 { return int32(2 * p.Int("projects.acceptance."+name)) }
	return &pb.AcceptancePoints{Effect: most("effect"), Innovation: most("innovation"), Ease: most("ease")}, nil
}

// scoring answers the look at a project that takes scores now, if the scope
// sees it.
func (s acceptances) scoring(r kv.Reader, sees scope.Scope, projectID, command string) (project table.Row[*pb.KeyProjectRow], row table.Row[*pb.AcceptanceRow], err error) {
	if project, err = s.keyProject(r, scope.All(), projectID, ""); err != nil {
		return project, row, err
	}
	row, ok, err := s.delivery.acceptances.Get(r, sees, lookKey(projectID, project.Value.GetKeyProject().GetLooks()))
	if err == nil && !ok { // who does not see the project is not told that it is there
		if _, err = s.keyProject(r, sees, projectID, ""); err == nil {
			err = rule.Absent("acceptance", projectID)
		}
	}
	if err != nil {
		return project, row, err
	}
	return project, row, acceptance.CheckScoring(acceptance.State(row.Value.GetAcceptance().GetState()), command)
}

// keepLook writes a changed look.
func (s acceptances) keepLook(tx *store.Tx, row table.Row[*pb.AcceptanceRow], next *pb.AcceptanceRow) (table.Row[*pb.AcceptanceRow], error) {
	tx.Audit(store.Record{Rows: []string{row.Value.GetAcceptance().GetProjectId()}})
	return s.delivery.acceptances.Replace(tx, row, next)
}

// ScoreSelf hands in the applicant's own points.
func (s acceptances) ScoreSelf(ctx context.Context, req *pb.ScoreSelfRequest) (*pb.ScoreSelfResponse, error) {
	c := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ScoreSelfResponse, error) {
		_, row, err := s.scoring(tx, sight(c), req.GetProjectId(), "score")
		if err != nil {
			return nil, err
		}
		sheet, points := mostOf(row.Value.GetAcceptance().GetMost()), halvesOf(req.GetPoints())
		if err := sheet.Check(points); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Acceptance.Self, next.Acceptance.SelfHundredths = req.GetPoints(), review.Hundredths(sheet.Score(points))
		if row, err = s.keepLook(tx, row, next); err != nil {
			return nil, err
		}
		return &pb.ScoreSelfResponse{Acceptance: acceptanceFor(c, row)}, nil
	})
}

// ScorePanel hands in the caller's points.
func (s acceptances) ScorePanel(ctx context.Context, req *pb.ScorePanelRequest) (*pb.ScorePanelResponse, error) {
	c := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ScorePanelResponse, error) {
		project, row, err := s.scoring(tx, sight(c), req.GetProjectId(), "score")
		if err != nil {
			return nil, err
		}
		a := row.Value.GetAcceptance()
		i := slices.IndexFunc(a.GetPanel(), func(m *pb.Reviewer) bool { return m.GetPerson() == c.Person })
		if i < 0 {
			return nil, rule.Absent("acceptance", req.GetProjectId())
		}
		if err := s.checkMember(tx, a.GetPanel()[i], project.Value.GetKeyProject()); err != nil {
			return nil, err
		}
		if _, scored := scoreOf(a, c.Person); scored {
			return nil, rule.New(rule.Exists, "ALREADY_EXISTS", "", "entity", "score")
		}
		if err := mostOf(a.GetMost()).Check(halvesOf(req.GetPoints())); err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.Acceptance.Scores = append(next.Acceptance.Scores, &pb.PanelScore{Person: c.Person, Points: req.GetPoints()})
		if row, err = s.keepLook(tx, row, next); err != nil {
			return nil, err
		}
		return &pb.ScorePanelResponse{Acceptance: acceptanceFor(c, row)}, nil
	})
}

func scoreOf(a *pb.Acceptance, person string) (*pb.PanelScore, bool) {
	for _, v := range a.GetScores() {
		if v.GetPerson() == person {
			return v, true
		}
	}
	return nil, false
}

// acceptanceFor answers a look as somebody may see it. Who is on the panel sees
// others' points after the own, an officer on it too; the applicant sees the
// mean once it is decided, and nobody's points.
func acceptanceFor(c access.Call, row table.Row[*pb.AcceptanceRow]) *pb.Acceptance {
	out := acceptanceProto(row)
	onPanel := slices.ContainsFunc(out.GetPanel(), func(m *pb.Reviewer) bool { return m.GetPerson() == c.Person })
	_, scored := scoreOf(out, c.Person)
	district := scope.Path(row.Value.GetDistrictPath())
	officer := c.ScopeOf(typev1.Role_ROLE_DISTRICT_OFFICER, typev1.Role_ROLE_CITY_OFFICER).Covers(district)
	open := acceptance.State(out.GetState()) == acceptance.Scoring
	switch {
	case onPanel && !scored && open:
		out.Scores = nil
	case !officer && !onPanel:
		out.Scores, out.Panel = nil, nil
	}
	return out
}

// DecideAcceptance says what was found.
func (s acceptances) DecideAcceptance(ctx context.Context, req *pb.DecideAcceptanceRequest) (*pb.DecideAcceptanceResponse, error) {
	c, now := access.From(ctx), s.store.Civil().Now()
	today := clock.Day(now)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.DecideAcceptanceResponse, error) {
		project, row, err := s.scoring(tx, sight(c), req.GetProjectId(), "decide")
		if err != nil {
			return nil, err
		}
		if err := row.Match(req.GetEtag()); err != nil {
			return nil, err
		}
		p, err := s.policyOn(tx, project.Value, dayNumber(today))
		if err != nil {
			return nil, err
		}
		next, score, err := found(row.Value, project.Value, req, p, today)
		if err != nil {
			return nil, err
		}
		command := findingCommand(req.GetFinding())
		changed := proto.CloneOf(project.Value)
		if command == acceptance.Accept {
			changed.KeyProject.ScoreHundredths = next.GetAcceptance().GetPanelHundredths()
		}
		if _, err := s.moveProject(tx, project, changed, command, today); err != nil {
			return nil, err
		}
		if err := s.follow(tx, changed.GetKeyProject(), command, score, clock.Day(now.AddDate(0, p.Int("projects.barred_months"), 0))); err != nil {
			return nil, err
		}
		if row, err = s.keepLook(tx, row, next); err != nil {
			return nil, err
		}
		return &pb.DecideAcceptanceResponse{Acceptance: acceptanceProto(row)}, nil
	})
}

// findingCommand is the step that a finding takes; the acceptance's and the
// project's have one name.
func findingCommand(f pb.AcceptanceState) string {
	switch acceptance.State(f) {
	case acceptance.Accepted:
		return acceptance.Accept
	case acceptance.ToBeRemedied:
		return acceptance.AskRemedy
	default:
		return acceptance.Fail
	}
}

// found answers the decided look and its exact score.
func found(row *pb.AcceptanceRow, project *pb.KeyProjectRow, req *pb.DecideAcceptanceRequest, p policy.Policy, today string) (*pb.AcceptanceRow, *big.Rat, error) {
	a := row.GetAcceptance()
	if err := acceptance.CheckComplete(a.GetSelf() != nil, len(a.GetPanel()), len(a.GetScores())); err != nil {
		return nil, nil, err
	}
	members := make([]acceptance.Points, len(a.GetScores()))
	for i, v := range a.GetScores() {
		members[i] = halvesOf(v.GetPoints())
	}
	off := p.Rat("projects.supervision_points")
	off.Mul(off, big.NewRat(int64(project.GetKeyProject().GetLetters()), 1))
	score, _ := mostOf(a.GetMost()).Panel(members, off)
	command := findingCommand(req.GetFinding())
	err := acceptance.CheckVerdict(command, int(a.GetLook()), score, p.Rat("projects.acceptance.pass"),
		req.GetItems(), dayNumber(req.GetRemedyUntil()), dayNumber(today))
	if err != nil {
		return nil, nil, err
	}
	state, err := acceptance.Machine().Next(acceptance.State(a.GetState()), command)
	next := proto.CloneOf(row)
	out := next.GetAcceptance()
	out.State, out.DecidedOn, out.Document = pb.AcceptanceState(state), today, req.GetDocument()
	out.PanelHundredths, out.OffHundredths = review.Hundredths(score), review.Hundredths(off)
	if command == acceptance.AskRemedy {
		out.Items, out.RemedyUntil = req.GetItems(), req.GetRemedyUntil()
	}
	return next, score, err
}

// follow writes what a finding has for consequence: the score goes into the
// guard over the call's projects, a second failure keeps the applicant out.
func (s acceptances) follow(tx *store.Tx, p *pb.KeyProject, command string, score *big.Rat, until string) error {
	switch command {
	case acceptance.Accept:
		return s.changeDelivery(tx, p.GetCallId(), func(d *pb.DeliveryRow) { deliveredIn(d, p.GetId()).Score = score.RatString() })
	case acceptance.Fail:
		bars := &pb.BarredRow{ApplicantId: p.GetApplicantId(), Until: until, ProjectId: p.GetId()}
		row, ok, err := s.delivery.barred.Get(tx, scope.All(), idKey(p.GetApplicantId()))
		if err != nil {
			return err
		}
		if !ok {
			_, err = s.delivery.barred.Insert(tx, bars)
		} else if row.Value.GetUntil() < until {
			_, err = s.delivery.barred.Replace(tx, row, bars)
		}
		return err
	}
	return nil
}

// checkBarred answers APPLICANT_BARRED for an organization whose project failed
// twice, until its year is over.
func (s *Service) checkBarred(r kv.Reader, applicant, today string) error {
	row, ok, err := s.delivery.barred.Get(r, scope.All(), idKey(applicant))
	if err != nil || !ok {
		return err
	}
	return acceptance.CheckBarred(dayNumber(row.Value.GetUntil()), dayNumber(today), row.Value.GetUntil())
}

// GetAcceptance answers one look.
func (s acceptances) GetAcceptance(ctx context.Context, req *pb.GetAcceptanceRequest) (*pb.GetAcceptanceResponse, error) {
	c := access.From(ctx)
	var out pb.GetAcceptanceResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := s.delivery.acceptances.Get(r, sight(c), lookKey(req.GetProjectId(), req.GetLook()))
		if err == nil && !ok {
			err = rule.Absent("acceptance", req.GetProjectId())
		}
		if err == nil {
			out.Acceptance = acceptanceFor(c, row)
		}
		return err
	})
	return &out, err
}
