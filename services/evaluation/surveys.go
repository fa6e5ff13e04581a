package evaluation

import (
	"context"
	"crypto/rand"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/evaluation/internal/survey"
)

// surveys answers linli.evaluation.v1.SurveyService.
type surveys struct {
	pb.UnsafeSurveyServiceServer
	*Service
}

var _ pb.SurveyServiceServer = surveys{}

// PrepareSurvey makes the survey of a community and year.
func (s surveys) PrepareSurvey(ctx context.Context, req *pb.PrepareSurveyRequest) (*pb.PrepareSurveyResponse, error) {
	call, id, now := access.From(ctx), s.ids("srv"), s.store.Civil().Now()
	members, labels := make([]string, len(req.GetLines())), make([][]byte, len(req.GetLines()))
	for i, l := range req.GetLines() {
		members[i], labels[i] = l.GetMemberId(), s.store.Keyring().Seal([]byte(l.GetLabel()), "survey", id, l.GetMemberId())
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.PrepareSurveyResponse, error) {
		community, err := s.communityOf(tx, req.GetCommunityId())
		if err != nil {
			return nil, err
		}
		if err := survey.CheckMembers(members); err != nil {
			return nil, err
		}
		if err := survey.MayRun(call.Person, members); err != nil {
			return nil, err
		}
		if err := s.maySurvey(tx, community.Path, members, req); err != nil {
			return nil, err
		}
		row, err := s.surveyTables.surveys.Insert(tx, &pb.SurveyRow{
			Survey: &pb.Survey{
				Id: id, CommunityId: req.GetCommunityId(), Year: req.GetYear(), State: pb.SurveyState(survey.Prepared),
				MemberIds: members, Households: req.GetHouseholds(), PreparedAt: timestamppb.New(now),
			},
			CommunityPath: string(community.Path), Labels: labels,
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.PrepareSurveyResponse{Survey: surveyProto(row, nil)}, tx.Emit(surveyEvent(survey.Prepare, row, 0, now))
	})
}

// communityOf answers a community; any other organization is unknown here.
func (s *Service) communityOf(r kv.Reader, id string) (copies.Organization, error) {
	o, err := s.organization(r, id, "community_id")
	if err == nil && o.Kind != registryv1.OrganizationKind_ORGANIZATION_KIND_COMMUNITY {
		err = rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "community_id", "id", id)
	}
	return o, err
}

// maySurvey refuses a second survey of a community and year, too many
// households, and members who have not reported in there.
func (s surveys) maySurvey(tx *store.Tx, at scope.Path, members []string, req *pb.PrepareSurveyRequest) error {
	_, exists, err := s.surveyTables.surveys.By(tx, scope.All(), byYear, placeYearKey(string(at), req.GetYear()))
	if err == nil && exists {
		err = rule.New(rule.Exists, "SURVEY_EXISTS", "year")
	}
	if err != nil {
		return err
	}
	says, err := s.policies.For(tx, at, int(req.GetYear()))
	if err != nil {
		return err
	}
	if err := survey.CheckHouseholds("households", req.GetHouseholds(), int32(says.Int("evaluation.survey_most_households"))); err != nil {
		return err
	}
	for _, id := range members {
		m, ok, err := s.members.Get(tx, id)
		if err != nil {
			return err
		}
		if !ok || m.ReportedPath != at {
			return rule.New(rule.Precondition, "NOT_OF_THIS_COMMUNITY", "lines", "id", id)
		}
	}
	return nil
}

