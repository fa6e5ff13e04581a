package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/services/registry/internal/session"
)

// phones stand for those that codes are sent to.
type phones struct {
	mu       sync.Mutex
	last     map[string]string
	language string
	sent     int
	err      error
}

func (p *phones) Send(_ context.Context, phone, code, language string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	p.last[phone], p.language = code, language
	p.sent++
	return nil
}

func (p *phones) at(phone string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[phone]
}

const (
	annesPhone = "13800001234"
	communityX = "430101002099" // not displayed
)

// newPhoneGate is a gate with phones and two communities, and one more that is
// not displayed.
func newPhoneGate(t testing.TB) (*gate, *phones) {
	g := newGate(t)
	p := &phones{last: map[string]string{}}
	g.texter = p
	must(t, g.store.Update(t.Context(), func(tx *store.Tx) error {
		for id, o := range map[string]*pb.Organization{
			"430101002001": {Path: communityA, Kind: pb.OrganizationKind_ORGANIZATION_KIND_COMMUNITY, Displayed: true},
			"430101002002": {Path: communityB, Kind: pb.OrganizationKind_ORGANIZATION_KIND_COMMUNITY, Displayed: true},
			communityX:     {Path: district + "430101002/" + communityX + "/", Kind: pb.OrganizationKind_ORGANIZATION_KIND_COMMUNITY},
			"W00005":       {Path: workplace, Kind: pb.OrganizationKind_ORGANIZATION_KIND_WORKPLACE, Displayed: true},
		} {
			o.Id = id
			if _, err := g.organizations.Insert(tx, o); err != nil {
				return err
			}
		}
		return nil
	}))
	return g, p
}

func (g *gate) ask(phone string) error {
	_, err := g.SendPhoneCode(g.nobody(), &pb.SendPhoneCodeRequest{Phone: phone})
	return err
}

func (g *gate) phoneIn(phone, code, community string) (*pb.Session, error) {
	reply, err := g.EnterWithPhone(g.nobody(), &pb.EnterWithPhoneRequest{Phone: phone, Code: code, CommunityId: community})
	return reply.GetSession(), err
}

func TestEnterWithPhone_NewAndKnown(t *testing.T) {
	g, p := newPhoneGate(t)
	must(t, g.ask(annesPhone))
	s, err := g.phoneIn(annesPhone, p.at(annesPhone), "430101002001")
	must(t, err)
	first, err := g.verify(s.GetAccessToken())
	must(t, err)
	if !strings.HasPrefix(first.Person, "res_") || len(first.Grants) != 1 || first.Grants[0] != grant(typev1.Role_ROLE_RESIDENT, communityA) {
		t.Errorf("%+v", first)
	}
	g.pass(time.Minute)
	must(t, g.ask(annesPhone))
	s, err = g.phoneIn(annesPhone, p.at(annesPhone), "430101002002") // says nothing of who is known
	must(t, err)
	again, err := g.verify(s.GetAccessToken())
	must(t, err)
	if again.Person != first.Person || again.Account != first.Account || again.Grants[0] != first.Grants[0] {
		t.Errorf("%+v, before %+v", again, first)
	}
	if got, want := g.outcomes(), []string{"code asked for ", "signed in ", "code asked for ", "signed in "}; !slices.Equal(got, want) {
		t.Errorf("audit %q", got)
	}
	if g.lies(annesPhone) {
		t.Error("the phone lies in the store")
	}
}

// TestSendPhoneCode_KeepsAKeyedHash: by what the store holds of a code, nobody
// tells which of the million it was.
func TestSendPhoneCode_KeepsAKeyedHash(t *testing.T) {
	g, p := newPhoneGate(t)
	must(t, g.ask(annesPhone))
	must(t, g.store.Update(t.Context(), func(tx *store.Tx) error {
		row, there, err := g.phoneCodes.Get(tx, scope.All(), hashKey(g.phoneHash(annesPhone)))
		plain := sha256.Sum256([]byte(p.at(annesPhone)))
		if kept := row.Value.GetCodeHash(); !there || len(kept) != 32 || bytes.Equal(kept, plain[:]) || bytes.Contains(kept, []byte(p.at(annesPhone))) {
			t.Errorf("kept of the code: %x", kept)
		}
		return err
	}))
}

