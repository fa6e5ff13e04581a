package registry

import (
	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/seal"
)

// What lies sealed in the rows, and what each value was sealed for: a new data
// key finds them by this.

func memberSealed(r *pb.MemberRow) []seal.Slot {
	id := r.GetMember().GetId()
	return []seal.Slot{
		seal.Field(&r.SealedIdNumber, "member", id, "id_number"), seal.Field(&r.SealedPhone, "member", id, "phone"),
		seal.Field(&r.SealedJoinedOn, "member", id, "joined_on"), seal.Field(&r.SealedUnit, "member", id, "unit"),
	}
}

func exclusionSealed(r *pb.ExclusionRow) []seal.Slot {
	e := r.GetExclusion()
	return []seal.Slot{seal.Field(&r.SealedNote, "exclusion", e.GetCampaignId()+"/"+e.GetMemberId(), sealedNote)}
}

func contactSealed(r *pb.ContactRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedEmail, "contact", r.GetPerson())}
}

func webhookSealed(r *pb.WebhookRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedSecret, "webhook", r.GetWebhook().GetId())}
}
