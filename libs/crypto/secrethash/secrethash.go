// Package secrethash hashes secrets for storage: passwords, personal identifiers that are looked up, machine secrets. Its main type is
// [Set], four [Registry]s, one for each kind of secret:
//
//   - [LowEntropyRandom] for passwords: PBKDF2 (SP 800-132) with a random salt;
//   - [LowEntropyDeterministic] for personal data that must be found again: PBKDF2 with a salt derived from a secret and the input;
//   - [HighEntropyRandom] for machine secrets of at least 128 random bits: HKDF (RFC 5869) with a random salt;
//   - [HighEntropyDeterministic] for such secrets that must be found again: HKDF with a secret salt.
//
// The two of high entropy are fast and must never see a password. Equal inputs have equal deterministic hashes, by design.
//
// Each registry has versions of its policy, one of them current, each with an info text that separates its output from every other's. Before all
// else the input is peppered: HMAC under a secret of the version, which lies in a file and not in the database.
//
// The text of a hash begins with its version, and one without is refused, never guessed (base64url, unpadded):
//
//	{3}:PBKDF2-HMAC-SHA512:rounds=220000,salt=base64url:base64url
//	{3}:HKDF-HMAC-SHA512:salt=base64url:base64url
//	{3}:base64url                                  (deterministic)
package secrethash

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
)

// Kind says which secrets a registry is for.
type Kind string

// The kinds. Their texts are the keys of the configuration.
const (
	LowEntropyRandom         Kind = "low_entropy_random"
	LowEntropyDeterministic  Kind = "low_entropy_deterministic"
	HighEntropyRandom        Kind = "high_entropy_random"
	HighEntropyDeterministic Kind = "high_entropy_deterministic"
)

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{LowEntropyRandom, LowEntropyDeterministic, HighEntropyRandom, HighEntropyDeterministic}
}

func (k Kind) slow() bool { return k == LowEntropyRandom || k == LowEntropyDeterministic }

func (k Kind) deterministic() bool {
	return k == LowEntropyDeterministic || k == HighEntropyDeterministic
}

var (
	// ErrFormat is a text that is no hash of this registry.
	ErrFormat = errors.New("not a hash of this registry")
	// ErrUnknownVersion is a hash whose version has no policy or no pepper here.
	ErrUnknownVersion = errors.New("hash version is not configured")
)

// Set is the four registries. It is safe for concurrent use.
type Set struct {
	registries map[Kind]*Registry
}

// Open makes the registries after checking every policy and pepper against the floors. The error is [Problems] and lists all that is wrong.
func Open(given Config) (*Set, error) {
	config := withDefaults(given)
	if problems := validate(config); len(problems) > 0 {
		return nil, fmt.Errorf("hash registries: %w", problems)
	}
	turns := make(chan struct{}, config.Concurrency)
	set := &Set{registries: make(map[Kind]*Registry, len(config.Registries))}
	for kind, policy := range config.Registries {
		r := &Registry{kind: kind, bySize: policy.SelectBySize, turns: turns, versions: make(map[int]version, len(policy.Versions))}
		for _, p := range policy.Versions {
			pepper := slices.Clone(config.Peppers[p.Version])
			if len(pepper) == 0 && config.Dev {
				pepper = []byte("known to everybody, development only, version " + strconv.Itoa(p.Version))
			}
			v := version{Version: p, pepper: pepper}
			if kind.deterministic() && len(pepper) > 0 {
				var err error
				if v.fixedSalt, err = fixedSalt(p, pepper); err != nil {
					return nil, fmt.Errorf("hash registry %s: %w", kind, err)
				}
			}
			r.versions[p.Version] = v
		}
		r.current = r.versions[policy.Current]
		set.registries[kind] = r
	}
	return set, nil
}

// New opens the registry of machine secrets alone.
func New(config Config) (*Registry, error) {
	set, err := Open(config)
	if err != nil {
		return nil, err
	}
	return set.Registry(HighEntropyRandom), nil
}

// Registry is the one of a kind; nil for a kind that does not exist.
func (s *Set) Registry(kind Kind) *Registry { return s.registries[kind] }

// String says nothing of the peppers.
func (s *Set) String() string { return fmt.Sprintf("%d hash registries", len(s.registries)) }

// GoString is String, so that %#v reveals nothing.
func (s *Set) GoString() string { return s.String() }

// LogValue is String.
func (s *Set) LogValue() slog.Value { return slog.StringValue(s.String()) }

// defaultConcurrency leaves half of the processors to everything that is not a login.
func defaultConcurrency() int { return max(1, runtime.GOMAXPROCS(0)/2) }