func TestEnterWithPhone_CodesThatAreNotTaken(t *testing.T) {
	for what, c := range map[string]struct {
		before func(g *gate, p *phones)
		code   func(g *gate, p *phones) string
	}{
		"wrong":         {nil, func(_ *gate, p *phones) string { return otherThan(p.at(annesPhone)) }},
		"empty":         {nil, func(*gate, *phones) string { return "" }},
		"after it held": {func(g *gate, _ *phones) { g.pass(session.PhoneCodeHolds) }, nil},
		"the one before": {func(g *gate, p *phones) {
			old := p.at(annesPhone)
			g.pass(time.Minute)
			for p.at(annesPhone) == old { // one in a million is drawn twice
				must(g.t, g.ask(annesPhone))
			}
			p.last[annesPhone] = old
		}, nil},
		"a second time": {func(g *gate, p *phones) {
			_, err := g.phoneIn(annesPhone, p.at(annesPhone), "430101002001")
			must(g.t, err)
		}, nil},
		"after five wrong ones": {func(g *gate, p *phones) {
			for range 5 {
				_, err := g.phoneIn(annesPhone, otherThan(p.at(annesPhone)), "")
				refused(g.t, err, "CODE_NOT_VALID")
			}
		}, nil},
		"of another phone": {func(g *gate, p *phones) {
			must(g.t, g.ask("13900009876"))
			for p.at(annesPhone) == p.at("13900009876") {
				g.pass(time.Minute)
				must(g.t, g.ask("13900009876"))
			}
		}, func(_ *gate, p *phones) string { return p.at("13900009876") }},
		"a locked account": {func(g *gate, p *phones) {
			s, err := g.phoneIn(annesPhone, p.at(annesPhone), "430101002001")
			must(g.t, err)
			caller, err := g.verify(s.GetAccessToken())
			must(g.t, err)
			g.change(caller.Account, func(_ *store.Tx, row *pb.AccountRow) error {
				row.Account.State = pb.AccountState_ACCOUNT_STATE_LOCKED
				return nil
			})
			g.pass(time.Minute)
			must(g.t, g.ask(annesPhone))
		}, nil},
	} {
		g, p := newPhoneGate(t)
		must(t, g.ask(annesPhone))
		if c.before != nil {
			c.before(g, p)
		}
		code := p.at(annesPhone)
		if c.code != nil {
			code = c.code(g, p)
		}
		_, err := g.phoneIn(annesPhone, code, "430101002001")
		if reasonIn(err) != "CODE_NOT_VALID" {
			t.Errorf("%s: %v", what, err)
		}
		if got := g.outcomes(); got[len(got)-1] != "refused CODE_NOT_VALID" {
			t.Errorf("%s: audit %q", what, got)
		}
	}
}

// otherThan answers another code.
func otherThan(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// TestEnterWithPhone_ManyAtOnce: a right code that comes many times at once lets
// one in.
func TestEnterWithPhone_ManyAtOnce(t *testing.T) {
	g, p := newPhoneGate(t)
	must(t, g.ask(annesPhone))
	var let atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := g.phoneIn(annesPhone, p.at(annesPhone), "430101002001"); err == nil {
				let.Add(1)
			} else {
				refused(t, err, "CODE_NOT_VALID")
			}
		})
	}
	all.Wait()
	if let.Load() != 1 {
		t.Errorf("one code let %d in", let.Load())
	}
}

func TestEnterWithPhone_WhereResidentsLive(t *testing.T) {
	g, p := newPhoneGate(t)
	must(t, g.ask(annesPhone))
	for _, community := range []string{"", "430199", communityX, "W00005"} {
		_, err := g.phoneIn(annesPhone, p.at(annesPhone), community)
		refused(t, err, "UNKNOWN_ORGANIZATION")
	}
	_, err := g.phoneIn(annesPhone, p.at(annesPhone), "430101002001") // the code holds still
	must(t, err)
}

func TestEnterWithPhone_Moves(t *testing.T) {
	g, p := newPhoneGate(t)
	must(t, g.ask(annesPhone))
	s, err := g.phoneIn(annesPhone, p.at(annesPhone), "430101002001")
	must(t, err)
	before, err := g.verify(s.GetAccessToken())
	must(t, err)
	move := func(to string) (*pb.Session, error) {
		g.pass(time.Minute)
		must(t, g.ask(annesPhone))
		reply, err := g.EnterWithPhone(g.nobody(), &pb.EnterWithPhoneRequest{Phone: annesPhone, Code: p.at(annesPhone), CommunityId: to, Moved: true})
		return reply.GetSession(), err
	}
	_, err = move("430101002002")
	if refused(t, err, "MOVED_LATELY"); !strings.Contains(err.Error(), "days=30") {
		t.Errorf("%v", err)
	}
	g.pass(30 * 24 * time.Hour)
	_, err = move(communityX)
	refused(t, err, "UNKNOWN_ORGANIZATION")
	_, err = move("430101002001") // lives there
	must(t, err)
	s, err = move("430101002002")
	must(t, err)
	after, err := g.verify(s.GetAccessToken())
	must(t, err)
	if after.Person != before.Person || len(after.Grants) != 1 || after.Grants[0] != grant(typev1.Role_ROLE_RESIDENT, communityB) {
		t.Errorf("%+v", after)
	}
	_, err = move("430101002001")
	refused(t, err, "MOVED_LATELY")
}

