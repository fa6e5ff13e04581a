// Package golden plays scripts of REST calls against a linli and writes what it
// answers as a transcript in which nothing depends on the run. So two shapes of
// linli, or two versions, can be compared to the letter.
//
// A script is a list of calls:
//
//	== what the call is for
//	POST /v1/reportIns
//	who: {mem#1} member=/1/11/W1/
//	key: form-1
//
//	{"memberId":"{mem#1}"}
//
// who is a person and the role at an organization; without it nobody calls. key is the idempotency key. until has the call sent again until the
// answer holds its text: what a job does is seen a moment later. Other lines of
// the head are headers. What
// was named in an answer is used under the name it has in the transcript: the
// first member is {mem#1}. {who wang committee_staff=/1/11/} in a body is the id of
// that person.
package golden

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/linli-project/linli/cmd/signin"
	"github.com/linli-project/linli/pkg/access"
	"github.com/linli-project/linli/pkg/scope"
)

// call is one call of a script.
type call struct {
	what, method, path, who string
	header                  http.Header
	body, until             string
}

// read takes a script apart. Its errors name the line.
func read(script string) ([]call, error) {
	var calls []call
	lines := strings.Split(script, "\n")
	for i := 0; i < len(lines); {
		if strings.TrimSpace(lines[i]) == "" || strings.HasPrefix(lines[i], "#") {
			i++
			continue
		}
		what, ok := strings.CutPrefix(lines[i], "== ")
		if !ok || i+1 >= len(lines) {
			return nil, fmt.Errorf("line %d: a call begins with \"== \" and what it is for", i+1)
		}
		c := call{what: what, header: http.Header{}}
		if c.method, c.path, ok = strings.Cut(lines[i+1], " "); !ok {
			return nil, fmt.Errorf("line %d: a method and a path", i+2)
		}
		for i += 2; i < len(lines) && lines[i] != "" && !strings.HasPrefix(lines[i], "== "); i++ {
			name, value, ok := strings.Cut(lines[i], ": ")
			switch {
			case !ok:
				return nil, fmt.Errorf("line %d: a head line is \"name: value\"", i+1)
			case name == "who":
				c.who = value
			case name == "until":
				c.until = value
			case name == "key":
				c.header.Set("Idempotency-Key", value)
			default:
				c.header.Set(name, value)
			}
		}
		from := i
		for i < len(lines) && !strings.HasPrefix(lines[i], "== ") {
			i++
		}
		c.body = strings.TrimSpace(strings.Join(lines[from:i], "\n"))
		calls = append(calls, c)
	}
	return calls, nil
}

// Player plays scripts against one linli; what one script saw can be used by
// the next. It is made by New.
type Player struct {
	base string
	desk *signin.Desk
	seen *names
}

// New makes the player of the linli at base, "http://host:port". The desk signs
// in who calls.
func New(base string, desk *signin.Desk) *Player {
	return &Player{base: base, desk: desk, seen: newNames()}
}

// Play sends the calls of a script one after the other and answers the
// transcript, as far as it came. An error means that a call could not be made,
// not that it was refused.
func (p *Player) Play(ctx context.Context, script string) (string, error) {
	calls, err := read(script)
	if err != nil {
		return "", err
	}
	said := &strings.Builder{}
	for _, c := range calls {
		answer, err := p.send(ctx, c)
		if err != nil {
			return said.String(), fmt.Errorf("%s: %w", c.what, err)
		}
		fmt.Fprintf(said, "== %s\n%s %s\n%s\n", c.what, c.method, c.path, answer)
	}
	return said.String(), nil
}

const (
	// pauseBetween two looks at what a job has not done yet.
	pauseBetween = 20 * time.Millisecond
	// longestCall is what a call may take with all its looks.
	longestCall = time.Minute
)

// send makes a call, again while what it waits for is not there, and answers
// status, kind and body as the transcript has them.
func (p *Player) send(ctx context.Context, c call) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	for {
		a, err := p.once(ctx, c)
		if err != nil {
			return "", err
		}
		if strings.Contains(string(a.text), c.until) {
			return p.seen.tell(a), nil
		}
		select {
		case <-time.After(pauseBetween):
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for %q: %w", c.until, ctx.Err())
		}
	}
}