// IssueSurveyCodes makes codes. It does not remember its reply, as that would
// keep the codes.
func (s surveys) IssueSurveyCodes(ctx context.Context, req *pb.IssueSurveyCodesRequest) (*pb.IssueSurveyCodesResponse, error) {
	now, codes := s.store.Civil().Now(), make([]string, req.GetCodes())
	for i := range codes {
		var random [survey.CodeBytes]byte
		_, _ = rand.Read(random[:]) // never fails
		codes[i] = survey.Code(random)
	}
	var reply *pb.IssueSurveyCodesResponse
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		row, err := s.surveyToRun(ctx, tx, req.GetId(), req.GetEtag())
		if err != nil {
			return err
		}
		row, err = s.moveSurvey(tx, row, survey.IssueCode, func(r *pb.SurveyRow) error {
			if req.GetAnew() {
				r.Issue, r.Survey.CodesIssued = r.GetIssue()+1, 0
			}
			r.Survey.CodesIssued += req.GetCodes()
			return survey.CheckHouseholds("codes", r.GetSurvey().GetCodesIssued(), r.GetSurvey().GetHouseholds())
		})
		if err != nil {
			return err
		}
		for _, c := range codes {
			_, err := s.surveyTables.codes.Insert(tx, &pb.SurveyCodeRow{
				SurveyId: req.GetId(), Hash: s.surveyCodeHash(req.GetId(), c), Issue: row.Value.GetIssue(),
			})
			if err != nil {
				return err
			}
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		reply = &pb.IssueSurveyCodesResponse{Survey: surveyProto(row, nil), Codes: codes}
		return tx.Emit(surveyEvent(survey.IssueCode, row, 0, now))
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// OpenSurvey begins to take answers.
func (s surveys) OpenSurvey(ctx context.Context, req *pb.OpenSurveyRequest) (*pb.OpenSurveyResponse, error) {
	now := s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.OpenSurveyResponse, error) {
		row, err := s.surveyToRun(ctx, tx, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.moveSurvey(tx, row, survey.Begin, func(r *pb.SurveyRow) error {
			r.Survey.OpenedAt = timestamppb.New(now)
			return nil
		})
		if err != nil {
			return nil, err
		}
		sums := sumsRow(req.GetId(), survey.Sums{Members: make([]survey.Tally, len(row.Value.GetSurvey().GetMemberIds()))})
		if _, err := s.surveyTables.sums.Insert(tx, sums); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.OpenSurveyResponse{Survey: surveyProto(row, sums)}, tx.Emit(surveyEvent(survey.Begin, row, 0, now))
	})
}

// CountSurvey ends a survey. The sums stand already; what is left is to erase
// the answers.
func (s surveys) CountSurvey(ctx context.Context, req *pb.CountSurveyRequest) (*pb.CountSurveyResponse, error) {
	now := s.store.Civil().Now()
	reply, err := store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CountSurveyResponse, error) {
		row, err := s.surveyToRun(ctx, tx, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		row, err = s.endSurvey(ctx, tx, row, survey.Count, now, func(r *pb.SurveyRow) { r.Survey.HandedOut = req.GetHandedOut() })
		if err != nil {
			return nil, err
		}
		sums, err := s.surveySums(tx, req.GetId())
		if err != nil {
			return nil, err
		}
		answers := sums.Value.GetAnswers()
		if err := survey.CheckCount(row.Value.GetSurvey().GetCodesIssued(), req.GetHandedOut(), answers); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		return &pb.CountSurveyResponse{Survey: surveyProto(row, sums.Value)}, tx.Emit(surveyEvent(survey.Count, row, answers, now))
	})
	s.wakeErasing()
	return reply, err
}

// AnnulSurvey ends a survey without a result.
func (s surveys) AnnulSurvey(ctx context.Context, req *pb.AnnulSurveyRequest) (*pb.AnnulSurveyResponse, error) {
	now := s.store.Civil().Now()
	reply, err := store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnnulSurveyResponse, error) {
		row, err := s.surveyToRun(ctx, tx, req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		if row, err = s.endSurvey(ctx, tx, row, survey.Annul, now, func(*pb.SurveyRow) {}); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}, Reason: req.GetReason()})
		return &pb.AnnulSurveyResponse{Survey: surveyProto(row, nil)}, tx.Emit(surveyEvent(survey.Annul, row, 0, now))
	})
	s.wakeErasing()
	return reply, err
}

