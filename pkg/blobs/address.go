package blobs

import (
	"crypto/hmac"
	"encoding/hex"
	"net/url"
	"strconv"
	"time"

	"github.com/linli-project/linli/pkg/seal"
)

// AddressLasts is how long an address is good.
const AddressLasts = 5 * time.Minute

// readerBytes of a keyed digest tell one person from another.
const readerBytes = 12

// Pass is what an address says beside what it is the address of. Without the
// service's key nobody makes one, and nobody reads out of one whom it was given.
type Pass struct {
	Expires   int64 // seconds since 1970
	Reader    string
	Signature string
}

// Passes signs addresses and checks them, for one service.
type Passes struct{ keyring *seal.Keyring }

// NewPasses makes the passes of a service.
func NewPasses(k *seal.Keyring) Passes { return Passes{keyring: k} }

// Give answers a pass for a person to what: an id, and where there are several
// forms of it, which.
func (p Passes) Give(person string, now time.Time, what ...string) Pass {
	out := Pass{Expires: now.Add(AddressLasts).Unix(), Reader: p.reader(person)}
	out.Signature = hex.EncodeToString(p.sign(out, what))
	return out
}

// Opens says whether a pass opens what at this time. Who calls with a token must
// be whom it was given; a browser that fetches a picture sends none.
func (p Passes) Opens(pass Pass, caller string, now time.Time, what ...string) bool {
	given, err := hex.DecodeString(pass.Signature)
	if err != nil || !hmac.Equal(given, p.sign(pass, what)) {
		return false
	}
	return now.Unix() < pass.Expires && (caller == "" || hmac.Equal([]byte(p.reader(caller)), []byte(pass.Reader)))
}

func (p Passes) reader(person string) string {
	return hex.EncodeToString(p.keyring.Digest("blob reader", person)[:readerBytes])
}

func (p Passes) sign(pass Pass, what []string) []byte {
	return p.keyring.Digest("blob address", append([]string{strconv.FormatInt(pass.Expires, 10), pass.Reader}, what...)...)
}

// Path answers the address over HTTP of an id; size is empty where there is one
// form.
func (p Pass) Path(id, size string) string {
	q := url.Values{"expires": {strconv.FormatInt(p.Expires, 10)}, "reader": {p.Reader}, "sig": {p.Signature}}
	if size != "" {
		q.Set("size", size)
	}
	return "/v1/blobs/" + url.PathEscape(id) + "?" + q.Encode()
}
