package certificate

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Check tells whether the chain certifies a public key for signatures, and every link of it holds, now or from when it begins to be valid.
// Errors say in words for whoever sent it what is wrong.
func (c *Chain) Check(public crypto.PublicKey, now time.Time) error {
	held, known := c.leaf.PublicKey.(interface {
		Equal(other crypto.PublicKey) bool
	})
	switch {
	case !known || !held.Equal(public):
		return errors.New("the first certificate is of another key")
	case c.leaf.IsCA:
		return errors.New("the first certificate is one of a certification authority")
	case c.leaf.KeyUsage != 0 && c.leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("the first certificate's key usage is not digitalSignature")
	case now.After(c.notAfter):
		return errors.New("a certificate of the chain has expired")
	case c.notAfter.Before(c.notBefore):
		return errors.New("there is no time at which all certificates of the chain are valid")
	}
	return c.checkLinks(now)
}

// checkLinks follows the chain in its order (RFC 5280 section 6). Its last certificate stands for the root, whether it is one or not.
func (c *Chain) checkLinks(now time.Time) error {
	path := make([]*x509.Certificate, len(c.der))
	for i, der := range c.der {
		one, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("certificate %d cannot be read", i+1)
		}
		if !sound(one.SignatureAlgorithm) {
			return fmt.Errorf("certificate %d is signed by an algorithm that is refused", i+1)
		}
		path[i] = one
	}
	for i, one := range path[:len(path)-1] {
		if !bytes.Equal(one.RawIssuer, path[i+1].RawSubject) || one.CheckSignatureFrom(path[i+1]) != nil {
			return fmt.Errorf("certificate %d was not made by certificate %d", i+1, i+2)
		}
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(path[len(path)-1])
	for _, one := range path[1:] {
		between.AddCert(one)
	}
	if now.Before(c.notBefore) {
		now = c.notBefore
	}
	// The links hold; what is left are the rules along the path: lengths, constraints on names, purposes, critical extensions.
	_, err := c.leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return errors.New("the chain breaks a rule that one of its certificates states")
	}
	return nil
}

// sound tells whether signatures by the algorithm prove something: those on SHA-1 and MD5 do not.
func sound(algorithm x509.SignatureAlgorithm) bool {
	return slices.Contains([]x509.SignatureAlgorithm{
		x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519,
	}, algorithm)
}
