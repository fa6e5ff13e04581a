package requests

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/requests/internal/matching"
)

// matcher is the service as it answers linli.requests.v1.MatchingService.
type matcher struct {
	pb.UnsafeMatchingServiceServer
	*Service
}

var _ pb.MatchingServiceServer = matcher{}

// availabilityBox seals the numbers of qualifications.
const availabilityBox = "availability"

func memberKey(id string) key.Key { return key.Key(nil).String(id) }

// own is what belongs to the caller as a person.
func own(call access.Call) scope.Scope { return scope.Scope{Person: call.Person} }

// SetMyAvailability keeps what a member says about the own time and skills.
func (m matcher) SetMyAvailability(ctx context.Context, req *pb.SetMyAvailabilityRequest) (*pb.SetMyAvailabilityResponse, error) {
	call := access.From(ctx)
	if err := checkAvailability(req.GetAvailability()); err != nil {
		return nil, err
	}
	next := m.availabilityRow(call.Person, req.GetAvailability())
	return store.Do(ctx, m.store, req, func(tx *store.Tx) (*pb.SetMyAvailabilityResponse, error) {
		row, ok, err := m.matchingTables.availability.Get(tx, own(call), memberKey(call.Person))
		if err != nil {
			return nil, err
		}
		if err := row.Match(req.GetEtag()); err != nil {
			return nil, err
		}
		if !ok {
			row, err = m.matchingTables.availability.Insert(tx, next)
		} else {
			row, err = m.matchingTables.availability.Replace(tx, row, next)
		}
		if err != nil {
			return nil, err
		}
		out, err := m.availabilityProto(row)
		return &pb.SetMyAvailabilityResponse{Availability: out}, err
	})
}

func checkAvailability(a *pb.Availability) error {
	for i, f := range a.GetFreeTimes() {
		if err := matching.CheckFreeTime(freeTime(f), fmt.Sprintf("availability.free_times[%d]", i)); err != nil {
			return err
		}
	}
	for i, s := range a.GetSpecialties() {
		for name, day := range map[string]string{"qualified_until": s.GetQualifiedUntil(), "insured_until": s.GetInsuredUntil()} {
			if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
				return invalid(fmt.Sprintf("availability.specialties[%d].%s", i, name), "2013-12-30")
			}
		}
		if (s.GetQualification() == "") != (s.GetQualifiedUntil() == "") {
			return invalid(fmt.Sprintf("availability.specialties[%d].qualified_until", i), "with qualification, and only with it")
		}
	}
	return nil
}

func freeTime(f *pb.FreeTime) matching.FreeTime {
	return matching.FreeTime{Weekday: int(f.GetWeekday()), From: int(f.GetFromMinute()), To: int(f.GetToMinute())}
}

// availabilityRow seals the numbers of qualifications away from the rest.
func (m matcher) availabilityRow(member string, said *pb.Availability) *pb.AvailabilityRow {
	row := &pb.AvailabilityRow{MemberId: member, Availability: proto.CloneOf(said)}
	row.Availability.Etag = ""
	for _, s := range row.GetAvailability().GetSpecialties() {
		var sealed []byte
		if s.GetQualification() != "" {
			sealed = m.store.Keyring().Box(availabilityBox).Seal([]byte(s.GetQualification()), member, s.GetName())
		}
		row.SealedQualifications = append(row.SealedQualifications, sealed)
		s.Qualification = ""
	}
	return row
}

// availabilityProto is what the member said, for the member.
func (m matcher) availabilityProto(row table.Row[*pb.AvailabilityRow]) (*pb.Availability, error) {
	out := proto.CloneOf(row.Value.GetAvailability())
	for i, s := range out.GetSpecialties() {
		sealed := row.Value.GetSealedQualifications()[i]
		if len(sealed) == 0 {
			continue
		}
		plain, err := m.store.Keyring().Box(availabilityBox).Open(sealed, row.Value.GetMemberId(), s.GetName())
		if err != nil {
			return nil, err
		}
		s.Qualification = string(plain)
	}
	out.Etag = row.Etag()
	return out, nil
}

// GetMyAvailability answers what the caller said.
func (m matcher) GetMyAvailability(ctx context.Context, _ *pb.GetMyAvailabilityRequest) (*pb.GetMyAvailabilityResponse, error) {
	call, out := access.From(ctx), &pb.Availability{}
	err := m.store.View(ctx, func(r kv.Reader) error {
		row, ok, err := m.matchingTables.availability.Get(r, own(call), memberKey(call.Person))
		if err != nil || !ok {
			return err
		}
		out, err = m.availabilityProto(row)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &pb.GetMyAvailabilityResponse{Availability: out}, nil
}
