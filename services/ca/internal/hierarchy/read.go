package hierarchy

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
)

// Get returns a CA.
func (h *Hierarchy) Get(ctx context.Context, caller access.Caller, ref naming.Ref) (CA, error) {
	if err := access.Decide(caller, access.Read); err != nil {
		return CA{}, err
	}
	return h.find(ctx, caller.Tenant, ref)
}

// find is Get for whoever has decided.
func (h *Hierarchy) find(ctx context.Context, tenant string, ref naming.Ref) (CA, error) {
	if !ref.Names() {
		return CA{}, errNotFound()
	}
	ca, err := h.store.CA(ctx, tenant, ref)
	return ca, asNotFound(err)
}

// List returns a page of CAs.
func (h *Hierarchy) List(ctx context.Context, caller access.Caller, list List) ([]CA, error) {
	if err := access.Decide(caller, access.Read); err != nil {
		return nil, err
	}
	return h.store.CAs(ctx, caller.Tenant, list)
}

// Certificates returns all certificates of a CA, the primary one first.
func (h *Hierarchy) Certificates(ctx context.Context, caller access.Caller, ref naming.Ref) (CA, []Certificate, error) {
	ca, err := h.Get(ctx, caller, ref)
	if err != nil {
		return CA{}, nil, err
	}
	certificates, err := h.store.CertificatesOf(ctx, ca.Tenant, ca.ID)
	return ca, certificates, err
}

// Fact is a CA with its certificates, for whoever uses it and has decided. It may be a second old.
func (h *Hierarchy) Fact(ctx context.Context, tenant string, ref naming.Ref) (Fact, error) {
	if !ref.Names() {
		return Fact{}, errNotFound()
	}
	fact, err := h.store.Fact(ctx, tenant, ref)
	return fact, asNotFound(err)
}

// Current is the CA that issues in place of the one asked for: itself, or the last of its successors that has taken over.
func (h *Hierarchy) Current(ctx context.Context, tenant string, ref naming.Ref) (Fact, error) {
	fact, err := h.Fact(ctx, tenant, ref)
	for range maxSuccessors {
		if err != nil || !fact.CA.Succeeded(h.now()) {
			return fact, err
		}
		fact, err = h.Fact(ctx, tenant, naming.Ref(fact.CA.SuccessorID))
	}
	return Fact{}, fmt.Errorf("CA %s has more than %d successors one after the other", ref, maxSuccessors)
}

// Only is the one CA that issues by a profile. Where there are several, the caller must say which.
func (h *Hierarchy) Only(ctx context.Context, tenant string, family Family, profile string) (Fact, error) {
	all, err := h.store.Issuing(ctx, tenant)
	if err != nil {
		return Fact{}, fmt.Errorf("look for a CA: %w", err)
	}
	var fits []CA
	for _, ca := range all {
		if ca.Family == family && ca.Issues(profile) && !ca.Succeeded(h.now()) {
			fits = append(fits, ca)
		}
	}
	switch len(fits) {
	case 0:
		return Fact{}, problem.New("no_ca", "no active CA of the family %s issues by profile %q; make one first", family, profile)
	case 1:
		return h.Fact(ctx, tenant, refOf(fits[0].ID))
	}
	return Fact{}, invalid("/ca", "several CAs issue by profile %q: say which one", profile)
}

// maxSuccessors bounds how often keys of a CA can have changed.
const maxSuccessors = 100

// maxDepth bounds the length of a chain.
const maxDepth = 16

// ErrNoChain says that the CA has no certificate to begin a chain with.
var ErrNoChain = errors.New("the CA has no certificate")

// Chain is the certificates from one of the CA's own, by place among Certificates, up to a root or to where what is known here ends. The
// order is that of TLS (RFC 8446 section 4.4.2): each certifies the one before.
func (h *Hierarchy) Chain(ctx context.Context, fact Fact, place int) ([][]byte, error) {
	if place < 0 || place >= len(fact.Certificates) {
		return nil, ErrNoChain
	}
	at := fact.Certificates[place]
	chain := [][]byte{at.DER}
	for range maxDepth {
		if at.IssuerID == at.CAID || at.IssuerID == "" {
			return append(chain, at.Above...), nil
		}
		parent, err := h.Fact(ctx, at.Tenant, naming.Ref(at.IssuerID))
		if err != nil {
			return nil, fmt.Errorf("load the issuer of CA %s: %w", at.CAID, err)
		}
		if len(parent.Certificates) == 0 {
			return chain, nil
		}
		at = parent.Certificates[0]
		chain = append(chain, at.DER)
	}
	return nil, fmt.Errorf("the chain of CA %s has more than %d certificates", fact.CA.ID, maxDepth)
}

func errNotFound() error { return problem.New(problem.NotFound, "no such CA") }

// asNotFound turns the store's error into the caller's.
func asNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return errNotFound()
	}
	return err
}

func refOf(id string) naming.Ref { return naming.Ref(id) }

// maxRoots bounds how many roots a tenant has.
const maxRoots = 1000

// Roots are the certificates of a tenant's roots by themselves, for whoever trusts them: of active and of retired ones, which others still lead to.
func (h *Hierarchy) Roots(ctx context.Context, tenant string) ([][]byte, error) {
	cas, err := h.store.CAs(ctx, tenant, List{Kind: Root, Limit: maxRoots})
	if err != nil {
		return nil, err
	}
	var roots [][]byte
	for _, ca := range cas {
		if ca.Status != Active && ca.Status != Retired {
			continue
		}
		fact, err := h.Fact(ctx, tenant, refOf(ca.ID))
		if err != nil {
			return nil, err
		}
		for _, c := range fact.Certificates {
			if c.IssuerID == ca.ID {
				roots = append(roots, c.DER)
			}
		}
	}
	return roots, nil
}

// CertificatesOf are the certificates of a CA, for whoever has decided.
func (h *Hierarchy) CertificatesOf(ctx context.Context, ca CA) ([]Certificate, error) {
	return h.store.CertificatesOf(ctx, ca.Tenant, ca.ID)
}

// Request is a certificate request for the key and name of a CA (RFC 2986), in DER.
func (h *Hierarchy) Request(ctx context.Context, caller access.Caller, ref naming.Ref) ([]byte, error) {
	if err := access.Decide(caller, access.Manage); err != nil {
		return nil, err
	}
	ca, err := h.find(ctx, caller.Tenant, ref)
	if err != nil {
		return nil, err
	}
	signer, err := h.Signer(ctx, ca)
	if err != nil {
		return nil, err
	}
	defer signer.Release()
	algorithm, err := ca.SignatureAlgorithm(0)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{RawSubject: ca.Subject, SignatureAlgorithm: algorithm}, signer.Signer)
	if err != nil {
		return nil, fmt.Errorf("sign the request of CA %s: %w", ca.ID, err)
	}
	return der, nil
}
