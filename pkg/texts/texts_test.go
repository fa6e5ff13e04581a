package texts_test

import (
	"strings"
	"testing"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/texts"
)

func TestText_EveryReasonInEveryLanguage(t *testing.T) {
	for n, name := range typev1.Reason_name {
		reason := strings.TrimPrefix(name, "REASON_")
		for _, language := range []string{texts.Chinese, texts.English} {
			if got := texts.Text(language, reason); n != 0 && got == reason {
				t.Errorf("%s has no text in %s", reason, language)
			}
		}
	}
}

func TestText_PutsParamsIn(t *testing.T) {
	if got := texts.Text("en", "ROSTER_DUPLICATE", "row", "7"); got != "duplicate of row 7" {
		t.Errorf("got %q", got)
	}
	if got := texts.Text("fr", "ROSTER_DUPLICATE", "row", "7"); got != "与第 7 行重复" {
		t.Errorf("got %q", got)
	}
}

func TestLanguage(t *testing.T) {
	for header, want := range map[string]string{
		"": "zh", "zh-CN,zh;q=0.9": "zh", "en-GB,en;q=0.8,zh;q=0.5": "en", "fr,en;q=0.1": "en", "*": "zh",
	} {
		if got := texts.Language(header); got != want {
			t.Errorf("%q: %s", header, got)
		}
	}
}

// A final state takes no command, and says so.
func TestWord_NoCommandIsNothingMore(t *testing.T) {
	for language, want := range map[string]string{texts.Chinese: "无,流程已结束", texts.English: "nothing more"} {
		if got := texts.Word(language, "command", ""); got != want {
			t.Errorf("%s: %q", language, got)
		}
	}
}
