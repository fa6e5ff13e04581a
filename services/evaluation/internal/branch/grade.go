package branch

import (
	"strconv"
	"strings"

	"github.com/linli-project/linli/pkg/rule"
)

// Grade is a statutory grade. The numbers are those of the API's enum.
type Grade int32

// The grades, the best first.
const (
	Ungraded Grade = iota
	Excellent
	Qualified
	Basic
	Unqualified
)

// Count is what stands of a branch's year. Every decision reads and writes it:
// it is the guard of the third.
type Count struct {
	Voters, SetAside int32
	Decided          int32
	// Excellent without exceptions.
	Excellent int32
	// Exceptions above the third with consent, and such as wait for it.
	Exceptions, Asked int32
	Objections        int32
}

// Graded is N: the voters that are not set aside.
func (c Count) Graded() int32 { return c.Voters - c.SetAside }

// Third is ⌊N/3⌋.
func (c Count) Third() int32 { return c.Graded() / 3 }

// Member of a branch's cycle.
type Member struct {
	ID           string
	Probationary bool
	SetAside     bool
	Proposed     Grade
	// Tied across the line of the third: below it until decided.
	Tied      bool
	Decided   Grade
	DecidedBy string
	Exception ExceptionState
	AskedBy   string
	Objection Objection
}

// Objection says whether the member objected and waits.
type Objection int32

// An objection is answered once.
const (
	NoObjection Objection = iota
	OpenObjection
	AnsweredObjection
)

func (m Member) graded() bool { return !m.Probationary && !m.SetAside }

// Deviates says whether another grade was decided than proposed. Out of a tie
// across the line both grades are as proposed.
func (m Member) Deviates(g Grade) bool {
	return g != m.Proposed && (!m.Tied || g != Excellent)
}

// Decision of a named person.
type Decision struct {
	Grade     Grade
	Reason    string
	Exception bool
	By        string
}

// Decide takes a decision about a member. 优秀 beyond the third stands only as
// an exception: what was decided before stays until somebody above consents.
func (m *Member) Decide(c *Count, d Decision) error {
	if err := m.mayDecide(d); err != nil {
		return err
	}
	without := *c
	m.takeBack(&without)
	full := d.Grade == Excellent && without.Excellent >= without.Third()
	if full && (m.Exception != Consented || m.Decided != Excellent) {
		if !d.Exception {
			return thirdUsed(without)
		}
		return m.ask(c, d)
	}
	if full { // it stands by exception already
		return nil
	}
	if m.Exception != None {
		if err := m.moveException(GiveUp); err != nil {
			return err
		}
	}
	*c = without
	m.Decided, m.DecidedBy, m.AskedBy = d.Grade, d.By, ""
	c.Decided++
	if d.Grade == Excellent {
		c.Excellent++
	}
	return nil
}

func (m Member) mayDecide(d Decision) error {
	switch {
	case d.By == m.ID:
		return rule.New(rule.Denied, "GRADE_ON_ONESELF", "")
	case !m.graded() || d.Grade < Excellent || d.Grade > Unqualified:
		return rule.New(rule.Invalid, "GRADE_NOT_GRADED", "grade", "id", m.ID)
	case d.Exception && blank(d.Reason):
		return rule.New(rule.Invalid, "GRADE_EXCEPTION_REASON", "reason", "id", m.ID)
	case m.Deviates(d.Grade) && blank(d.Reason):
		return rule.New(rule.Invalid, "GRADE_DEVIATION_REASON", "reason")
	}
	return nil
}

func (m *Member) ask(c *Count, d Decision) error {
	if m.Exception == Asked {
		c.Asked--
	}
	if err := m.moveException(Ask); err != nil {
		return err
	}
	m.AskedBy = d.By
	c.Asked++
	return nil
}

// takeBack takes what stands of a member, or waits, out of the counts.
func (m Member) takeBack(c *Count) {
	if m.Exception == Asked {
		c.Asked--
	}
	if m.Decided == Ungraded {
		return
	}
	c.Decided--
	switch {
	case m.Decided == Excellent && m.Exception == Consented:
		c.Exceptions--
	case m.Decided == Excellent:
		c.Excellent--
	}
}

func (m *Member) moveException(command string) error {
	next, err := Exceptions().Next(m.Exception, command)
	if err == nil {
		m.Exception = next
	}
	return err
}

// Answer is what the organization above says to an exception.
func (m *Member) Answer(c *Count, command, by string) error {
	switch by {
	case m.ID:
		return rule.New(rule.Denied, "GRADE_ON_ONESELF", "")
	case m.AskedBy:
		return rule.New(rule.Denied, "GRADE_OWN_DECISION", "")
	}
	before := *m
	if err := m.moveException(command); err != nil {
		return err
	}
	if command == Refuse {
		c.Asked--
		return nil
	}
	before.takeBack(c)
	m.Decided, m.DecidedBy = Excellent, m.AskedBy
	c.Decided++
	c.Exceptions++
	return nil
}

// Aside takes a member out of those graded, or back in; what was decided goes.
func (m *Member) Aside(c *Count, aside bool, by string) error {
	switch {
	case by == m.ID:
		return rule.New(rule.Denied, "GRADE_ON_ONESELF", "")
	case m.Probationary || m.SetAside == aside:
		return rule.New(rule.Invalid, "GRADE_NOT_GRADED", "aside", "id", m.ID)
	}
	next := *c
	if !aside {
		next.SetAside--
	} else {
		m.takeBack(&next)
		next.SetAside++
		if next.Excellent > next.Third() {
			return thirdUsed(next)
		}
	}
	m.SetAside, m.Decided, m.DecidedBy, m.Exception, m.AskedBy = aside, Ungraded, "", None, ""
	*c = next
	return nil
}

// Object is the member's own objection, once.
func (m *Member) Object(c *Count) error {
	switch {
	case m.Objection != NoObjection:
		return rule.New(rule.Exists, "GRADE_OBJECTED", "")
	case !m.graded():
		return rule.New(rule.Invalid, "GRADE_NOT_GRADED", "year", "id", m.ID)
	}
	m.Objection = OpenObjection
	c.Objections++
	return nil
}

// MayAnswer refuses an answer by who decided, or by the member.
func (m Member) MayAnswer(by string) error {
	switch by {
	case m.ID:
		return rule.New(rule.Denied, "GRADE_ON_ONESELF", "")
	case m.DecidedBy:
		return rule.New(rule.Denied, "GRADE_OWN_DECISION", "")
	}
	return nil
}

// Settle takes an answered objection from the count.
func (m *Member) Settle(c *Count) {
	m.Objection = AnsweredObjection
	c.Objections--
}

// CheckShow refuses to show grades while one is not decided or an exception
// waits for consent.
func CheckShow(c Count) error {
	if open := c.Graded() - c.Decided; open > 0 {
		if c.Asked > 0 {
			return consentMissing()
		}
		return rule.New(rule.Precondition, "GRADES_UNDECIDED", "", "open", text(open))
	}
	return CheckExceptions(c)
}

// CheckExceptions refuses to go on while an exception waits for consent.
func CheckExceptions(c Count) error {
	if c.Asked > 0 {
		return consentMissing()
	}
	return nil
}

func consentMissing() error {
	return rule.New(rule.Precondition, "GRADE_EXCEPTION_CONSENT", "")
}

func thirdUsed(c Count) error {
	return rule.New(rule.Precondition, "BRANCH_THIRD_USED", "grade", "most", text(c.Third()))
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

func text(n int32) string { return strconv.Itoa(int(n)) }
