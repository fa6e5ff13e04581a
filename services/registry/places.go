package registry

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
	"github.com/linli-project/linli/services/registry/internal/reportin"
)

// Second places are noted beside the report-in and change no figure: a member
// counts once, where the report-in is.

// AddPlace notes a second place of a member, or that a workplace reports in.
func (s campaigns) AddPlace(ctx context.Context, req *pb.AddPlaceRequest) (*pb.AddPlaceResponse, error) {
	call, now, id := access.From(ctx), s.store.Civil().Now(), s.ids("plc")
	unit := req.GetKind() == pb.PlaceKind_PLACE_KIND_UNIT
	if unit != (req.GetMemberId() == "") {
		return nil, badField("member_id", "empty for a unit, else a member")
	}
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.AddPlaceResponse, error) {
		community, err := s.community(tx, req.GetCommunityId())
		if err != nil {
			return nil, err
		}
		row := &pb.PlaceRow{CommunityPath: community.GetPath(), Place: &pb.Place{
			Id: id, SubjectId: req.GetMemberId(), CommunityId: community.GetId(), Kind: req.GetKind(), Since: timestamppb.New(now),
		}}
		if unit {
			err = s.placeUnit(tx, row, req.GetHomeOrganizationId())
		} else {
			err = s.placeMember(tx, row, call.Scope, req.GetHomeOrganizationId())
		}
		if err != nil {
			return nil, err
		}
		kept, err := s.places.Insert(tx, row)
		if err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{id}})
		return &pb.AddPlaceResponse{Place: row.GetPlace()}, tx.Emit(placeChanged("added", kept, now, s.day))
	})
}

// placeUnit: a unit is an organization that employs.
func (s campaigns) placeUnit(tx *store.Tx, row *pb.PlaceRow, homeID string) error {
	home, ok, err := s.organizations.Get(tx, scope.All(), idKey(homeID))
	if err != nil {
		return err
	}
	if !ok || !organizationKind(home.Value.GetKind()).Employs() {
		return badField("home_organization_id", "a workplace")
	}
	row.HomePath, row.Place.SubjectId, row.Place.HomeOrganizationId = home.Value.GetPath(), homeID, homeID
	return nil
}

// placeMember: a second place is another one than that of the report-in.
func (s campaigns) placeMember(tx *store.Tx, row *pb.PlaceRow, sc scope.Scope, homeID string) error {
	home, err := s.pathOf(tx, homeID)
	if err != nil {
		return err
	}
	id := row.GetPlace().GetSubjectId()
	m, err := s.memberOfHome(tx, sc, id)
	if err != nil {
		return err
	}
	if !home.Contains(scope.Path(m.Value.GetHomePath())) {
		return rule.Absent(s.members.Name(), id)
	}
	first, ok, err := s.reportIns.By(tx, scope.All(), byMember, idKey(id))
	if err != nil {
		return err
	}
	if ok && first.Value.GetCommunityPath() == row.GetCommunityPath() && reportInState(first.Value.GetReportIn().GetState()) != reportin.Ended {
		return badField("community_id", "another one than that of the report-in")
	}
	row.HomePath, row.Place.HomeOrganizationId = m.Value.GetHomePath(), m.Value.GetMember().GetHomeOrganizationId()
	return nil
}

func badField(field, must string) error {
	return rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", must)
}

// RemovePlace ends a second place.
func (s campaigns) RemovePlace(ctx context.Context, req *pb.RemovePlaceRequest) (*pb.RemovePlaceResponse, error) {
	call, now := access.From(ctx), s.store.Civil().Now()
	return store.Do(ctx, s.store, req, func(tx *store.Tx) (*pb.RemovePlaceResponse, error) {
		row, ok, err := s.places.Get(tx, call.Scope, idKey(req.GetId()))
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, rule.Absent(s.places.Name(), req.GetId())
		}
		if !call.Scope.Covers(scope.Path(row.Value.GetHomePath())) {
			return nil, rule.New(rule.Denied, "OUTSIDE_SCOPE", "") // the community sees it too
		}
		if err := s.places.Delete(tx, row); err != nil {
			return nil, err
		}
		tx.Audit(store.Record{Rows: []string{req.GetId()}})
		row.Revision++
		return &pb.RemovePlaceResponse{}, tx.Emit(placeChanged("removed", row, now, s.day))
	})
}

// ListPlaces answers the second places and units of an organization.
func (s campaigns) ListPlaces(ctx context.Context, req *pb.ListPlacesRequest) (*pb.ListPlacesResponse, error) {
	call, reply := access.From(ctx), &pb.ListPlacesResponse{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		o, ok, err := s.organizations.Get(r, scope.All(), idKey(req.GetOrganizationId()))
		if err != nil || !ok {
			return absentOr(err, s.organizations.Name(), req.GetOrganizationId())
		}
		index := byCommunity
		if organizationKind(o.Value.GetKind()).CountsByHome() {
			index = byHome
		}
		rows, next, err := table.PageOf(s.pager, s.places, r, table.PageCall{
			Method: call.Method, Person: call.Person, Scope: call.Scope, Filter: []string{req.GetOrganizationId()},
			Size: req.GetPageSize(), Token: req.GetPageToken(),
		}, table.Query{Index: index, Prefix: key.Key(nil).Prefix(o.Value.GetPath())}, s.placesSeen(r, call))
		reply.NextPageToken = next
		for _, row := range rows {
			reply.Places = append(reply.Places, row.Value.GetPlace())
		}
		return err
	})
	return reply, err
}

// placesOfMember bounds the second places that follow a move.
const placesOfMember = 50

// movePlaces takes a member's second places to the home of now.
func (s campaigns) movePlaces(tx *store.Tx, m *pb.MemberRow) error {
	page, err := s.places.List(tx, scope.All(), table.Query{
		Index: bySubject, Prefix: idKey(m.GetMember().GetId()), Limit: placesOfMember,
	})
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		if row.Value.GetHomePath() == m.GetHomePath() {
			continue
		}
		next := proto.CloneOf(row.Value)
		next.HomePath, next.Place.HomeOrganizationId = m.GetHomePath(), m.GetMember().GetHomeOrganizationId()
		if _, err := s.places.Replace(tx, row, next); err != nil {
			return err
		}
	}
	return nil
}
