package password

import (
	"strings"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"

	"github.com/linli-project/linli/pkg/rule"
)

const (
	// Shortest password that is taken, in characters.
	Shortest = 12
	// leastScore of zxcvbn, out of 4: more than 10^8 guesses. Below are common
	// passwords, words and names, keyboard rows, dates and repeats, alone or with
	// a few signs about them.
	leastScore = 3
	// leastName: a name of one character stands in too many passwords.
	leastName = 2
	// enoughSigns outside ASCII, all different, are taken without a score: there
	// are thousands to choose each from, and the lists know none of them.
	enoughSigns = 6
)

// local are words that whoever guesses here tries first, and that lists of
// English speakers lack.
func local() []string {
	return []string{
		"linli", "dangyuan", "dangzhibu", "gongchandang", "zhongguo", "zhonghua", "renmin", "shequ", "jiedao", "juweihui",
		"changsha", "yuhua", "hunan", "woaini", "iloveyou", "1314520", "5201314", "wangyut2", "mima", "mima123", "administrator", "guanliyuan",
		"aini1314", "qq123456", "a123456789", "zxcvbnm", "1qaz2wsx", "qwer1234",
	}
}

// Check refuses a weak password with WEAK_PASSWORD, whose `rule` says what it
// must be: of 12 characters at least, not a common one, without the login and
// without the name. Field is "password".
func Check(plain, login, displayName string) error {
	text := plainly(plain)
	switch lower := strings.ToLower(text); {
	case !utf8.ValidString(plain) || utf8.RuneCountInString(text) < Shortest:
		return weak("at least 12 characters")
	case login != "" && strings.Contains(lower, strings.ToLower(login)):
		return weak("without the login")
	case namedIn(lower, displayName):
		return weak("without the name")
	case common(text, login):
		return weak("not a common one")
	}
	return nil
}

// common says whether a password is one that is tried early. What is digits alone
// is a phone number, an ID number or a day.
func common(text, login string) bool {
	var ascii strings.Builder
	others, digits := map[rune]bool{}, true
	for _, r := range text {
		digits = digits && '0' <= r && r <= '9'
		if r < utf8.RuneSelf {
			ascii.WriteRune(r)
		} else {
			others[r] = true
		}
	}
	if digits {
		return true
	}
	return len(others) < enoughSigns && zxcvbn.PasswordStrength(ascii.String(), append(local(), login)).Score < leastScore
}

func namedIn(lower, displayName string) bool {
	name := strings.ToLower(strings.TrimSpace(plainly(displayName)))
	together := strings.Join(strings.Fields(name), "")
	return utf8.RuneCountInString(together) >= leastName && (strings.Contains(lower, name) || strings.Contains(lower, together))
}

func weak(must string) error {
	return rule.New(rule.Invalid, "WEAK_PASSWORD", "password", "rule", must)
}
