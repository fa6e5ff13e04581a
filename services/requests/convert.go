package requests

import (
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"google.golang.org/protobuf/proto"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// requestProto is a request as the API shows it to somebody. A sealed text is
// not in it, nor who reported a nuisance, nor to anybody but the author the code
// by which its steps are looked up. A helper sees what is to be done, not
// who asked, unless the author chose the name, nor what is the office's.
func (s *Service) requestProto(call access.Call, row table.Row[*pb.RequestRow]) (*pb.Request, error) {
	words, err := s.wordsOf(row.Value)
	if err != nil {
		return nil, err
	}
	// Of its own, since a row may be announced after this, or written again.
	return shown(call, row, words, proto.CloneOf(row.Value.GetRequest())), nil
}

// showRead is requestProto of a row that was read to be shown: it takes the
// request out of the row instead of a copy.
func (s *Service) showRead(call access.Call, row table.Row[*pb.RequestRow]) (*pb.Request, error) {
	words, err := s.wordsOf(row.Value)
	if err != nil {
		return nil, err
	}
	return shown(call, row, words, row.Value.GetRequest()), nil
}

func shown(call access.Call, row table.Row[*pb.RequestRow], words *pb.SaidWords, out *pb.Request) *pb.Request {
	out.Etag = row.Etag()
	out.Answer, out.Reason, out.Found, out.ClockReason = words.GetAnswer(), words.GetReason(), words.GetFound(), words.GetClockReason()
	if out.GetAuthor() == call.Person {
		return out
	}
	office := call.ScopeOf(officeRoles()...).Covers(scope.Path(row.Value.GetCommunityPath()))
	if anonymous(out) || !office && out.GetVisibility() != pb.Visibility_VISIBILITY_PUBLIC {
		out.Author = ""
	}
	out.Code = ""
	if !office {
		out.Ticket, out.Found = "", ""
	}
	return out
}

// anonymous says whether nobody learns who posted a request.
func anonymous(r *pb.Request) bool { return r.GetKind() == pb.RequestKind_REQUEST_KIND_NUISANCE }

func summaryProto(row table.Row[*pb.RequestRow]) *pb.RequestSummary {
	r := row.Value.GetRequest()
	return &pb.RequestSummary{
		Id: r.GetId(), Kind: r.GetKind(), Category: r.GetCategory(), State: r.GetState(),
		Excerpt: request.Excerpt(r.GetText()), TextSealed: r.GetTextSealed(), Building: r.GetBuilding(),
		PostedAt: r.GetPostedAt(), MemberId: r.GetMemberId(), Etag: row.Etag(),
	}
}
