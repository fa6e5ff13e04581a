package registry

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
)

// modelledPhone is a phone as the model has it.
type modelledPhone struct {
	number string
	sent   []time.Time // all there were
	codes  []string
	tries  int
	used   bool
	person string
	lives  string
	came   time.Time
}

// phoneModel runs random commands against the registry and the model. Each comes
// from an address of its own, so that nobody waits for the failures of another.
type phoneModel struct {
	*gate
	sends *phones
	all   []*modelledPhone
	calls int
}

func (m *phoneModel) pick(r *rapid.T) *modelledPhone {
	return m.all[rapid.IntRange(0, len(m.all)-1).Draw(r, "phone")]
}

func (m *phoneModel) want(r *rapid.T, what string, err error, reason string) {
	if got := reasonIn(err); got != reason || err != nil && reason == "" {
		r.Fatalf("%s at %v: %v, the model says %q", what, m.Now(), err, reason)
	}
}

func (m *phoneModel) address() string {
	m.calls++
	return "10." + decimal(m.calls>>16&255) + "." + decimal(m.calls>>8&255) + "." + decimal(m.calls&255)
}

func (m *phoneModel) ask(r *rapid.T) {
	p, now, reason := m.pick(r), m.Now(), ""
	recent := 0
	for _, at := range p.sent {
		if now.Sub(at) < time.Minute {
			reason = "SLOW_DOWN"
		}
		if now.Sub(at) < 24*time.Hour {
			recent++
		}
	}
	if recent >= 10 {
		reason = "SLOW_DOWN"
	}
	_, err := m.SendPhoneCode(m.from(m.address()), &pb.SendPhoneCodeRequest{Phone: p.number})
	m.want(r, "ask", err, reason)
	if reason == "" {
		p.sent, p.codes, p.tries, p.used = append(p.sent, now), append(p.codes, m.sends.at(p.number)), 0, false
	}
}

func (m *phoneModel) enter(r *rapid.T) {
	p, now := m.pick(r), m.Now()
	code := "no code"
	if len(p.codes) > 0 && rapid.IntRange(0, 3).Draw(r, "right") > 0 {
		code = p.codes[len(p.codes)-1]
	} else if len(p.codes) > 1 {
		code = p.codes[0]
	}
	community := rapid.SampledFrom([]string{"430101002001", "430101002002", "430199"}).Draw(r, "community")
	moved := rapid.Bool().Draw(r, "moved")
	n := len(p.codes)
	holds := n > 0 && !p.used && p.tries < 5 && now.Sub(p.sent[n-1]) < 5*time.Minute
	right := holds && code == p.codes[n-1]
	moves := p.person != "" && moved && community != p.lives
	reason := ""
	switch {
	case !right:
		reason = "CODE_NOT_VALID"
	case community == "430199" && (p.person == "" || moved):
		reason = "UNKNOWN_ORGANIZATION"
	case moves && now.Sub(p.came) < 30*24*time.Hour:
		reason = "MOVED_LATELY"
	}
	reply, err := m.EnterWithPhone(m.from(m.address()), &pb.EnterWithPhoneRequest{Phone: p.number, Code: code, CommunityId: community, Moved: moved})
	m.want(r, "enter", err, reason)
	if holds && !right {
		p.tries++
	}
	if reason != "" {
		return
	}
	p.used = true
	caller, err := m.verify(reply.GetSession().GetAccessToken())
	m.want(r, "verify", err, "")
	if p.person == "" || moves {
		p.lives, p.came = community, now
	}
	if p.person == "" {
		p.person = caller.Person
	}
	if caller.Person != p.person || len(caller.Grants) != 1 || caller.Grants[0].Path.ID() != p.lives {
		r.Fatalf("%+v, the model says %+v", caller, p)
	}
}

func TestPhoneCodes_AreWhatAModelSays(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		g, sends := newPhoneGate(t)
		m := &phoneModel{gate: g, sends: sends, all: []*modelledPhone{{number: annesPhone}, {number: "13900009876"}}}
		r.Repeat(map[string]func(*rapid.T){
			"ask": m.ask, "enter": m.enter, "enter again": m.enter,
			"pass seconds": func(r *rapid.T) { m.pass(time.Duration(rapid.IntRange(1, 100).Draw(r, "seconds")) * time.Second) },
			"pass minutes": func(r *rapid.T) { m.pass(time.Duration(rapid.IntRange(1, 40).Draw(r, "minutes")) * time.Minute) },
			"pass days": func(r *rapid.T) {
				m.pass(time.Duration(rapid.IntRange(1, 20).Draw(r, "days")) * 24 * time.Hour)
				must(m.t, m.sweepSessions(m.t.Context()))
			},
			"": func(r *rapid.T) {
				for _, p := range m.all {
					if m.lies(p.number) {
						r.Fatalf("%s lies in the store", p.number)
					}
				}
			},
		})
	})
}
