package member_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/registry/internal/member"
)

func TestCheckFact_TakesWhatCanBe(t *testing.T) {
	good := map[member.Fact][]string{
		member.FactName: {"王小明", "阿依古丽·买买提"}, member.FactSex: {"male", "female"}, member.FactIDNumber: {"11010519491231002X", "43019819881128130x"},
		member.FactPhone: {"13800001111"}, member.FactJoinedOn: {"2001-07-01"}, member.FactBuilding: {"15栋"}, member.FactUnit: {"1单元302"},
	}
	bad := map[member.Fact][]string{
		member.FactName: {"", " 王", "王 "}, member.FactSex: {"男", ""}, member.FactIDNumber: {"110105194912310021", "", "1"},
		member.FactPhone: {"1380000111", "+8613800001111", ""}, member.FactJoinedOn: {"2001-02-30", "01.07.2001", ""},
		member.FactBuilding: {"", "一二三四五六七八九十一二三四五六七八九十一"}, member.FactUnit: {""}, member.NoFact: {"x"}, member.Fact(99): {"x"},
	}
	for fact, values := range good {
		for _, v := range values {
			if err := member.CheckFact(fact, v); err != nil {
				t.Errorf("%d: %v", fact, err)
			}
		}
	}
	for fact, values := range bad {
		for _, v := range values {
			err := member.CheckFact(fact, v)
			var refused *rule.Error
			if !errors.As(err, &refused) || refused.Reason != "INVALID_FIELD" {
				t.Errorf("%d %q: %v", fact, v, err)
			} else if v != "" && slices.Contains(refused.Params, v) {
				t.Errorf("the refusal of %q holds it", v)
			}
		}
	}
}
