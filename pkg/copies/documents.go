package copies

import (
	"sync"

	"github.com/linli-project/linli/pkg/policy"
)

// mostDocuments is how many policies are kept read: a city's districts with a
// few years each.
const mostDocuments = 256

// Documents reads policies from their stored bytes and keeps what it has read:
// a policy is asked for by nearly every step of a request, and changes once a
// year. The bytes themselves are the key, so that nothing old is ever answered.
// The zero Documents is empty; it is safe for concurrent use.
type Documents struct {
	mu   sync.RWMutex
	read map[string]policy.Policy
}

// Of answers the policy of a document, a registry Policy in wire form.
func (d *Documents) Of(document []byte) (policy.Policy, error) {
	d.mu.RLock()
	p, known := d.read[string(document)]
	d.mu.RUnlock()
	if known {
		return p, nil
	}
	p, err := policyOf(document)
	if err != nil {
		return p, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.read == nil || len(d.read) >= mostDocuments {
		d.read = map[string]policy.Policy{}
	}
	d.read[string(document)] = p
	return p, nil
}
