package registry

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
)

// private are the ID numbers and phones of a roster, and with names its names.
func private(t testing.TB, text string, names bool) map[string]bool {
	t.Helper()
	in := csv.NewReader(strings.NewReader(text))
	in.FieldsPerRecord = -1
	rows, err := in.ReadAll()
	must(t, err)
	out := map[string]bool{}
	for i, column := range rows[0] {
		for _, row := range rows[1:] {
			switch {
			case i >= len(row), len(row[i]) < 6: // a name of one character stands in many texts
			case column == "身份证号", column == "手机号", names && column == "姓名":
				out[strings.TrimSpace(row[i])] = true
			}
		}
	}
	return out
}

// finder looks for many words in one pass: most places of a text are passed
// over by their first four bytes.
type finder struct {
	words   map[string]bool
	lengths map[[4]byte][]int
}

func newFinder(words map[string]bool) finder {
	f := finder{words: words, lengths: map[[4]byte][]int{}}
	for w := range words {
		if head := [4]byte([]byte(w)); !slices.Contains(f.lengths[head], len(w)) {
			f.lengths[head] = append(f.lengths[head], len(w))
		}
	}
	return f
}

func (f finder) finds(text []byte) (string, bool) {
	for i := 0; i+4 <= len(text); i++ {
		for _, n := range f.lengths[[4]byte(text[i:])] {
			if i+n <= len(text) && f.words[string(text[i:i+n])] {
				return string(text[i : i+n]), true
			}
		}
	}
	return "", false
}

// holdsNothingPrivate searches the whole store, the log and what was announced
// for the ID numbers and phones of a roster, and the log and the events for
// its names as well.
func (h *house) holdsNothingPrivate(roster string) {
	t := h.t
	t.Helper()
	numbers, all := newFinder(private(t, roster, false)), newFinder(private(t, roster, true))
	if len(numbers.words) == 0 {
		t.Fatal("nothing to look for")
	}
	rows := 0
	must(t, h.store.View(t.Context(), func(r kv.Reader) error {
		for from := []byte(nil); ; {
			items, err := r.Scan(kv.Range{From: from, Limit: 1000})
			if err != nil || len(items) == 0 {
				return err
			}
			for _, it := range items {
				rows++
				words := numbers
				if n, _, err := key.Table(it.Key); err == nil && n < 16 {
					words = all // outbox, audit, replies, marks: no names either
				}
				for _, text := range [][]byte{it.Key, it.Value} {
					if w, ok := words.finds(text); ok {
						t.Fatalf("table %x holds %q", it.Key[:2], w)
					}
				}
			}
			from = append(bytes.Clone(items[len(items)-1].Key), 0)
		}
	}))
	if rows == 0 {
		t.Fatal("nothing was stored")
	}
	if w, ok := all.finds([]byte(h.Log.String())); ok {
		t.Errorf("the log holds %q", w)
	}
}

