package authority

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// ErrRevoked is what RemoteKeys say of a chain with a certificate that was revoked.
var ErrRevoked = errors.New("a certificate was revoked")

// verifyingTrusted finds the key that the header of a token brings or points to, if the profile trusts it. A header says it once: which of two
// keys is meant is nothing that whoever wrote it decides.
func (a *Authority) verifyingTrusted(ctx context.Context, profile Profile, token string) (verifying, error) {
	message, err := jws.Parse([]byte(token), profile.Trusted.allow())
	if err != nil {
		return verifying{}, errMalformed(err)
	}
	header := message.Signatures[0].Protected
	ways := 0
	for _, there := range [...]bool{header.Key != nil, len(header.Chain) > 0, header.KeySetURL != "", header.ChainURL != ""} {
		if there {
			ways++
		}
	}
	if message.Serialization != jws.Compact || ways > 1 {
		return verifying{}, errMalformed(errors.New("not compact, or more than one key in the header"))
	}
	var key *jwk.Key
	switch {
	case header.Key != nil:
		key, err = profile.Trusted.listed(header.Key)
	case len(header.Chain) > 0:
		key, err = a.certifiedKey(ctx, profile.Trusted, header.Chain)
	case slices.Contains(profile.Trusted.KeySetURLs, header.KeySetURL):
		key, err = a.remoteKey(ctx, header.KeySetURL, header.KeyID)
	case slices.Contains(profile.Trusted.ChainURLs, header.ChainURL):
		key, err = a.remoteChain(ctx, profile.Trusted, header.ChainURL)
	default:
		err = errUntrusted(nil)
	}
	if err != nil {
		return verifying{}, err
	}
	tokens, err := jwt.New(profile.rules(profile.Name, profile.Algorithms...).Profile, a.now)
	if err != nil {
		return verifying{}, fmt.Errorf("profile %s: %w", profile.ID, err)
	}
	return verifying{tokens: tokens, key: key, used: Used{Algorithm: fitting(key, profile.Algorithms), KID: key.ID}, release: func() {}}, nil
}

// fitting is the one algorithm of the list that a key verifies by; empty if there is none, or more than one.
func fitting(key *jwk.Key, algorithms []string) (found string) {
	if key.Algorithm != "" {
		return key.Algorithm
	}
	for _, name := range algorithms {
		signature, err := alg.LookupSignature(name)
		if err != nil || key.FitsSignature(signature) != nil {
			continue
		}
		if found != "" {
			return ""
		}
		found = signature.Name
	}
	return found
}

// listed is the key of a header whose thumbprint is trusted. What the header says of it beside is not: the profile says what it is for.
func (t TrustedKeys) listed(brought *jwk.Key) (*jwk.Key, error) {
	thumbprint := brought.ThumbprintSHA256()
	if brought.IsPrivate() || !slices.Contains(t.Thumbprints, thumbprint) {
		return nil, errUntrusted(nil)
	}
	return jwk.FromMaterial(brought.Material(), jwk.Attributes{ID: thumbprint})
}

// remoteKey is a key of a set that the profile lists.
func (a *Authority) remoteKey(ctx context.Context, url, kid string) (*jwk.Key, error) {
	if a.remote == nil {
		return nil, errUnavailable(nil)
	}
	if kid == "" {
		return nil, errUntrusted(nil)
	}
	key, err := a.remote.Key(ctx, url, kid)
	if errors.Is(err, ErrNoKey) {
		return nil, errUntrusted(err)
	}
	if err != nil {
		return nil, errUnavailable(err)
	}
	return key, nil
}

// remoteChain is the key of a chain at an address that the profile lists. That the address is listed does not make the chain trusted.
func (a *Authority) remoteChain(ctx context.Context, trusted TrustedKeys, url string) (*jwk.Key, error) {
	if a.remote == nil {
		return nil, errUnavailable(nil)
	}
	chain, err := a.remote.Chain(ctx, url)
	if err != nil {
		return nil, errUnavailable(err)
	}
	return a.certifiedKey(ctx, trusted, chain)
}

// certifiedKey is the key of the first certificate of a chain that leads to an anchor (RFC 5280 section 6), is named as the profile asks, and was
// not revoked.
func (a *Authority) certifiedKey(ctx context.Context, trusted TrustedKeys, chain [][]byte) (*jwk.Key, error) {
	certificates := make([]*x509.Certificate, 0, len(chain))
	for _, der := range chain {
		certificate, err := parseCertificate(der)
		if err != nil {
			return nil, errMalformed(err)
		}
		certificates = append(certificates, certificate)
	}
	anchors, others := x509.NewCertPool(), x509.NewCertPool()
	pinned := false
	for i, text := range trusted.Anchors {
		anchor, err := parseAnchor(text)
		if err != nil {
			return nil, fmt.Errorf("anchor %d: %w", i, err)
		}
		anchors.AddCert(anchor)
		pinned = pinned || anchor.Equal(certificates[0])
	}
	for _, certificate := range certificates[1:] {
		others.AddCert(certificate)
	}
	leaf := certificates[0]
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: anchors, Intermediates: others, CurrentTime: a.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	switch {
	case err != nil:
		return nil, errUntrusted(err)
	case leaf.IsCA && !pinned: // what signs certificates signs no tokens, unless it is trusted itself
		return nil, errUntrusted(errors.New("it is the certificate of an authority"))
	case leaf.KeyUsage != 0 && leaf.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0:
		return nil, errUntrusted(errors.New("its key usage is not to sign"))
	case len(trusted.Names) > 0 && !slices.ContainsFunc(namesOf(leaf), func(name string) bool { return slices.Contains(trusted.Names, name) }):
		return nil, errUntrusted(errors.New("it has none of the profile's names"))
	}
	if err := a.checkStatus(ctx, chains); err != nil {
		return nil, err
	}
	key, err := jwk.FromMaterial(leaf.PublicKey, jwk.Attributes{})
	if err != nil {
		return nil, errUntrusted(err)
	}
	return jwk.FromMaterial(key.Material(), jwk.Attributes{ID: key.ThumbprintSHA256()})
}

// namesOf are the alternative names of a certificate. The subject is text for people (RFC 6125 section 6.4.4).
func namesOf(certificate *x509.Certificate) []string {
	names := append(slices.Clone(certificate.DNSNames), certificate.EmailAddresses...)
	for _, uri := range certificate.URIs {
		names = append(names, uri.String())
	}
	return names
}

// checkStatus asks whether a certificate was revoked. One chain of those that lead to the anchors suffices.
func (a *Authority) checkStatus(ctx context.Context, chains [][]*x509.Certificate) (err error) {
	if a.remote == nil {
		return errUnavailable(nil)
	}
	for _, chain := range chains {
		if err = a.remote.Status(ctx, chain); err == nil {
			return nil
		}
	}
	if errors.Is(err, ErrRevoked) {
		return errUntrusted(err)
	}
	return errUnavailable(err)
}

func errUntrusted(cause error) error {
	return problem.New("token_"+string(jwt.BadSignature), "the key that its header brings is none that the profile trusts").Because(cause)
}

func errUnavailable(cause error) error {
	return problem.New("remote_keys_unavailable", "the keys of the profile, or what was revoked of them, cannot be had").Because(cause).After(remoteRetry)
}
