package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	typev1 "github.com/linli-project/linli/proto/gen/linli/type/v1"

	"github.com/linli-project/linli/pkg/kv"
	"github.com/linli-project/linli/pkg/kv/key"
)

// AuditHead says what the audit log of a service was at a moment. Signed, it is
// a text of lines (a checkpoint of the C2SP's tlog-checkpoint):
//
//	linli audit of registry
//	1234                                          lines
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=  RFC 6962 root over them
//	time 2026-11-28T04:05:06.789Z
//	previous 3q2+7w…                              SHA-256 of the head before
//	first 512 after 2023-11-01T00:00:00Z          only when lines were removed
//
//	— linli.registry+1f2e3d4c signature
type AuditHead struct {
	Service string
	Size    uint64
	Root    []byte // 32 bytes
	// Time is that of the wall clock when it was signed.
	Time time.Time
	// Previous is the SHA-256 of the note of the head before; that of nothing in
	// the first one.
	Previous []byte
	// First is the number of the first line that is kept, Until the newest time
	// of one that was removed.
	First uint64
	Until time.Time
}

const headOrigin = "linli audit of "

func (h AuditHead) text() string {
	b64 := base64.StdEncoding.EncodeToString
	out := fmt.Sprintf("%s%s\n%d\n%s\ntime %s\nprevious %s\n", headOrigin, h.Service, h.Size, b64(h.Root),
		h.Time.UTC().Format(time.RFC3339Nano), b64(h.Previous))
	if h.First > 0 {
		out += fmt.Sprintf("first %d after %s\n", h.First, h.Until.UTC().Format(time.RFC3339Nano))
	}
	return out
}

var errNoHead = errors.New("store: not the text of an audit head")

// parseHead reads what text wrote, and nothing else.
func parseHead(text string) (h AuditHead, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 6 {
		return h, errNoHead
	}
	var problems []error
	keep := func(err error) { problems = append(problems, err) }
	cut := func(line, prefix string) string {
		rest, ok := strings.CutPrefix(line, prefix)
		if !ok {
			keep(errNoHead)
		}
		return rest
	}
	b64 := func(s string) []byte {
		out, err := base64.StdEncoding.Strict().DecodeString(s)
		keep(err)
		return out
	}
	number := func(s string) uint64 { n, err := strconv.ParseUint(s, 10, 64); keep(err); return n }
	at := func(s string) time.Time { t, err := time.Parse(time.RFC3339Nano, s); keep(err); return t }
	h = AuditHead{
		Service: cut(lines[0], headOrigin), Size: number(lines[1]), Root: b64(lines[2]),
		Time: at(cut(lines[3], "time ")), Previous: b64(cut(lines[4], "previous ")),
	}
	if len(lines) == 7 {
		first, until, _ := strings.Cut(cut(lines[5], "first "), " after ")
		h.First, h.Until = number(first), at(until)
	}
	if err := errors.Join(problems...); err != nil || h.text() != text {
		return h, errors.Join(errNoHead, err)
	}
	return h, nil
}

// OpenAuditHead verifies the note of a head with a verifier's key and reads it.
func OpenAuditHead(signed, verifier string) (AuditHead, error) {
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return AuditHead{}, fmt.Errorf("the key of an audit log: %w", err)
	}
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil {
		return AuditHead{}, fmt.Errorf("audit head: %w", err)
	}
	// A note may carry more signatures than one, or one twice. A head carries its
	// own, so that it is one text.
	if whole := fmt.Sprintf("%s\n— %s %s\n", n.Text, n.Sigs[0].Name, n.Sigs[0].Base64); whole != signed {
		return AuditHead{}, fmt.Errorf("audit head: %w", errNoHead)
	}
	h, err := parseHead(n.Text)
	if err == nil && v.Name() != signerName(h.Service) {
		err = fmt.Errorf("%w: of %s, signed for %s", errNoHead, h.Service, v.Name())
	}
	return h, err
}

func digestOf(signed string) []byte {
	sum := sha256.Sum256([]byte(signed))
	return sum[:]
}

func signerName(service string) string { return "linli." + service }

// sign answers the note of a head.
func (h AuditHead) sign(by note.Signer) (string, error) {
	signed, err := note.Sign(&note.Note{Text: h.text()}, by)
	if err != nil {
		return "", fmt.Errorf("sign audit head: %w", err)
	}
	return string(signed), nil
}

// auditKeys are the key that signs the heads of this store, and the key to
// verify them with.
type auditKeys struct {
	signer   note.Signer
	verifier string
}

func auditKeyAt() []byte { return key.New(tableAuditHeads).String("key") }

// makeAuditKeys makes the key when there is none yet, and answers it.
func (s *Store) makeAuditKeys(ctx context.Context) (auditKeys, error) {
	signer, verifier, err := note.GenerateKey(rand.Reader, signerName(s.service))
	if err != nil {
		return auditKeys{}, fmt.Errorf("make the key of the audit log: %w", err)
	}
	row, err := proto.Marshal(&typev1.AuditKeyRow{SealedSigner: s.signers.Seal([]byte(signer), s.service, verifier), Verifier: verifier})
	if err != nil {
		return auditKeys{}, fmt.Errorf("encode the key of the audit log: %w", err)
	}
	var keys auditKeys
	err = s.db.Update(ctx, func(tx kv.Tx) error {
		it, err := tx.Get(auditKeyAt())
		if err != nil {
			return err
		}
		if it.Version == 0 {
			tx.Create(auditKeyAt(), row)
			it.Value = row
		}
		keys, err = s.openAuditKeys(it.Value)
		return err
	})
	return keys, err
}

// auditKeys answers the key; false when no head was ever signed.
func (s *Store) auditKeys(r kv.Reader) (auditKeys, bool, error) {
	it, err := r.Get(auditKeyAt())
	if err != nil || it.Version == 0 {
		return auditKeys{}, false, err
	}
	keys, err := s.openAuditKeys(it.Value)
	return keys, err == nil, err
}

// openAuditKeys opens the sealed key. The verifier beside it is for those who
// cannot; it was sealed with the key, so another one opens nothing.
func (s *Store) openAuditKeys(value []byte) (auditKeys, error) {
	var row typev1.AuditKeyRow
	if err := proto.Unmarshal(value, &row); err != nil {
		return auditKeys{}, fmt.Errorf("%w: key of the audit log: %w", kv.ErrCorrupt, err)
	}
	text, err := s.signers.Open(row.GetSealedSigner(), s.service, row.GetVerifier())
	if err != nil {
		return auditKeys{}, fmt.Errorf("%w: key of the audit log: %w", kv.ErrCorrupt, err)
	}
	signer, err := note.NewSigner(string(text))
	if err != nil {
		return auditKeys{}, fmt.Errorf("%w: key of the audit log: %w", kv.ErrCorrupt, err)
	}
	return auditKeys{signer: signer, verifier: row.GetVerifier()}, nil
}
