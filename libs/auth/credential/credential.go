// Package credential makes and reads the text of machine credentials:
//
//	cu_<kind>_<tenant>_<id>_<secret><checksum>
//
// Its main type is [Credential]. The prefix lets people and secret scanners
// recognise one, the tenant and id find its entry without searching, and the
// checksum tells a typing error from an attack before anything is looked up.
package credential

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kind says what a credential is for.
type Kind string

// The kinds.
const (
	APIToken     Kind = "at"
	ClientSecret Kind = "cs"
	SessionToken Kind = "st"
)

const (
	// SecretSize is the length of the random part in bytes: 256 bits.
	SecretSize = 32
	// checksumSize bytes of a SHA-256 miss a random error once in 2^32.
	checksumSize = 4

	prefix = "cu_"
	// Secret and checksum are unpadded base64url: 43 and 6 characters.
	secretText = 43
	tailText   = secretText + 6
	// maxText is the longest text: prefix, kind, tenant, id and what separates them.
	maxText = len(prefix) + 3 + 32 + 64 + tailText
)

var (
	// ErrMalformed is a text that does not have the form of a credential.
	ErrMalformed = errors.New("not a credential: want cu_<kind>_<tenant>_<id>_<secret>")
	// ErrChecksum is a credential that was mistyped or cut.
	ErrChecksum = errors.New("the credential is mistyped or cut: its checksum does not match")
)

var identifiers = [...]*regexp.Regexp{
	regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`),
	regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`),
}

// ValidTenant reports whether the text can be a tenant's id: a lower-case letter
// or digit, then up to 30 of these and hyphens.
func ValidTenant(id string) bool { return identifiers[0].MatchString(id) }

// ValidID reports whether the text can be the id of a client or token: a
// lower-case letter or digit, then up to 62 of these, dots, hyphens and underscores.
func ValidID(id string) bool { return identifiers[1].MatchString(id) }

// Credential is who a caller claims to be, with the secret that proves it. It
// hides the secret from fmt, slog and encoding/json; [Credential.Text] reveals it.
type Credential struct {
	kind       Kind
	tenant, id string
	secret     [SecretSize]byte
}

// Generate makes a credential with a new random secret.
func Generate(kind Kind, tenant, id string) (Credential, error) {
	switch {
	case !slices.Contains(kinds(), kind):
		return Credential{}, fmt.Errorf("generate credential: unknown kind %q", kind)
	case !ValidTenant(tenant):
		return Credential{}, fmt.Errorf("generate credential: tenant id %q: want a-z, 0-9 and hyphens, at most 31", tenant)
	case !ValidID(id):
		return Credential{}, fmt.Errorf("generate credential: id %q: want a-z, 0-9, dots, hyphens and underscores, at most 63", id)
	}
	c := Credential{kind: kind, tenant: tenant, id: id}
	if _, err := rand.Read(c.secret[:]); err != nil {
		return Credential{}, fmt.Errorf("generate credential: %w", err)
	}
	return c, nil
}

// Parse reads what [Credential.Text] wrote. The error is ErrMalformed or
// ErrChecksum and never repeats the text.
func Parse(text string) (Credential, error) {
	rest, found := strings.CutPrefix(text, prefix)
	if !found || len(text) > maxText || len(rest) < tailText {
		return Credential{}, ErrMalformed
	}
	head, tail := rest[:len(rest)-tailText], text[len(text)-tailText:]
	head, closed := strings.CutSuffix(head, "_")
	parts := strings.SplitN(head, "_", 3) // Only the id, which comes last, may hold an underscore.
	if !closed || len(parts) != 3 {
		return Credential{}, ErrMalformed
	}
	c := Credential{kind: Kind(parts[0]), tenant: parts[1], id: parts[2]}
	if !slices.Contains(kinds(), c.kind) || !ValidTenant(c.tenant) || !ValidID(c.id) {
		return Credential{}, ErrMalformed
	}
	secret, secretErr := decode(tail[:secretText])
	sum, sumErr := decode(tail[secretText:])
	if secretErr != nil || sumErr != nil || len(secret) != SecretSize || !bytes.Equal(sum, checksum(text[:len(text)-tailText+secretText])) {
		return Credential{}, ErrChecksum
	}
	c.secret = [SecretSize]byte(secret)
	return c, nil
}

// Kind is what the credential is for.
func (c Credential) Kind() Kind { return c.kind }

// Tenant is the id of the tenant it claims to belong to.
func (c Credential) Tenant() string { return c.tenant }

// ID is the id, within tenant and kind, of the entry it claims to be for.
func (c Credential) ID() string { return c.id }

// Secret is the random part.
func (c Credential) Secret() []byte { return c.secret[:] }

// Text is the credential as its holder presents it.
func (c Credential) Text() string {
	text := prefix + string(c.kind) + "_" + c.tenant + "_" + c.id + "_" + base64.RawURLEncoding.EncodeToString(c.secret[:])
	return text + base64.RawURLEncoding.EncodeToString(checksum(text))
}

// String names the credential without its secret.
func (c Credential) String() string {
	return prefix + string(c.kind) + "_" + c.tenant + "_" + c.id + "_[redacted]"
}

// GoString is String, so that %#v reveals nothing.
func (c Credential) GoString() string { return c.String() }

// LogValue is String.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON is String as a JSON string.
func (c Credential) MarshalJSON() ([]byte, error) { return []byte(strconv.Quote(c.String())), nil }

func kinds() []Kind { return []Kind{APIToken, ClientSecret, SessionToken} }

// checksum covers everything before it.
func checksum(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:checksumSize]
}

func decode(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // The decoder would skip them.
		return nil, ErrMalformed
	}
	return base64.RawURLEncoding.Strict().DecodeString(text)
}
