// Package secrethash hashes machine secrets of at least 128 random bits, such as
// client secrets and API tokens, for storage. Its main type is [Registry], the
// high-entropy random registry: HKDF (RFC 5869) over the peppered secret with a
// random salt. It is fast, so it must never see a password.
//
// The text of a hash is
//
//	{version}:algorithm:salt=base64url:base64url
//
// for example {3}:HKDF-HMAC-SHA512:salt=...:... with base64url unpadded. A text
// without a version is refused, never guessed.
package secrethash

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

var (
	// ErrFormat is a text that is no hash of this registry.
	ErrFormat = errors.New("not a high-entropy hash in the form {version}:algorithm:salt=...:hash")
	// ErrUnknownVersion is a hash whose version has no policy or no pepper here.
	ErrUnknownVersion = errors.New("hash version is not configured")
)

// maxText is the length of the longest text that is looked at.
const maxText = 512

// Config describes a registry.
type Config struct {
	// Peppers holds a secret of at least [MinPepper] bytes per version; it is
	// applied before everything else. A version without one cannot be used, and
	// the current version needs one. The registry keeps its own copy.
	Peppers map[int][]byte
	// Dev replaces missing peppers by publicly known ones, which protect nothing.
	Dev bool
	// FixedHash takes the policy's hash function for every secret. Otherwise the
	// length of the secret selects it: up to 31 bytes SHA-256, up to 47 SHA-384,
	// from 48 SHA-512.
	FixedHash bool
	// Policies are the versions; none means [Policies].
	Policies []Policy
	// Current is the version that new hashes get; 0 means the highest.
	Current int
}

// Registry hashes and verifies secrets. It is safe for concurrent use.
type Registry struct {
	versions  map[int]version
	current   version
	fixedHash bool
}

type version struct {
	Policy
	pepper []byte
}

// New makes a registry after checking every policy and pepper against the floors.
func New(config Config) (*Registry, error) {
	policies := config.Policies
	if len(policies) == 0 {
		policies = Policies()
	}
	r := &Registry{versions: make(map[int]version, len(policies)), fixedHash: config.FixedHash}
	current := config.Current
	infos := make(map[string]bool, len(policies))
	for _, policy := range policies {
		if err := policy.check(); err != nil {
			return nil, fmt.Errorf("hash registry: %w", err)
		}
		if _, twice := r.versions[policy.Version]; twice || infos[policy.Info] {
			return nil, fmt.Errorf("hash registry: policy version %d: version and info must be unique", policy.Version)
		}
		infos[policy.Info] = true
		pepper := slices.Clone(config.Peppers[policy.Version])
		if len(pepper) == 0 && config.Dev {
			pepper = []byte("known to everybody, development only, version " + strconv.Itoa(policy.Version))
		}
		if len(pepper) != 0 && len(pepper) < MinPepper {
			return nil, fmt.Errorf("hash registry: pepper of version %d has %d bytes, must have at least %d", policy.Version, len(pepper), MinPepper)
		}
		r.versions[policy.Version] = version{policy, pepper}
		if config.Current == 0 {
			current = max(current, policy.Version)
		}
	}
	for number := range config.Peppers {
		if _, known := r.versions[number]; !known {
			return nil, fmt.Errorf("hash registry: pepper of version %d has no policy", number)
		}
	}
	var err error
	if r.current, err = r.usable(current); err != nil {
		return nil, fmt.Errorf("hash registry: current version: %w", err)
	}
	return r, nil
}

// Hash returns the text of a new hash under the current version.
func (r *Registry) Hash(secret []byte) (string, error) {
	return r.hash(secret, r.current)
}

// HashWithVersion is [Registry.Hash] under another version.
func (r *Registry) HashWithVersion(secret []byte, number int) (string, error) {
	v, err := r.usable(number)
	if err != nil {
		return "", fmt.Errorf("hash secret: %w", err)
	}
	return r.hash(secret, v)
}

