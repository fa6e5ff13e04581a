package copies_test

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/copies"
	"github.com/linli-project/linli/pkg/kv"
)

// Each document is answered as it is, however many were read before it.
func TestDocuments_AnswerTheirOwn(t *testing.T) {
	var d copies.Documents
	document := func(days int) []byte {
		text, err := proto.Marshal(&registryv1.Policy{Version: int32(days), Values: []*registryv1.PolicyValue{{
			Key: "requests.admit_days", Value: fmt.Sprint(1 + days%9), Source: &registryv1.PolicySource{Title: "t", Number: "1"},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, i := range []int{1, 1, 2, 1} {
		p, err := d.Of(document(i))
		if err != nil || p.Int("requests.admit_days") != 1+i%9 {
			t.Errorf("document %d says %d, %v", i, p.Int("requests.admit_days"), err)
		}
	}
	for i := range 1000 {
		if p, err := d.Of(document(i)); err != nil || int(p.Version) != i {
			t.Fatalf("document %d is version %d, %v", i, p.Version, err)
		}
	}
	if _, err := d.Of([]byte{0xff}); !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("what is no document: %v", err)
	}
}
