package revocation

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

// clockSkew is how far the clock of whoever made the evidence may be ahead.
const clockSkew = 5 * time.Minute

// freshFor is how long an OCSP response without nextUpdate counts: it says that newer information is always to be had (RFC 6960 section 4.2.2.1).
const freshFor = 5 * time.Minute

// maxResponders bounds the certificates in a response that are tried.
const maxResponders = 4

// The structures of RFC 6960 section 4.2.1.
type (
	ocspResponse struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type asn1.ObjectIdentifier
			DER  []byte
		} `asn1:"explicit,tag:0,optional"`
	}
	basicResponse struct {
		Data         asn1.RawValue
		Algorithm    pkix.AlgorithmIdentifier
		Signature    asn1.BitString
		Certificates []asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}
	responseData struct {
		Version    int `asn1:"optional,default:0,explicit,tag:0"`
		Responder  asn1.RawValue
		ProducedAt time.Time `asn1:"generalized"`
		Singles    []singleResponse
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
	}
	singleResponse struct {
		ID         certID
		Good       asn1.Flag        `asn1:"tag:0,optional"`
		Revoked    revokedInfo      `asn1:"tag:1,optional"`
		Unknown    asn1.Flag        `asn1:"tag:2,optional"`
		ThisUpdate time.Time        `asn1:"generalized"`
		NextUpdate time.Time        `asn1:"generalized,explicit,tag:0,optional"` //nolint:revive // the standard tags the choice before it alike
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`             //nolint:revive // likewise
	}
	revokedInfo struct {
		At     time.Time       `asn1:"generalized"`
		Reason asn1.Enumerated `asn1:"explicit,tag:0,optional"`
	}
)

// responderError is an answer without a response; the number is its OCSPResponseStatus.
type responderError int

// Error names the status.
func (e responderError) Error() string {
	known := map[responderError]string{1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}
	return fmt.Sprintf("the responder says %d %s", int(e), known[e])
}

// errOtherName is for a response about other certificates, or about this one by another name.
var errOtherName = errors.New("the response is not about this certificate")

// question is what a response must answer.
type question struct {
	ids     []certID // the names of the certificate
	issuer  *x509.Certificate
	revoked func(delegate *x509.Certificate) bool // says whether a list that is at hand holds a responder's certificate
	now     time.Time
}

// readResponse verifies an OCSP response and returns what it says about a certificate. The outcome unknown is no error.
func (q question) readResponse(der []byte) (status, error) {
	var outer ocspResponse
	if err := unmarshal(der, &outer); err != nil {
		return status{}, fmt.Errorf("parse OCSP response: %w", err)
	}
	if outer.Status != 0 {
		return status{}, responderError(outer.Status)
	}
	if !outer.Bytes.Type.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}) {
		return status{}, errors.New("the OCSP response is of an unknown type")
	}
	var basic basicResponse
	var data responseData
	if err := unmarshal(outer.Bytes.DER, &basic); err != nil {
		return status{}, fmt.Errorf("parse OCSP response: %w", err)
	}
	if err := unmarshal(basic.Data.FullBytes, &data); err != nil {
		return status{}, fmt.Errorf("parse OCSP response: %w", err)
	}
	if data.Version != 0 || hasCritical(data.Extensions) {
		return status{}, errors.New("the OCSP response has a version or a critical extension that is not known")
	}
	if err := q.verify(basic); err != nil {
		return status{}, err
	}
	for _, single := range data.Singles {
		if slices.ContainsFunc(q.ids, single.ID.equal) {
			return single.status(q.now)
		}
	}
	return status{}, errOtherName
}

// verify accepts the signature of the issuer, or of a responder to which the issuer itself has delegated (RFC 6960 section 4.2.2.2).
func (q question) verify(r basicResponse) error {
	algorithm, err := signatureAlgorithm(r.Algorithm)
	if err != nil {
		return err
	}
	signature := r.Signature.RightAlign()
	err = q.issuer.CheckSignature(algorithm, r.Data.FullBytes, signature)
	if err == nil {
		return nil
	}
	failures := []error{fmt.Errorf("OCSP response: not signed by the issuer: %w", err)}
	for i, raw := range r.Certificates {
		if i == maxResponders {
			break
		}
		responder, err := x509.ParseCertificate(raw.FullBytes)
		if err == nil {
			err = q.checkDelegate(responder)
		}
		if err == nil {
			err = responder.CheckSignature(algorithm, r.Data.FullBytes, signature)
		}
		if err == nil {
			return nil
		}
		failures = append(failures, fmt.Errorf("nor by responder %d: %w", i+1, err))
	}
	return errors.Join(failures...)
}

// checkDelegate says whether the issuer has made a certificate for a responder and, as far as that is known here, not revoked it.
func (q question) checkDelegate(responder *x509.Certificate) error {
	switch {
	case q.now.Before(responder.NotBefore) || q.now.After(responder.NotAfter):
		return errors.New("its certificate is not valid now")
	case !slices.Contains(responder.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("its certificate is not for OCSP: the extended key usage lacks OCSPSigning")
	case responder.KeyUsage != 0 && responder.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("its certificate is not for signatures")
	case string(responder.RawIssuer) != string(q.issuer.RawSubject):
		return errors.New("its certificate is of another issuer")
	}
	if err := responder.CheckSignatureFrom(q.issuer); err != nil {
		return err
	}
	if q.revoked(responder) {
		return errors.New("its certificate is revoked")
	}
	return nil
}

// status is what the response says, if it is timely.
func (r singleResponse) status(now time.Time) (status, error) {
	s := status{asOf: r.ThisUpdate, until: r.NextUpdate}
	if s.until.IsZero() {
		s.until = r.ThisUpdate.Add(freshFor)
	}
	switch {
	case hasCritical(r.Extensions):
		return status{}, errors.New("the OCSP response has a critical extension that is not known")
	case r.ThisUpdate.After(now.Add(clockSkew)):
		return status{}, fmt.Errorf("the OCSP response is of the future (%s)", r.ThisUpdate.UTC().Format(time.RFC3339))
	case !now.Before(s.until):
		return status{}, fmt.Errorf("the OCSP response is too old (%s)", s.until.UTC().Format(time.RFC3339))
	}
	switch revoked := !r.Revoked.At.IsZero(); {
	case revoked && !bool(r.Good) && !bool(r.Unknown):
		s.outcome, s.at, s.reason = outcomeRevoked, r.Revoked.At, int(r.Revoked.Reason)
	case bool(r.Good) && !revoked && !bool(r.Unknown):
		s.outcome = outcomeGood
	case bool(r.Unknown) && !revoked && !bool(r.Good):
		s.outcome = outcomeUnknown
	default:
		return status{}, errors.New("the OCSP response holds not exactly one status")
	}
	return s, nil
}

// signatureAlgorithm knows the approved ones (FIPS 186-5 with SHA-2).
func signatureAlgorithm(a pkix.AlgorithmIdentifier) (x509.SignatureAlgorithm, error) {
	oid := a.Algorithm.String()
	if oid == "1.2.840.113549.1.1.10" { // RSASSA-PSS: the hash is in the parameters (RFC 4055 section 3.1)
		var parameters struct {
			Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0,optional"`
		}
		if _, err := asn1.Unmarshal(a.Parameters.FullBytes, &parameters); err != nil {
			return 0, fmt.Errorf("OCSP response: parse signature algorithm: %w", err)
		}
		oid += " " + parameters.Hash.Algorithm.String()
	}
	algorithm, ok := map[string]x509.SignatureAlgorithm{
		"1.2.840.10045.4.3.2": x509.ECDSAWithSHA256, "1.2.840.10045.4.3.3": x509.ECDSAWithSHA384, "1.2.840.10045.4.3.4": x509.ECDSAWithSHA512,
		"1.2.840.113549.1.1.11": x509.SHA256WithRSA, "1.2.840.113549.1.1.12": x509.SHA384WithRSA, "1.2.840.113549.1.1.13": x509.SHA512WithRSA,
		"1.3.101.112": x509.PureEd25519,
		"1.2.840.113549.1.1.10 2.16.840.1.101.3.4.2.1": x509.SHA256WithRSAPSS, "1.2.840.113549.1.1.10 2.16.840.1.101.3.4.2.2": x509.SHA384WithRSAPSS,
		"1.2.840.113549.1.1.10 2.16.840.1.101.3.4.2.3": x509.SHA512WithRSAPSS,
	}[oid]
	if !ok {
		return 0, fmt.Errorf("OCSP response: the signature algorithm %s is not approved", oid)
	}
	return algorithm, nil
}

// unmarshal parses DER without anything after it.
func unmarshal(der []byte, into any) error {
	rest, err := asn1.Unmarshal(der, into)
	if err == nil && len(rest) > 0 {
		return errors.New("trailing data")
	}
	return err
}

// hasCritical says whether there is an extension that must not be ignored; none is known here.
func hasCritical(extensions []pkix.Extension) bool {
	return slices.ContainsFunc(extensions, func(e pkix.Extension) bool { return e.Critical })
}
