package testkit

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	registryv1 "github.com/linli-project/linli/proto/gen/linli/registry/v1"
	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/rpc"
	"github.com/linli-project/linli/pkg/store"
)

// mutating answers the full names of the methods whose proto says that they
// change something, and that are no streams.
func mutating() map[string]bool {
	out := map[string]bool{}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			for j := range s.Methods().Len() {
				m := s.Methods().Get(j)
				a, _ := proto.GetExtension(m.Options(), typev1.E_Access).(*typev1.Access)
				if a.GetMutates() && !m.IsStreamingClient() && !m.IsStreamingServer() {
					out["/"+string(s.FullName())+"/"+string(m.Name())] = true
				}
			}
		}
		return true
	})
	return out
}

// audited is the door with a list of what was done through it: each mutating
// call that succeeded must have left one line in the audit.
type audited struct {
	grpc.ClientConnInterface
	methods map[string]bool

	mu   sync.Mutex
	done []doneCall
}

type doneCall struct {
	method, id string
	// keyed: it may be a repeat, whose first call left the line.
	keyed bool
}

func newAudited(door grpc.ClientConnInterface) *audited {
	return &audited{ClientConnInterface: door, methods: mutating()}
}

func (a *audited) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if !a.methods[method] {
		return a.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
	}
	var header metadata.MD
	err := a.ClientConnInterface.Invoke(ctx, method, args, reply, append(opts, grpc.Header(&header))...)
	if ids := header.Get(rpc.HeaderCallID); err == nil && len(ids) == 1 {
		sent, _ := metadata.FromOutgoingContext(ctx)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.done = append(a.done, doneCall{method: method, id: ids[0], keyed: len(sent.Get(rpc.HeaderIdempotencyKey)) > 0})
	}
	return err
}

// checkAudit has every mutating call that was made through Conn and succeeded
// looked up in the audit.
func (h *House) checkAudit() {
	lines := map[string]int{}
	for _, s := range h.services {
		err := h.stores[s.Name()].View(context.Background(), func(r kv.Reader) error {
			return store.EachAuditRow(r, func(row *typev1.AuditRow) {
				lines[row.GetMethod()+" "+row.GetCallId()]++
				if !slices.Contains(store.Outcomes(), row.GetOutcome()) {
					h.t.Errorf("%s came to %q, which is none of store.Outcomes", row.GetMethod(), row.GetOutcome())
				}
			})
		})
		if err != nil {
			h.t.Errorf("read the audit of %s: %v", s.Name(), err)
		}
	}
	for _, problem := range unaudited(h.door.done, lines) {
		h.t.Error(problem)
	}
}

// commits says in how many commits a method does its work: that of a provider's
// answer spends the state first, and then asks the provider.
func commits(method string) int {
	if method == registryv1.SessionService_EnterWithProvider_FullMethodName {
		return 2
	}
	return 1
}

// unaudited says of which calls there is not one line for each commit; lines are
// counted by method and call id.
func unaudited(done []doneCall, lines map[string]int) (problems []string) {
	for _, c := range done {
		if n := lines[c.method+" "+c.id]; n != commits(c.method) && (n != 0 || !c.keyed) {
			problems = append(problems, fmt.Sprintf("%s was called and left %d lines in the audit", c.method, n))
		}
	}
	return problems
}
