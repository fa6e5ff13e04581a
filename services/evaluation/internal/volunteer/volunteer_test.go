package volunteer_test

import (
	"errors"
	"testing"
	"time"

	"github.com/linli-project/linli/pkg/rule"
	"github.com/linli-project/linli/services/evaluation/internal/volunteer"
)

func reason(err error) string {
	var broken *rule.Error
	if errors.As(err, &broken) {
		return broken.Reason
	}
	return ""
}

func TestRow_HasEachColumnAndNoIDNumber(t *testing.T) {
	columns := volunteer.Columns()
	row := volunteer.Row(volunteer.Service{Entry: "ent_1", Member: "m1", Source: 2, Kind: 9, Day: "2013-08-02", QuarterHours: 6}, "王一", "芙蓉南路社区")
	if len(row) != len(columns) {
		t.Fatalf("%d columns, %d cells", len(columns), len(row))
	}
	want := map[string]string{
		"志愿者编号": "m1", "姓名": "王一", "证件号码": "", "项目(活动)名称": "社区活动", "服务日期": "2013-08-02",
		"服务内容": "维修便民", "服务时长(小时)": "1.5", "记录单位": "芙蓉南路社区", "记录编号": "ent_1",
	}
	for i, c := range columns {
		if w, known := want[c]; known && row[i] != w {
			t.Errorf("%s: %q, want %q", c, row[i], w)
		}
	}
}

func TestHours_OfQuarters(t *testing.T) {
	for quarters, want := range map[int32]string{0: "0", 1: "0.25", 2: "0.5", 6: "1.5", 32: "8"} {
		if got := volunteer.Hours(quarters); got != want {
			t.Errorf("%d quarters are %s", quarters, got)
		}
	}
}

func TestExport_Rules(t *testing.T) {
	now := time.Date(2013, 9, 2, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"one person":     {volunteer.CheckSecond("a", "a"), "EXPORT_OWN_APPROVAL"},
		"two persons":    {volunteer.CheckSecond("b", "a"), ""},
		"at the limit":   {volunteer.CheckRows(10, 10), ""},
		"over the limit": {volunteer.CheckRows(11, 10), "EXPORT_TOO_MANY"},
		"before the end": {volunteer.CheckTime(now.Add(time.Second), now), ""},
		"after the end":  {volunteer.CheckTime(now, now), "EXPORT_OVER"},
	} {
		if reason(c.err) != c.want {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if volunteer.Project(99) != volunteer.Project(0) || volunteer.Content(-1) != volunteer.Content(0) {
		t.Error("an unknown number has a word of its own")
	}
}
