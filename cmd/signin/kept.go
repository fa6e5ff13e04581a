package signin

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// line is one thing that a desk keeps about a person, by the person's key; the
// last one counts.
type line struct {
	Key     string   `json:"key,omitempty"`
	Account *account `json:"account,omitempty"`
	Person  string   `json:"person,omitempty"`
	// Token holds until Until: a program that is started again goes on with it, as
	// an authenticator has no second code so soon.
	Token string    `json:"token,omitempty"`
	Until time.Time `json:"until,omitzero"`
	// Logins is how many were given.
	Logins int `json:"logins,omitempty"`
}

// kept is what a desk knows of the people it made.
type kept struct {
	accounts map[string]account
	people   map[string]string // ids, by key
	tokens   map[string]line
	logins   int
}

func (k *kept) take(l line) {
	switch {
	case l.Account != nil:
		k.accounts[l.Key] = *l.Account
	case l.Person != "":
		k.people[l.Key] = l.Person
	case l.Token != "":
		k.tokens[l.Key] = l
	}
	k.logins = max(k.logins, l.Logins)
}

func readKept(file string) (k kept, err error) {
	k = kept{accounts: map[string]account{}, people: map[string]string{}, tokens: map[string]line{}}
	if file == "" {
		return k, nil
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return k, fmt.Errorf("read who signs in how: %w", err)
	}
	for one := range bytes.Lines(text) {
		var l line
		if json.Unmarshal(one, &l) == nil { // the last one may be torn
			k.take(l)
		}
	}
	return k, nil
}

// codes of members, by their ids, lie in a file of their own: they are many, and
// written once.
func readCodes(file string) (codes map[string]string, err error) {
	codes = map[string]string{}
	return codes, readJSON(codesFile(file), &codes)
}

func codesFile(file string) string {
	if file == "" {
		return ""
	}
	return file + ".codes"
}

func readJSON(file string, into any) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("read who signs in how: %w", err)
	}
	return nil
}

// note adds one line to the file, so that thousands of people cost a line each.
func (d *Desk) note(l line) error {
	d.kept.take(l)
	if d.config.File == "" {
		return nil
	}
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("keep who signs in how: %w", err)
	}
	f, err := os.OpenFile(d.config.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep who signs in how: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep who signs in how: %w", err)
	}
	return nil
}

// writeJSON keeps a value; the file is whole at any moment.
func writeJSON(file string, value any) error {
	if file == "" {
		return nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("keep who signs in how: %w", err)
	}
	if err := errors.Join(os.WriteFile(file+".next", text, 0o600), os.Rename(file+".next", file)); err != nil {
		return fmt.Errorf("keep who signs in how: %w", err)
	}
	return nil
}

func (d *Desk) account(p Person) (account, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.kept.accounts[p.key()]
	return a, a.Login != "" // what turned out to have made nothing is noted as empty
}

func (d *Desk) keep(p Person, a account) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.note(line{Key: p.key(), Account: &a})
}

func (d *Desk) keepPerson(p Person, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.note(line{Key: p.key(), Person: id})
}

func (d *Desk) memberCode(id string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	code, ok := d.codes[id]
	return code, ok
}

// keepCodes takes lines of member, name, card and code.
func (d *Desk) keepCodes(lines [][]string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, line := range lines {
		if len(line) < 4 {
			return fmt.Errorf("an invitation of %d columns", len(line))
		}
		d.codes[line[0]] = line[3]
	}
	return writeJSON(codesFile(d.config.File), d.codes)
}

// held answers a token that an earlier run was given.
func (d *Desk) held(p Person) (token string, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.kept.tokens[p.key()]
	return l.Token, l.Until
}

func (d *Desk) keepToken(p Person, a answer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.note(line{Key: p.key(), Token: a.AccessToken, Until: a.AccessExpiresAt})
}

// nextLogin answers a login that no desk gave before: the number is kept before
// it is used.
func (d *Desk) nextLogin() (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.kept.logins + 1
	return fmt.Sprintf("desk-%d-%s", n, mark()), d.note(line{Logins: n})
}

// mark keeps the logins of two desks apart.
func mark() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x", b)
}

func newPassword() string { return rand.Text() }
