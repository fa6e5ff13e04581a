package projects

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/projects/internal/acceptance"
	"github.com/linli-project/linli/services/projects/internal/indicator"
	"github.com/linli-project/linli/services/projects/internal/keyproject"
	"github.com/linli-project/linli/services/projects/internal/spending"
	"github.com/linli-project/linli/services/projects/internal/support"
)

func promisesOf(promises []*pb.Promise) []support.Promise {
	out := make([]support.Promise, len(promises))
	for i, p := range promises {
		out[i] = support.Promise{
			Kind: support.Kind(p.GetKind()), People: int(p.GetPeople()), Fen: p.GetAmountFen(), Title: p.GetTitle(),
			Due: dayNumber(p.GetDue()), DeliveredOn: dayNumber(p.GetDeliveredOn()),
		}
	}
	return out
}

// withheldOf answers the days on which tranches were stopped; what goes on
// holds today too.
func withheldOf(spans []*pb.DaySpan, today int) []support.Span {
	out := make([]support.Span, len(spans))
	for i, s := range spans {
		out[i] = support.Span{From: dayNumber(s.GetFrom()), To: dayNumber(s.GetTo()) + 1}
		if s.GetTo() == "" {
			out[i].To = today + 1
		}
	}
	return out
}

// clockOf is the clock of a project as it ran until today.
func clockOf(row *pb.KeyProjectRow, today int) support.Clock {
	return support.Standstill(promisesOf(row.GetKeyProject().GetPromises()), withheldOf(row.GetWithheld(), today), today)
}

// until is the last day of a project's clock: today, or the last one on which
// it was watched.
func until(row *pb.KeyProjectRow, today string) string {
	if keyproject.Decided(keyproject.State(row.GetKeyProject().GetState())) {
		return row.GetLookedOn()
	}
	return today
}

// standstill answers how long a project stood still until a day.
func standstill(row *pb.KeyProjectRow, today int) *pb.Standstill {
	c := clockOf(row, today)
	out := &pb.Standstill{Days: int32(c.Days())}
	for _, s := range c.Stands() {
		out.Spans = append(out.Spans, spanProto(s.From, s.To-1))
		out.Now = s.To > today
	}
	return out
}

// keyProjectProto answers a project with what follows from its rows today.
func keyProjectProto(row table.Row[*pb.KeyProjectRow], today string) *pb.KeyProject {
	out := proto.CloneOf(row.Value.GetKeyProject())
	purse := purseOf(out)
	out.SpentFen, out.PendingFen, out.LeftFen = purse.Spent(), purse.Pending(), purse.Left()
	out.Standstill = standstill(row.Value, dayNumber(until(row.Value, today)))
	out.Etag = row.Etag()
	return out
}

func purseOf(p *pb.KeyProject) spending.Purse {
	out := spending.Purse{Received: p.GetReceivedFen(), Returned: p.GetReturnedFen(), Waiting: int(p.GetWaitingEntries())}
	for _, l := range p.GetBudget() {
		out.Lines = append(out.Lines, spending.Line{Key: l.GetKey(), Amount: l.GetAmountFen(), Spent: l.GetSpentFen(), Pending: l.GetPendingFen()})
	}
	return out
}

// putPurse writes a purse into its project.
func putPurse(p *pb.KeyProject, purse spending.Purse) {
	p.ReceivedFen, p.ReturnedFen, p.WaitingEntries = purse.Received, purse.Returned, int32(purse.Waiting)
	for i, l := range purse.Lines {
		p.Budget[i].SpentFen, p.Budget[i].PendingFen = l.Spent, l.Pending
	}
}

// kindToken is a kind of spending as the policy writes it: "cash_gift".
func kindToken(k pb.SpendingKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "SPENDING_KIND_"))
}

func spendingProto(row table.Row[*pb.SpendingRow]) *pb.Spending {
	out := proto.CloneOf(row.Value.GetSpending())
	out.Etag = row.Etag()
	return out
}

func readingProto(row table.Row[*pb.ReadingRow]) *pb.Reading {
	out := proto.CloneOf(row.Value.GetReading())
	out.Etag = row.Etag()
	return out
}

func changeProto(row table.Row[*pb.TargetChangeRow]) *pb.TargetChange {
	out := proto.CloneOf(row.Value.GetTargetChange())
	out.Etag = row.Etag()
	return out
}

func letterProto(row table.Row[*pb.SupervisionLetterRow]) *pb.SupervisionLetter {
	out := proto.CloneOf(row.Value.GetSupervisionLetter())
	out.Etag = row.Etag()
	return out
}

func acceptanceProto(row table.Row[*pb.AcceptanceRow]) *pb.Acceptance {
	out := proto.CloneOf(row.Value.GetAcceptance())
	out.Etag = row.Etag()
	return out
}

// tracked answers the indicators of an application as a project keeps them.
func tracked(indicators []*pb.Indicator) ([]*pb.TrackedRow, error) {
	out := make([]*pb.TrackedRow, len(indicators))
	for i, n := range indicators {
		if err := checkIndicator(i, n); err != nil {
			return nil, err
		}
		direction := indicator.DirectionOf(indicator.Direction(n.GetDirection()), exact(n.GetBaseline()), exact(n.GetTarget()))
		out[i] = &pb.TrackedRow{Indicator: &pb.TrackedIndicator{
			Indicator: int32(i), Name: n.GetName(), Unit: n.GetUnit(), Direction: pb.Direction(direction),
			Baseline: n.GetBaseline(), Target: n.GetTarget(), Due: n.GetDue(), Source: n.GetSource(),
		}}
	}
	return out, nil
}

// checkIndicator asks the domain whether an indicator can be measured.
func checkIndicator(i int, n *pb.Indicator) error {
	return indicator.Check(i, n.GetSource(), indicator.Direction(n.GetDirection()), exact(n.GetBaseline()), exact(n.GetTarget()))
}

func halvesOf(p *pb.AcceptancePoints) acceptance.Points {
	return acceptance.Points{Effect: int(p.GetEffect()), Innovation: int(p.GetInnovation()), Ease: int(p.GetEase())}
}

// mostOf is the sheet whose highest points, in halves like all points, were
// kept when the look was opened.
func mostOf(p *pb.AcceptancePoints) acceptance.Sheet {
	return acceptance.Sheet{Effect: int(p.GetEffect()) / 2, Innovation: int(p.GetInnovation()) / 2, Ease: int(p.GetEase()) / 2}
}

func promiseID(i int) string { return "p" + strconv.Itoa(i+1) }
