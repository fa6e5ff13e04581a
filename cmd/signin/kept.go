package signin

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// kept is what a desk knows of the people it made.
type kept struct {
	Accounts map[string]account `json:"accounts"` // by key of a person
	// People are the ids of persons, by their keys.
	People map[string]string `json:"people"`
	// Logins is how many were given.
	Logins int `json:"logins"`
}

func readKept(file string) (k kept, err error) {
	k = kept{Accounts: map[string]account{}, People: map[string]string{}}
	return k, readJSON(file, &k)
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

func (d *Desk) write() error { return writeJSON(d.config.File, d.kept) }

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
	a, ok := d.kept.Accounts[p.key()]
	return a, ok
}

func (d *Desk) keep(p Person, a account) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept.Accounts[p.key()] = a
	return d.write()
}

func (d *Desk) keepPerson(p Person, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept.People[p.key()] = id
	return d.write()
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

// nextLogin answers a login that no desk gave before: the number is kept before
// it is used.
func (d *Desk) nextLogin() (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept.Logins++
	return fmt.Sprintf("desk-%d-%s", d.kept.Logins, mark()), d.write()
}

// mark keeps the logins of two desks apart.
func mark() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x", b)
}

func newPassword() string { return rand.Text() }
