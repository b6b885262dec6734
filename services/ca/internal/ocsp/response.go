package ocsp

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/cryptoutil/cryptoutil/libs/crypto/identifier"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/signing"
)

// Refusal is an OCSPResponseStatus without a response (RFC 6960 section 4.2.1). It is not signed.
type Refusal byte

// Refusals.
const (
	MalformedRequest Refusal = 1
	InternalError    Refusal = 2
	TryLater         Refusal = 3
	Unauthorized     Refusal = 6 // not a responder for this issuer (RFC 5019 section 2.2.3)
)

// DER is the whole response.
func (r Refusal) DER() []byte { return []byte{0x30, 3, 0x0a, 1, byte(r)} }

// Status is what is said about a certificate.
type Status int

// Statuses (RFC 6960 section 2.2). The zero value is none of them.
const (
	Good Status = iota + 1
	Revoked
	Unknown
)

// Single is the answer about one certificate.
type Single struct {
	// ID is the DER of the CertID as it was asked.
	ID []byte
	// Status with, for Revoked, the time and the reason; unspecified is left out.
	Status    Status
	RevokedAt time.Time
	Reason    reason.Reason
	// ThisUpdate is when the status was known to be right, NextUpdate when newer information is to be had at the latest. Whole seconds are written.
	ThisUpdate, NextUpdate time.Time
}

// Response is what a responder says.
type Response struct {
	ProducedAt time.Time
	Singles    []Single
	// Nonce of the request; nil for none. A response with a nonce can be given to one caller only.
	Nonce []byte
}

// Responder is who signs responses, for one issuer: the issuer itself, or somebody whom the issuer has certified for it. It may be used by many
// goroutines.
type Responder struct {
	algorithm *signing.Algorithm
	id        []byte // ResponderID byKey with its tag
	chain     []byte // certs with its tag; empty for the issuer itself
}

// NewResponder makes a responder from its certificate and the algorithm to sign by; 0 for the usual one of its key. A delegate's certificate, which is
// sent along, must be made by the issuer for OCSP signing (RFC 6960 section 4.2.2.2).
func NewResponder(issuer, certificate *x509.Certificate, algorithm x509.SignatureAlgorithm) (*Responder, error) {
	r := &Responder{}
	var err error
	if r.algorithm, err = signing.For(certificate.PublicKey, algorithm); err != nil {
		return nil, fmt.Errorf("new OCSP responder: %w", err)
	}
	_, hash, err := identifier.OCSPIssuer(certificate)
	if err != nil {
		return nil, fmt.Errorf("new OCSP responder: %w", err)
	}
	var id cryptobyte.Builder
	id.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1OctetString(hash[:]) })
	if r.id, err = id.Bytes(); err != nil {
		return nil, fmt.Errorf("new OCSP responder: %w", err)
	}
	if certificate.Equal(issuer) {
		return r, nil
	}
	if err := checkDelegate(issuer, certificate); err != nil {
		return nil, fmt.Errorf("new OCSP responder: %w", err)
	}
	var chain cryptobyte.Builder
	chain.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
		b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(certificate.Raw) })
	})
	if r.chain, err = chain.Bytes(); err != nil {
		return nil, fmt.Errorf("new OCSP responder: %w", err)
	}
	return r, nil
}

// checkDelegate wants what whoever verifies will want.
func checkDelegate(issuer, delegate *x509.Certificate) error {
	switch {
	case !slices.Contains(delegate.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("the delegate's certificate is not for OCSP signing")
	case delegate.KeyUsage != 0 && delegate.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("the delegate's certificate is not for signatures")
	case string(delegate.RawIssuer) != string(issuer.RawSubject):
		return errors.New("the delegate's certificate is of another issuer")
	}
	if err := delegate.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("the delegate's certificate is not signed by the issuer: %w", err)
	}
	return nil
}

// Sign encodes a response and signs it with the key of the responder's certificate.
func (r *Responder) Sign(response Response, key crypto.Signer) ([]byte, error) {
	if len(response.Singles) == 0 {
		return nil, errors.New("sign OCSP response: it says nothing")
	}
	for i := range response.Singles {
		if err := response.Singles[i].check(); err != nil {
			return nil, fmt.Errorf("sign OCSP response: %w", err)
		}
	}
	data, err := r.data(response)
	if err != nil {
		return nil, fmt.Errorf("encode OCSP response: %w", err)
	}
	signature, err := r.algorithm.By(key).SignMessage(data)
	if err != nil {
		return nil, fmt.Errorf("sign OCSP response: %w", err)
	}
	der, err := r.wrap(data, signature)
	if err != nil {
		return nil, fmt.Errorf("encode OCSP response: %w", err)
	}
	return der, nil
}

// check refuses what the standard does not allow, and what would be read as something else.
func (s *Single) check() error {
	switch {
	case len(s.ID) == 0:
		return errors.New("a certificate has no name")
	case s.Status < Good || s.Status > Unknown:
		return errors.New("a certificate has no status")
	case s.Status == Revoked && s.RevokedAt.IsZero():
		return errors.New("a revocation has no time")
	case s.Status == Revoked && (!s.Reason.Valid() || s.Reason == reason.RemoveFromCRL):
		return fmt.Errorf("%s is not why a certificate is revoked", s.Reason)
	case !s.NextUpdate.After(s.ThisUpdate):
		return errors.New("nextUpdate must be after thisUpdate")
	}
	return nil
}

// data is the DER of ResponseData, what is signed.
func (r *Responder) data(response Response) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 512))
	b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(r.id)
		b.AddASN1GeneralizedTime(response.ProducedAt.UTC())
		b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
			for i := range response.Singles {
				b.AddASN1(tags.SEQUENCE, response.Singles[i].add)
			}
		})
		if response.Nonce != nil {
			b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
				b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidNonce())
						b.AddASN1(tags.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(response.Nonce) })
					})
				})
			})
		}
	})
	return b.Bytes()
}

// add adds the content of a SingleResponse.
func (s *Single) add(b *cryptobyte.Builder) {
	b.AddBytes(s.ID)
	switch s.Status {
	case Good:
		b.AddASN1(tags.Tag(0).ContextSpecific(), func(*cryptobyte.Builder) {})
	case Revoked:
		b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
			b.AddASN1GeneralizedTime(s.RevokedAt.UTC())
			if s.Reason != reason.Unspecified {
				b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(s.Reason)) })
			}
		})
	case Unknown:
		b.AddASN1(tags.Tag(2).ContextSpecific(), func(*cryptobyte.Builder) {})
	}
	b.AddASN1GeneralizedTime(s.ThisUpdate.UTC())
	b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(s.NextUpdate.UTC()) })
}

// wrap makes an OCSPResponse of signed data.
func (r *Responder) wrap(data, signature []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(data)+len(signature)+len(r.chain)+128))
	b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(0) // successful
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidBasic())
				b.AddASN1(tags.OCTET_STRING, func(b *cryptobyte.Builder) {
					b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddBytes(data)
						b.AddBytes(r.algorithm.Identifier())
						b.AddASN1BitString(signature)
						b.AddBytes(r.chain)
					})
				})
			})
		})
	})
	return b.Bytes()
}
