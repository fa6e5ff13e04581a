package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/clock"
	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/scope"
)

// Who is told of what. Each kind of event that the services announce stands in
// one list, announcements: with whom it tells of what, or with why it tells
// nobody. The lists of each service are in notices_<service>.go.

// who is somebody that an event can be told to, as the page says it.
type who string

// Those who wait for something.
const (
	theCommunity    who = "community office"
	theStreet       who = "street office"
	theDistrict     who = "district department"
	theSeer         who = "office that sees to it"
	theLevel        who = "next office up"
	theAuthor       who = "author"
	theHelper       who = "helper"
	theMember       who = "member"
	theHome         who = "home organization"
	theAboveHome    who = "office above the home organization"
	theApplicant    who = "applicant"
	theReviewers    who = "reviewers"
	thePanel        who = "panel"
	theObjector     who = "who objected"
	theOffice       who = "office"
	everyMember     who = "every member of the district"
	everyCommunity  who = "every community of the district"
	everyMemberHere who = "every member of the branch"
	everyHome       who = "every home organization of the district"
	theLeft         who = "community that was left"
	theAbove        who = "office above"
	theColleague    who = "colleague"
	everyMayApply   who = "every organization of the district that may apply"
)

// announcement is one kind of event: its subject without "linli.", how its facts
// are read, and who is told of what. nobody says why it tells nobody.
type announcement struct {
	subject string
	read    reading
	tells   []tell
	nobody  string
}

// tell is one message of an announcement. only limits it to events of a kind.
// takesBack makes it one that is not to be told any more.
type tell struct {
	to        who
	topic     string
	only      string
	takesBack bool
}

// reading answers the facts of an event; more than one for an event that
// announces many things at once.
type reading func(e *typev1.EventRow, at places) ([]facts, error)

// places finds an organization that an event names; a zero one is not known.
type places func(organizationID string) (location, error)

// location is where an organization stands, and whether it is outside linli: nobody
// reads an inbox there.
type location struct {
	path    string
	outside bool
}

// facts are what an event says, in the words of messages.
type facts struct {
	// about is the id of the thing, and fact tells two facts about it apart, "3"
	// for its revision. The same fact told by two events has the same words here.
	about, fact string
	whom        map[who][]string
	params      map[string]string
	// kinds choose among the tells that are limited to some.
	kinds []string
	// from is when it may be known; zero = at once.
	from time.Time
	// place is the organization whose words and policy hold.
	place string
	// under is the district that a walk goes through.
	under string
}

// notice is one message before it lies in an inbox.
type notice struct {
	address string
	topic   string
	about   string
	fact    string
	params  map[string]string
	from    time.Time
	place   string
	// withheld: it is not to be told, and taken back if it waits.
	withheld bool
}

const (
	personAddress = "p:"
	officeAddress = "o:"
)

func toPerson(id string) string     { return personAddress + id }
func toOffice(path string) string   { return officeAddress + path }
func leaf(path string) string       { return scope.Path(path).ID() }
func decimal(n int) string          { return strconv.Itoa(n) }
func revision(e uint64) string      { return strconv.FormatUint(e, 10) }
func quarters(n int32) (out string) { return strconv.FormatFloat(float64(n)/4, 'f', -1, 64) }

// homeOffice is the address of a home organization; none outside linli.
func homeOffice(home string, at places) ([]string, error) {
	where, err := at(leaf(home))
	if err != nil || where.outside {
		return nil, err
	}
	return officesAt(home), nil
}

// above answers the organization some levels up; empty above the top.
func above(path string, levels int) string {
	p := scope.Path(path)
	for range levels {
		p = p.Parent()
	}
	return string(p)
}

// officesAt are the addresses of organizations; an empty path is nobody's.
func officesAt(paths ...string) (out []string) {
	for _, p := range paths {
		if p != "" {
			out = append(out, toOffice(p))
		}
	}
	return out
}

// persons are the addresses of persons; an empty id is nobody.
func persons(ids ...string) (out []string) {
	for _, id := range ids {
		if id != "" {
			out = append(out, toPerson(id))
		}
	}
	return out
}

// dayOf is the Shanghai day of an event, or the one that it says.
func dayOf(e *typev1.EventRow, said string) string {
	if said != "" {
		return said
	}
	return clock.Day(e.GetCivilTime().AsTime())
}

