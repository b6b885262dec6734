package acme

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// maxCertificate is the length in bytes of the longest certificate that is looked at.
const maxCertificate = 48 << 10

// Revoke revokes a certificate for the account that ordered it, for one that is authorized for all of its names, or for whoever has its key (RFC
// 8555 section 7.6).
func (s *Server) Revoke(ctx context.Context, m *Message) error {
	var ask struct {
		Certificate string `json:"certificate"`
		Reason      *int   `json:"reason"`
	}
	if err := m.decode(&ask); err != nil {
		return err
	}
	der, err := decodeBytes("certificate", ask.Certificate)
	if err != nil {
		return err
	}
	reason := ReasonUnspecified
	if ask.Reason != nil {
		reason = *ask.Reason
	}
	if !m.Site.Directory.permitsReason(reason) {
		return NewError(BadRevocationReason, "a revocation here cannot have this reason")
	}
	c, serial, err := s.own(ctx, m.Site, der)
	if err != nil {
		return err
	}
	if err := s.mayRevoke(ctx, m, c, serial); err != nil {
		return err
	}
	return s.change(ctx, m, func(ctx context.Context) error {
		if err := s.issuer.Revoke(ctx, m.Site.Tenant, serial, reason); err != nil {
			return err
		}
		return s.record(ctx, m.Site.Tenant, ActionCertificateRevoke, ObjectCertificate, serial, m.Account.ID)
	})
}

// own finds a certificate that was issued here, byte for byte.
func (s *Server) own(ctx context.Context, site Site, der []byte) (*x509.Certificate, string, error) {
	if len(der) > maxCertificate {
		return nil, "", NewError(Malformed, "a certificate has up to %d bytes", maxCertificate)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, "", NewError(Malformed, "the certificate cannot be read").because(err)
	}
	serial := serialText(c.SerialNumber.Bytes())
	found, err := s.issuer.Certificate(ctx, site.Tenant, serial)
	if errors.Is(err, ErrNotFound) || err == nil && !bytes.Equal(found.DER, der) {
		return nil, "", notFound("certificate")
	}
	if err != nil {
		return nil, "", fmt.Errorf("look up certificate: %w", err)
	}
	return c, serial, nil
}

// mayRevoke decides. Revocation by key or by authorization does not ask which directory a certificate came from.
func (s *Server) mayRevoke(ctx context.Context, m *Message, c *x509.Certificate, serial string) error {
	if m.Account.ID == "" {
		key, err := jwk.FromMaterial(c.PublicKey, jwk.Attributes{})
		if err != nil || key.ThumbprintSHA256() != m.Key.ThumbprintSHA256() {
			return NewError(Unauthorized, "the request is not signed with the certificate's key").because(err)
		}
		return nil
	}
	order, err := s.store.OrderBySerial(ctx, m.Site.Tenant, serial)
	if err == nil && order.Account == m.Account.ID {
		return nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("look up order of certificate: %w", err)
	}
	return s.authorizedForAll(ctx, m, c)
}

// authorizedForAll tells whether the account has proved every name in the certificate.
func (s *Server) authorizedForAll(ctx context.Context, m *Message, c *x509.Certificate) error {
	refusal := NewError(Unauthorized, "the account has not ordered the certificate, and is not authorized for all of its names")
	var names []validation.Identifier
	for _, name := range c.DNSNames {
		i, err := validation.ParseIdentifier(validation.TypeDNS, name)
		if err != nil {
			return refusal
		}
		names = append(names, i)
	}
	for _, raw := range c.IPAddresses {
		address, ok := netip.AddrFromSlice(raw)
		if !ok {
			return refusal
		}
		names = append(names, validation.Identifier{Type: validation.TypeIP, Value: address.Unmap().String()})
	}
	if len(names) == 0 || len(c.EmailAddresses) > 0 || len(c.URIs) > 0 {
		return refusal
	}
	for _, i := range names {
		_, err := s.store.Proved(ctx, m.Site.Tenant, m.Account.ID, i, s.now())
		if errors.Is(err, ErrNotFound) {
			return refusal
		}
		if err != nil {
			return fmt.Errorf("look up authorization: %w", err)
		}
	}
	return nil
}

// serialText writes a serial number as the service does: lower-case hexadecimal of even length.
func serialText(number []byte) string { return hex.EncodeToString(number) }

// conflict is the status of requests that another one was in the way of.
const conflict = http.StatusConflict
