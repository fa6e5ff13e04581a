package projects

import (
	"context"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/pkg/texts"
	"github.com/linli-project/linli/services/projects/internal/indicator"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
	"github.com/linli-project/linli/services/projects/internal/spending"
	"github.com/linli-project/linli/services/projects/internal/support"
)

// indicators answers linli.projects.v1.IndicatorService.
type indicators struct {
	pb.UnsafeIndicatorServiceServer
	*Service
}

var _ pb.IndicatorServiceServer = indicators{}

// ListQueries answers the stored queries.
func (s indicators) ListQueries(ctx context.Context, _ *pb.ListQueriesRequest) (*pb.ListQueriesResponse, error) {
	language := access.From(ctx).Language
	var out pb.ListQueriesResponse
	for _, q := range indicator.Queries() {
		out.Queries = append(out.Queries, &pb.IndicatorQuery{
			Name: q.Name, Yearly: q.Yearly,
			Unit: texts.Text(language, "query."+q.Name+".unit"), Counts: texts.Text(language, "query."+q.Name+".counts"),
		})
	}
	return &out, nil
}

// ListIndicators answers where each indicator of a project stands today.
func (s indicators) ListIndicators(ctx context.Context, req *pb.ListIndicatorsRequest) (*pb.ListIndicatorsResponse, error) {
	c, today := access.From(ctx), dayNumber(clock.Day(s.store.Civil().Now()))
	var out pb.ListIndicatorsResponse
	err := s.store.View(ctx, func(r kv.Reader) error {
		row, err := s.keyProject(r, sight(c), req.GetProjectId(), "")
		if err != nil {
			return err
		}
		p, err := s.policyOn(r, row.Value, today)
		if err != nil {
			return err
		}
		ran := clockOf(row.Value, today)
		for _, t := range row.Value.GetIndicators() {
			m, err := s.measure(r, row.Value, t.GetIndicator(), ran, today, today)
			if err != nil {
				return err
			}
			shows := proto.CloneOf(t.GetIndicator())
			shows.MovedDue, shows.AsOf = dayText(m.standing.Due), dayText(m.standing.AsOf)
			shows.Value, shows.Planned = shown(m.standing.Value), shown(m.plan.At(m.standing.RunToday))
			shows.Light, shows.Met = pb.Light(m.plan.Light(m.standing, numbersOf(p))), m.plan.Met(m.standing.Value)
			out.Indicators = append(out.Indicators, shows)
		}
		return nil
	})
	return &out, err
}

// trackedOf answers an indicator of a project.
func trackedOf(row *pb.KeyProjectRow, n int32) (*pb.TrackedRow, error) {
	if int(n) >= len(row.GetIndicators()) {
		return nil, rule.Absent("indicator", "")
	}
	return row.GetIndicators()[n], nil
}

// RecordReading records a value with its proof.
func (s indicators) RecordReading(ctx context.Context, req *pb.RecordReadingRequest) (*pb.RecordReadingResponse, error) {
	c, today, id := access.From(ctx), clock.Day(s.store.Civil().Now()), s.ids("rdg")
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RecordReadingResponse, error) {
		row, err := s.keyProject(tx, sight(c), req.GetProjectId(), "")
		if err != nil {
			return nil, err
		}
		t, err := trackedOf(row.Value, req.GetIndicator())
		if err != nil {
			return nil, err
		}
		if source := t.GetIndicator().GetSource(); source != indicator.Manual {
			return nil, rule.New(rule.Precondition, "NOT_MANUAL", "indicator", "query", source)
		}
		p := row.Value.GetKeyProject()
		if !keyproject.Shown(keyproject.ModelState(row.Value.GetModel())) {
			if err := keyproject.CheckOngoing(keyproject.State(p.GetState()), "record a reading"); err != nil {
				return nil, err
			}
		}
		if err := support.CheckDay("as_of", dayNumber(req.GetAsOf()), dayNumber(p.GetBeganOn()), dayNumber(today)); err != nil {
			return nil, err
		}
		reading, err := s.delivery.readings.Insert(tx, &pb.ReadingRow{
			Reading: &pb.Reading{
				Id: id, ProjectId: p.GetId(), Indicator: req.GetIndicator(), Value: req.GetValue(), AsOf: req.GetAsOf(),
				Proof: req.GetProof(), State: pb.ReadingState_READING_STATE_RECORDED, RecordedBy: c.Person,
			},
			ApplicantPath: row.Value.GetApplicantPath(), DistrictPath: row.Value.GetDistrictPath(),
		})
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id, p.GetId()}})
		return &pb.RecordReadingResponse{Reading: readingProto(reading)}, nil
	})
}

// ConfirmReading makes a recorded value count.
func (s indicators) ConfirmReading(ctx context.Context, req *pb.ConfirmReadingRequest) (*pb.ConfirmReadingResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.ConfirmReadingResponse, error) {
		row, err := s.judgeReading(tx, c, req.GetProjectId(), req.GetId(), req.GetEtag(), indicator.Confirm, today)
		if err != nil {
			return nil, err
		}
		return &pb.ConfirmReadingResponse{Reading: readingProto(row)}, nil
	})
}

// TurnDownReading refuses a recorded value.
func (s indicators) TurnDownReading(ctx context.Context, req *pb.TurnDownReadingRequest) (*pb.TurnDownReadingResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.TurnDownReadingResponse, error) {
		row, err := s.judgeReading(tx, c, req.GetProjectId(), req.GetId(), req.GetEtag(), indicator.TurnDown, today)
		if err != nil {
			return nil, err
		}
		return &pb.TurnDownReadingResponse{Reading: readingProto(row)}, nil
	})
}