// endSurvey ends a survey one way or the other; its answers are to be erased.
func (s surveys) endSurvey(ctx context.Context, tx *store.Tx, row table.Row[*pb.SurveyRow], command string, now time.Time, change func(*pb.SurveyRow)) (table.Row[*pb.SurveyRow], error) {
	return s.moveSurvey(tx, row, command, func(r *pb.SurveyRow) error {
		r.Survey.EndedAt, r.Survey.EndedBy, r.Erasing = timestamppb.New(now), access.From(ctx).Person, true
		change(r)
		return nil
	})
}

// GetSurvey answers a survey with how many have answered.
func (s surveys) GetSurvey(ctx context.Context, req *pb.GetSurveyRequest) (*pb.GetSurveyResponse, error) {
	reply := &pb.GetSurveyResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.survey(r, access.From(ctx).Scope, req.GetId())
		if err != nil {
			return err
		}
		sums, _, err := s.surveyTables.sums.Get(r, scope.All(), surveyKey(req.GetId()))
		reply.Survey = surveyProto(row, sums.Value)
		return err
	})
	return reply, err
}

// ListSurveys answers the surveys of a community.
func (s surveys) ListSurveys(ctx context.Context, req *pb.ListSurveysRequest) (*pb.ListSurveysResponse, error) {
	call, reply := access.From(ctx), &pb.ListSurveysResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, err := s.organization(r, req.GetCommunityId(), "community_id")
		if err != nil {
			return err
		}
		page := table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetCommunityId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}
		rows, next, err := table.Page(s.pager, s.surveyTables.surveys, r, page,
			table.Query{Index: byKeeper, Prefix: key.Key(nil).String(string(community.Path))})
		for _, row := range rows {
			reply.Surveys = append(reply.Surveys, surveyProto(row, nil))
		}
		reply.NextPageToken = next
		return err
	})
	return reply, err
}

func (s *Service) survey(r kv.Reader, sc scope.Scope, id string) (table.Row[*pb.SurveyRow], error) {
	row, ok, err := s.surveyTables.surveys.Get(r, sc, surveyKey(id))
	if err == nil && !ok {
		err = rule.Absent("survey", id)
	}
	return row, err
}

// surveyToRun reads a survey for somebody who acts on it, which none of those
// asked about does.
func (s surveys) surveyToRun(ctx context.Context, r kv.Reader, id, etag string) (table.Row[*pb.SurveyRow], error) {
	call := access.From(ctx)
	row, err := s.survey(r, scope.Scope{Paths: call.Scope.Paths}, id)
	if err != nil {
		return row, err
	}
	if err := survey.MayRun(call.Person, row.Value.GetSurvey().GetMemberIds()); err != nil {
		return row, err
	}
	return row, row.Match(etag)
}

func (s surveys) moveSurvey(tx *store.Tx, row table.Row[*pb.SurveyRow], command string, change func(*pb.SurveyRow) error) (table.Row[*pb.SurveyRow], error) {
	state, err := s.surveyWay.Next(survey.State(row.Value.GetSurvey().GetState()), command)
	if err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.Survey.State = pb.SurveyState(state)
	if err := change(next); err != nil {
		return row, err
	}
	return s.surveyTables.surveys.Replace(tx, row, next)
}

func (s *Service) surveySums(r kv.Reader, id string) (table.Row[*pb.SurveySumRow], error) {
	row, ok, err := s.surveyTables.sums.Get(r, scope.All(), surveyKey(id))
	if err == nil && !ok {
		err = rule.Absent("survey sums", id)
	}
	return row, err
}

// surveyProto is a survey with how many have answered, once it is open.
func surveyProto(row table.Row[*pb.SurveyRow], sums *pb.SurveySumRow) *pb.Survey {
	out := proto.CloneOf(row.Value.GetSurvey())
	out.Etag, out.Answers = row.Etag(), sums.GetAnswers()
	return out
}
