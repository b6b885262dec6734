package revocation

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Extensions of RFC 5280 sections 4.2.1.13, 4.2.1.15, 4.2.2.1, 5.2 and 5.3.
func oidDistributionPoints() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 31} }

func oidAuthorityAccess() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
}
func oidAuthorityKey() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 35} }
func oidListNumber() asn1.ObjectIdentifier   { return asn1.ObjectIdentifier{2, 5, 29, 20} }
func oidReason() asn1.ObjectIdentifier       { return asn1.ObjectIdentifier{2, 5, 29, 21} }
func oidDelta() asn1.ObjectIdentifier        { return asn1.ObjectIdentifier{2, 5, 29, 27} }
func oidScope() asn1.ObjectIdentifier        { return asn1.ObjectIdentifier{2, 5, 29, 28} }
func oidFreshest() asn1.ObjectIdentifier     { return asn1.ObjectIdentifier{2, 5, 29, 46} }

// reasonRemoved is removeFromCRL in a delta.
const reasonRemoved = 8

// list is a revocation list whose signature was verified. It is never changed.
type list struct {
	number   *big.Int // nil without one
	base     *big.Int // of a delta: the number of the list that it changes
	asOf     time.Time
	until    time.Time
	entries  map[string]entry // by the serial number's bytes
	scope    scope
	rawScope []byte
	deltas   []string // where changes to this list are
}

// entry is one revoked certificate.
type entry struct {
	at     time.Time
	reason int
}

// scope is the issuing distribution point (RFC 5280 section 5.2.5).
type scope struct {
	Point          pointName      `asn1:"optional,tag:0"`
	OnlyUsers      bool           `asn1:"optional,tag:1"`
	OnlyCAs        bool           `asn1:"optional,tag:2"`
	SomeReasons    asn1.BitString `asn1:"optional,tag:3"`
	Indirect       bool           `asn1:"optional,tag:4"`
	OnlyAttributes bool           `asn1:"optional,tag:5"`
}

// pointName is the name of a distribution point (RFC 5280 section 4.2.1.13).
type pointName struct {
	Full     []asn1.RawValue  `asn1:"optional,tag:0"`
	Relative pkix.RDNSequence `asn1:"optional,tag:1"`
}

// errOtherIssuer is for a list that says nothing about the certificates of an issuer.
var errOtherIssuer = errors.New("the list is of another issuer")

// readList parses a list, DER or PEM, and verifies that the issuer made it and that it is timely.
func readList(content []byte, issuer *x509.Certificate, now time.Time) (*list, error) {
	if block, _ := pem.Decode(content); block != nil && block.Type == "X509 CRL" {
		content = block.Bytes
	}
	parsed, err := x509.ParseRevocationList(content)
	if err != nil {
		return nil, fmt.Errorf("parse revocation list: %w", err)
	}
	if !bytes.Equal(parsed.RawIssuer, issuer.RawSubject) {
		return nil, errOtherIssuer
	}
	if err := parsed.CheckSignatureFrom(issuer); err != nil {
		return nil, fmt.Errorf("revocation list: not signed by the issuer: %w", err)
	}
	l := &list{number: parsed.Number, asOf: parsed.ThisUpdate, until: parsed.NextUpdate, entries: make(map[string]entry, len(parsed.RevokedCertificateEntries))}
	switch {
	case parsed.NextUpdate.IsZero():
		return nil, errors.New("revocation list: it has no nextUpdate")
	case parsed.ThisUpdate.After(now.Add(clockSkew)):
		return nil, fmt.Errorf("revocation list: it is of the future (%s)", l.asOf.UTC().Format(time.RFC3339))
	case !now.Before(l.until):
		return nil, fmt.Errorf("revocation list: it is too old (%s)", l.until.UTC().Format(time.RFC3339))
	}
	for _, extension := range parsed.Extensions {
		if err := l.extend(extension); err != nil {
			return nil, fmt.Errorf("revocation list: %w", err)
		}
	}
	for _, revoked := range parsed.RevokedCertificateEntries {
		for _, extension := range revoked.Extensions {
			if extension.Critical && !extension.Id.Equal(oidReason()) {
				return nil, fmt.Errorf("revocation list: an entry has the critical extension %s", extension.Id)
			}
		}
		l.entries[string(revoked.SerialNumber.Bytes())] = entry{revoked.RevocationTime, revoked.ReasonCode}
	}
	return l, nil
}

