package issuance

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/location"
)

// draft is a certificate that is ready to be stored and signed.
type draft struct {
	row       Certificate // its DER is the TBSCertificate
	algorithm x509.SignatureAlgorithm
}

// draft makes the bytes that will be signed and holds them to the rules.
func (i *Issuer) draft(ctx context.Context, caller access.Caller, p plan) (draft, error) {
	now := i.instant()
	asked := p.order.Asked
	asked.Requester, asked.Lab = caller.ID, p.issuer.CA.Lab
	intent, err := apply(p.profile, p.order.Request, asked, now)
	if err != nil {
		return draft{}, err
	}
	if err := i.checkBlocked(ctx, caller.Tenant, intent.SPKI); err != nil {
		return draft{}, err
	}
	if err := p.bound(&intent); err != nil {
		return draft{}, err
	}
	serial := certificate.NewSerial()
	template, algorithm, err := p.template(intent, serial)
	if err != nil {
		return draft{}, err
	}
	tbs, err := template.TBS()
	if err != nil {
		return draft{}, err
	}
	if err := i.rules.Check(ctx, tbs, p.profile, p.issuer.CA.Lab, intent, now); err != nil {
		return draft{}, err
	}
	row, err := p.row(caller, intent, serial, now)
	if err != nil {
		return draft{}, err
	}
	row.DER = tbs
	return draft{row: row, algorithm: algorithm}, nil
}

// bound keeps a certificate within the life of its issuer. One whose end was asked for is refused; the profile's default is cut.
func (p plan) bound(intent *certificate.Intent) error {
	if p.issuer.CA.ID == "" || len(p.issuer.Certificates) == 0 {
		return nil // a root that certifies itself
	}
	end := p.issuer.Certificates[0].NotAfter
	if !intent.NotAfter.After(end) {
		return nil
	}
	if p.order.Asked.Validity != 0 {
		return problem.New(problem.ValidationFailed, "the certificate would live until %s, longer than its issuer, which lives until %s",
			intent.NotAfter.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339))
	}
	if !intent.NotBefore.Before(end) {
		return problem.New(problem.InvalidState, "CA %q has expired", p.issuer.CA.Name)
	}
	intent.NotAfter = end
	return nil
}

// template adds what the issuer knows.
func (p plan) template(intent certificate.Intent, serial certificate.Serial) (*certificate.Template, x509.SignatureAlgorithm, error) {
	ca := p.issuer.CA
	algorithm, err := ca.SignatureAlgorithm(intent.Hash)
	if err != nil {
		return nil, 0, err
	}
	identifier, err := certificate.Identifier(algorithm)
	if err != nil {
		return nil, 0, err
	}
	template := &certificate.Template{Intent: intent, Serial: serial, Issuer: ca.Subject, Signature: identifier, AuthorityKeyID: ca.KeyID}
	if p.profile.SubjectKeyID {
		if template.SubjectKeyID, err = certificate.KeyID(intent.SPKI); err != nil {
			return nil, 0, err
		}
	}
	self := string(intent.SPKI) == string(ca.SPKI) && string(intent.Subject) == string(ca.Subject)
	if ca.BaseURL != "" && !self { // who certifies himself cannot say that he is not to be believed
		at, points := location.Of(ca.BaseURL, ca.Tenant, ca.ID), p.profile.Revocation
		template.OCSP = given(points.OCSP && ca.Kind != hierarchy.Root, at.OCSP()) // a root signs no responses
		template.IssuerURLs = given(points.Issuer, at.Certificate())
		template.CRL = given(points.CRL, at.CRL(shardOf(serial, ca.Shards)))
	}
	return template, algorithm, nil
}

// given is a URL where it is wanted.
func given(wanted bool, url string) []string {
	if !wanted {
		return nil
	}
	return []string{url}
}

// shardOf is the part of the CA's list that will tell of a certificate's revocation: fixed by its random serial number.
func shardOf(serial certificate.Serial, shards int) int {
	if shards <= 1 {
		return 0
	}
	sum := sha256.Sum256(serial)
	return (int(sum[0])<<8 | int(sum[1])) % shards
}

// row is the certificate as the inventory will know it.
func (p plan) row(caller access.Caller, intent certificate.Intent, serial certificate.Serial, now time.Time) (Certificate, error) {
	sum := sha256.Sum256(intent.SPKI)
	text, commonName, err := subjectText(intent.Subject)
	if err != nil {
		return Certificate{}, err
	}
	row := Certificate{
		Tenant: caller.Tenant, Serial: serial.String(), CAID: p.issuer.CA.ID, Profile: p.profile.Name, State: Intended,
		Subject: text, CommonName: commonName, SAN: intent.SAN,
		NotBefore: intent.NotBefore.Truncate(time.Second), NotAfter: intent.NotAfter.Truncate(time.Second),
		SPKISHA256: sum[:], Shard: shardOf(serial, p.issuer.CA.Shards), Requester: caller.ID, Channel: p.order.Channel,
		Lineage: serial.String(), CreatedAt: now, UpdatedAt: now,
	}
	if before := p.order.Replaces; before != nil {
		row.Lineage, row.Replaces = before.Lineage, before.Serial
	}
	return row, nil
}

// subjectText is a Name as RFC 4514 writes it, and its last common name in lower case.
func subjectText(der []byte) (text, commonName string, err error) {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &sequence); err != nil || len(rest) > 0 {
		return "", "", fmt.Errorf("read subject: %w", err)
	}
	oid := asn1.ObjectIdentifier{2, 5, 4, 3}
	for _, set := range slices.Backward(sequence) {
		for _, attribute := range set {
			if value, ok := attribute.Value.(string); ok && commonName == "" && attribute.Type.Equal(oid) {
				commonName = strings.ToLower(value)
			}
		}
	}
	return sequence.String(), commonName, nil
}
