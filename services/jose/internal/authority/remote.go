package authority

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// ErrNoKey is what RemoteKeys say of a `kid` that a set does not have.
var ErrNoKey = errors.New("the set has no such key")

// RemoteKeys are the public key sets and the certificates of others.
type RemoteKeys interface {
	// Check refuses a URL that will not be fetched.
	Check(url string) error
	// Key finds a key of the set at a URL. ErrNoKey if there is none; another error when the set cannot be had.
	Key(ctx context.Context, url, kid string) (*jwk.Key, error)
	// Chain fetches the chain at a URL, DER, the certificate of the signer first. An error when it cannot be had.
	Chain(ctx context.Context, url string) ([][]byte, error)
	// Status asks what was revoked of a verified chain, its root last. ErrRevoked if something was; another error when nobody says.
	Status(ctx context.Context, chain []*x509.Certificate) error
}

// Bounds of what a profile says of somebody else's keys.
const (
	maxKeySetURL  = 2048
	maxAlgorithms = 8
	// remoteRetry is when a set that cannot be had may be asked for again.
	remoteRetry = 10 * time.Second
)

// checkRemote holds a profile that verifies by somebody else's keys to what it can be.
func (a *Authority) checkRemote(profile *Profile) error {
	switch {
	case a.remote == nil:
		return invalid("/jwks_uri", "the service fetches no key sets")
	case profile.KeyID != "":
		return invalid("/jwks_uri", "a profile has a key or the address of a key set")
	case profile.EdDSA:
		return invalid("/eddsa", "the profile issues nothing")
	}
	if err := checkAlgorithms(profile); err != nil {
		return err
	}
	return a.checkURL("/jwks_uri", profile.KeySetURL)
}

// checkAlgorithms holds a profile to algorithms that somebody else's public keys verify by.
func checkAlgorithms(profile *Profile) error {
	if len(profile.Algorithms) == 0 || len(profile.Algorithms) > maxAlgorithms {
		return invalid("/algorithms", "1 to %d, by which somebody else's keys are trusted", maxAlgorithms)
	}
	for i, name := range profile.Algorithms {
		signature, err := alg.LookupSignature(name)
		if err != nil {
			return err
		}
		if signature.Family == alg.HMAC { // whoever can read the set could make tokens
			return invalid(fmt.Sprintf("/algorithms/%d", i), "a public key set has no shared secrets")
		}
		profile.Algorithms[i] = signature.Name
	}
	return nil
}

// verifyingRemote finds the key that a token names in the set that the profile trusts.
func (a *Authority) verifyingRemote(ctx context.Context, profile Profile, kid string) (verifying, error) {
	if a.remote == nil {
		return verifying{}, problem.New("remote_keys_unavailable", "the service fetches no key sets")
	}
	if kid == "" {
		return verifying{}, errBadSignature()
	}
	key, err := a.remote.Key(ctx, profile.KeySetURL, kid)
	if errors.Is(err, ErrNoKey) {
		return verifying{}, errBadSignature()
	}
	if err != nil {
		return verifying{}, problem.New("remote_keys_unavailable", "the key set of the profile cannot be had").Because(err).After(remoteRetry)
	}
	tokens, err := jwt.New(profile.rules(profile.Name, profile.Algorithms...).Profile, a.now)
	if err != nil {
		return verifying{}, fmt.Errorf("profile %s: %w", profile.ID, err)
	}
	return verifying{tokens: tokens, key: key, used: Used{Algorithm: key.Algorithm, KID: kid}, release: func() {}}, nil
}
