package requests

import (
	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/seal"
)

// What lies sealed in the rows, and what each value was sealed for: a new data
// key finds them by this.

func requestSealed(r *pb.RequestRow) []seal.Slot {
	id := r.GetRequest().GetId()
	return []seal.Slot{seal.Field(&r.SealedText, sealedText(id)...), seal.Field(&r.SealedWords, sealedWords(id)...)}
}

func messageSealed(r *pb.MessageRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedText, sealedMessage(r.GetRequestId(), r.GetSequence())...)}
}

func providerSealed(r *pb.ProviderRow) []seal.Slot {
	return []seal.Slot{seal.Field(&r.SealedContact, sealedContact(r.GetProvider().GetId())...)}
}

func caseSealed(r *pb.HardshipCaseRow) []seal.Slot {
	id := r.GetHardshipCase().GetId()
	return []seal.Slot{
		seal.InBox(hardshipBox, &r.SealedFacts, id, sealedFacts), seal.InBox(hardshipBox, &r.SealedConsent, id, sealedConsent),
		seal.InBox(hardshipBox, &r.SealedSkipped, id, sealedSkipped),
	}
}

func readingSealed(r *pb.HardshipReadingRow) []seal.Slot {
	return []seal.Slot{seal.InBox(hardshipBox, &r.SealedReason, r.GetReading().GetId(), sealedReason)}
}

func aidSealed(r *pb.AidRow) []seal.Slot {
	return []seal.Slot{seal.InBox(hardshipBox, &r.SealedFacts, r.GetAid().GetId(), sealedAid)}
}

func availabilitySealed(r *pb.AvailabilityRow) (out []seal.Slot) {
	for i, s := range r.GetAvailability().GetSpecialties() {
		out = append(out, seal.InBox(availabilityBox, &r.SealedQualifications[i], r.GetMemberId(), s.GetName()))
	}
	return out
}
