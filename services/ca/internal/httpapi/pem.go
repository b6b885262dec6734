package httpapi

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// Labels of PEM blocks (RFC 7468).
const (
	labelCertificate = "CERTIFICATE"
	labelRequest     = "CERTIFICATE REQUEST"
	labelOldRequest  = "NEW CERTIFICATE REQUEST" // as older programs write it
	labelKey         = "PRIVATE KEY"
)

// blocks are the PEM blocks of a text, which has nothing else but what may stand around them.
func blocks(pointer, text string, labels ...string) ([][]byte, error) {
	var all [][]byte
	for rest := []byte(text); ; {
		block, after := pem.Decode(rest)
		if block == nil {
			if strings.TrimSpace(string(rest)) != "" || len(all) == 0 {
				return nil, apivalue.Invalid(pointer, "is not PEM with %q", labels[0])
			}
			return all, nil
		}
		known := false
		for _, label := range labels {
			known = known || block.Type == label
		}
		if !known || len(block.Headers) > 0 {
			return nil, apivalue.Invalid(pointer, "has a block %q; wanted is %q", block.Type, labels[0])
		}
		all, rest = append(all, block.Bytes), after
	}
}

// certificates reads a chain.
func certificates(pointer, text string) ([]*x509.Certificate, error) {
	ders, err := blocks(pointer, text, labelCertificate)
	if err != nil {
		return nil, err
	}
	chain := make([]*x509.Certificate, len(ders))
	for i, der := range ders {
		if chain[i], err = x509.ParseCertificate(der); err != nil {
			return nil, problem.New("invalid_certificate", "certificate %d cannot be read", i+1).Because(err)
		}
	}
	return chain, nil
}

// request reads a certificate request.
func request(pointer, text string) (*certificate.Request, error) {
	ders, err := blocks(pointer, text, labelRequest, labelOldRequest)
	if err != nil {
		return nil, err
	}
	if len(ders) != 1 {
		return nil, apivalue.Invalid(pointer, "has %d certificate requests; wanted is one", len(ders))
	}
	parsed, err := certificate.ParseRequest(ders[0])
	var refusal *certificate.Refusal
	if errors.As(err, &refusal) {
		code := "bad_csr"
		if refusal.Reason == certificate.BadPublicKey {
			code = "bad_public_key"
		}
		return nil, problem.New(code, "%s", refusal.Detail)
	}
	return parsed, err
}

// text writes certificates as PEM.
func text(ders ...[]byte) string { return string(certificate.PEM(ders...)) }
