package acme

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// RenewalInfo is when a certificate should be renewed (RFC 9773 section 4.2).
type RenewalInfo struct {
	Start, End time.Time
	// RetryAfter is when to ask again.
	RetryAfter time.Duration
}

const (
	// renewalShare is the part of a certificate's life that is left when its window is centred: a third.
	renewalShare = 3
	// windowShare is the part of its life that the window is long: a thirtieth, two days of sixty.
	windowShare = 30
	// askAgain is how often clients should ask; sooner for certificates that do not live for long.
	askAgain = 6 * time.Hour
	askShare = 20
	minAsk   = time.Minute
)

// RenewalInfo answers anybody (RFC 9773 section 4). id is the unique identifier of section 4.1.
func (s *Server) RenewalInfo(ctx context.Context, site Site, id string) (RenewalInfo, error) {
	_, c, err := s.byRenewalID(ctx, site.Tenant, id)
	if err != nil {
		return RenewalInfo{}, err
	}
	now := s.now()
	life := c.NotAfter.Sub(c.NotBefore)
	info := RenewalInfo{RetryAfter: max(min(askAgain, life/askShare), minAsk)}
	if c.Revoked { // section 4.2: a window in the past, so that clients act at once
		info.Start, info.End = now.Add(-time.Hour), now.Add(-time.Minute)
		return info, nil
	}
	centre := c.NotAfter.Add(-life / renewalShare)
	info.Start, info.End = centre.Add(-life/windowShare/2), centre.Add(life/windowShare/2)
	return info, nil
}

// signBit is that of the first byte of a number in DER.
const signBit = 0x80

// byRenewalID finds the certificate of an identifier: the base64url of the authority's key identifier and of the serial number's DER value, with a
// period between (section 4.1).
func (s *Server) byRenewalID(ctx context.Context, tenant, id string) (string, Certificate, error) {
	malformed := NewError(Malformed, "the certificate identifier is malformed")
	left, right, ok := strings.Cut(id, ".")
	keyID, err := base64.RawURLEncoding.Strict().DecodeString(left)
	if !ok || err != nil || len(keyID) == 0 || len(left) != base64.RawURLEncoding.EncodedLen(len(keyID)) {
		return "", Certificate{}, malformed
	}
	number, err := base64.RawURLEncoding.Strict().DecodeString(right)
	const longest = 21 // RFC 5280 section 4.1.2.2 with a leading zero
	if err != nil || len(number) == 0 || len(number) > longest || len(right) != base64.RawURLEncoding.EncodedLen(len(number)) {
		return "", Certificate{}, malformed
	}
	if number[0]&signBit != 0 || len(number) > 1 && number[0] == 0 && number[1]&signBit == 0 { // DER has one form of a positive number (X.690 section 8.3)
		return "", Certificate{}, malformed
	}
	serial := serialText(bytes.TrimLeft(number, "\x00"))
	c, err := s.issuer.Certificate(ctx, tenant, serial)
	if errors.Is(err, ErrNotFound) || err == nil && !bytes.Equal(c.AuthorityKeyID, keyID) {
		return "", Certificate{}, notFound("certificate")
	}
	if err != nil {
		return "", Certificate{}, fmt.Errorf("look up certificate: %w", err)
	}
	return serial, c, nil
}

// checkReplaced accepts a certificate that an order may replace: the account's own, with a name in common (section 5).
func (s *Server) checkReplaced(ctx context.Context, m *Message, id string, names []validation.Identifier) error {
	serial, c, err := s.byRenewalID(ctx, m.Site.Tenant, id)
	if err != nil {
		return err
	}
	order, err := s.store.OrderBySerial(ctx, m.Site.Tenant, serial)
	if errors.Is(err, ErrNotFound) || err == nil && (order.Account != m.Account.ID || order.Directory != m.Site.Directory.Name) {
		return NewError(Unauthorized, "the certificate to be replaced is another account's")
	}
	if err != nil {
		return fmt.Errorf("look up order of certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return fmt.Errorf("read certificate %s: %w", serial, err)
	}
	common := slices.ContainsFunc(names, func(i validation.Identifier) bool {
		if address, ok := i.Address(); ok {
			return slices.ContainsFunc(parsed.IPAddresses, func(raw net.IP) bool { return raw.Equal(address.AsSlice()) })
		}
		return slices.Contains(parsed.DNSNames, i.Value)
	})
	if !common {
		return NewError(Malformed, "the order has no name in common with the certificate to be replaced")
	}
	return nil
}

// serialIn is the serial number in an identifier that was accepted; "" for none.
func serialIn(id string) string {
	_, right, _ := strings.Cut(id, ".")
	number, err := base64.RawURLEncoding.DecodeString(right)
	if err != nil {
		return ""
	}
	return serialText(bytes.TrimLeft(number, "\x00"))
}
