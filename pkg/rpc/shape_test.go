package rpc

import (
	"errors"
	"testing"

	bufvalidate "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/linli-project/linli/pkg/texts"
	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
)

func TestShapes_SayWhatWouldBeRight(t *testing.T) {
	s, err := newShapes()
	if err != nil {
		t.Fatal(err)
	}
	post := &requestsv1.PostRequestRequest{CommunityId: "c", Text: "x", Visibility: 1}
	const kinds = "REQUEST_KIND_SUGGESTION, REQUEST_KIND_PROBLEM, REQUEST_KIND_INQUIRY, REQUEST_KIND_HARDSHIP, REQUEST_KIND_PRAISE, REQUEST_KIND_NUISANCE"
	unknown := proto.CloneOf(post)
	unknown.Kind = 99
	day := &registryv1.OpenCampaignRequest{DistrictId: "d", Year: 2013, Title: "x", OpensOn: "1.8.2013", DeadlineOn: "2013-10-31"}
	for name, tc := range map[string]struct {
		req      proto.Message
		language string
		want     string
	}{
		"no enum":              {post, "en", "must be one of: " + kinds},
		"an enum out of range": {unknown, "en", "must be one of: " + kinds},
		"in Chinese":           {post, "zh", "须为以下之一:" + kinds},
		"a day":                {day, "en", "a day as YYYY-MM-DD, like 2013-12-31"},
		"a day in Chinese":     {day, "zh", "日期,写作 2013-12-31(YYYY-MM-DD)"},
	} {
		var broken *shape
		if err := s.check(tc.req, tc.language); !errors.As(err, &broken) || broken.violations[0].GetDescription() != tc.want {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

// TestShapes_EveryPatternHasWords: nobody is told a regular expression.
func TestShapes_EveryPatternHasWords(t *testing.T) {
	for _, m := range requestTypes() {
		eachText(dynamicpb.NewMessage(m), nil, func(f protoreflect.FieldDescriptor) {
			rules, _ := proto.GetExtension(f.Options(), bufvalidate.E_Field).(*bufvalidate.FieldRules)
			for _, p := range []string{rules.GetString().GetPattern(), rules.GetRepeated().GetItems().GetString().GetPattern()} {
				for _, language := range []string{texts.Chinese, texts.English} {
					if p != "" && texts.Word(language, "pattern", p) == p {
						t.Errorf("%s: %q has no words in %s (pattern.… in pkg/texts)", f.FullName(), p, language)
					}
				}
			}
		})
	}
}
