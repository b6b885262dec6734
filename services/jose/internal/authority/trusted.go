package authority

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// TrustedKeys are somebody else's keys that tokens bring along, or point to, in their headers (RFC 7515 sections 4.1.2 to 4.1.6). What is not
// listed is not trusted, and a member of the header by which nothing is trusted is refused.
type TrustedKeys struct {
	// Thumbprints are those of the keys that `jwk` may hold (RFC 7638, SHA-256, base64url).
	Thumbprints []string
	// Anchors are the certificates, each as PEM, that a chain in `x5c` or at `x5u` leads to.
	Anchors []string
	// Names are alternative names, of which the first certificate of a chain has one. Without any, every certificate under the anchors signs.
	Names []string
	// KeySetURLs are what `jku` may say, ChainURLs what `x5u` may, to the letter.
	KeySetURLs, ChainURLs []string
}

// Bounds of [TrustedKeys].
const (
	maxThumbprints = 32
	maxAnchors     = 8
	maxAnchor      = 16 << 10
	maxNames       = 32
	maxName        = 255
	maxURLs        = 8
)

// Any says whether something is trusted.
func (t TrustedKeys) Any() bool {
	return len(t.Thumbprints)+len(t.Anchors)+len(t.Names)+len(t.KeySetURLs)+len(t.ChainURLs) > 0
}

// allow is what headers may contain.
func (t TrustedKeys) allow() jws.Allow {
	return jws.Allow{
		EmbeddedKey: len(t.Thumbprints) > 0, EmbeddedChain: len(t.Anchors) > 0, KeyURLs: len(t.KeySetURLs)+len(t.ChainURLs) > 0,
	}
}

// checkTrusted holds a profile that verifies by keys of headers to what it can be, and its anchors to one form.
func (a *Authority) checkTrusted(profile *Profile) error {
	t := &profile.Trusted
	switch {
	case profile.KeyID != "" || profile.KeySetURL != "":
		return invalid("/trusted_keys", "a profile has a key, the address of a key set, or keys that are trusted")
	case profile.EdDSA:
		return invalid("/eddsa", "the profile issues nothing")
	case profile.CertificateChain:
		return invalid("/certificate_chain", "the profile issues nothing")
	case len(t.Thumbprints) > maxThumbprints || slices.ContainsFunc(t.Thumbprints, func(text string) bool { return !isThumbprint(text) }):
		return invalid("/trusted_keys/jwk_thumbprints", "at most %d, each a SHA-256 in base64url, which is 43 characters", maxThumbprints)
	case len(t.Names) > maxNames || slices.ContainsFunc(t.Names, func(name string) bool { return name == "" || len(name) > maxName || !naming.Storable(name) }):
		return invalid("/trusted_keys/names", "at most %d names of 1 to %d bytes", maxNames, maxName)
	case len(t.Names)+len(t.ChainURLs) > 0 && len(t.Anchors) == 0:
		return invalid("/trusted_keys/anchors", "names and x5u are about certificates, which need anchors")
	}
	if err := checkAlgorithms(profile); err != nil {
		return err
	}
	if err := checkAnchors(t.Anchors); err != nil {
		return err
	}
	if len(t.Anchors)+len(t.KeySetURLs) > 0 && a.remote == nil {
		return invalid("/trusted_keys", "the service fetches nothing, neither key sets nor what was revoked")
	}
	if err := a.checkURLs("/trusted_keys/jku", t.KeySetURLs); err != nil {
		return err
	}
	return a.checkURLs("/trusted_keys/x5u", t.ChainURLs)
}

func isThumbprint(text string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == sha256.Size
}

// checkAnchors brings anchors to one form.
func checkAnchors(anchors []string) error {
	if len(anchors) > maxAnchors {
		return invalid("/trusted_keys/anchors", "at most %d", maxAnchors)
	}
	for i, text := range anchors {
		anchor, err := parseAnchor(text)
		if err != nil {
			return invalid(fmt.Sprintf("/trusted_keys/anchors/%d", i), "%s", err)
		}
		anchors[i] = string(pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: anchor.Raw}))
	}
	return nil
}

const pemCertificate = "CERTIFICATE"

// parseAnchor reads one certificate, whose key is one that verifies.
func parseAnchor(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if len(text) > maxAnchor || block == nil || block.Type != pemCertificate || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("one certificate as PEM, of at most %d bytes", maxAnchor)
	}
	return parseCertificate(block.Bytes)
}

// parseCertificate reads a certificate of somebody else. Its key is held to what every key is, so that no size of it costs what it should not.
func parseCertificate(der []byte) (*x509.Certificate, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("it is no certificate")
	}
	if _, err := jwk.FromMaterial(certificate.PublicKey, jwk.Attributes{}); err != nil {
		return nil, errors.New("the key of the certificate is refused")
	}
	return certificate, nil
}

func (a *Authority) checkURLs(pointer string, urls []string) error {
	if len(urls) > maxURLs {
		return invalid(pointer, "at most %d", maxURLs)
	}
	for i, url := range urls {
		if err := a.checkURL(fmt.Sprintf("%s/%d", pointer, i), url); err != nil {
			return err
		}
	}
	return nil
}

// checkURL refuses an address that will not be fetched.
func (a *Authority) checkURL(pointer, url string) error {
	if url == "" || len(url) > maxKeySetURL {
		return invalid(pointer, "1 to %d bytes", maxKeySetURL)
	}
	if err := a.remote.Check(url); err != nil {
		return problem.New(problem.ValidationFailed, "the address is refused").Because(err).
			With(problem.Field{Pointer: pointer, Detail: "must be an https URL of a host that this service may reach"})
	}
	return nil
}
