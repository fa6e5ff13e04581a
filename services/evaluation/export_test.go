package evaluation

import (
	"testing"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

// RemindDue reminds of every letter whose reply is due, as the job does.
func (s *Service) RemindDue(t *testing.T) {
	t.Helper()
	for {
		n, err := (replies{Service: s}).remindDue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// EraseAnswers erases what households said in surveys that have ended, as the
// job does.
func (s *Service) EraseAnswers(t *testing.T) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = (surveys{Service: s}).eraseSlice(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// StandingNotes are the notes that a member's sheet and letter show on a day.
func (s *Service) StandingNotes(t *testing.T, member, day string) (notes []*pb.StandingNote) {
	t.Helper()
	err := s.store.View(t.Context(), func(r kv.Reader) (err error) {
		notes, err = s.standingNotes(r, member, day)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return notes
}

// OpinionText opens the text of an opinion.
func (s *Service) OpinionText(row *pb.ResultRow) (string, error) { return s.opinionText(row) }

// SealOpinion seals a text for the opinion on a member.
func (s *Service) SealOpinion(text, cycle, member string) []byte {
	return s.sealText(text, opinionPlace(cycle, member))
}

// NamesKept counts the honors that hold a name.
func (s *Service) NamesKept(t *testing.T) (n int) {
	t.Helper()
	err := s.store.View(t.Context(), func(r kv.Reader) error {
		page, err := s.tables.honors.List(r, scope.All(), table.Query{Limit: entriesAtOnce})
		for _, row := range page.Rows {
			if len(row.Value.GetSealedName()) > 0 {
				n++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
