package registry

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	evaluationv1 "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"
	projectsv1 "github.com/linli-project/linli/proto/gen/linli/projects/v1"
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	requestsv1 "github.com/linli-project/linli/proto/gen/linli/requests/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/texts"
)

// named finds the events that a proto's comments name: a whole one
// ("linli.requests.offer.made.v1"), and those that follow it shortened
// (".accepted.v1").
var named = regexp.MustCompile(`(linli\.[a-z_]+\.[a-z_]+)?\.([a-z_]+)\.v1\b`)

// namedEvents answers the subjects of all events, without "linli.", from the
// comments beside their messages.
func namedEvents(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../proto/linli/*/v1/*.proto")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("no protos")
	}
	out := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		entity := ""
		for line := range strings.Lines(string(text)) {
			comment, isComment := strings.CutPrefix(strings.TrimSpace(line), "//")
			if !isComment {
				entity = ""
				continue
			}
			for _, m := range named.FindAllStringSubmatch(comment, -1) {
				if m[1] != "" {
					entity = strings.TrimPrefix(m[1], "linli.")
				}
				if entity != "" {
					out[entity+"."+m[2]] = filepath.Base(file)
				}
			}
		}
	}
	return out
}

func TestAnnouncements_EveryEventIsDecidedOn(t *testing.T) {
	all := namedEvents(t)
	for subject, file := range all {
		if _, ok := decided[subject]; !ok {
			t.Errorf("%s of %s: say in notices_*.go who is told of it, or why nobody is", subject, file)
		}
	}
	for subject, a := range decided {
		if all[subject] == "" {
			t.Errorf("%s is announced by nobody", subject)
		}
		if (a.nobody == "") == (len(a.tells) == 0) || (a.read == nil) != (len(a.tells) == 0) {
			t.Errorf("%s: either who is told, or why nobody is", subject)
		}
	}
	if len(announcements()) != len(decided) {
		t.Error("an event stands in two lists")
	}
}

func TestTopics_EachIsSentAndHasItsTexts(t *testing.T) {
	sent := map[string]bool{}
	for _, a := range announcements() {
		for _, tl := range a.tells {
			sent[tl.topic] = true
			if _, ok := topicOf(tl.topic); !ok {
				t.Errorf("%s tells of %s, which is no topic", a.subject, tl.topic)
			}
		}
	}
	for _, tp := range topics() {
		if !sent[tp.name] {
			t.Errorf("%s is told to nobody", tp.name)
		}
		for _, language := range []string{texts.Chinese, texts.English} {
			text := defaultTemplate(language, tp)
			if strings.HasPrefix(text.GetTitle(), "message.") || strings.HasPrefix(text.GetBody(), "message.") {
				t.Errorf("%s has no text in %s", tp.name, language)
			}
			for _, p := range placeholder.FindAllString(text.GetTitle()+text.GetBody(), -1) {
				if !slices.Contains(braced(tp.placeholders), p) {
					t.Errorf("%s in %s: nothing is put into %s", tp.name, language, p)
				}
			}
		}
	}
	if len(topics()) != len(byTopic) {
		t.Error("a topic stands in two lists")
	}
}

// schemas are the messages of the events, by entity.
func schemas() map[string]proto.Message {
	return map[string]proto.Message{
		"registry.report_in": &pb.ReportInsChanged{}, "registry.webhook": &pb.WebhookGivenUp{}, "registry.work": &pb.WorkHandedOver{},
		"registry.campaign.opened": &pb.CampaignOpened{}, "registry.campaign.reminded": &pb.CampaignReminded{},
		"registry.campaign.members_reminded": &pb.MembersReminded{}, "registry.exclusion": &pb.ExclusionChanged{},
		"registry.place": &pb.PlaceChanged{}, "registry.claim": &pb.ClaimChanged{}, "requests.provider": &requestsv1.ProviderChanged{},
		"projects.acceptance": &projectsv1.AcceptanceOpened{}, "projects.key_project": &projectsv1.KeyProjectChanged{}, "projects.promise": &projectsv1.KeyProjectChanged{},
		"projects.indicator": &projectsv1.IndicatorMoved{}, "projects.spending": &projectsv1.SpendingChanged{},
		"projects.application.letter_issued": &projectsv1.ApplicationLetterIssued{}, "projects.notice": &projectsv1.NoticeGiven{},
		"projects.selection_objection": &projectsv1.SelectionObjectionChanged{},
		"evaluation.branch":            &evaluationv1.BranchChanged{}, "evaluation.grade": &evaluationv1.GradeChanged{},
		"evaluation.conduct_note": &evaluationv1.ConductNoteChanged{}, "evaluation.survey": &evaluationv1.SurveyChanged{},
		"requests.request": &requestsv1.RequestChanged{}, "requests.conversation": &requestsv1.ConversationWritten{},
		"requests.offer": &requestsv1.OfferChanged{}, "requests.hardship_case": &requestsv1.HardshipCaseChanged{},
		"projects.call": &projectsv1.CallChanged{}, "projects.application": &projectsv1.ApplicationChanged{},
		"evaluation.entry": &evaluationv1.EntryChanged{}, "evaluation.entry.reversed": &evaluationv1.EntryReversed{},
		"evaluation.cycle": &evaluationv1.CycleChanged{}, "evaluation.sheets": &evaluationv1.SheetsChanged{},
		"evaluation.objection": &evaluationv1.ObjectionChanged{}, "evaluation.letter": &evaluationv1.LetterChanged{},
		"evaluation.card": &evaluationv1.CardChanged{}, "evaluation.honor": &evaluationv1.HonorChanged{},
		"evaluation.honor_objection": &evaluationv1.HonorObjectionChanged{}, "evaluation.poll": &evaluationv1.PollChanged{},
	}
}

// drawn makes an event of a subject, with values that its services could have
// put in.
func drawn(rt *rapid.T, x *teller, subject string) *typev1.EventRow {
	like, ok := schemas()[subject]
	if !ok {
		like, ok = schemas()[subject[:strings.LastIndexByte(subject, '.')]]
	}
	if !ok {
		x.t.Fatalf("no message for %s", subject)
	}
	m := proto.Clone(like)
	fill(rt, x, m.ProtoReflect())
	entity := rapid.SampledFrom([]string{"x1", "x2"}).Draw(rt, "entity")
	e := x.event("linli."+subject, entity, uint64(rapid.IntRange(1, 3).Draw(rt, "revision")), m)
	return e
}

func fill(rt *rapid.T, x *teller, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.IsList():
			list := m.Mutable(f).List()
			for range rapid.IntRange(1, 3).Draw(rt, "length") {
				if f.Kind() == protoreflect.MessageKind {
					fill(rt, x, list.AppendMutable().Message())
					continue
				}
				list.Append(scalar(rt, f))
			}
		case f.Kind() == protoreflect.MessageKind && f.Message().FullName() == "google.protobuf.Timestamp":
			at := x.civil.Now().Add(time.Duration(rapid.IntRange(-48, 48).Draw(rt, "hours")) * time.Hour)
			m.Set(f, protoreflect.ValueOfMessage(timestamppb.New(at).ProtoReflect()))
		case f.Kind() == protoreflect.MessageKind:
			fill(rt, x, m.Mutable(f).Message())
		default:
			m.Set(f, scalar(rt, f))
		}
	}
}

func scalar(rt *rapid.T, f protoreflect.FieldDescriptor) protoreflect.Value {
	n := rapid.IntRange(1, 3).Draw(rt, string(f.Name()))
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(word(rt, string(f.Name())))
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(rapid.IntRange(0, values.Len()-1).Draw(rt, "value")).Number())
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n == 1)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(n))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(n))
	default:
		return protoreflect.ValueOfInt32(int32(n))
	}
}

func word(rt *rapid.T, name string) string {
	of := func(all ...string) string { return rapid.SampledFrom(all).Draw(rt, name) }
	switch {
	case name == "district_path":
		return district
	case name == "home_path", name == "applicant_path":
		return of(workplace, communityA, outsider)
	case strings.HasSuffix(name, "path"):
		return of(communityA, communityB)
	case name == "organization_id":
		return of(leaf(communityA), leaf(workplace))
	case name == "community_id":
		return of(leaf(communityA), leaf(communityB))
	case name == "day" || strings.HasSuffix(name, "_day") || strings.HasSuffix(name, "_until") || strings.HasSuffix(name, "_on"):
		return of("2013-12-30", "2013-12-31")
	default:
		return of("p1", "p2")
	}
}

func toldSubjects() []string {
	var out []string
	for _, a := range announcements() {
		if a.nobody == "" {
			out = append(out, a.subject)
		}
	}
	return out
}

// facts of an event are told once: the same events redelivered, doubled under
// other ids, and in another order leave the same messages.
func TestNotices_NeverTwoForOneFact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		once, often := newTeller(t), newTeller(t)
		var all []*typev1.EventRow
		for range rapid.IntRange(1, 6).Draw(rt, "events") {
			all = append(all, drawn(rt, once, rapid.SampledFrom(toldSubjects()).Draw(rt, "subject")))
		}
		once.hear(all...)
		again := slices.Clone(all)
		for _, e := range all {
			if rapid.Bool().Draw(rt, "double") {
				twin := proto.CloneOf(e)
				twin.Id += "-again"
				again = append(again, twin)
			}
		}
		again = append(again, rapid.Permutation(all).Draw(rt, "redelivered")...)
		often.hear(rapid.Permutation(again).Draw(rt, "order")...)
		if a, b := visible(once), visible(often); !maps.Equal(a, b) {
			rt.Fatalf("once: %v\noften: %v", a, b)
		}
		for _, row := range once.rows() {
			if row.GetAddress() == "" {
				continue
			}
			must(t, once.store.View(t.Context(), func(r kv.Reader) error {
				m, err := once.message(r, texts.Chinese, row)
				if text := m.GetTitle() + m.GetBody(); m.GetTitle() == "" || strings.ContainsAny(text, "{}") {
					rt.Errorf("%s reads %q", row.GetTopic(), text)
				}
				return err
			}))
		}
	})
}

// visible counts messages by id; each is there once, or the table is broken.
func visible(x *teller) map[string]int {
	out := map[string]int{}
	for _, row := range x.rows() {
		if row.GetAddress() != "" {
			out[row.GetAddress()+" "+row.GetTopic()+" "+row.GetAbout()+" "+row.GetFact()]++
		}
	}
	return out
}

// Every announcement, by itself, tells somebody of something for some event.
func TestNotices_EachAnnouncementReachesSomebody(t *testing.T) {
	for _, a := range announcements() {
		if a.nobody != "" {
			continue
		}
		x, left := newTeller(t), map[string]bool{}
		for _, tl := range a.tells {
			left[tl.topic] = !tl.to.wide()
		}
		for range 20 { // a rare state may need more than one run to be drawn
			rapid.Check(t, func(rt *rapid.T) {
				e := drawn(rt, x, a.subject)
				must(t, x.store.View(t.Context(), func(r kv.Reader) error {
					notices, err := noticesOf(e, x.placesIn(r))
					for _, n := range notices {
						delete(left, n.topic)
					}
					return err
				}))
			})
			maps.DeleteFunc(left, func(_ string, waits bool) bool { return !waits })
			if len(left) == 0 {
				break
			}
		}
		for topic := range left {
			t.Errorf("%s never tells of %s", a.subject, topic)
			return // rapid takes no test that has failed
		}
	}
}

// An event that a later release announces is left alone and said so.
func TestDeliver_UnknownEventTellsNobody(t *testing.T) {
	x := newTeller(t)
	x.hear(x.event("linli.requests.request.exploded", "x1", 1, &requestsv1.RequestChanged{Id: "x1", Author: "p1"}))
	if n := len(x.rows()); n != 0 {
		t.Errorf("%d messages", n)
	}
}
