package requests

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/services/requests/internal/cover"
)

// What is written about a request lies sealed, as its text does. Only the answer
// that everybody may see stands beside it, covered.

// sealedWords names the place of what was written about a request for the
// keyring.
func sealedWords(id string) []string { return []string{"request", id, "words"} }

// wordsOf opens what was written about a request.
func (s *Service) wordsOf(row *pb.RequestRow) (*pb.SaidWords, error) {
	out, r := &pb.SaidWords{}, row.GetRequest()
	if row.GetSealedWords() == nil {
		return &pb.SaidWords{
			Answer: r.GetAnswer(), Reason: r.GetReason(), Found: r.GetFound(), ClockReason: r.GetClockReason(),
			Exclusion: row.GetExclusion().GetReason(),
		}, nil
	}
	text, err := s.store.Keyring().Open(row.GetSealedWords(), sealedWords(r.GetId())...)
	if err != nil {
		return nil, err
	}
	return out, proto.Unmarshal(text, out)
}

// say changes what is written about a request and seals it.
func (s *Service) say(row *pb.RequestRow, change func(w *pb.SaidWords)) error {
	words, err := s.wordsOf(row)
	if err != nil {
		return err
	}
	change(words)
	r := row.GetRequest()
	r.Answer, r.Reason, r.Found, r.ClockReason, row.SealedWords = "", "", "", "", nil
	if row.GetExclusion() != nil {
		row.Exclusion.Reason = ""
	}
	if public(r) {
		r.Answer = cover.Text(words.GetAnswer())
	}
	if proto.Size(words) == 0 {
		return nil
	}
	text, err := proto.Marshal(words)
	if err != nil {
		return err
	}
	row.SealedWords = s.store.Keyring().Seal(text, sealedWords(r.GetId())...)
	return nil
}

// exclusion is why a request is out of the rates, with its words.
func (s *Service) exclusion(row *pb.RequestRow) (*pb.Exclusion, error) {
	words, err := s.wordsOf(row)
	out := proto.CloneOf(row.GetExclusion())
	out.Reason = words.GetExclusion()
	return out, err
}