func TestSendPhoneCode_HowOften(t *testing.T) {
	g, p := newPhoneGate(t)
	for i := range 10 {
		must(t, g.ask(annesPhone))
		g.pass(59 * time.Second)
		refused(t, g.ask(annesPhone), "SLOW_DOWN")
		must(t, g.ask("138"+strings.Repeat(decimal(i), 8))) // others are not held up
		g.pass(time.Second)
	}
	err := g.ask(annesPhone)
	if refused(t, err, "SLOW_DOWN"); err.Error() != "SLOW_DOWN seconds=85800" {
		t.Errorf("%v", err)
	}
	g.pass(24*time.Hour - 10*time.Minute - time.Second)
	refused(t, g.ask(annesPhone), "SLOW_DOWN")
	g.pass(time.Second)
	must(t, g.ask(annesPhone)) // the first one is a day ago
	g.pass(59 * time.Second)
	refused(t, g.ask(annesPhone), "SLOW_DOWN")
	if p.sent != 21 {
		t.Errorf("%d were sent", p.sent)
	}
}

// TestSendPhoneCode_SaysNothing: the answer, the log and the audit are the same
// whether a phone is known.
func TestSendPhoneCode_SaysNothing(t *testing.T) {
	g, p := newPhoneGate(t)
	must(t, g.ask(annesPhone))
	_, err := g.phoneIn(annesPhone, p.at(annesPhone), "430101002001")
	must(t, err)
	g.pass(session.PhoneDay)
	known, err := g.SendPhoneCode(g.nobody(), &pb.SendPhoneCodeRequest{Phone: annesPhone})
	must(t, err)
	unknown, err := g.SendPhoneCode(g.nobody(), &pb.SendPhoneCodeRequest{Phone: "13900009876"})
	must(t, err)
	if d := diffProto(known, unknown); d != "" || !known.GetAgainAt().AsTime().Equal(g.Now().Add(time.Minute)) {
		t.Errorf("again at %v; %s", known.GetAgainAt().AsTime(), d)
	}
	if code := p.at(annesPhone); len(code) != 6 || strings.Trim(code, "0123456789") != "" {
		t.Errorf("code %q", code)
	}
}

// TestSendPhoneCode_Fails: who asked is told, and the phone and the code are not
// told to the log; what was not sent counts, so that a provider that is down is
// not asked all the time.
func TestSendPhoneCode_Fails(t *testing.T) {
	g, p := newPhoneGate(t)
	var out bytes.Buffer
	g.log = slog.New(slog.NewTextHandler(&out, nil))
	p.err = errors.New("the provider is out of credit")
	refused(t, g.ask(annesPhone), "CODE_NOT_SENT")
	refused(t, g.ask(annesPhone), "SLOW_DOWN")
	if log := out.String(); !strings.Contains(log, "out of credit") || strings.Contains(log, "1234") {
		t.Errorf("logged %s", log)
	}
	g.texter = nil
	refused(t, g.ask("13900009876"), "NO_PHONE_CODES")
}

func TestSendPhoneCode_InTheCallersLanguage(t *testing.T) {
	g, p := newPhoneGate(t)
	call := access.From(g.nobody())
	call.Language = "en"
	_, err := g.SendPhoneCode(access.NewContext(t.Context(), call), &pb.SendPhoneCodeRequest{Phone: annesPhone})
	must(t, err)
	if p.language != "en" {
		t.Errorf("language %q", p.language)
	}
}

// TestSweepSessions_ForgetsPhones a day after their last code.
func TestSweepSessions_ForgetsPhones(t *testing.T) {
	g, _ := newPhoneGate(t)
	must(t, g.ask(annesPhone))
	count := func() (n int) {
		must(t, g.store.Update(t.Context(), func(tx *store.Tx) error {
			_, there, err := g.phoneCodes.Get(tx, scope.All(), hashKey(g.phoneHash(annesPhone)))
			if n = 0; there {
				n = 1
			}
			return err
		}))
		return n
	}
	g.pass(session.PhoneDay)
	must(t, g.sweepSessions(t.Context()))
	if count() != 1 {
		t.Error("forgotten while it counts")
	}
	g.pass(time.Second)
	must(t, g.sweepSessions(t.Context()))
	if count() != 0 {
		t.Error("kept")
	}
}
