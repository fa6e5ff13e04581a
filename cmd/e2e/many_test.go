package e2e_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// atOnce are the methods that answer what is held of many persons and are no
// page of it: why they may.
func atOnce() map[string]string {
	own, one := "the caller's own", "one member's"
	return map[string]string{
		"linli.evaluation.v1.CardService.EndCard":                    one,
		"linli.evaluation.v1.CardService.GetMyCards":                 own,
		"linli.evaluation.v1.CardService.InspectCard":                one,
		"linli.evaluation.v1.CardService.IssueCard":                  one,
		"linli.evaluation.v1.ConductService.ListStandingNotes":       one,
		"linli.evaluation.v1.EvaluationService.RenderLetter":         "one letter, to the organization whose members are in it",
		"linli.evaluation.v1.LedgerExportService.RenderLedgerExport": "decided on by two persons, with a purpose and a limit of rows",
		"linli.evaluation.v1.PollService.GetBallot":                  "names on a ballot, to who holds a slip",
		"linli.evaluation.v1.PollService.IssueBallots":               "slips that are nobody's",
		"linli.evaluation.v1.SheetService.CorrectResult":             one,
		"linli.evaluation.v1.SheetService.GetMySheet":                own,
		"linli.evaluation.v1.SheetService.GetSheet":                  one,
		"linli.evaluation.v1.SheetService.SetOpinion":                one,
		"linli.evaluation.v1.SurveyService.GetSurveyForm":            "names on a form, to who holds a slip",
		"linli.evaluation.v1.SurveyService.IssueSurveyCodes":         "slips that are nobody's",
		"linli.projects.v1.CheckService.ListConflicts":               "the reviewers of one call",
		"linli.projects.v1.LetterService.RenderApplicationLetter":    "one application",
		"linli.projects.v1.ProjectsService.ExportSelection":          "projects of organizations",
		"linli.registry.v1.RegistryService.AcceptReportIns":          "the report-ins that the request names",
		"linli.requests.v1.AidService.RevealHardshipFacts":           oneHousehold,
		"linli.requests.v1.HandlingService.ReadMessages":             "one conversation",
		"linli.requests.v1.MatchingService.GetMyAvailability":        own,
		"linli.requests.v1.MatchingService.SetMyAvailability":        own,
	}
}

const oneHousehold = "one household, for a reason"

// TestAnswers_OfManyPersonsAreAPageOrAnExport: what is held of many persons
// comes a page at a time, masked, or as an export that two persons decided on.
func TestAnswers_OfManyPersonsAreAPageOrAnExport(t *testing.T) {
	allowed, lists := atOnce(), 0
	eachMethod(func(m protoreflect.MethodDescriptor) {
		many, open := holdsMany(m.Output(), false, 0)
		if !many {
			return
		}
		lists++
		size := m.Input().Fields().ByName("page_size")
		if size == nil && allowed[string(m.FullName())] == "" {
			t.Errorf("%s answers many persons at once", m.FullName())
		}
		if open && allowed[string(m.FullName())] != oneHousehold {
			t.Errorf("%s answers ID numbers, phones or addresses of many persons", m.FullName())
		}
	})
	if lists < 10 {
		t.Errorf("%d methods answer lists", lists)
	}
}

// holdsMany says whether a message has a list with something personal in each
// element, or a file, and whether what is masked elsewhere stands in it.
func holdsMany(d protoreflect.MessageDescriptor, inList bool, deep int) (many, open bool) {
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		listed := inList || f.IsList()
		class := personalOf(f)
		many = many || listed && class != 0 || f.Name() == "content" && f.Kind() == protoreflect.BytesKind
		open = open || listed && slices.Contains([]typev1.Personal{
			typev1.Personal_PERSONAL_ID_NUMBER, typev1.Personal_PERSONAL_PHONE, typev1.Personal_PERSONAL_ADDRESS, typev1.Personal_PERSONAL_EMAIL,
		}, class)
		if f.Message() != nil && deep < 5 {
			m, o := holdsMany(f.Message(), listed, deep+1)
			many, open = many || m, open || o
		}
	}
	return many, open
}
