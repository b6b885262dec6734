package secrethash

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// Registry hashes and verifies secrets of one kind. It is safe for concurrent use.
type Registry struct {
	kind     Kind
	bySize   bool
	versions map[int]version
	current  version
	turns    chan struct{} // one place for each PBKDF2 that may run
}

// version is a policy that has its secrets.
type version struct {
	Version
	pepper    []byte
	fixedSalt []byte // of a deterministic registry
}

// Result is the answer of Verify.
type Result struct {
	// Match says that the text is a hash of the input.
	Match bool
	// Rehash says of a match that the text should be replaced, because Hash would now choose another version or other parameters.
	Rehash bool
}

// Hash returns the text of a hash under the current version. In the registries of low entropy it may wait for its turn; ctx ends the wait.
func (r *Registry) Hash(ctx context.Context, input []byte) (string, error) {
	return r.hash(ctx, r.current, input)
}

// HashWithVersion is [Registry.Hash] under another version.
func (r *Registry) HashWithVersion(ctx context.Context, number int, input []byte) (string, error) {
	v, err := r.usable(number)
	if err != nil {
		return "", fmt.Errorf("hash secret: %w", err)
	}
	return r.hash(ctx, v, input)
}

func (r *Registry) hash(ctx context.Context, v version, input []byte) (string, error) {
	switch {
	case len(input) == 0:
		return "", fmt.Errorf("hash secret: it is empty")
	case !r.kind.slow() && len(input) < MinSecret:
		return "", fmt.Errorf("hash secret: it has %d bytes, must have at least %d random ones", len(input), MinSecret)
	}
	h := parsed{version: v.Version.Version, function: r.function(v, len(input)), rounds: v.Rounds}
	if !r.kind.deterministic() {
		h.salt = make([]byte, v.SaltBytes)
		if _, err := rand.Read(h.salt); err != nil {
			return "", fmt.Errorf("hash secret: %w", err)
		}
	}
	var err error
	if h.sum, err = r.derive(ctx, v, h, input); err != nil {
		return "", fmt.Errorf("hash secret: %w", err)
	}
	return h.text(r.kind), nil
}

// Verify says whether the text is a hash of the input, of whatever version, in time that does not depend on where they differ. A wrong input is no
// error; ErrFormat and ErrUnknownVersion are about the text alone, and other errors are those of ctx.
func (r *Registry) Verify(ctx context.Context, input []byte, text string) (Result, error) {
	h, v, err := r.read(text)
	if err != nil {
		return Result{}, fmt.Errorf("verify secret: %w", err)
	}
	sum, err := r.derive(ctx, v, h, input)
	if err != nil {
		return Result{}, fmt.Errorf("verify secret: %w", err)
	}
	if subtle.ConstantTimeCompare(sum, h.sum) != 1 {
		return Result{}, nil
	}
	outdated := v.Version.Version != r.current.Version.Version || h.function.name != r.function(v, len(input)).name
	if !r.kind.deterministic() {
		outdated = outdated || h.rounds != v.Rounds || len(h.salt) != v.SaltBytes
	}
	return Result{Match: true, Rehash: outdated}, nil
}

// Spend costs what Verify of a current hash does: for a login whose user does not exist.
func (r *Registry) Spend(ctx context.Context, input []byte) error {
	v := r.current
	h := parsed{function: r.function(v, len(input)), rounds: v.Rounds, salt: make([]byte, v.SaltBytes)}
	if _, err := r.derive(ctx, v, h, input); err != nil {
		return fmt.Errorf("verify no secret: %w", err)
	}
	return nil
}

// Check says whether the text could be verified here, without a secret.
func (r *Registry) Check(text string) error {
	_, _, err := r.read(text)
	return err
}

func (r *Registry) read(text string) (parsed, version, error) {
	h, err := parse(r.kind, text)
	if err != nil {
		return parsed{}, version{}, err
	}
	v, err := r.usable(h.version)
	if err != nil {
		return parsed{}, version{}, err
	}
	if r.kind.deterministic() {
		h.rounds = v.Rounds
	}
	return h, v, nil
}

// derive computes the hash that h describes.
func (r *Registry) derive(ctx context.Context, v version, h parsed, input []byte) ([]byte, error) {
	salt := h.salt
	if !r.kind.slow() {
		if r.kind.deterministic() {
			salt = v.fixedSalt
		}
		return h.function.hkdf(v.pepper, input, salt, v.Info)
	}
	if r.kind.deterministic() {
		salt = h.function.saltOf(v.fixedSalt, input)
	}
	select {
	case r.turns <- struct{}{}:
		defer func() { <-r.turns }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a turn: %w", context.Cause(ctx))
	}
	if err := ctx.Err(); err != nil { // select picks at random
		return nil, fmt.Errorf("wait for a turn: %w", context.Cause(ctx))
	}
	return h.function.pbkdf2(v.pepper, input, salt, v.Info, h.rounds)
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

func (r *Registry) function(v version, length int) function {
	if r.bySize {
		return functionByInput(length)
	}
	f, _ := functionByName(v.Hash) // Open has checked the name
	return f
}

// String says which versions there are and hides the peppers.
func (r *Registry) String() string {
	return fmt.Sprintf("hash registry %s with %d versions, current %d", r.kind, len(r.versions), r.current.Version.Version)
}

// GoString is String, so that %#v reveals nothing.
func (r *Registry) GoString() string { return r.String() }

// LogValue is String.
func (r *Registry) LogValue() slog.Value { return slog.StringValue(r.String()) }
