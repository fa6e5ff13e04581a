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

func accountSealed(r *pb.AccountRow) []seal.Slot {
	id := r.GetAccount().GetId()
	slot := func(value *[]byte, what secret) seal.Slot { return seal.Field(value, accountPlace(id, what)...) }
	slots := []seal.Slot{
		slot(&r.SealedDisplayName, secretName), slot(&r.SealedPassword, secretPassword),
		slot(&r.SealedSecondFactor, secretFactor), slot(&r.SealedSecondFactorNext, secretFactor),
	}
	for i := range r.GetSealedOldPasswords() {
		slots = append(slots, slot(&r.SealedOldPasswords[i], secretPassword))
	}
	return slots
}

func sessionSealed(r *pb.SessionRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedAddress, addressPlace(r.GetId())...)}
}

func signingKeySealed(r *pb.SigningKeyRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedPrivateKey, keyPlace(r.GetId())...)}
}

func providerStateSealed(r *pb.ProviderStateRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedVerifier, verifierPlace(r.GetHash())...)}
}
