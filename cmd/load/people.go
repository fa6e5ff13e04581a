package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/signin"
)

// clerks are how many of the district's committees have somebody who posts. The
// requests are of all communities: each clerk posts what comes to hand.
const clerks = 64

// tokensHold is how long the tokens of a measurement hold from its beginning: a
// token holds for ten minutes, and giving all of them takes a part of these.
const tokensHold = 9 * time.Minute

// seeder sets the district up and waits for effects.
func seeder() signin.Person {
	return signin.Person{Role: typev1.Role_ROLE_SYSTEM_ADMIN, Name: "seeder"}
}

// officer reads what is in the district.
func officer() signin.Person {
	return signin.Person{Role: typev1.Role_ROLE_DISTRICT_OFFICER, Name: "officer", Organization: district}
}

// clerk posts requests.
func clerk(n int) signin.Person {
	return signin.Person{Role: typev1.Role_ROLE_COMMITTEE_STAFF, Name: "clerk", Organization: fmt.Sprintf("C%04d", n)}
}

// people of a linli that is measured. They lie beside its folder, and every copy
// of the folder knows them.
type people struct{ desk *signin.Desk }

// peopleOf answers those of a file, of the linli at a base "http://127.0.0.1:8080";
// code is that of a first start, empty where there are people already.
func peopleOf(file, base, code string) (people, error) {
	desk, err := signin.NewDesk(signin.Config{Address: strings.TrimPrefix(base, "http://"), Code: code, File: file})
	return people{desk}, err
}

func (p people) at(base string) { p.desk.At(strings.TrimPrefix(base, "http://")) }

// signedIn are tokens of everybody that a measurement needs.
type signedIn struct {
	seeder, officer string
	clerks          []string
}

// clerk answers the token of who does the n-th call.
func (s signedIn) clerk(n int) string { return s.clerks[n%len(s.clerks)] }

// signIn answers tokens of everybody that hold as long as a measurement may take.
func (p people) signIn(ctx context.Context) (signedIn, error) {
	s := signedIn{clerks: make([]string, clerks)}
	all, inside := errgroup.WithContext(ctx)
	all.SetLimit(seedWorkers)
	token := func(one signin.Person, into *string) {
		all.Go(func() (err error) {
			*into, err = p.desk.TokenFor(inside, one, tokensHold)
			return err
		})
	}
	token(seeder(), &s.seeder)
	token(officer(), &s.officer)
	for n := range s.clerks {
		token(clerk(n), &s.clerks[n])
	}
	return s, all.Wait()
}

// keep writes what the driver sends: a header a line, the officer's first.
func (s signedIn) keep(file string) error {
	var lines strings.Builder
	for _, token := range append([]string{s.officer}, s.clerks...) {
		fmt.Fprintln(&lines, "Bearer "+token)
	}
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		return fmt.Errorf("keep the tokens: %w", err)
	}
	return nil
}
