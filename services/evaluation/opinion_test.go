package evaluation_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
)

// The opinion has its name in a letter's line, as on the sheet.
func TestLetter_SaysTheOpinionByName(t *testing.T) {
	h := newHouse(t, inMemory(), names{})
	letters := h.letters(t, h.year(t).GetId())
	reply, err := h.client.GetLetter(h.officer(), &pb.GetLetterRequest{Id: letters["W1"].GetId()})
	if err != nil {
		t.Fatal(err)
	}
	text, err := protojson.Marshal(reply)
	if err != nil || !strings.Contains(string(text), `"OPINION_FAIR"`) {
		t.Errorf("%s, %v", text, err)
	}
}
