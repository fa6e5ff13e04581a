package password_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/linli-project/linli/pkg/password"
	"github.com/linli-project/linli/pkg/rule"
)

func TestHash_IsVerifiedAndSalted(t *testing.T) {
	h, ctx := password.NewHasher(), t.Context()
	a, err := h.Hash(ctx, "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Hash(ctx, "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if a == b || !strings.HasPrefix(a, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hashes %s and %s", a, b)
	}
	for plain, want := range map[string]bool{"correct horse battery": true, "correct horse batterY": false, "": false} {
		if got, err := h.Verify(ctx, a, plain); err != nil || got != want {
			t.Errorf("%q: %v, %v", plain, got, err)
		}
	}
	if got, err := h.Verify(ctx, "$argon2id$broken", "x"); err == nil || got {
		t.Errorf("a hash that cannot be read: %v, %v", got, err)
	}
}

// An input method may send é as one sign or as two.
func TestHash_TakesEverySpellingOfASign(t *testing.T) {
	h := password.NewHasher()
	one, err := h.Hash(t.Context(), "caf\u00e9 am Bahnhof")
	if err != nil {
		t.Fatal(err)
	}
	if right, err := h.Verify(t.Context(), one, "cafe\u0301 am Bahnhof"); err != nil || !right {
		t.Errorf("%v, %v", right, err)
	}
}

// TestVerify_OfNobodyCostsTheSame counts the work, which no machine's mood changes.
func TestVerify_OfNobodyCostsTheSame(t *testing.T) {
	h := password.NewHasher()
	phc, err := h.Hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	for _, stored := range []string{phc, ""} {
		before := h.Done()
		if right, err := h.Verify(t.Context(), stored, "wrong horse battery"); err != nil || right {
			t.Errorf("%q: %v, %v", stored, right, err)
		}
		if cost := h.Done() - before; cost != 1 {
			t.Errorf("%q cost %d hashes", stored, cost)
		}
	}
}

// TestHash_WaitsForRoom fills the hasher and comes with a context that ends.
func TestHash_WaitsForRoom(t *testing.T) {
	h := password.NewHasher()
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := h.Hash(ended, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("hash after the end: %v", err)
	}
	if _, err := h.Verify(ended, "", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("verify after the end: %v", err)
	}
	var all sync.WaitGroup
	for range 3 * runtime.NumCPU() {
		all.Go(func() {
			if _, err := h.Hash(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if h.Done() != uint64(3*runtime.NumCPU()) {
		t.Errorf("%d hashes", h.Done())
	}
}

func TestCheck(t *testing.T) {
	for plain, want := range map[string]string{
		"":                      "at least 12 characters",
		"Xk3#mQ9pLw2":           "at least 12 characters",
		"password1234":          "not a common one",
		"Password1234!":         "not a common one",
		"123456789012":          "not a common one",
		"qwertyuiop12":          "not a common one",
		"1qaz2wsx3edc":          "not a common one",
		"aaaaaaaaaaaaaaaaaa":    "not a common one",
		"abcdefghijklmnop":      "not a common one",
		"woaini5201314":         "not a common one",
		"linli5201314":          "not a common one",
		"administrator":         "not a common one",
		"198207155484198207":    "not a common one",
		"chen.hua-Xk3#mQ9p":     "without the login",
		"Chen.Hua-Xk3#mQ9p":     "without the login",
		"陈华 Xk3#mQ9pLw2zz":      "without the name",
		"Xk3#mQ9pLw2z":          "",
		"correct horse battery": "",
		"今天的风很大我们去江边走走吧":         "",
		"我爱你我爱你我爱你我爱你":           "not a common one",
		"密码password1234":         "not a common one",
		"邻里Xk3#mQ9pLw2z":         "",
		"\xff\xfeabcdefgXk3#mQ9": "at least 12 characters",
	} {
		err := password.Check(plain, "chen.hua", "陈华")
		var broken *rule.Error
		if errors.As(err, &broken) != (want != "") {
			t.Errorf("%q: %v, want %q", plain, err, want)
			continue
		}
		if want != "" && (broken.Reason != "WEAK_PASSWORD" || broken.Field != "password" || broken.Params[1] != want) {
			t.Errorf("%q: %v, want %q", plain, err, want)
		}
	}
}

func TestCheck_OfANameOfSeveralWords(t *testing.T) {
	for _, plain := range []string{"XiaomingWang#mQ9p", "xiaoming wang#mQ9p"} {
		if err := password.Check(plain, "", "Xiaoming Wang"); err == nil {
			t.Errorf("%q was taken", plain)
		}
	}
	if err := password.Check("王Xk3#mQ9pLw2z", "", "王"); err != nil {
		t.Errorf("a name of one character: %v", err)
	}
}

// The longest that a request holds must not keep a core busy.
func TestCheck_OfTheLongestIsQuick(t *testing.T) {
	long := strings.Repeat("a1B2c3d4", 16)
	started := time.Now()
	if err := password.Check(long, "chen", "陈华"); err == nil {
		t.Error("eight signs again and again were taken")
	}
	if took := time.Since(started); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestFirst_IsTakenAndNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		p := password.First()
		if err := password.Check(p, "chen", "陈华"); err != nil {
			t.Errorf("%d signs: %v", utf8.RuneCountInString(p), err)
		}
		seen[p] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d different of 100", len(seen))
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("password1234", "chen", "陈华")
	f.Add("\xff", "", "")
	f.Fuzz(func(t *testing.T, plain, login, name string) {
		if len(plain) > 128 || len(login) > 64 || len(name) > 64 {
			return // longer than a request takes
		}
		if err := password.Check(plain, login, name); err == nil && utf8.RuneCountInString(plain) == 0 {
			t.Error("nothing was taken")
		}
	})
}
