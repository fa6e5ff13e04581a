package projects

import (
	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/seal"
)

// objectionSealed is what lies sealed in an objection, and what it was sealed
// for: a new data key finds it by this.
func objectionSealed(r *pb.SelectionObjectionRow) []seal.Slot {
	id := r.GetObjection().GetId()
	return []seal.Slot{seal.Field(&r.SealedText, sealedAs(id, "text")...), seal.Field(&r.SealedAnswer, sealedAs(id, "answer")...)}
}

func fileSealed(r *pb.AttachedFileRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedName, sealedFileName(r.GetId())...)}
}
