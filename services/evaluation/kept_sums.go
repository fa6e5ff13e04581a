package evaluation

import (
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/evaluation/internal/ledger"
)

// The sums of a member's years stand in the head of the member's chain, which
// every line writes anyway: whatever makes an entry count or count no more is a
// line. So a year is one read, however many entries it has. fsck and the proof
// of a chain compare the sums with the entries.

// sumOfEntry is what an entry counts.
func sumOfEntry(e *pb.Entry) ledger.Sum {
	return ledger.Sum{Times: e.GetTimes(), Cases: e.GetCases(), QuarterHours: e.GetQuarterHours()}
}

// keepsSums says whether the sums of a head hold: not those of one that was
// written before sums were kept.
func keepsSums(h *pb.HeadRow) bool { return h.GetSummedLines() == h.GetLines() }

// sumsWith answers the years of a member after one more line of an entry. The
// sums of a head of before are made of the entries, as they stood before the
// line: what changes them meanwhile writes the head, so this runs again.
func (s *Service) sumsWith(tx *store.Tx, head *pb.HeadRow, e *pb.Entry, kind ledger.LineKind) ([]*pb.YearSum, error) {
	years := keptYears(head)
	if !keepsSums(head) {
		years = ledger.Years{}
		err := s.store.View(tx.Context(), func(r kv.Reader) error { return s.addEntries(r, memberKey(e.GetMemberId()), years) })
		if err != nil {
			return nil, err
		}
	}
	sum := sumOfEntry(e)
	if kind == ledger.LineOnHold {
		sum = sum.Negative()
	}
	years.Add(e.GetDay(), sum)
	return yearProtos(years), nil
}

func keptYears(h *pb.HeadRow) ledger.Years {
	years := ledger.Years{}
	for _, y := range h.GetYears() {
		years[strconv.Itoa(int(y.GetYear()))] = ledger.Sum{Times: y.GetTimes(), Cases: y.GetCases(), QuarterHours: y.GetQuarterHours()}
	}
	return years
}

// addEntries adds up what counts in a range of entries.
func (s *Service) addEntries(r kv.Reader, prefix key.Key, years ledger.Years) error {
	return s.eachEntry(r, prefix, func(row *pb.EntryRow) {
		if e := row.GetEntry(); ledger.State(e.GetState()) == ledger.Confirmed {
			years.Add(e.GetDay(), sumOfEntry(e))
		}
	})
}

// yearOf answers a year by the head of a member; nil for a member without one.
func (s *Service) yearOf(r kv.Reader, member string, head *pb.HeadRow, year int32) (ledger.Sum, error) {
	if keepsSums(head) {
		for _, y := range head.GetYears() {
			if y.GetYear() == year {
				return ledger.Sum{Times: y.GetTimes(), Cases: y.GetCases(), QuarterHours: y.GetQuarterHours()}, nil
			}
		}
		return ledger.Sum{}, nil
	}
	text, years := strconv.Itoa(int(year)), ledger.Years{}
	err := s.addEntries(r, memberKey(member).Prefix(text+"-"), years)
	return years[text], err
}

// sameSums compares the sums that a head keeps with those of the entries; years
// in which all was taken out again are not kept.
func sameSums(h *pb.HeadRow, counted ledger.Years) bool {
	if !keepsSums(h) {
		return true // nothing is kept that could be wrong
	}
	return slices.EqualFunc(h.GetYears(), yearProtos(counted), func(a, b *pb.YearSum) bool { return proto.Equal(a, b) })
}

// yearProtos are the years with something in them, in order.
func yearProtos(years ledger.Years) []*pb.YearSum {
	var out []*pb.YearSum
	for _, y := range slices.Sorted(maps.Keys(years)) {
		n, err := strconv.ParseInt(y, 10, 32)
		if err != nil || years[y] == (ledger.Sum{}) {
			continue
		}
		out = append(out, &pb.YearSum{
			Year: int32(n), Times: years[y].Times, Cases: years[y].Cases, QuarterHours: years[y].QuarterHours,
		})
	}
	return out
}
