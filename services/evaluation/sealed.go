package evaluation

import (
	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/seal"
)

// What lies sealed in the rows, and what each value was sealed for: a new data
// key finds them by this.

func resultSealed(r *pb.ResultRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedOpinionText, opinionPlace(r.GetCycleId(), r.GetMemberId())...)}
}

func letterSealed(r *pb.LetterRow) []seal.Slot {
	return []seal.Slot{
		seal.Field(&r.SealedCorrection, correctionPlace(r.GetLetter().GetCode())...),
		seal.Field(&r.SealedWhy, whyPlace(r.GetReply().GetLetterId())...),
	}
}

func issueSealed(r *pb.IssueRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedCorrection, correctionPlace(r.GetCode())...)}
}

func sheetObjectionSealed(r *pb.ObjectionRow) []seal.Slot {
	id := r.GetObjection().GetId()
	return []seal.Slot{
		seal.Field(&r.SealedText, objectionPlace(id, "text")...), seal.Field(&r.SealedAnswer, objectionPlace(id, "answer")...),
	}
}

func honorSealed(r *pb.HonorRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedName, honorNamePlace(r.GetHonor().GetId())...)}
}

func honorObjectionSealed(r *pb.HonorObjectionRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedText, objectionText(r.GetObjection().GetId())...)}
}

func conductSealed(r *pb.ConductNoteRow) []seal.Slot {
	field := func(value *[]byte, name string) seal.Slot {
		return seal.Field(value, notePlace(r.GetNote().GetId(), name)...)
	}
	return []seal.Slot{
		field(&r.SealedFacts, conductFacts), field(&r.SealedEstablished, conductEstablished), field(&r.SealedAnswer, conductAnswer),
		field(&r.SealedOutcome, conductOutcome), field(&r.SealedAppeal, conductAppeal), field(&r.SealedAppealAnswer, conductAppealAnswer),
	}
}

func gradeSealed(r *pb.BranchGradeRow) []seal.Slot {
	g := r.GetGrade()
	field := func(value *[]byte, name string) seal.Slot {
		return seal.Field(value, gradePlace(g.GetCycleId(), g.GetMemberId(), name)...)
	}
	return []seal.Slot{
		field(&r.SealedReason, "reason"), field(&r.SealedExceptionReason, "exception reason"),
		field(&r.SealedExceptionAnswer, "exception answer"), field(&r.SealedObjectionAnswer, "objection answer"),
		seal.Field(&r.SealedObjection, gradeObjection(g.GetMemberId(), g.GetYear())...),
	}
}

func pollSealed(r *pb.PollRow) []seal.Slot {
	return labelsSealed(r.GetLabels(), r.GetPoll().GetMemberIds(), "poll", r.GetPoll().GetId())
}

func surveySealed(r *pb.SurveyRow) []seal.Slot {
	return labelsSealed(r.GetLabels(), r.GetSurvey().GetMemberIds(), "survey", r.GetSurvey().GetId())
}

// labelsSealed: a label is sealed for its member.
func labelsSealed(labels [][]byte, members []string, of, id string) (out []seal.Slot) {
	for i, m := range members[:min(len(members), len(labels))] {
		out = append(out, seal.Field(&labels[i], of, id, m))
	}
	return out
}

// surveyCodeSealed: an answer opens with its slip alone, and goes when the
// survey is counted.
func surveyCodeSealed(r *pb.SurveyCodeRow) []seal.Slot {
	return []seal.Slot{seal.KeptAsIs(&r.Answer)}
}