func TestFinder_Finds(t *testing.T) {
	f := newFinder(map[string]bool{"13900000001": true, "姚诗军": true})
	for text, want := range map[string]bool{"x13900000001": true, "1390000000": false, "a姚诗军b": true, "姚诗": false, "": false} {
		if _, got := f.finds([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestNothingPrivateComesOut: neither what came in nor what was refused stands
// in a fault, an error, an event, the log or in plain in the store.
func TestNothingPrivateComesOut(t *testing.T) {
	h := start(t).withDistrict()
	text := badRoster(t)
	done, err := h.sendRoster(keyed(h.districtOfficer(), "k"), "430101", true, text)
	must(t, err)
	secret, numbers := newFinder(private(t, text, true)), newFinder(private(t, text, false))
	answer, err := proto.Marshal(done)
	must(t, err)
	if w, ok := secret.finds(answer); ok {
		t.Errorf("the answer holds %q", w)
	}
	_, err = h.sendRoster(keyed(h.districtOfficer(), "k"), "430101", false, text)
	wantReason(t, err, "IMPORT_DIFFERS")
	for _, bad := range []string{strings.Replace(text, "手机号", "x", 1), "\"" + text, strings.Replace(text, "\n", "\n\"", 20)} {
		reply, err := h.sendRoster(h.districtOfficer(), "430101", false, bad)
		said, _ := proto.Marshal(reply)
		if err != nil {
			said = []byte(err.Error())
		}
		if w, ok := secret.finds(said); ok {
			t.Errorf("an error holds %q", w)
		}
	}
	for _, id := range h.memberIDs("430101")[:20] {
		reply, err := h.GetMember(h.districtOfficer(), &pb.GetMemberRequest{Id: id})
		must(t, err)
		said, err := proto.Marshal(reply)
		must(t, err)
		if w, ok := numbers.finds(said); ok {
			t.Errorf("a member's answer holds %q", w)
		}
	}
	h.holdsNothingPrivate(text)
}

// TestSealedFields: what is sealed opens to what was sent, in its own place only.
func TestSealedFields(t *testing.T) {
	h := start(t).withDistrict()
	id := h.withMembers(1)[0]
	must(t, h.store.View(t.Context(), func(r kv.Reader) error {
		row, err := h.service.member(r, scope.All(), id)
		if err != nil {
			return err
		}
		m := row.Value
		for field, tc := range map[string]struct {
			sealed []byte
			want   string
		}{
			"id_number": {m.GetSealedIdNumber(), idNumber(0)}, "phone": {m.GetSealedPhone(), "13900000000"},
			"joined_on": {m.GetSealedJoinedOn(), "2001-07-01"}, "unit": {m.GetSealedUnit(), "1单元"},
		} {
			plain, err := h.store.Keyring().Open(tc.sealed, "member", id, field)
			if err != nil || string(plain) != tc.want {
				t.Errorf("%s: %q, %v", field, plain, err)
			}
			if _, err := h.store.Keyring().Open(tc.sealed, "member", "mem_other", field); err == nil {
				t.Errorf("%s opens in another row", field)
			}
		}
		return nil
	}))
}

// TestEvents_StayValues: the largest slice with the longest codes, and the
// largest bulk step, fit into a value of the store.
func TestEvents_StayValues(t *testing.T) {
	code := strings.Repeat("W", 16)
	path := "/" + strings.Repeat(code+"/", 5)
	id := "mem_" + strings.Repeat("0", 32)
	slice := &pb.MembersImported{ImportId: "imp_" + strings.Repeat("0", 32)}
	for range sliceRows {
		slice.Members = append(slice.Members, &pb.MemberState{Id: id, Revision: 1 << 40, Kind: 4, Status: 2, HomePath: path, CommunityPath: path,
			PreviousKind: 1, PreviousHomePath: path, PreviousCommunityPath: path, ReportInState: 2, CountedOn: "2013-08-05"})
	}
	if n := proto.Size(slice); n > largestEvent {
		t.Errorf("a slice announces %d bytes", n)
	}
	h := start(t)
	var changes []*pb.ReportInStateChange
	for range 200 {
		changes = append(changes, &pb.ReportInStateChange{Id: id, Revision: 1 << 40, MemberId: id, MemberKind: 4, HomePath: path,
			CommunityPath: path, ResidencePath: path, State: 2, PreviousState: 1, Day: "2013-08-05",
			CountedOn: "2013-08-05", PreviousCountedOn: "2013-08-05", PreviousCommunityPath: path})
	}
	must(t, h.store.Update(t.Context(), func(tx *store.Tx) error { return emitReportIns(tx, "accepted", changes) }))
	total := 0
	for _, e := range h.events() {
		if n := len(e.GetData()); n > largestEvent {
			t.Errorf("an event of %d bytes", n)
		}
		var ev pb.ReportInsChanged
		must(t, proto.Unmarshal(e.GetData(), &ev))
		total += len(ev.GetReportIns())
	}
	if total != 200 {
		t.Errorf("%d of 200 changes were announced", total)
	}
}
