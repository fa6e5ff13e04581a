package rpc

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/linli-project/linli/pkg/rule"
)

func TestStatusOf_StatesAndCommandsInTheCallersLanguage(t *testing.T) {
	wrong := rule.New(rule.Precondition, "WRONG_STATE", "", "entity", "request", "state", "taken on", "command", "admit", "allowed", "resolve, close")
	s := status.Convert(statusOf(refusal{Error: wrong, code: codes.FailedPrecondition}, "zh"))
	if want := "当前状态“已接单”不能执行“受理”;可以执行:办结、归档"; s.Message() != want {
		t.Errorf("says %q, want %q", s.Message(), want)
	}
	if e := FromStatus(s); e == nil || e.Error() == "" {
		t.Fatal("no facts")
	} else {
		for i := 0; i < len(e.Params); i += 2 {
			if e.Params[i] == "state" && e.Params[i+1] != "taken on" {
				t.Errorf("programs read %q", e.Params[i+1])
			}
		}
	}
	if s := status.Convert(statusOf(refusal{Error: wrong, code: codes.FailedPrecondition}, "en")); s.Message() == "" || s.Message()[0] < 'A' {
		t.Errorf("in English: %q", s.Message())
	}
}