func (r *Registry) hash(secret []byte, v version) (string, error) {
	if len(secret) < MinSecret {
		return "", fmt.Errorf("hash secret: it has %d bytes, must have at least %d random ones", len(secret), MinSecret)
	}
	salt := make([]byte, v.SaltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("hash secret: %w", err)
	}
	f := r.function(v, len(secret))
	sum, err := f.derive(v.pepper, secret, salt, v.Info)
	if err != nil {
		return "", fmt.Errorf("hash secret: %w", err)
	}
	return fmt.Sprintf("{%d}:%s:salt=%s:%s", v.Version, f.algorithm, encode(salt), encode(sum)), nil
}

// Verify reports whether the text is a hash of the secret, of whatever version,
// and whether a matching one should be replaced because [Registry.Hash] would now
// choose another version, hash function or salt length. A wrong secret is no
// error; ErrFormat and ErrUnknownVersion are about the text alone.
func (r *Registry) Verify(secret []byte, text string) (ok, rehash bool, err error) {
	h, err := parse(text)
	if err != nil {
		return false, false, fmt.Errorf("verify secret: %w", err)
	}
	v, err := r.usable(h.version)
	if err != nil {
		return false, false, fmt.Errorf("verify secret: %w", err)
	}
	sum, err := h.function.derive(v.pepper, secret, h.salt, v.Info)
	if err != nil {
		return false, false, fmt.Errorf("verify secret: %w", err)
	}
	if subtle.ConstantTimeCompare(sum, h.sum) != 1 {
		return false, false, nil
	}
	rehash = v.Version != r.current.Version || len(h.salt) != v.SaltBytes || h.function.name != r.function(v, len(secret)).name
	return true, rehash, nil
}

// Check reports whether the text could be verified here, without a secret.
func (r *Registry) Check(text string) error {
	h, err := parse(text)
	if err == nil {
		_, err = r.usable(h.version)
	}
	return err
}

func (r *Registry) usable(number int) (version, error) {
	v, known := r.versions[number]
	switch {
	case !known:
		return version{}, fmt.Errorf("%w: %d", ErrUnknownVersion, number)
	case len(v.pepper) == 0:
		return version{}, fmt.Errorf("%w: version %d has no pepper", ErrUnknownVersion, number)
	}
	return v, nil
}

func (r *Registry) function(v version, secretBytes int) function {
	if !r.fixedHash {
		return functionBySize(secretBytes)
	}
	f, _ := functionByName(v.Hash) // New has checked the name.
	return f
}

// String says which versions there are and hides the peppers.
func (r *Registry) String() string {
	return fmt.Sprintf("hash registry with %d versions, current %d", len(r.versions), r.current.Version)
}

// GoString is String, so that %#v reveals nothing.
func (r *Registry) GoString() string { return r.String() }

// LogValue is String.
func (r *Registry) LogValue() slog.Value { return slog.StringValue(r.String()) }

// parsed is the content of a hash's text.
type parsed struct {
	version   int
	function  function
	salt, sum []byte
}

func parse(text string) (parsed, error) {
	if len(text) > maxText {
		return parsed{}, ErrFormat
	}
	parts := strings.Split(text, ":")
	if len(parts) != 4 {
		return parsed{}, ErrFormat
	}
	number, opened := strings.CutPrefix(parts[0], "{")
	number, closed := strings.CutSuffix(number, "}")
	v, err := strconv.Atoi(number)
	if !opened || !closed || err != nil || v < 1 || strconv.Itoa(v) != number {
		return parsed{}, ErrFormat
	}
	f, known := functionByAlgorithm(parts[1])
	saltText, named := strings.CutPrefix(parts[2], "salt=")
	if !known || !named {
		return parsed{}, ErrFormat
	}
	salt, saltErr := decode(saltText)
	sum, sumErr := decode(parts[3])
	if saltErr != nil || sumErr != nil || len(salt) < minSalt || len(salt) > maxSalt || len(sum) != f.size {
		return parsed{}, ErrFormat
	}
	return parsed{v, f, salt, sum}, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // The decoder would skip them.
		return nil, ErrFormat
	}
	return base64.RawURLEncoding.Strict().DecodeString(text)
}
