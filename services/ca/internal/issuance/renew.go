package issuance

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// Renewal asks for a certificate that takes the place of another.
type Renewal struct {
	Serial string
	// Request has the new key; nil for the same key.
	Request *certificate.Request
	// Validity is how long it lives; 0 for the profile's default.
	Validity time.Duration
}

// Renew issues a certificate with the same names by the same profile. The one before stays valid until it ends or is revoked.
func (i *Issuer) Renew(ctx context.Context, caller access.Caller, ask Renewal) (Certificate, error) {
	err := access.Decide(caller, access.Issue)
	if err != nil {
		return Certificate{}, err
	}
	before, err := i.Find(ctx, caller.Tenant, ask.Serial)
	if err != nil {
		return Certificate{}, err
	}
	order, err := i.again(before, ask)
	if err != nil {
		return Certificate{}, err
	}
	return i.Issue(ctx, caller, order)
}

// again is the order of a certificate like one that there is.
func (i *Issuer) again(before Certificate, ask Renewal) (Order, error) {
	if status := before.Status(i.now()); status != "valid" && status != "expired" {
		return Order{}, problem.New(problem.InvalidState, "the certificate is %s; only one that is not revoked is renewed", status)
	}
	parsed, err := x509.ParseCertificate(before.DER)
	if err != nil {
		return Order{}, fmt.Errorf("read certificate %s: %w", before.Serial, err)
	}
	spki, public := parsed.RawSubjectPublicKeyInfo, parsed.PublicKey
	if ask.Request != nil {
		spki, public = ask.Request.SPKI, ask.Request.PublicKey
	}
	name, err := certificate.ParseName(parsed.RawSubject)
	if err != nil {
		return Order{}, err
	}
	names := before.Names()
	return Order{
		CA: naming.Ref(before.CAID), Profile: before.Profile, Channel: ByRenewal, Replaces: &before,
		Request: &certificate.Request{Subject: name, RawSubject: parsed.RawSubject, SAN: names, PublicKey: public, SPKI: spki},
		Asked:   Asked{Validity: ask.Validity},
	}, nil
}

// Names are the subject alternative names in a certificate; none for one that cannot be read.
func (c Certificate) Names() certificate.SAN {
	if !c.SAN.IsEmpty() {
		return c.SAN
	}
	der := c.DER
	if c.State == Intended {
		der = unsigned(der)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return certificate.SAN{}
	}
	for _, extension := range parsed.Extensions {
		if extension.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) { // RFC 5280 section 4.2.1.6
			san, err := certificate.ParseSAN(extension.Value)
			if err != nil {
				return certificate.SAN{}
			}
			return san
		}
	}
	return certificate.SAN{}
}

// unsigned makes a TBSCertificate readable as a certificate: with a signature that nobody has made.
func unsigned(tbs []byte) []byte {
	sum := sha256.Sum256(tbs)
	der, err := certificate.Assemble(tbs, sum[:])
	if err != nil {
		return nil
	}
	return der
}