func (s indicators) judgeReading(tx *store.Tx, c access.Call, projectID, id, etag, command, today string) (table.Row[*pb.ReadingRow], error) {
	row, ok, err := s.delivery.readings.By(tx, sight(c), byID, idKey(projectID).String(id))
	if err == nil && !ok {
		err = rule.Absent("reading", id)
	}
	if err != nil {
		return row, err
	}
	if err := row.Match(etag); err != nil {
		return row, err
	}
	was := row.Value.GetReading()
	state, err := indicator.ReadingMachine().Next(indicator.ReadingState(was.GetState()), command)
	if err != nil {
		return row, err
	}
	if err := spending.CheckOther(was.GetRecordedBy(), c.Person); err != nil {
		return row, err
	}
	next := proto.CloneOf(row.Value)
	next.Reading.State, next.Reading.ConfirmedBy, next.Reading.ConfirmedOn = pb.ReadingState(state), c.Person, today
	tx.Audit(store.Record{Rows: []string{id, projectID}})
	return s.delivery.readings.Replace(tx, row, next)
}

// ListReadings answers the readings of a project, by indicator and day.
func (s indicators) ListReadings(ctx context.Context, req *pb.ListReadingsRequest) (*pb.ListReadingsResponse, error) {
	c := access.From(ctx)
	var out pb.ListReadingsResponse
	rows, next, err := listOf(ctx, s.Service, c, s.delivery.readings, req.GetProjectId(), req.GetPageSize(), req.GetPageToken())
	for _, row := range rows {
		out.Readings = append(out.Readings, readingProto(row))
	}
	out.NextPageToken = next
	return &out, err
}

// letter answers a letter to a project that the scope sees and the etag names.
func (s indicators) letter(r kv.Reader, sees scope.Scope, projectID, id, etag string) (table.Row[*pb.SupervisionLetterRow], error) {
	row, ok, err := s.delivery.letters.Get(r, sees, idKey(projectID).String(id))
	if err == nil && !ok {
		err = rule.Absent("supervision letter", id)
	}
	if err != nil {
		return row, err
	}
	return row, row.Match(etag)
}

// moveLetter writes next, a changed clone of a row, one step further.
func (s indicators) moveLetter(tx *store.Tx, row table.Row[*pb.SupervisionLetterRow], next *pb.SupervisionLetterRow, command string) (table.Row[*pb.SupervisionLetterRow], error) {
	l := row.Value.GetSupervisionLetter()
	state, err := indicator.LetterMachine().Next(indicator.LetterState(l.GetState()), command)
	if err != nil {
		return row, err
	}
	next.SupervisionLetter.State = pb.SupervisionState(state)
	tx.Audit(store.Record{Rows: []string{l.GetId(), l.GetProjectId()}})
	return s.delivery.letters.Replace(tx, row, next)
}

// AnswerSupervision says what is done about a letter.
func (s indicators) AnswerSupervision(ctx context.Context, req *pb.AnswerSupervisionRequest) (*pb.AnswerSupervisionResponse, error) {
	c := access.From(ctx)
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AnswerSupervisionResponse, error) {
		row, err := s.letter(tx, sight(c), req.GetProjectId(), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.SupervisionLetter.Answer = req.GetAnswer()
		if row, err = s.moveLetter(tx, row, next, indicator.Answer); err != nil {
			return nil, err
		}
		return &pb.AnswerSupervisionResponse{SupervisionLetter: letterProto(row)}, nil
	})
}

// CloseSupervision ends a letter; with the last one tranches flow again.
func (s indicators) CloseSupervision(ctx context.Context, req *pb.CloseSupervisionRequest) (*pb.CloseSupervisionResponse, error) {
	c, today := access.From(ctx), clock.Day(s.store.Civil().Now())
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.CloseSupervisionResponse, error) {
		row, err := s.letter(tx, sight(c), req.GetProjectId(), req.GetId(), req.GetEtag())
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(row.Value)
		next.SupervisionLetter.ClosedOn, next.SupervisionLetter.Document = today, req.GetDocument()
		if row, err = s.moveLetter(tx, row, next, indicator.Close); err != nil {
			return nil, err
		}
		project, err := s.keyProject(tx, scope.All(), req.GetProjectId(), "")
		if err != nil {
			return nil, err
		}
		freed := proto.CloneOf(project.Value)
		if freed.KeyProject.OpenLetters--; freed.GetKeyProject().GetOpenLetters() == 0 {
			for _, span := range freed.GetWithheld() {
				if span.GetTo() == "" {
					span.To = today
				}
			}
		}
		if _, err := s.delivery.projects.Replace(tx, project, freed); err != nil {
			return nil, err
		}
		return &pb.CloseSupervisionResponse{SupervisionLetter: letterProto(row)}, nil
	})
}

// ListSupervisionLetters answers the letters to a project, the oldest first.
func (s indicators) ListSupervisionLetters(ctx context.Context, req *pb.ListSupervisionLettersRequest) (*pb.ListSupervisionLettersResponse, error) {
	c := access.From(ctx)
	var out pb.ListSupervisionLettersResponse
	rows, next, err := listOf(ctx, s.Service, c, s.delivery.letters, req.GetProjectId(), req.GetPageSize(), req.GetPageToken())
	for _, row := range rows {
		out.SupervisionLetters = append(out.SupervisionLetters, letterProto(row))
	}
	out.NextPageToken = next
	return &out, err
}
