package registry

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/texts"
)

// topic is a kind of message, with what may stand in its text.
type topic struct {
	name         string
	placeholders []string
}

// topics are all kinds of messages; their default texts are in pkg/texts.
func topics() []topic {
	return slices.Concat(registryTopics(), campaignTopics(), requestTopics(), aidTopics(), projectTopics(), deliveryTopics(), privacyTopics(),
		evaluationTopics(), branchTopics(), trustTopics())
}

// byTopic is built once: the lists are constant.
var byTopic = func() map[string]topic {
	out := map[string]topic{}
	for _, t := range topics() {
		out[t.name] = t
	}
	return out
}()

func topicOf(name string) (topic, bool) {
	t, ok := byTopic[name]
	return t, ok
}

// defaultTemplate is the text that comes with linli.
func defaultTemplate(language string, t topic) *pb.Template {
	return &pb.Template{
		Topic: t.name, Title: texts.Text(language, "message."+t.name+".title"),
		Body: texts.Text(language, "message."+t.name+".body"), Placeholders: braced(t.placeholders), ByDefault: true,
	}
}

func braced(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = "{" + n + "}"
	}
	return out
}

// template answers the text of a topic for a language at a place: the
// district's own Chinese one where there is one.
func (s *Service) template(r kv.Reader, language string, t topic, at scope.Path) (*pb.Template, error) {
	out := defaultTemplate(language, t)
	if language != texts.Chinese {
		return out, nil
	}
	for path := at; path != ""; path = path.Parent() {
		row, ok, err := s.templates.Get(r, scope.All(), templateKey(string(path), t.name))
		if err != nil {
			return nil, err
		}
		if ok {
			out.Title, out.Body, out.ByDefault = row.Value.GetTitle(), row.Value.GetBody(), false
			return out, nil
		}
	}
	return out, nil
}

// admitTopic asks an office to admit a request within the days of its district's
// policy.
const admitTopic = "request.posted"

// message renders a row for a reader.
func (s *Service) message(r kv.Reader, language string, row *pb.MessageRow) (*pb.Message, error) {
	out := &pb.Message{Id: row.GetId(), Topic: row.GetTopic(), About: row.GetAbout(), Time: row.GetTime(), ReadAt: row.GetReadAt()}
	t, ok := topicOf(row.GetTopic())
	if !ok {
		return out, nil // a topic that is no longer sent keeps its facts
	}
	at := scope.Path(row.GetPlace())
	var pairs []string
	for name, value := range row.GetParams() {
		if name == "community" || name == "organization" || name == "left" {
			o, found, err := s.organizations.Get(r, scope.All(), idKey(value))
			if err != nil {
				return nil, err
			}
			if found {
				if value, err = s.nameIn(r, language, row.GetAddress(), o.Value); err != nil {
					return nil, err
				}
			}
		}
		pairs = append(pairs, "{"+name+"}", value)
	}
	if t.name == admitTopic {
		p, err := s.policyAt(r, at, int32(row.GetTime().AsTime().In(clock.Shanghai()).Year()))
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, "{days}", strconv.Itoa(p.Int("requests.admit_days")))
	}
	text, err := s.template(r, language, t, at)
	if err != nil {
		return nil, err
	}
	fill := strings.NewReplacer(pairs...)
	out.Title, out.Body = fill.Replace(text.GetTitle()), fill.Replace(text.GetBody())
	return out, nil
}

// ListTemplates answers every topic's text as it holds in the district.
func (s inbox) ListTemplates(ctx context.Context, req *pb.ListTemplatesRequest) (*pb.ListTemplatesResponse, error) {
	reply := &pb.ListTemplatesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		district, err := s.district(r, req.GetDistrictId())
		if err != nil {
			return err
		}
		for _, t := range topics() {
			text, err := s.template(r, texts.Chinese, t, scope.Path(district))
			if err != nil {
				return err
			}
			reply.Templates = append(reply.Templates, text)
		}
		return nil
	})
	return reply, err
}

// SetTemplate changes the text of a topic in a district.
func (s inbox) SetTemplate(ctx context.Context, req *pb.SetTemplateRequest) (*pb.SetTemplateResponse, error) {
	t, err := checkTemplate(req)
	if err != nil {
		return nil, err
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.SetTemplateResponse, error) {
		district, err := s.district(tx, req.GetDistrictId())
		if err != nil {
			return nil, err
		}
		row, exists, err := s.templates.Get(tx, scope.All(), templateKey(district, t.name))
		if err != nil {
			return nil, err
		}
		next := &pb.TemplateRow{DistrictPath: district, Topic: t.name, Title: req.GetTitle(), Body: req.GetBody()}
		tx.Audit(store.Record{Rows: []string{t.name}})
		reset := req.GetTitle() == "" && req.GetBody() == ""
		switch {
		case reset && exists:
			err = s.templates.Delete(tx, row)
		case exists:
			_, err = s.templates.Replace(tx, row, next)
		case !reset:
			_, err = s.templates.Insert(tx, next)
		}
		if err != nil {
			return nil, err
		}
		text := defaultTemplate(texts.Chinese, t)
		if !reset {
			text.Title, text.Body, text.ByDefault = next.GetTitle(), next.GetBody(), false
		}
		return &pb.SetTemplateResponse{Template: proto.CloneOf(text)}, nil
	})
}

// placeholder is a word in braces.
var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// checkTemplate refuses a topic that is not sent, half a text, and a
// placeholder that nothing would be put into.
func checkTemplate(req *pb.SetTemplateRequest) (topic, error) {
	t, ok := topicOf(req.GetTopic())
	if !ok {
		return t, rule.New(rule.Invalid, "UNKNOWN_TOPIC", "topic", "topic", req.GetTopic())
	}
	if (req.GetTitle() == "") != (req.GetBody() == "") {
		field := "title"
		if req.GetBody() == "" {
			field = "body"
		}
		return t, rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", "required")
	}
	allowed := braced(t.placeholders)
	for field, text := range map[string]string{"title": req.GetTitle(), "body": req.GetBody()} {
		for _, p := range placeholder.FindAllString(text, -1) {
			if !slices.Contains(allowed, p) {
				return t, rule.New(rule.Invalid, "UNKNOWN_PLACEHOLDER", field, "placeholder", p, "allowed", strings.Join(allowed, " "))
			}
		}
	}
	return t, nil
}
