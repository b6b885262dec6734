package hierarchy

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
)

// maxChain bounds how many certificates somebody may bring.
const maxChain = 10

// Install takes a certificate that another CA has made for a CA here: of an offline root, of somebody else's hierarchy, or of another CA here
// that vouches for it. chain begins with the CA's own; each one certifies the one before. A pending CA becomes active.
func (h *Hierarchy) Install(ctx context.Context, caller access.Caller, ref naming.Ref, chain []*x509.Certificate, primary bool) (CA, error) {
	if err := access.Decide(caller, access.Manage); err != nil {
		return CA{}, err
	}
	ca, err := h.find(ctx, caller.Tenant, ref)
	if err != nil {
		return CA{}, err
	}
	if ca.Status == Destroyed {
		return CA{}, errState(ca, "take a certificate", string(Active))
	}
	if err := h.checkChain(ca, chain); err != nil {
		return CA{}, err
	}
	err = h.store.InTx(ctx, func(ctx context.Context) error {
		ca, err = h.install(ctx, ca, chain, primary || ca.Status == Pending)
		return err
	})
	if errors.Is(err, ErrNameTaken) {
		return CA{}, problem.New(problem.Conflict, "the CA has this certificate already")
	}
	return ca, err
}

// InstallOwn takes a certificate that was issued here, in the transaction of the issuance.
func (h *Hierarchy) InstallOwn(ctx context.Context, ca CA, der []byte) (CA, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return CA{}, fmt.Errorf("read the CA's certificate: %w", err)
	}
	return h.install(ctx, ca, []*x509.Certificate{certificate}, ca.Status == Pending)
}

// install stores a certificate whose chain was checked and moves a pending CA on.
func (h *Hierarchy) install(ctx context.Context, ca CA, chain []*x509.Certificate, primary bool) (CA, error) {
	leaf, now := chain[0], h.instant()
	c := Certificate{
		Tenant: ca.Tenant, CAID: ca.ID, Serial: hexSerial(leaf.SerialNumber), IssuerKeyID: leaf.AuthorityKeyId, Primary: primary,
		DER: leaf.Raw, NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, CreatedAt: now,
	}
	if bytes.Equal(leaf.RawSubject, leaf.RawIssuer) && leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil {
		c.IssuerID, c.IssuerKeyID = ca.ID, ca.KeyID
	} else if parent, err := h.parent(ctx, ca.Tenant, leaf); err != nil {
		return CA{}, err
	} else {
		c.IssuerID = parent
	}
	if c.IssuerID == "" {
		for _, above := range chain[1:] {
			c.Above = append(c.Above, above.Raw)
		}
	}
	if err := h.store.AddCertificate(ctx, c); err != nil {
		return CA{}, err
	}
	if err := h.events.Record(ctx, Event{Tenant: ca.Tenant, Action: ActionInstall, CAID: ca.ID, Detail: c.Serial}); err != nil {
		return CA{}, err
	}
	if ca.Status != Pending {
		return ca, nil
	}
	ca.ParentID = c.IssuerID
	return h.move(ctx, ca, activate(), now)
}

// parent is the id of the CA here that has signed a certificate; empty for none.
func (h *Hierarchy) parent(ctx context.Context, tenant string, leaf *x509.Certificate) (string, error) {
	if len(leaf.AuthorityKeyId) == 0 {
		return "", nil
	}
	ca, err := h.store.ByKeyID(ctx, tenant, leaf.AuthorityKeyId)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look up the issuer: %w", err)
	}
	public, err := x509.ParsePKIXPublicKey(ca.SPKI)
	if err != nil {
		return "", fmt.Errorf("read the public key of CA %s: %w", ca.ID, err)
	}
	signed := (&x509.Certificate{PublicKey: public}).CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil
	if !signed || !bytes.Equal(ca.Subject, leaf.RawIssuer) {
		return "", nil // another's key identifier is the same, or somebody says so
	}
	return ca.ID, nil
}

// checkChain refuses certificates that are not the CA's, or do not certify each other.
func (h *Hierarchy) checkChain(ca CA, chain []*x509.Certificate) error {
	if len(chain) == 0 || len(chain) > maxChain {
		return invalid("/chain", "from 1 to %d certificates, the CA's own first", maxChain)
	}
	leaf, now := chain[0], h.now()
	switch {
	case !bytes.Equal(leaf.RawSubjectPublicKeyInfo, ca.SPKI):
		return problem.New("key_mismatch", "the first certificate is for another key than CA %q has", ca.Name)
	case !bytes.Equal(leaf.RawSubject, ca.Subject):
		return problem.New("key_mismatch", "the first certificate's subject is %q; the CA is another", leaf.Subject.String())
	case !leaf.IsCA || !leaf.BasicConstraintsValid:
		return problem.New("invalid_certificate", "the first certificate is not one of a CA: its basic constraints do not say so")
	case leaf.KeyUsage&x509.KeyUsageCertSign == 0:
		return problem.New("invalid_certificate", "the first certificate's key usage does not allow to sign certificates")
	case leaf.KeyUsage&x509.KeyUsageCRLSign == 0:
		return problem.New("invalid_certificate", "the first certificate's key usage does not allow to sign revocation lists")
	}
	for i, c := range chain {
		if now.After(c.NotAfter) || now.Before(c.NotBefore.Add(-maxSkew)) {
			return problem.New("invalid_certificate", "certificate %d is not valid now: from %s to %s", i+1, c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
		}
		if i == 0 {
			continue
		}
		if err := chain[i-1].CheckSignatureFrom(c); err != nil {
			return problem.New("invalid_certificate", "certificate %d does not certify the one before it", i+1)
		}
	}
	return nil
}

// maxSkew is how far another's clock may be ahead.
const maxSkew = 5 * time.Minute

// errState says in which state a CA is, and in which it must be for what was asked.
func errState(ca CA, action, must string) error {
	return problem.New(problem.InvalidState, "CA %q is %s; to %s it must be %s", ca.Name, ca.Status, action, must)
}
