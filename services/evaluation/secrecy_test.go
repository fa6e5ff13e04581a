package evaluation_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/testkit"
)

// raw answers everything that lies in the store, by key.
func (h pollHouse) raw(t *testing.T) map[string]kv.Item {
	t.Helper()
	out := map[string]kv.Item{}
	err := h.Store("evaluation").View(t.Context(), func(r kv.Reader) error {
		items, err := r.Scan(kv.Range{})
		for _, it := range items {
			out[string(it.Key)] = it
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// changed answers the keys that differ, with what is there now.
func changed(before, after map[string]kv.Item) (out []kv.Item) {
	for k, it := range after {
		if was, ok := before[k]; !ok || was.Version != it.Version {
			out = append(out, it)
		}
	}
	return out
}

// TestSecrecy_AVoteLeavesAUsedCodeAndASum looks at the whole store before and
// after each vote, by voters who are so careless as to be signed in and to send
// an idempotency key.
func TestSecrecy_AVoteLeavesAUsedCodeAndASum(t *testing.T) {
	h := newPollHouse(t)
	p, drawn := h.open(t, 2013, 2, 0, 6)
	h.Drain()
	logged := h.Log.String()
	versions := map[kv.Version]int{}
	var usedSize, usedBefore int
	for i, code := range drawn {
		before := h.raw(t)
		voter := h.as(typev1.Role_ROLE_MEMBER, fmt.Sprintf("voter-%d", i), community)
		if err := h.cast(testkit.Keyed(voter, fmt.Sprintf("key-of-%d", i)), p.GetId(), code, good, pb.Mark(i%5)); err != nil {
			t.Fatal(err)
		}
		after := h.raw(t)
		touched := changed(before, after)
		if len(touched) != 2 || len(after) != len(before) {
			t.Fatalf("a vote wrote %d keys, %d more than before: one is the code, one the box", len(touched), len(after)-len(before))
		}
		// Of the code nothing is kept but that it is used: the row is as long
		// whatever was marked.
		slices.SortFunc(touched, func(a, b kv.Item) int { return bytes.Compare(a.Key, b.Key) })
		usedBefore, usedSize = usedSize, len(touched[0].Value)
		if i > 0 && usedSize != usedBefore {
			t.Errorf("rows of used codes are told apart by their length: %d, %d", usedBefore, usedSize)
		}
		versions[touched[0].Version]++
	}
	if _, err := h.polls.ClosePoll(h.staff(), &pb.ClosePollRequest{Id: p.GetId(), Tellers: counts(6, 6, 6)}); err != nil {
		t.Fatal(err)
	}
	h.Drain()
	if len(versions) != len(drawn) {
		t.Errorf("%d votes share versions: %v", len(drawn), versions)
	}
	if got := strings.TrimPrefix(h.Log.String(), logged); strings.Contains(got, "CastBallot") || strings.Contains(got, "voter-") || strings.Contains(got, "key-of-") {
		t.Errorf("the log tells of votes:\n%s", got)
	}
	h.searchFor(t, append(drawn, "voter-", "key-of-", "CastBallot"))
}

// searchFor looks for words in everything that is kept: store, audit, events
// and log. Codes are looked for as they were given out and as they are hashed.
func (h pollHouse) searchFor(t *testing.T, words []string) {
	t.Helper()
	var all bytes.Buffer
	for _, it := range h.raw(t) {
		all.Write(it.Key)
		all.Write(it.Value)
	}
	all.Write(h.Events("evaluation"))
	all.WriteString(h.Log.String())
	for _, w := range words {
		for _, form := range []string{w, strings.ReplaceAll(w, "-", "")} {
			if form != "voter" && bytes.Contains(all.Bytes(), []byte(form)) {
				t.Errorf("%q lies about", form)
			}
		}
	}
}

// TestSecrecy_WhoMarkedWhatMakesNoDifference holds the same poll twice: in the
// second one two voters have changed their ballots and come in another order.
// Whatever is kept of the two is the same, so that nobody can tell them apart.
func TestSecrecy_WhoMarkedWhatMakesNoDifference(t *testing.T) {
	h := newPollHouse(t)
	kept := func(year int32, order []int, marks [][]pb.Mark) string {
		p, drawn := h.open(t, year, 1, 0, 6)
		slices.Sort(drawn)
		for _, voter := range order {
			if err := h.cast(t.Context(), p.GetId(), drawn[voter], marks[voter]...); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := h.polls.ClosePoll(h.staff(), &pb.ClosePollRequest{Id: p.GetId(), Tellers: counts(6, 6, 6)}); err != nil {
			t.Fatal(err)
		}
		return h.rows(t, p.GetId())
	}
	one := kept(2013, []int{0, 1, 2, 3, 4, 5}, [][]pb.Mark{{poor}, {good}, {good}, {fair}, {good}, {good}})
	two := kept(2014, []int{5, 3, 1, 0, 2, 4}, [][]pb.Mark{{good}, {poor}, {good}, {good}, {fair}, {good}})
	if one != two {
		t.Errorf("kept of one:\n%s\nand of the other:\n%s", one, two)
	}
}

// rows are the codes and the box of a poll as they are stored, without the
// hashes, which are another in every poll.
func (h pollHouse) rows(t *testing.T, poll string) string {
	t.Helper()
	var used, unused, other int
	var urn string
	for k, it := range h.raw(t) {
		if !strings.Contains(k, poll) {
			continue
		}
		var code pb.PollCodeRow
		var box pb.UrnRow
		switch value := rowValue(it); {
		case proto.Unmarshal(value, &code) == nil && len(code.GetHash()) == 32 && code.GetPollId() == poll:
			if code.GetUsed() {
				used++
			} else {
				unused++
			}
		case proto.Unmarshal(value, &box) == nil && len(box.GetTallies()) > 0 && box.GetPollId() == poll:
			box.PollId = ""
			urn = box.String()
			urn = strings.Join(strings.Fields(urn), " ")
		default:
			other++
		}
	}
	if used+unused == 0 || urn == "" {
		t.Fatal("no rows were read")
	}
	return fmt.Sprintf("%d used, %d unused, %d other rows, %s", used, unused, other, urn)
}

// rowValue takes the revision off a stored row.
func rowValue(it kv.Item) []byte {
	_, n := binary.Uvarint(it.Value)
	return it.Value[max(0, n):]
}

// TestSecrecy_TheEventsTellOfTheHouseOnly reads what was announced.
func TestSecrecy_TheEventsTellOfTheHouseOnly(t *testing.T) {
	h := newPollHouse(t)
	p, drawn := h.open(t, 2013, 2, 2, 5)
	for _, c := range drawn {
		if err := h.cast(t.Context(), p.GetId(), c, good, poor); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.polls.EnterPapers(h.staff(), &pb.EnterPapersRequest{Id: p.GetId(), Papers: []*pb.Paper{{Marks: ballot(good, good)}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.polls.ClosePoll(h.staff(), &pb.ClosePollRequest{Id: p.GetId(), Tellers: counts(7, 6, 6)}); err != nil {
		t.Fatal(err)
	}
	h.Drain()
	var seen []string
	err := h.Store("evaluation").View(t.Context(), func(r kv.Reader) error {
		return store.EachEvent(r, func(row []byte) {
			var e typev1.EventRow
			if err := proto.Unmarshal(row, &e); err != nil {
				t.Error(err)
			}
			seen = append(seen, fmt.Sprintf("%s %d", e.GetSubject(), e.GetRevision()))
		})
	})
	slices.Sort(seen)
	want := []string{"linli.evaluation.poll.closed 4", "linli.evaluation.poll.issued 2", "linli.evaluation.poll.opened 3", "linli.evaluation.poll.prepared 1"}
	if err != nil || !slices.Equal(seen, want) {
		t.Errorf("announced: %v, %v", seen, err)
	}
	h.searchFor(t, []string{"王1", "王2"}) // the names on the ballot are sealed
	err = h.Store("evaluation").View(t.Context(), func(r kv.Reader) error {
		lines, err := store.AuditRows(r, 100)
		for _, l := range lines {
			if strings.HasSuffix(l.GetMethod(), "EnterPapers") && len(l.GetRequestDigest()) > 0 {
				t.Error("the audit keeps a digest against which marks could be tried")
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestSecrecy_NobodyIsNobody: a method without a caller takes no account of one.
func TestSecrecy_NobodyIsNobody(t *testing.T) {
	h := newPollHouse(t)
	p, drawn := h.open(t, 2013, 1, 0, 2)
	if err := h.cast(t.Context(), p.GetId(), drawn[0], good); err != nil {
		t.Fatalf("without an account: %v", err)
	}
	grant := access.Grant{Role: typev1.Role_ROLE_COMMUNITY_PARTY_STAFF, Path: community}
	if err := h.cast(h.As("m1", grant), p.GetId(), drawn[1], good); err != nil {
		t.Fatalf("with an account that is not asked for: %v", err)
	}
}
