package copies

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/events"
	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
	"github.com/linli-project/linli/pkg/policy"
	"github.com/linli-project/linli/pkg/scope"
	"github.com/linli-project/linli/pkg/store"
	"github.com/linli-project/linli/pkg/table"
)

// Policies is a service's copy of what the districts decided.
type Policies struct {
	table *table.Table[*typev1.PolicyCopyRow]
	read  Documents
}

// NewPolicies declares the copy.
func NewPolicies() *Policies {
	return &Policies{table: table.New(table.Spec[*typev1.PolicyCopyRow]{
		Number: store.TablePolicy, Name: "policy_copy",
		Key: func(p *typev1.PolicyCopyRow) key.Key { return policyKey(p.GetDistrictPath(), p.GetYear()) },
	})}
}

func policyKey(path string, year int32) key.Key { return key.Key(nil).String(path).Uint(uint64(year)) }

// For answers the policy of a year that holds at a place: that of the nearest
// organization at or above it which has one, else the defaults.
func (p *Policies) For(r kv.Reader, at scope.Path, year int) (policy.Policy, error) {
	for path := at; path != "" && path != "/"; path = path.Parent() {
		row, ok, err := p.table.Get(r, scope.All(), policyKey(string(path), int32(year)))
		if err != nil {
			return policy.Policy{}, err
		}
		if ok {
			return p.read.Of(row.Value.GetPolicy())
		}
	}
	return policy.Policy{}, nil
}

func policyOf(document []byte) (policy.Policy, error) {
	var p registryv1.Policy
	if err := proto.Unmarshal(document, &p); err != nil {
		return policy.Policy{}, fmt.Errorf("%w: copied policy: %w", kv.ErrCorrupt, err)
	}
	return PolicyOf(&p)
}

// PolicyOf reads a policy as the registry says it.
func PolicyOf(p *registryv1.Policy) (policy.Policy, error) {
	var values []policy.Value
	for _, v := range p.GetValues() {
		values = append(values, policy.Value{Key: v.GetKey(), Text: v.GetValue(), Source: sourceOf(v.GetSource())})
	}
	var calendars []policy.Year
	for _, c := range p.GetCalendars() {
		calendars = append(calendars, policy.Year{
			Year: int(c.GetYear()), Holidays: c.GetHolidays(), Workdays: c.GetWorkdays(), Source: sourceOf(c.GetSource()),
		})
	}
	return policy.New(p.GetVersion(), values, calendars)
}

func sourceOf(s *registryv1.PolicySource) policy.Source {
	return policy.Source{Title: s.GetTitle(), Number: s.GetNumber(), Article: s.GetArticle()}
}

// Table is the copy as fsck sees it.
func (p *Policies) Table() table.Checker { return p.table }

// Consumer keeps the copy of a service up to date.
func (p *Policies) Consumer(service string) events.Consumer {
	return events.Consumer{
		Name: service + "-policies", From: "registry", Kind: events.Copy,
		Subjects: []string{"linli.registry.policy.*"},
		Apply:    p.apply,
	}
}

func (p *Policies) apply(tx *store.Tx, e *typev1.EventRow) error {
	var ev registryv1.PolicyPublished
	if err := events.Decode(e, &ev); err != nil {
		return err
	}
	document, err := proto.Marshal(ev.GetPolicy())
	if err != nil {
		return fmt.Errorf("encode policy: %w", err)
	}
	next := &typev1.PolicyCopyRow{
		DistrictPath: ev.GetDistrictPath(), Year: ev.GetPolicy().GetYear(), Policy: document, SourceRevision: ev.GetRevision(),
	}
	return keep(tx, p.table, policyKey(next.GetDistrictPath(), next.GetYear()), next, func(old *typev1.PolicyCopyRow) bool {
		return ev.GetRevision() > old.GetSourceRevision()
	})
}
