package rpc

import (
	"errors"
	"fmt"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/pkg/texts"
)

// shapes checks requests against the rules that stand in their protos.
type shapes struct {
	validator protovalidate.Validator
	demands   demands
}

func newShapes() (*shapes, error) {
	v, err := protovalidate.New()
	return &shapes{validator: v}, err
}

func (s *shapes) check(req any, language string) error {
	msg, ok := req.(proto.Message)
	if !ok {
		return fmt.Errorf("rpc: a request of type %T", req)
	}
	broken := &shape{}
	err := s.validator.Validate(msg)
	if invalid := (*protovalidate.ValidationError)(nil); errors.As(err, &invalid) {
		for _, v := range invalid.Violations {
			broken.add(protovalidate.FieldPathString(v.Proto.GetField()), inRule(v, language))
		}
	} else if err != nil {
		return err
	}
	for _, field := range s.demands.blanks(msg.ProtoReflect(), "") {
		broken.add(field, texts.Text(language, "rule."+ruleNotBlank))
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

// inRule says a rule in the caller's language where there is a text for it.
func inRule(v *protovalidate.Violation, language string) string {
	id := "rule." + v.Proto.GetRuleId()
	what := texts.Text(language, id, "value", v.RuleValue.String())
	if what == id {
		what = v.Proto.GetMessage()
	}
	return what
}