// extend reads an extension of the list.
func (l *list) extend(e pkix.Extension) error {
	switch {
	case e.Id.Equal(oidScope()):
		if err := unmarshal(e.Value, &l.scope); err != nil {
			return fmt.Errorf("parse issuing distribution point: %w", err)
		}
		l.rawScope = e.Value
		if l.scope.Indirect || l.scope.OnlyAttributes || l.scope.SomeReasons.BitLength > 0 {
			return errors.New("lists that are indirect, for attribute certificates or for some reasons only do not count")
		}
	case e.Id.Equal(oidDelta()):
		if err := unmarshal(e.Value, &l.base); err != nil {
			return fmt.Errorf("parse delta indicator: %w", err)
		}
	case e.Id.Equal(oidFreshest()):
		points, err := pointURLs(e.Value)
		if err != nil {
			return err
		}
		l.deltas = points
	case e.Id.Equal(oidAuthorityKey()), e.Id.Equal(oidListNumber()), !e.Critical:
	default:
		return fmt.Errorf("it has the critical extension %s", e.Id)
	}
	return nil
}

// covers says whether the list would hold the certificate if it were revoked (RFC 5280 section 6.3.3 (b)(2)).
func (l *list) covers(c *x509.Certificate) error {
	switch {
	case l.scope.OnlyUsers && c.IsCA:
		return errors.New("revocation list: it is for end entities only")
	case l.scope.OnlyCAs && !c.IsCA:
		return errors.New("revocation list: it is for authorities only")
	case len(l.scope.Point.Full) == 0 && len(l.scope.Point.Relative) == 0:
		return nil
	}
	for _, name := range l.scope.Point.Full {
		if name.Class == asn1.ClassContextSpecific && name.Tag == 6 && slices.Contains(c.CRLDistributionPoints, string(name.Bytes)) {
			return nil
		}
	}
	return errors.New("revocation list: it is for another distribution point")
}

// find says what the list, with its delta if there is one, holds about a serial number.
func (l *list) find(serial *big.Int, delta *list) status {
	s := status{outcome: outcomeGood, asOf: l.asOf, until: l.until}
	key := serial.Bytes()
	found, revoked := l.entries[string(key)]
	if delta != nil {
		s.asOf = delta.asOf
		if delta.until.Before(s.until) {
			s.until = delta.until
		}
		if change, ok := delta.entries[string(key)]; ok {
			found, revoked = change, change.reason != reasonRemoved
		}
	}
	if revoked {
		s.outcome, s.at, s.reason = outcomeRevoked, found.at, found.reason
	}
	return s
}

// fits says whether a delta changes a list (RFC 5280 section 5.2.4).
func (l *list) fits(delta *list) error {
	switch {
	case delta.base == nil:
		return errors.New("delta revocation list: it is a whole one")
	case l.number == nil || delta.number == nil || l.number.Cmp(delta.base) < 0 || delta.number.Cmp(l.number) < 0:
		return errors.New("delta revocation list: it is not for this list")
	case !bytes.Equal(l.rawScope, delta.rawScope):
		return errors.New("delta revocation list: it has another scope")
	}
	return nil
}

// pointURLs lists the URLs of distribution points.
func pointURLs(der []byte) ([]string, error) {
	var points []struct {
		Name    pointName      `asn1:"optional,tag:0"`
		Reasons asn1.BitString `asn1:"optional,tag:1"`
		Issuer  asn1.RawValue  `asn1:"optional,tag:2"`
	}
	if err := unmarshal(der, &points); err != nil {
		return nil, fmt.Errorf("parse distribution points: %w", err)
	}
	var urls []string
	for _, point := range points {
		for _, name := range point.Name.Full {
			if name.Class == asn1.ClassContextSpecific && name.Tag == 6 {
				urls = append(urls, string(name.Bytes))
			}
		}
	}
	return urls, nil
}
