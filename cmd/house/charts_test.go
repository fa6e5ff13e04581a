package house_test

import (
	"testing"

	"github.com/linli-project/linli/cmd/house"
	"github.com/linli-project/linli/pkg/texts"
)

// What a refused step says to people is in their language.
func TestCharts_EveryStateAndCommandHasAChineseWord(t *testing.T) {
	for _, c := range house.Charts() {
		for _, s := range c.Steps {
			for id, word := range map[string]string{"state." + s.From: s.From, "state." + s.To: s.To, "command." + s.Command: s.Command} {
				if texts.Text(texts.Chinese, id) == id {
					t.Errorf("%s: %q has no word (%s in pkg/texts/zh/words.json)", c.Name, word, id)
				}
			}
		}
	}
}
