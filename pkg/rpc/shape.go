package rpc

import (
	"errors"
	"fmt"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/texts"
)

// shapes checks requests against the rules that stand in their protos.
type shapes struct {
	validator protovalidate.Validator
	demanded  *fields
	fixed     *fields
}

func newShapes() (*shapes, error) {
	v, err := protovalidate.New()
	return &shapes{validator: v, demanded: &fields{is: demandsText}, fixed: &fields{is: isFixed}}, err
}

func (s *shapes) check(req any, language string) error {
	msg, ok := req.(proto.Message)
	if !ok {
		return fmt.Errorf("rpc: a request of type %T", req)
	}
	broken := &shape{}
	if err := s.validator.Validate(msg); err != nil {
		invalid := (*protovalidate.ValidationError)(nil)
		if !errors.As(err, &invalid) {
			return err
		}
		for _, v := range invalid.Violations {
			broken.add(protovalidate.FieldPathString(v.Proto.GetField()), inRule(v, language))
		}
	}
	for _, field := range blanks(s.demanded, msg.ProtoReflect()) {
		broken.add(field, texts.Text(language, "rule."+ruleNotBlank))
	}
	for _, field := range brought(s.fixed, msg.ProtoReflect()) {
		broken.add(field, texts.Text(language, "rule."+ruleOutputOnly))
	}
	if broken.first == nil {
		return nil
	}
	return broken
}

// shape is a request that breaks rules of its proto: it names each field and
// what would be right.
type shape struct {
	first      *rule.Error
	violations []*errdetails.BadRequest_FieldViolation
}

func (s *shape) Error() string { return s.first.Error() }

func (s *shape) add(field, what string) {
	if s.first == nil {
		s.first = rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", what)
	}
	s.violations = append(s.violations, &errdetails.BadRequest_FieldViolation{
		Field: field, Description: what, Reason: "INVALID_FIELD"})
}

// inRule says a rule in the caller's language where there is a text for it: of
// an enum what can be chosen, of a pattern what it means.
func inRule(v *protovalidate.Violation, language string) string {
	rule := v.Proto.GetRuleId()
	if f := v.FieldDescriptor; strings.HasPrefix(rule, "enum.") && f != nil && f.Enum() != nil {
		return texts.Text(language, "rule.one_of", "values", strings.Join(choices(f.Enum()), ", "))
	}
	said := v.Proto.GetMessage()
	if rule == "string.pattern" {
		said = texts.Word(language, "pattern", v.RuleValue.String())
		if said != v.RuleValue.String() {
			return said
		}
	}
	id := "rule." + rule
	if what := texts.Text(language, id, "value", v.RuleValue.String()); what != id {
		return what
	}
	return said
}

// choices are the names of an enum but for the one that says nothing.
func choices(e protoreflect.EnumDescriptor) (names []string) {
	for i := range e.Values().Len() {
		if v := e.Values().Get(i); v.Number() != 0 {
			names = append(names, string(v.Name()))
		}
	}
	return names
}
