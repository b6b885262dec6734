package ruleset

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// subject is the certificate that rules look at: as crypto/x509 reads it, and the parts whose encoding counts.
type subject struct {
	*x509.Certificate

	intent certificate.Intent
	family Family
	now    time.Time

	version   cryptobyte.String // its element
	serial    cryptobyte.String // content of the INTEGER
	algorithm cryptobyte.String // element of the AlgorithmIdentifier
	times     [2]der.Tag        // of notBefore and notAfter
	names     certificate.SAN   // as package certificate reads them
	namesErr  error
	rdns      pkix.RDNSequence
	extension map[int]*pkix.Extension // those below 2.5.29, by their last arc
}

// Last arcs of the extensions below id-ce (2.5.29).
const (
	arcSubjectKeyID     = 14
	arcKeyUsage         = 15
	arcSubjectAltName   = 17
	arcBasicConstraints = 19
	arcNameConstraints  = 30
	arcCRL              = 31
	arcPolicies         = 32
	arcAuthorityKeyID   = 35
	arcExtendedKeyUsage = 37
)

// parse reads a TBSCertificate. A signature of zeros stands in for the one to come, since crypto/x509 reads whole certificates.
func parse(tbs []byte) (*subject, error) {
	whole, err := certificate.Assemble(tbs, make([]byte, 1))
	if err != nil {
		return nil, errors.New("not one TBSCertificate")
	}
	parsed, err := x509.ParseCertificate(whole)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	s := &subject{Certificate: parsed, extension: make(map[int]*pkix.Extension, len(parsed.Extensions))}
	input, content, validity := cryptobyte.String(tbs), cryptobyte.String{}, cryptobyte.String{}
	var notBefore, notAfter cryptobyte.String
	if !input.ReadASN1(&content, der.SEQUENCE) || !input.Empty() ||
		!content.ReadASN1Element(&s.version, der.Tag(0).Constructed().ContextSpecific()) || !content.ReadASN1(&s.serial, der.INTEGER) ||
		!content.ReadASN1Element(&s.algorithm, der.SEQUENCE) || !content.SkipASN1(der.SEQUENCE) || !content.ReadASN1(&validity, der.SEQUENCE) ||
		!validity.ReadAnyASN1(&notBefore, &s.times[0]) || !validity.ReadAnyASN1(&notAfter, &s.times[1]) || !validity.Empty() {
		return nil, errors.New("not one TBSCertificate of version 3")
	}
	if rest, err := asn1.Unmarshal(parsed.RawSubject, &s.rdns); err != nil || len(rest) > 0 {
		return nil, errors.New("the subject is not one Name")
	}
	for i := range parsed.Extensions {
		e := &parsed.Extensions[i]
		if isCertificateExtension(e.Id) {
			s.extension[e.Id[3]] = e
		}
	}
	if e := s.extension[arcSubjectAltName]; e != nil {
		s.names, s.namesErr = certificate.ParseSAN(e.Value)
	}
	return s, nil
}

// isCertificateExtension says whether the identifier lies below id-ce.
func isCertificateExtension(id asn1.ObjectIdentifier) bool {
	return len(id) == 4 && id[0] == 2 && id[1] == 5 && id[2] == 29
}

// critical says whether an extension below id-ce is there and critical.
func (s *subject) critical(arc int) bool { return s.extension[arc] != nil && s.extension[arc].Critical }

// has says whether an extension below id-ce is there.
func (s *subject) has(arc int) bool { return s.extension[arc] != nil }

// selfIssued says whether the subject is the issuer.
func (s *subject) selfIssued() bool { return string(s.RawIssuer) == string(s.RawSubject) }

// unnamed says whether the subject is empty.
func (s *subject) unnamed() bool { return len(s.rdns) == 0 }

// lifetime is from the first second to the last, both included.
func (s *subject) lifetime() time.Duration { return s.NotAfter.Sub(s.NotBefore) + time.Second }

// shortLived says whether the Baseline Requirements ask for no pointer to the status.
func (s *subject) shortLived() bool {
	return s.lifetime() <= time.Duration(Limit(ShortLivedDays, s.NotBefore))*Day
}

// attributes calls use for every attribute of the subject.
func (s *subject) attributes(use func(id string, value string)) {
	for _, set := range s.rdns {
		for _, a := range set {
			text, _ := a.Value.(string)
			use(a.Type.String(), text)
		}
	}
}

// hasAttribute says whether the subject has an attribute.
func (s *subject) hasAttribute(id string) bool {
	found := false
	s.attributes(func(have, _ string) { found = found || have == id })
	return found
}
