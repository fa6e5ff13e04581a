// Package volunteer writes services as the national volunteer system takes them
// in: one row a service, its time in hours. The columns are those that 志愿服务
// 记录办法 (民函〔2012〕340号), articles 6 and 7, asks of a record, as far as the
// ledger has them.
package volunteer

import (
	"strconv"
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// State of an export. The numbers are those of the API's enum.
type State int32

// The states.
const (
	New State = iota
	Asked
	Approved
	Refused
)

func (s State) String() string {
	names := [...]string{"new", "export asked", "export approved", "export refused"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// The commands.
const (
	Ask     = "ask export"
	Approve = "approve export"
	Refuse  = "refuse export"
	Read    = "read export"
)

// Machine is the way of an export.
func Machine() rule.Machine[State] {
	return rule.Machine[State]{
		Name:  "export",
		Label: State.String,
		Steps: []rule.Step[State]{
			{From: New, Command: Ask, To: Asked},
			{From: Asked, Command: Approve, To: Approved},
			{From: Asked, Command: Refuse, To: Refused},
			{From: Approved, Command: Read, To: Approved},
		},
	}
}

// Verdict is the command of the second person.
func Verdict(approves bool) string {
	if approves {
		return Approve
	}
	return Refuse
}

// CheckSecond refuses who asked.
func CheckSecond(person, askedBy string) error {
	if person == askedBy {
		return rule.New(rule.Denied, "EXPORT_OWN_APPROVAL", "")
	}
	return nil
}

// CheckRows refuses more services than an export may hold.
func CheckRows(rows, most int) error {
	if rows > most {
		return rule.New(rule.Precondition, "EXPORT_TOO_MANY", "", "most", strconv.Itoa(most))
	}
	return nil
}

// CheckTime refuses to read after the end.
func CheckTime(until, now time.Time) error {
	if now.Before(until) {
		return nil
	}
	return rule.New(rule.Precondition, "EXPORT_OVER", "", "until", until.Add(-time.Nanosecond).Format(time.DateOnly))
}

// Service is one confirmed service.
type Service struct {
	Entry, Member string
	// Source and Kind as the API numbers them.
	Source, Kind int32
	Day          string
	QuarterHours int32
}

// Columns are the head of the file. ID numbers have a column, as the system
// asks for one, and no value: they are not given out in bulk.
func Columns() []string {
	return []string{
		"志愿者编号", "姓名", "证件号码", "项目(活动)名称", "服务日期", "服务地点", "服务内容",
		"服务时长(小时)", "记录单位", "记录编号",
	}
}

// Row is a service as the file has it.
func Row(s Service, name, community string) []string {
	return []string{
		s.Member, name, "", Project(s.Source), s.Day, community, Content(s.Kind), Hours(s.QuarterHours), community, s.Entry,
	}
}

// Hours writes quarters of an hour as hours: 6 → "1.5".
func Hours(quarters int32) string { return strconv.FormatFloat(float64(quarters)/4, 'f', -1, 64) }

// Project is the activity that a source of entries is a part of.
func Project(source int32) string {
	names := [...]string{"社区服务", "服务圈诉求办理", "社区活动", "岗位服务", "结对帮扶", "微心愿", "代言民意", "社区服务"}
	if source < 0 || int(source) >= len(names) {
		return names[0]
	}
	return names[source]
}

// Content is what kind of service it was.
func Content(kind int32) string {
	names := [...]string{
		"社区服务", "帮困扶弱", "环境整治", "治安巡逻", "纠纷调解", "文体活动", "教育辅导", "医疗保健", "法律政策咨询",
		"维修便民", "其他",
	}
	if kind < 0 || int(kind) >= len(names) {
		return names[0]
	}
	return names[kind]
}
