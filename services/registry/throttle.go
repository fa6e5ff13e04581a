package registry

import (
	"net/netip"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// guard counts the failures of one try to get in: of what was tried, and of
// where it came from. It goes by keyed hashes, so that the store does not say
// who failed.
type guard struct {
	s     *Service
	marks []mark // that of what was tried first
}

type mark struct {
	kind session.Kind
	hash []byte
}

// guardOf is the guard of a try at a login, a code or a phone, whether there is
// such a one or not.
func (s *Service) guardOf(call access.Call, what, tried string) guard {
	k := s.store.Keyring()
	g := guard{s: s, marks: []mark{{session.Account, k.Blind("throttle", string(session.Account), what, tried)}}}
	if at := networkOf(call.Address); at != "" {
		g.marks = append(g.marks, mark{session.Address, k.Blind("throttle", string(session.Address), at)})
	}
	return g
}

// networkOf answers whom an address belongs to: an IPv6 network of 64 bits has
// one owner, who can take any address in it.
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		if at, err := netip.ParseAddrPort(address); err == nil {
			ip = at.Addr()
		} else {
			return address
		}
	}
	bits := 64
	if ip = ip.Unmap(); ip.Is4() {
		bits = 32
	}
	p, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return address
	}
	return p.String()
}

// wait refuses with SLOW_DOWN while there is to be waited, whatever the try
// holds. In the commit that judges a try it lets nobody make many tries at once:
// those that come after the one that cost time are not told what they were.
func (g guard) wait(r kv.Reader, now time.Time) error {
	keys := make([]key.Key, len(g.marks))
	for i, m := range g.marks {
		keys[i] = hashKey(m.hash)
	}
	rows, err := g.s.throttles.GetMany(r, scope.All(), keys)
	if err != nil {
		return err
	}
	var until time.Time
	for _, row := range rows {
		until = latest(until, row.Value.GetNotBefore().AsTime())
	}
	if !now.Before(until) {
		return nil
	}
	seconds := (until.Sub(now) + time.Second - 1) / time.Second
	return rule.New(rule.Exhausted, "SLOW_DOWN", "", "seconds", strconv.Itoa(int(seconds)))
}

// fail counts a failure.
func (g guard) fail(tx *store.Tx) error {
	now := tx.Wall()
	for _, m := range g.marks {
		row, there, err := g.s.throttles.Get(tx, scope.All(), hashKey(m.hash))
		if err != nil {
			return err
		}
		left, since := session.Count(m.kind, int(row.Value.GetFailures()), row.Value.GetLastAt().AsTime(), now)
		next := &pb.ThrottleRow{Hash: m.hash, Failures: uint32(left) + 1, LastAt: timestamppb.New(since)}
		if delay := session.Delay(m.kind, int(next.GetFailures())); delay > 0 {
			next.NotBefore = timestamppb.New(now.Add(delay))
		}
		if !there {
			_, err = g.s.throttles.Insert(tx, next)
		} else {
			_, err = g.s.throttles.Replace(tx, row, next)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// succeed forgets the failures of what was tried. Those of the address stay: who
// has an account could otherwise try those of others between two sign-ins.
func (g guard) succeed(tx *store.Tx) error {
	row, there, err := g.s.throttles.Get(tx, scope.All(), hashKey(g.marks[0].hash))
	if err != nil || !there {
		return err
	}
	return g.s.throttles.Delete(tx, row)
}
