package rpc

import (
	"slices"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ruleOutputOnly is the name of the rule below among those of protovalidate.
const ruleOutputOnly = "output_only"

// A field that only linli sets (OUTPUT_ONLY) is refused in a request, at any
// depth: left out silently, it would let a caller believe that the state, the
// organization or the person of a row had been set. An etag may come back with
// the resource that it was read with.

func isFixed(f protoreflect.FieldDescriptor) bool {
	behaviors, _ := proto.GetExtension(f.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	return f.Name() != "etag" && slices.Contains(behaviors, annotations.FieldBehavior_OUTPUT_ONLY)
}

// brought answers the paths of the fields that a request must not bring.
func brought(fixed *fields, m protoreflect.Message) (out []string) {
	fixed.visit(m, "", func(m protoreflect.Message, own []protoreflect.FieldDescriptor, path string) {
		for _, f := range own {
			if m.Has(f) {
				out = append(out, path+string(f.Name()))
			}
		}
	})
	return out
}
