package requests

import (
	"context"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// Measures of the circle. Those of a kind are "<kind>/<measure>".
const (
	measureAuthors  = "authors"
	measurePosted   = "posted"
	measureResolved = "resolved"
	measureClosed   = "closed"
	measureUnsolved = "unsolved"

	measureParticipants = "participants"
	measureNo           = "offers declined"
)

func measureOf(kind pb.RequestKind, what string) string { return kind.String() + "/" + what }

// figuresConsumer counts the service's own events per community. Figures are
// never written by the transactions that they count.
func (s *Service) figuresConsumer() events.Consumer {
	return events.Consumer{
		Name: "requests-figures", From: "requests", Kind: events.Fact,
		Subjects: subjects("posted", "resolved", "closed", "unsolved", "reopened", "offer_declined", "joined",
			"declined", "merged", seededStep),
		Apply: s.count,
	}
}

func (s *Service) count(tx *store.Tx, e *typev1.EventRow) error {
	if e.GetDataSchema() == string(proto.MessageName(&pb.RequestJoined{})) {
		var ev pb.RequestJoined
		if err := events.Decode(e, &ev); err != nil || !ev.GetParticipantIsNew() {
			return err
		}
		return s.add(tx, ev.GetCommunityPath(), measureParticipants, 1)
	}
	step, changes, err := changesOf(e)
	if err != nil {
		return err
	}
	for _, ev := range changes {
		if err := s.countPlace(tx, step, ev); err != nil {
			return err
		}
		for measure, n := range counts(step, ev) {
			if err := s.add(tx, ev.GetCommunityPath(), measure, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// counts answers what a step adds to the figures of its community. A request
// that is reopened is taken back from where it ended.
func counts(step string, ev *pb.RequestChanged) map[string]int64 {
	out := map[string]int64{}
	if ev.GetAuthorIsNew() {
		out[measureAuthors] = 1
	}
	if ev.GetParticipantIsNew() {
		out[measureParticipants] = 1
	}
	of := func(measure string) string { return measureOf(ev.GetKind(), measure) }
	switch step {
	case "posted":
		out[of(measurePosted)] = 1
	case "resolved":
		out[of(measureResolved)] = 1
	case "closed":
		out[of(measureClosed)] = 1
	case "unsolved":
		out[of(measureUnsolved)] = 1
	case "offer_declined":
		out[measureNo] = 1
	case "reopened":
		switch ev.GetPreviousState() {
		case pb.RequestState_REQUEST_STATE_UNSOLVED:
			out[of(measureUnsolved)] = -1
		case pb.RequestState_REQUEST_STATE_CLOSED:
			out[of(measureClosed)], out[of(measureResolved)] = -1, -1
		default:
			out[of(measureResolved)] = -1
		}
	}
	return out
}

func (s *Service) add(tx *store.Tx, path, measure string, n int64) error {
	if n == 0 {
		return nil
	}
	row, ok, err := s.tables.figures.Get(tx, scope.All(), figureKey(path, measure))
	if err != nil {
		return err
	}
	if !ok {
		_, err = s.tables.figures.Insert(tx, &pb.FigureRow{Path: path, Measure: measure, Count: n})
		return err
	}
	next := proto.CloneOf(row.Value)
	next.Count += n
	_, err = s.tables.figures.Replace(tx, row, next)
	return err
}

// GetCircle sums the figures of an organization's communities.
func (s *Service) GetCircle(ctx context.Context, req *pb.GetCircleRequest) (*pb.GetCircleResponse, error) {
	sums := map[string]int64{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, ok, err := s.organizations.Shown(r, req.GetOrganizationId(), access.From(ctx).Caller.Scope())
		if err != nil {
			return err
		}
		if !ok {
			return rule.New(rule.NotFound, "UNKNOWN_ORGANIZATION", "organization_id", "id", req.GetOrganizationId())
		}
		return s.sum(r, o.Path, sums)
	})
	if err != nil {
		return nil, err
	}
	circle := &pb.Circle{OrganizationId: req.GetOrganizationId(), Authors: sums[measureAuthors],
		Participants: sums[measureParticipants], OffersDeclined: sums[measureNo]}
	for n := range int32(len(pb.RequestKind_name)) {
		kind := pb.RequestKind(n)
		if posted := sums[measureOf(kind, measurePosted)]; posted > 0 {
			circle.Kinds = append(circle.Kinds, &pb.CircleOfKind{
				Kind: kind, Posted: posted,
				Resolved: sums[measureOf(kind, measureResolved)], Closed: sums[measureOf(kind, measureClosed)],
				Unsolved: sums[measureOf(kind, measureUnsolved)],
			})
		}
	}
	return &pb.GetCircleResponse{Circle: circle}, nil
}

// sumPage bounds one read of figures.
const sumPage = 1000

func (s *Service) sum(r kv.Reader, under scope.Path, sums map[string]int64) error {
	q := table.Query{Prefix: key.Key(nil).Prefix(string(under)), Limit: sumPage}
	for {
		page, err := s.tables.figures.List(r, scope.All(), q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			sums[row.Value.GetMeasure()] += row.Value.GetCount()
		}
		if page.Last == nil {
			return nil
		}
		q.After = page.Last
	}
}