// answered is what came back.
type answered struct {
	status int
	header http.Header
	text   []byte
}

func (p *Player) once(ctx context.Context, c call) (a answered, err error) {
	body, err0 := p.fillPeople(ctx, c.body)
	body, err1 := p.seen.fill(body)
	path, err2 := p.seen.fill(c.path)
	who, err3 := p.seen.fill(c.who)
	if err := errors.Join(err0, err1, err2, err3); err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, c.method, p.base+path, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header = c.header.Clone()
	if who != "" {
		token, err := p.token(ctx, who)
		if err != nil {
			return a, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if c.body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	return answered{reply.StatusCode, reply.Header, text}, err
}

func (p *Player) token(ctx context.Context, who string) (string, error) {
	person, err := personOf(who)
	if err != nil {
		return "", err
	}
	return p.desk.Token(ctx, person)
}

// personOf reads "wang committee_staff=/1/11/".
func personOf(who string) (signin.Person, error) {
	name, grant, _ := strings.Cut(who, " ")
	word, path, _ := strings.Cut(grant, "=")
	role, ok := access.RoleOf(word)
	if !ok || !scope.Path(path).Valid() {
		return signin.Person{}, fmt.Errorf("%q is no grant", grant)
	}
	return signin.Person{Role: role, Name: name, Organization: scope.Path(path).ID()}, nil
}

var peoplePattern = regexp.MustCompile(`\{who ([^}]+)\}`)

// fillPeople puts the id of a person in the place of "{who wang committee_staff=/1/11/}".
func (p *Player) fillPeople(ctx context.Context, text string) (string, error) {
	var problems []error
	out := peoplePattern.ReplaceAllStringFunc(text, func(m string) string {
		person, err := personOf(peoplePattern.FindStringSubmatch(m)[1])
		if err != nil {
			problems = append(problems, err)
			return m
		}
		id, err := p.desk.PersonID(ctx, person)
		problems = append(problems, err)
		return id
	})
	return out, errors.Join(problems...)
}

// tell writes an answer for the transcript: JSON in one order and shape, with
// names for what differs from run to run; of a file that is no text its size
// is left out too, since ids in it are packed.
func (n *names) tell(a answered) string {
	head := fmt.Sprintf("%d %s", a.status, a.header.Get("Content-Type"))
	for _, name := range []string{"Retry-After", "Content-Disposition", "Allow", "WWW-Authenticate"} {
		if v := a.header.Get(name); v != "" {
			head += "\n" + name + ": " + n.replace(v)
		}
	}
	var value any
	numbers := json.NewDecoder(bytes.NewReader(a.text))
	numbers.UseNumber()
	switch kind := a.header.Get("Content-Type"); {
	case strings.Contains(kind, "json") && numbers.Decode(&value) == nil:
		shaped, err := json.MarshalIndent(n.name(value, ""), "", " ")
		if err != nil {
			return head + "\n" + err.Error() + "\n"
		}
		return head + "\n" + string(shaped) + "\n"
	case strings.HasPrefix(kind, "text/"):
		return head + "\n" + n.replace(string(a.text)) + "\n"
	case len(a.text) == 0:
		return head + "\n"
	default:
		return head + "\n(a file)\n"
	}
}

// Differ answers the first line in which two transcripts differ, with some
// lines before it, or "".
func Differ(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		if i < len(a) && i < len(b) && a[i] == b[i] {
			continue
		}
		call := slices.IndexFunc(a[:min(i, len(a))], func(string) bool { return true })
		for j := min(i, len(a)) - 1; j >= 0; j-- {
			if strings.HasPrefix(a[j], "== ") {
				call = j
				break
			}
		}
		before := strings.Join(a[max(call, 0):min(i, len(a))], "\n")
		return fmt.Sprintf("line %d\n%s\n- %s\n+ %s", i+1, before, lineOf(a, i), lineOf(b, i))
	}
	return ""
}

func lineOf(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(ends here)"
}
