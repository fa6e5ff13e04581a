package rpc

import (
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"
)

// nature is what the door's clients know of a method, read from its proto.
type nature struct {
	// safe: it can be sent again when nobody knows whether it arrived.
	safe bool
	// anonymous: nothing that says who calls goes with it.
	anonymous bool
	stream    bool
}

// natureOf reads it. Safe is what REST reads with GET or the proto declares to
// have no side effect, and what the access option does not call a change: all
// three stand beside the method, so that none can be forgotten in a list
// elsewhere. A change is never sent again from here, not even with an
// idempotency key: whoever holds the key repeats it, and knows that he does.
func natureOf(m protoreflect.MethodDescriptor) nature {
	a, _ := proto.GetExtension(m.Options(), typev1.E_Access).(*typev1.Access)
	rest, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	options, _ := m.Options().(*descriptorpb.MethodOptions)
	reads := rest.GetGet() != "" || options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
	for _, more := range rest.GetAdditionalBindings() {
		reads = reads && more.GetGet() != ""
	}
	n := nature{anonymous: a.GetAnonymous(), stream: m.IsStreamingClient() || m.IsStreamingServer()}
	n.safe = reads && !a.GetMutates() && !m.IsStreamingClient()
	return n
}

// eachMethod calls fn with every method of linli's protos: "/linli.registry.v1.
// RegistryService/GetMember".
func eachMethod(fn func(service, method string, m protoreflect.MethodDescriptor)) {
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if f.Package().Parent().Parent() != "linli" {
			return true
		}
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			for j := range s.Methods().Len() {
				fn(string(s.FullName()), string(s.Methods().Get(j).Name()), s.Methods().Get(j))
			}
		}
		return true
	})
}
