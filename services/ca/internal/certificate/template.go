package certificate

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// Intent is what a profile made of a request: all of a certificate that does not depend on its issuer.
type Intent struct {
	// Subject is the DER of a Name; an empty sequence where only the SAN names the subject.
	Subject []byte
	SAN     SAN
	// SPKI is the DER of the SubjectPublicKeyInfo.
	SPKI []byte
	// NotBefore and NotAfter are both included; parts of a second are cut off.
	NotBefore, NotAfter time.Time
	// Extensions are the profile's. A SAN extension among them must say the same as SAN; where there is none, SAN is written by itself.
	Extensions []pkix.Extension
	// Hash is the asked hash of the signature; 0 leaves it to the issuer's key.
	Hash crypto.Hash
}

// Template is a certificate but for its signature.
type Template struct {
	Intent

	Serial Serial
	// Issuer is the DER of the issuer's Name, byte for byte the subject of its certificate.
	Issuer []byte
	// Signature is the algorithm by which the issuer will sign; see [Identifier].
	Signature pkix.AlgorithmIdentifier
	// SubjectKeyID and AuthorityKeyID are left out where empty. [KeyID] computes them.
	SubjectKeyID, AuthorityKeyID []byte
	// OCSP and IssuerURLs make the authority information access extension, CRL and FreshestCRL the distribution points; each URL is one point.
	OCSP, IssuerURLs, CRL, FreshestCRL []string
}

// TBS returns the DER of the TBSCertificate (RFC 5280 section 4.1), version 3. Equal templates give equal bytes. The extensions come in the order
// that crypto/x509 writes, then the others as they stand; one that is there twice is an error.
func (t *Template) TBS() ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("encode certificate: %w", err)
	}
	extensions, err := t.extensions()
	if err != nil {
		return nil, fmt.Errorf("encode certificate: %w", err)
	}
	const usual = 1 << 10 // bytes; larger certificates grow the buffer
	b := cryptobyte.NewBuilder(make([]byte, 0, usual))
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
		b.AddASN1(der.INTEGER, func(b *cryptobyte.Builder) {
			if t.Serial[0] >= 0x80 {
				b.AddUint8(0)
			}
			b.AddBytes(t.Serial)
		})
		addAlgorithm(b, t.Signature)
		b.AddBytes(t.Issuer)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, t.NotBefore)
			addTime(b, t.NotAfter)
		})
		b.AddBytes(t.Subject)
		b.AddBytes(t.SPKI)
		if len(extensions) > 0 {
			b.AddASN1(der.Tag(3).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { addExtensions(b, extensions) })
		}
	})
	tbs, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode certificate: %w", err)
	}
	return tbs, nil
}

func (t *Template) check() error {
	if err := t.Serial.check(); err != nil {
		return fmt.Errorf("serial: %w", err)
	}
	for _, part := range []struct {
		name string
		der  []byte
	}{{"issuer", t.Issuer}, {"subject", t.Subject}, {"public key", t.SPKI}} {
		if !isSequence(part.der) {
			return fmt.Errorf("the %s is not one DER sequence", part.name)
		}
	}
	switch {
	case bytes.Equal(t.Issuer, emptySequence):
		return errors.New("the issuer has no name (RFC 5280 section 4.1.2.4)")
	case len(t.Signature.Algorithm) == 0:
		return errors.New("no signature algorithm")
	case t.NotAfter.Before(t.NotBefore):
		return errors.New("the certificate would end before it begins")
	case t.NotBefore.UTC().Year() < 1950 || t.NotAfter.UTC().Year() > 9999:
		return errors.New("the validity lies outside of the years 1950 to 9999")
	default:
		return nil
	}
}

// extensions are the intent's and the issuer's, each once and in order.
func (t *Template) extensions() ([]pkix.Extension, error) {
	all := make([]pkix.Extension, 0, len(t.Intent.Extensions)+6)
	all = append(all, t.Intent.Extensions...)
	if err := t.addSAN(&all); err != nil {
		return nil, err
	}
	if len(t.SubjectKeyID) > 0 {
		all = append(all, SubjectKeyID(t.SubjectKeyID))
	}
	if len(t.AuthorityKeyID) > 0 {
		all = append(all, AuthorityKeyID(t.AuthorityKeyID))
	}
	for _, part := range []struct {
		present bool
		make    func() (pkix.Extension, error)
	}{
		{len(t.OCSP)+len(t.IssuerURLs) > 0, func() (pkix.Extension, error) { return AuthorityInfoAccess(t.OCSP, t.IssuerURLs) }},
		{len(t.CRL) > 0, func() (pkix.Extension, error) { return CRLDistributionPoints(t.CRL) }},
		{len(t.FreshestCRL) > 0, func() (pkix.Extension, error) { return FreshestCRL(t.FreshestCRL) }},
	} {
		if !part.present {
			continue
		}
		extension, err := part.make()
		if err != nil {
			return nil, err
		}
		all = append(all, extension)
	}
	for i, e := range all {
		for _, earlier := range all[:i] {
			if e.Id.Equal(earlier.Id) {
				return nil, fmt.Errorf("the extension %s is there twice", e.Id)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b pkix.Extension) int { return rank(a) - rank(b) })
	return all, nil
}

// addSAN adds the SAN extension, or makes sure that the one there says what the intent says.
func (t *Template) addSAN(all *[]pkix.Extension) error {
	given := slices.IndexFunc(*all, func(e pkix.Extension) bool { return e.Id.Equal(oidSubjectAltName) })
	if t.SAN.IsEmpty() {
		if given >= 0 {
			return errors.New("there is a subject alternative name extension, but no name")
		}
		return nil
	}
	own, err := SubjectAltName(t.SAN, bytes.Equal(t.Subject, emptySequence))
	if err != nil {
		return err
	}
	switch {
	case given < 0:
		*all = append(*all, own)
	case !bytes.Equal((*all)[given].Value, own.Value):
		return errors.New("the subject alternative name extension says something else than the names")
	}
	return nil
}

// rank orders the extensions as crypto/x509 writes them; those it does not write come last.
func rank(e pkix.Extension) int {
	order := [...]struct{ id, rank int }{{15, 0}, {37, 1}, {19, 2}, {14, 3}, {35, 4}, {17, 6}, {32, 7}, {30, 8}, {31, 9}}
	if len(e.Id) == 4 && e.Id[0] == 2 && e.Id[1] == 5 && e.Id[2] == 29 {
		for _, known := range order {
			if e.Id[3] == known.id {
				return known.rank
			}
		}
	} else if e.Id.Equal(oidAuthorityInfoAccess) {
		return 5
	}
	return len(order) + 1
}
