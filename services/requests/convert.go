package requests

import (
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"google.golang.org/protobuf/proto"

	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/request"
)

// requestProto is a request as the API shows it to somebody. A sealed text is
// not in it, nor who reported a nuisance.
func requestProto(viewer string, row table.Row[*pb.RequestRow]) *pb.Request {
	out := proto.CloneOf(row.Value.GetRequest())
	out.Etag = row.Etag()
	if anonymous(out) && out.GetAuthor() != viewer {
		out.Author = ""
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
