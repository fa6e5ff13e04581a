package requests

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/linli-project/linli/proto/gen/linli/requests/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// Nuisance posts are counted by building and month, beside the other figures.

const (
	monthLayout = "2006-01"
	mostMonths  = 24
)

func placeKey(path, month, building string) key.Key {
	return key.Key(nil).String(path).String(month).String(building)
}

// countPlace counts a nuisance post where it is, and takes it back when it was
// declined or merged.
func (s *Service) countPlace(tx *store.Tx, step string, ev *pb.RequestChanged) error {
	n, counts := map[string]int32{"posted": 1, "declined": -1, "merged": -1}[step]
	if !counts || ev.GetKind() != pb.RequestKind_REQUEST_KIND_NUISANCE {
		return nil
	}
	request, err := s.read(tx, scope.All(), ev.GetId())
	if err != nil {
		return err
	}
	r := request.Value.GetRequest()
	month := r.GetPostedAt().AsTime().In(clock.Shanghai()).Format(monthLayout)
	row, ok, err := s.tables.places.Get(tx, scope.All(), placeKey(ev.GetCommunityPath(), month, r.GetBuilding()))
	if err != nil {
		return err
	}
	if !ok {
		_, err = s.tables.places.Insert(tx, &pb.NuisancePlaceRow{Path: ev.GetCommunityPath(), Month: month, Building: r.GetBuilding(), Count: n})
		return err
	}
	next := proto.CloneOf(row.Value)
	next.Count += n
	_, err = s.tables.places.Replace(tx, row, next)
	return err
}

// months are those of a span.
type months struct{ from, to string }

func (m months) has(month string) bool { return m.from <= month && month <= m.to }

// check refuses a span that is not one, or longer than two years.
func (m months) check(field string) error {
	from, err := time.Parse(monthLayout, m.from)
	if err != nil {
		return invalid(field, "YYYY-MM")
	}
	if m.to < m.from || m.to > from.AddDate(0, mostMonths-1, 0).Format(monthLayout) {
		return invalid(field, "≥ "+m.from)
	}
	return nil
}

// GetNuisancePlaces counts by building, before and after.
func (s circle) GetNuisancePlaces(ctx context.Context, req *pb.GetNuisancePlacesRequest) (*pb.GetNuisancePlacesResponse, error) {
	call, out := access.From(ctx), &pb.GetNuisancePlacesResponse{}
	before, after := months{req.GetBeforeFrom(), req.GetBeforeTo()}, months{req.GetAfterFrom(), req.GetAfterTo()}
	if err := cmp.Or(before.check("before_to"), after.check("after_to")); err != nil {
		return nil, err
	}
	sums := map[string]*[2]int32{}
	err := s.store.View(ctx, func(r kv.Reader) error {
		community, err := s.joinable(r, call, req.GetCommunityId())
		if err != nil {
			return err
		}
		p, err := s.policies.For(r, community, s.store.Civil().Now().In(clock.Shanghai()).Year())
		if err != nil {
			return err
		}
		out.LeastCell = int32(p.Int("requests.nuisance_least_cell"))
		for i, span := range []months{before, after} {
			if err := s.sumPlaces(r, community, span, i, sums); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.Places = placesOf(sums, out.GetLeastCell())
	return out, nil
}

// sumPlaces adds the counts of a span, month by month.
func (s circle) sumPlaces(r kv.Reader, community scope.Path, span months, i int, sums map[string]*[2]int32) error {
	from, err := time.Parse(monthLayout, span.from)
	if err != nil {
		return err
	}
	for n := 0; span.has(from.AddDate(0, n, 0).Format(monthLayout)); n++ {
		q := table.Query{Prefix: key.Key(nil).String(string(community)).String(from.AddDate(0, n, 0).Format(monthLayout)), Limit: sumPage}
		for more := true; more; more = q.After != nil {
			page, err := s.tables.places.List(r, scope.All(), q)
			if err != nil {
				return err
			}
			for _, row := range page.Rows {
				if sums[row.Value.GetBuilding()] == nil {
					sums[row.Value.GetBuilding()] = &[2]int32{}
				}
				sums[row.Value.GetBuilding()][i] += row.Value.GetCount()
			}
			q.After = page.Last
		}
	}
	return nil
}

// placesOf shows what reaches the least cell, by building.
func placesOf(sums map[string]*[2]int32, least int32) (out []*pb.NuisancePlace) {
	for building, n := range sums {
		place := &pb.NuisancePlace{Building: building}
		if n[0] >= least {
			place.Before = proto.Int32(n[0])
		}
		if n[1] >= least {
			place.After = proto.Int32(n[1])
		}
		if place.Before != nil || place.After != nil {
			out = append(out, place)
		}
	}
	slices.SortFunc(out, func(a, b *pb.NuisancePlace) int { return strings.Compare(a.GetBuilding(), b.GetBuilding()) })
	return out
}
