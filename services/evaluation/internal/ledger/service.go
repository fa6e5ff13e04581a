package ledger

import (
	"time"

	"github.com/linli-project/linli/pkg/rule"
)

// QuarterMinutes is how long a quarter of an hour is.
const QuarterMinutes = 15

// Evidence is one piece of it: a file by hash, or a witness.
type Evidence struct {
	Witness bool
	File    string // hash
	Person  string // of a witness
}

// Service is what is written by hand.
type Service struct {
	Day                string // Shanghai day, "2013-12-30"
	FromMinute, ToMin  int32  // minutes after midnight; both 0 = not known
	Sum                Sum
	ByHand             bool
	Member, ProposedBy string
	Evidence           []Evidence
}

// Check refuses a service that nothing says, that counts nothing, that did not
// fit into its time, or that has not been yet. today is a Shanghai day.
func (s Service) Check(today string) error {
	if _, err := time.Parse(time.DateOnly, s.Day); err != nil {
		return rule.New(rule.Invalid, "INVALID_FIELD", "service.day", "field", "service.day", "rule", "2013-12-30")
	}
	if s.Day > today {
		return rule.New(rule.Invalid, "DAY_IN_FUTURE", "service.day", "day", s.Day)
	}
	if s.Sum == (Sum{}) {
		return rule.New(rule.Invalid, "NO_SERVICE_COUNTED", "service.times")
	}
	if s.FromMinute != 0 || s.ToMin != 0 {
		if s.ToMin <= s.FromMinute || s.Sum.QuarterHours*QuarterMinutes > s.ToMin-s.FromMinute+QuarterMinutes-1 {
			return rule.New(rule.Invalid, "BAD_SERVICE_TIME", "service.to_minute")
		}
	}
	return s.checkEvidence()
}

// checkEvidence: by hand there is at least one piece, of any kind: a photo is
// never a must. Neither the member nor who writes the entry is a witness.
func (s Service) checkEvidence() error {
	missing := rule.New(rule.Invalid, "EVIDENCE_MISSING", "service.evidence")
	for _, e := range s.Evidence {
		if e.Witness != (e.Person != "") || e.Witness == (e.File != "") {
			return missing
		}
		if e.Witness && (e.Person == s.Member || e.Person == s.ProposedBy) {
			return missing
		}
	}
	if s.ByHand && len(s.Evidence) == 0 {
		return missing
	}
	return nil
}