// personOf answers whose own an address is.
func personOf(address string) (string, bool) { return strings.CutPrefix(address, personAddress) }

// officeOf answers the office of an address.
func officeOf(address string) (scope.Path, bool) {
	path, ok := strings.CutPrefix(address, officeAddress)
	return scope.Path(path), ok
}

// id is the same for the same fact, so that it is told once.
func (n notice) id() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{n.address, n.topic, n.about, n.fact}, "\x00")))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// announcements are all kinds of events.
func announcements() []announcement {
	return slices.Concat(registryAnnouncements(), auditAnnouncements(), campaignAnnouncements(), requestAnnouncements(), aidAnnouncements(),
		projectAnnouncements(), deliveryAnnouncements(), evaluationAnnouncements(), branchAnnouncements(), trustAnnouncements(), privacyAnnouncements())
}

// decided is built once: the lists are constant.
var decided = func() map[string]announcement {
	out := map[string]announcement{}
	for _, a := range announcements() {
		out[a.subject] = a
	}
	return out
}()

// announcementOf answers the kind of an event; false for one that nobody has
// decided on.
func announcementOf(e *typev1.EventRow) (announcement, bool) {
	a, ok := decided[strings.TrimPrefix(e.GetSubject(), "linli.")]
	return a, ok
}

// wide says whether a message goes to everybody in a district, which only a walk
// finds.
func (w who) wide() bool {
	return slices.Contains([]who{everyMember, everyMemberHere, everyCommunity, everyHome, everyMayApply}, w)
}

// walk answers the message of an announcement that needs a walk.
func (a announcement) walk() (tell, bool) {
	i := slices.IndexFunc(a.tells, func(t tell) bool { return t.to.wide() })
	if i < 0 {
		return tell{}, false
	}
	return a.tells[i], true
}

// noticesOf answers who is to be told of an event, without those that a walk
// finds.
func noticesOf(e *typev1.EventRow, at places) ([]notice, error) {
	a, ok := announcementOf(e)
	if !ok || a.read == nil {
		return nil, nil
	}
	all, err := a.read(e, at)
	if err != nil {
		return nil, err
	}
	var out []notice
	for _, f := range all {
		for _, t := range a.tells {
			if t.only != "" && !slices.Contains(f.kinds, t.only) {
				continue
			}
			for _, address := range f.whom[t.to] {
				out = append(out, f.notice(address, t))
			}
		}
	}
	return out, nil
}

func (f facts) notice(address string, t tell) notice {
	return notice{
		address: address, topic: t.topic, about: f.about, fact: f.fact, params: f.params, from: f.from, place: f.place,
		withheld: t.takesBack,
	}
}

// placesIn finds organizations in the registry's own tree.
func (s *Service) placesIn(r kv.Reader) places {
	return func(id string) (location, error) {
		row, ok, err := s.organizations.Get(r, scope.All(), idKey(id))
		if err != nil || !ok {
			return location{}, err
		}
		return location{row.Value.GetPath(), row.Value.GetKind() == pb.OrganizationKind_ORGANIZATION_KIND_EXTERNAL}, nil
	}
}

// inboxConsumers put what the services announce into the inboxes.
func (s *Service) inboxConsumers() []events.Consumer {
	consumer := func(from string, subjects ...string) events.Consumer {
		return events.Consumer{
			Name: "registry-inbox-" + from, From: from, Kind: events.Fact, Subjects: subjects, Apply: s.deliver,
		}
	}
	return []events.Consumer{
		consumer("registry", ownSubjects()...),
		consumer("requests", "linli.requests.>"),
		consumer("projects", "linli.projects.>"),
		consumer("evaluation", "linli.evaluation.>"),
	}
}

// ownSubjects are the registry's own events that somebody is told of: an import
// announces each of its slices, and nobody waits for those here.
func ownSubjects() (out []string) {
	for _, a := range slices.Concat(registryAnnouncements(), campaignAnnouncements(), privacyAnnouncements()) {
		if a.nobody == "" {
			out = append(out, "linli."+a.subject)
		}
	}
	return out
}

// one is what an event says about one thing.
func one(f facts) []facts { return []facts{f} }
