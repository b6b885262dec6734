package certificate

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// AuthorityInfoAccess is the extension of RFC 5280 section 4.2.2.1: where OCSP answers, and where the issuer's certificate is.
func AuthorityInfoAccess(ocsp, issuers []string) (pkix.Extension, error) {
	if err := checkURLs(ocsp, issuers); err != nil {
		return pkix.Extension{}, fmt.Errorf("encode authority information access: %w", err)
	}
	add := func(b *cryptobyte.Builder, method asn1.ObjectIdentifier, urls []string) {
		for _, url := range urls {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(method)
				addText(b, tagURI, url)
			})
		}
	}
	return encode(oidAuthorityInfoAccess, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			add(b, oidAccessOCSP, ocsp)
			add(b, oidAccessIssuers, issuers)
		})
	})
}

// CRLDistributionPoints is the extension of RFC 5280 section 4.2.1.13, with one distribution point for each URL.
func CRLDistributionPoints(urls []string) (pkix.Extension, error) {
	return distributionPoints(oidCRLDistributionPoints, urls)
}

// FreshestCRL is the extension of RFC 5280 section 4.2.1.15: where the delta CRL is.
func FreshestCRL(urls []string) (pkix.Extension, error) {
	return distributionPoints(oidFreshestCRL, urls)
}

func distributionPoints(id asn1.ObjectIdentifier, urls []string) (pkix.Extension, error) {
	if err := checkURLs(urls); err != nil {
		return pkix.Extension{}, fmt.Errorf("encode distribution points: %w", err)
	}
	inner := der.Tag(0).Constructed().ContextSpecific() // distributionPoint, and in it fullName
	return encode(id, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, url := range urls {
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(inner, func(b *cryptobyte.Builder) {
						b.AddASN1(inner, func(b *cryptobyte.Builder) { addText(b, tagURI, url) })
					})
				})
			}
		})
	})
}

// checkURLs makes sure that there is a URL and that each can be an IA5String.
func checkURLs(lists ...[]string) error {
	count := 0
	for _, urls := range lists {
		for _, url := range urls {
			if url == "" || !isIA5(url) {
				return errors.New("a URL is empty or has characters that are not ASCII")
			}
			count++
		}
	}
	if count == 0 {
		return errors.New("no URL")
	}
	return nil
}
