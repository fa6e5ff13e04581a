package evaluation

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/evaluation/v1"

	"github.com/linli-project/linli/pkg/scope"
)

// What is written about a person in a year's sheet and letter lies sealed, each
// text for its own place.

func opinionPlace(cycle, member string) []string { return []string{"result", cycle, member, "opinion"} }

func objectionPlace(id, field string) []string { return []string{"sheet objection", id, field} }

// correctionPlace: the code is the issue's own.
func correctionPlace(code string) []string { return []string{"letter issue", code, "correction"} }

func whyPlace(letter string) []string { return []string{"letter", letter, "why"} }

func (s *Service) sealText(text string, place []string) []byte {
	return s.store.Keyring().Seal([]byte(text), place...)
}

// openText opens a text. Rows of before texts were sealed have it in plain.
func (s *Service) openText(sealed []byte, plain string, place []string) (string, error) {
	if len(sealed) == 0 {
		return plain, nil
	}
	text, err := s.store.Keyring().Open(sealed, place...)
	return string(text), err
}

func (s *Service) opinionText(row *pb.ResultRow) (string, error) {
	return s.openText(row.GetSealedOpinionText(), row.GetOpinionText(), opinionPlace(row.GetCycleId(), row.GetMemberId()))
}

// putOpinion writes an opinion in place of the one before.
func putOpinion(row *pb.ResultRow, opinion pb.Opinion, sealed []byte, by string) {
	row.Opinion, row.OpinionText, row.SealedOpinionText, row.OpinionBy = opinion, "", sealed, by
}

// lineProto is a line of a letter without notes.
func (s *Service) lineProto(row *pb.ResultRow) (*pb.LetterLine, error) {
	text, err := s.opinionText(row)
	return &pb.LetterLine{
		MemberId: row.GetMemberId(), CommunityId: scope.Path(row.GetCommunityPath()).ID(),
		Times: row.GetTimes(), Cases: row.GetCases(), QuarterHours: row.GetQuarterHours(),
		Opinion: opinionOf(row), OpinionText: text,
	}, err
}

// letterProto is a letter without lines.
func (s *Service) letterProto(row *pb.LetterRow) (*pb.Letter, error) {
	out := proto.CloneOf(row.GetLetter())
	text, err := s.openText(row.GetSealedCorrection(), out.GetCorrection(), correctionPlace(out.GetCode()))
	out.Correction = text
	return out, err
}

func (s *Service) replyProto(row *pb.LetterRow) (*pb.Reply, error) {
	out := proto.CloneOf(row.GetReply())
	text, err := s.openText(row.GetSealedWhy(), out.GetWhy(), whyPlace(out.GetLetterId()))
	out.Why = text
	return out, err
}

func (s *Service) objectionProto(row *pb.ObjectionRow) (*pb.Objection, error) {
	out := proto.CloneOf(row.GetObjection())
	text, err := s.openText(row.GetSealedText(), out.GetText(), objectionPlace(out.GetId(), "text"))
	if err != nil {
		return nil, err
	}
	answer, err := s.openText(row.GetSealedAnswer(), out.GetAnswer(), objectionPlace(out.GetId(), "answer"))
	out.Text, out.Answer = text, answer
	return out, err
}
