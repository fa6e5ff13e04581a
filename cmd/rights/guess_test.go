package rights_test

import (
	"math/rand/v2"
	"net/http"
	"testing"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/cmd/rights"
	"github.com/linli-project/linli/pkg/admit"
)

// guessed are the calls that a code opens, each with a right one.
func (w *world) guessed(t *testing.T) map[string]string {
	t.Helper()
	for _, s := range append(registrySteps()[:3], step{who: "admin", method: "drain"}, requestSteps()[0]) {
		if err := w.play([]step{s}); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range rights.Methods() {
		if m.Name() != "AccountService/InviteMembers" {
			continue
		}
		got, err := w.overGRPC(as(typev1.Role_ROLE_WORKPLACE_OFFICER, "officer", workplace), w.newCall(m, map[string]string{"organization_id": "W00001"}))
		if err != nil {
			t.Fatal(err)
		}
		code, err := pick([]byte(got.Body), "invitations.0.code")
		if err != nil {
			t.Fatalf("%v: %s", err, got.Body)
		}
		return map[string]string{"/v1/requests:lookUp": w.ids["requestCode"], "/v1/sessions:enter": code}
	}
	t.Fatal("nobody invites members")
	return nil
}

// TestGuesses_TenThousandOpenNothing guesses the code of a request, and the one
// on a member's card, 10,000 times each from one address, near to a right one: all
// but the first are not looked at, the right one from there neither; from elsewhere
// it opens what it opens.
func TestGuesses_TenThousandOpenNothing(t *testing.T) {
	w, stop, err := newWorld(t.Context(), t.TempDir(), admit.DefaultCallerLimits())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	from := func(address, path, code string) answer {
		got, err := w.send("", "POST", path, "application/json", `{"code":"`+code+`"}`, "X-Forwarded-For", address)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	const signs = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	lot := rand.New(rand.NewPCG(1, 1))
	for path, right := range w.guessed(t) {
		looked := 0
		guesser := map[string]string{"/v1/requests:lookUp": "203.0.113.1", "/v1/sessions:enter": "198.51.100.1"}[path]
		for range 10_000 {
			guess := []byte(right)
			for k := range 4 {
				guess[len(guess)-1-k] = signs[lot.IntN(len(signs))]
			}
			if string(guess) == right {
				continue
			}
			switch got := from(guesser, path, string(guess)); {
			case got.Status == http.StatusOK:
				t.Fatalf("%s: the guess %s is right", path, guess)
			case got.Reason != "TOO_MANY_CALLS" && got.Reason != "SLOW_DOWN":
				looked++
			}
		}
		if looked == 0 || looked > 120 {
			t.Errorf("%s: %d guesses were looked at", path, looked)
		}
		if got := from(guesser, path, right); got.Status == http.StatusOK {
			t.Errorf("%s: the guesser goes on", path)
		}
		if got := from("203.0.113.2", path, right); got.Status != http.StatusOK {
			t.Errorf("%s: who has the code is refused: %s %s", path, got, brief(got.Body))
		}
	}
}
