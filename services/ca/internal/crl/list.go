package crl

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"
)

// List is what a revocation list says apart from its entries. Version 2 always.
type List struct {
	// Issuer is the DER of the issuer's Name, exactly as its certificate has it.
	Issuer []byte
	// AuthorityKeyID is the issuer's subject key identifier.
	AuthorityKeyID []byte
	// Number is the cRLNumber: positive, at most 20 bytes, greater in each list of the issuer and scope than in the one before.
	Number *big.Int
	// ThisUpdate and NextUpdate are written in whole seconds.
	ThisUpdate, NextUpdate time.Time
	// Base makes it a delta: the number of the complete list that it changes (RFC 5280 section 5.2.4). nil for a complete list.
	Base *big.Int
	// Scope limits it to some certificates; nil for all of the issuer.
	Scope *Scope
	// Freshest are URLs of the delta that changes this list (RFC 5280 section 5.2.6); a delta has none.
	Freshest []string
}

// Scope is the issuing distribution point (RFC 5280 section 5.2.5), which is critical: a reader that does not know it cannot take the list for a
// complete one. Indirect lists and those for some reasons only are not made.
type Scope struct {
	// URLs are names of the distribution point, one of which stands in the certificates that the list is about.
	URLs []string
	// OnlyUsers and OnlyAuthorities exclude each other.
	OnlyUsers, OnlyAuthorities bool
}

// Extensions of RFC 5280 section 5.2.
func oidAuthorityKey() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 35} }
func oidNumber() asn1.ObjectIdentifier       { return asn1.ObjectIdentifier{2, 5, 29, 20} }
func oidDelta() asn1.ObjectIdentifier        { return asn1.ObjectIdentifier{2, 5, 29, 27} }
func oidScope() asn1.ObjectIdentifier        { return asn1.ObjectIdentifier{2, 5, 29, 28} }
func oidFreshest() asn1.ObjectIdentifier     { return asn1.ObjectIdentifier{2, 5, 29, 46} }

// check refuses what RFC 5280 does not allow.
func (l *List) check() error {
	switch {
	case len(l.Issuer) == 0 || len(l.AuthorityKeyID) == 0:
		return errors.New("CRL: the issuer's name and key identifier are required (RFC 5280 sections 5.1.2.3 and 5.2.1)")
	case !l.NextUpdate.After(l.ThisUpdate):
		return errors.New("CRL: nextUpdate must be after thisUpdate")
	case !numberFits(l.Number):
		return fmt.Errorf("CRL: the number must be positive and have at most %d bytes", maxSerial)
	case l.Base != nil && (!numberFits(l.Base) || l.Base.Cmp(l.Number) >= 0):
		return errors.New("CRL: a delta's base must be a list with a lower number")
	case l.Base != nil && len(l.Freshest) > 0:
		return errors.New("CRL: a delta has no delta of its own (RFC 5280 section 5.2.6)")
	case l.Scope != nil && l.Scope.OnlyUsers && l.Scope.OnlyAuthorities:
		return errors.New("CRL: a list that is for users only and for authorities only is for nobody")
	case l.Scope != nil && len(l.Scope.URLs) == 0 && !l.Scope.OnlyUsers && !l.Scope.OnlyAuthorities:
		return errors.New("CRL: a scope must not be empty (RFC 5280 section 5.2.5)")
	}
	urls := l.Freshest
	if l.Scope != nil {
		urls = append(urls[:len(urls):len(urls)], l.Scope.URLs...)
	}
	for _, u := range urls {
		if err := checkURL(u); err != nil {
			return err
		}
	}
	return nil
}

func numberFits(n *big.Int) bool {
	const bits = 8*maxSerial - 1
	return n != nil && n.Sign() > 0 && n.BitLen() <= bits
}

// checkURL wants an absolute URL in the characters of an IA5String.
func checkURL(text string) error {
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("CRL: the URL %q has a character that must be escaped", text)
		}
	}
	if u, err := url.Parse(text); err != nil || u.Scheme == "" || u.Host == "" {
		return fmt.Errorf("CRL: %q is no absolute URL", text)
	}
	return nil
}

// extensions is the DER of crlExtensions with its tag [0].
func (l *List) extensions() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(tags.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
			addExtension(b, oidAuthorityKey(), false, func(b *cryptobyte.Builder) {
				b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(tags.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(l.AuthorityKeyID) })
				})
			})
			addExtension(b, oidNumber(), false, func(b *cryptobyte.Builder) { b.AddASN1BigInt(l.Number) })
			if l.Base != nil {
				addExtension(b, oidDelta(), true, func(b *cryptobyte.Builder) { b.AddASN1BigInt(l.Base) })
			}
			if l.Scope != nil {
				addExtension(b, oidScope(), true, l.Scope.add)
			}
			if len(l.Freshest) > 0 {
				addExtension(b, oidFreshest(), false, func(b *cryptobyte.Builder) {
					b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) { // of DistributionPoint
						b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) { addPoint(b, l.Freshest) })
					})
				})
			}
		})
	})
	return b.Bytes()
}

func (s *Scope) add(b *cryptobyte.Builder) {
	b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
		if len(s.URLs) > 0 {
			addPoint(b, s.URLs)
		}
		for tag, set := range map[tags.Tag]bool{1: s.OnlyUsers, 2: s.OnlyAuthorities} { // one of them at most
			if set {
				b.AddASN1(tag.ContextSpecific(), func(b *cryptobyte.Builder) { b.AddUint8(0xff) })
			}
		}
	})
}

// addPoint adds a DistributionPointName's field: [0] with fullName [0] of URIs [6].
func addPoint(b *cryptobyte.Builder, urls []string) {
	outer := tags.Tag(0).ContextSpecific().Constructed()
	b.AddASN1(outer, func(b *cryptobyte.Builder) {
		b.AddASN1(outer, func(b *cryptobyte.Builder) {
			for _, u := range urls {
				b.AddASN1(tags.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(u)) })
			}
		})
	})
}

func addExtension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, critical bool, value cryptobyte.BuilderContinuation) {
	b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(tags.OCTET_STRING, value)
	})
}
