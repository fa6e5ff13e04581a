package table_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/kv/memkv"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
)

func skimOfRequests() *table.Skim {
	return table.NewSkim(&requestsv1.RequestRow{}, map[string]int{
		"request.text": 7, "request.posted_at.nanos": 0, "sealed_text": 0, "extensions": 0, "exclusion": 0})
}

func TestSkim_LeavesOutAndCuts(t *testing.T) {
	whole := &requestsv1.RequestRow{
		Request:    &requestsv1.Request{Id: "r", Text: "路灯不亮", PostedAt: &timestamppb.Timestamp{Seconds: 5, Nanos: 6}, Etag: "e"},
		SealedText: []byte("x"), Exclusion: &requestsv1.Exclusion{Reason: "y"}, Extensions: 3, HandedPath: "/p/",
	}
	want := &requestsv1.RequestRow{
		Request:    &requestsv1.Request{Id: "r", Text: "路灯", PostedAt: &timestamppb.Timestamp{Seconds: 5}, Etag: "e"},
		HandedPath: "/p/",
	}
	got, err := skimOfRequests().Row(whole)
	if err != nil || !proto.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, path := range []string{"", "none", "request.none", "handed_path.more", "extensions.more"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("path %q was taken", path)
				}
			}()
			table.NewSkim(&requestsv1.RequestRow{}, map[string]int{path: 1})
		}()
	}
}

// A list that is skimmed has the same rows, and not those outside the scope.
func TestList_Skimmed(t *testing.T) {
	things, db := newTable(), kv.New(memkv.New(), kv.Options{})
	err := update(t, db, func(tx kv.Tx) error {
		for _, r := range []*row{{Id: "a", HomePath: "/x/", ResidencePath: strings.Repeat("名", 9)}, {Id: "b", HomePath: "/x/y/"}, {Id: "c", HomePath: "/z/"}} {
			if _, err := things.Insert(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	skim := table.NewSkim(&row{}, map[string]int{"residence_path": 4})
	for _, q := range []table.Query{{Limit: 5, Skim: skim}, {Index: "home", Prefix: key.Key(nil), Limit: 5, Skim: skim}} {
		err := db.View(t.Context(), func(r kv.Reader) error {
			page, err := things.List(r, scope.Scope{Paths: []scope.Path{"/x/"}}, q)
			if err != nil || len(page.Rows) != 2 || page.Rows[0].Value.GetResidencePath() != "名" || page.Rows[1].Value.GetId() != "b" {
				t.Errorf("index %q: %v, %v", q.Index, page.Rows, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// skimmedOf are the numbers of fields that a skim looks into.
func skimmedOf(m proto.Message, names ...protoreflect.Name) (numbers []protowire.Number) {
	for _, name := range names {
		numbers = append(numbers, m.ProtoReflect().Descriptor().Fields().ByName(name).Number())
	}
	return numbers
}

// forgetUnknown takes away what has one of the numbers and is of another kind than
// the field.
func forgetUnknown(m proto.Message, numbers []protowire.Number) {
	if !m.ProtoReflect().IsValid() {
		return
	}
	var kept []byte
	for unknown := m.ProtoReflect().GetUnknown(); len(unknown) > 0; {
		number, _, n := protowire.ConsumeField(unknown)
		if !slices.Contains(numbers, number) {
			kept = append(kept, unknown[:n]...)
		}
		unknown = unknown[n:]
	}
	m.ProtoReflect().SetUnknown(kept)
}

// FuzzSkim: of whatever bytes, a skim answers what the whole message says
// without what is left out, or an error; never more.
func FuzzSkim(f *testing.F) {
	f.Add([]byte{}, "路灯不亮", "e")
	f.Add([]byte{0x0a, 0x03, 0x3a, 0x01, 0x41}, "a\xff", "")
	f.Add([]byte{0x0a, 0x80}, "", "e")
	skim := skimOfRequests()
	f.Fuzz(func(t *testing.T, tail []byte, text, etag string) {
		head, err := proto.Marshal(&requestsv1.RequestRow{Request: &requestsv1.Request{Text: strings.ToValidUTF8(text, ""), Etag: strings.ToValidUTF8(etag, "")}})
		if err != nil {
			t.Fatal(err)
		}
		whole := &requestsv1.RequestRow{}
		message := append(head, tail...)
		if proto.Unmarshal(message, whole) != nil {
			return
		}
		canonical, err := proto.MarshalOptions{Deterministic: true}.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		got, err := skim.Row(whole)
		if err != nil {
			t.Fatalf("%x: %v", canonical, err)
		}
		want := proto.CloneOf(whole)
		want.SealedText, want.Exclusion, want.Extensions = nil, nil, 0
		forgetUnknown(want, skimmedOf(&requestsv1.RequestRow{}, "request", "sealed_text", "exclusion", "extensions"))
		forgetUnknown(want.GetRequest(), skimmedOf(&requestsv1.Request{}, "text", "posted_at"))
		forgetUnknown(want.GetRequest().GetPostedAt(), skimmedOf(&timestamppb.Timestamp{}, "nanos"))
		if r := want.GetRequest(); r != nil {
			for len(r.Text) > 7 {
				runes := []rune(r.Text)
				r.Text = string(runes[:len(runes)-1])
			}
			if r.PostedAt != nil {
				r.PostedAt.Nanos = 0
			}
		}
		if a, _ := (proto.MarshalOptions{Deterministic: true}).Marshal(got); !proto.Equal(got, want) {
			b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(want)
			if !bytes.Equal(a, b) { // unknown fields may stand in another order
				t.Fatalf("%v, want %v", got, want)
			}
		}
	})
}
