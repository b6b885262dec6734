package revocation

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
)

// CAs is the part of a hierarchy's store that lists.
type CAs interface {
	// CAs reads up to limit CAs in order of id, from after the id given.
	CAs(ctx context.Context, tenant string, list hierarchy.List) ([]hierarchy.CA, error)
}

// authorities are the CAs of a hierarchy as issuers.
type authorities struct {
	hierarchy *hierarchy.Hierarchy
	list      CAs
	now       func() time.Time
}

// FromHierarchy makes issuers of the CAs of a hierarchy.
func FromHierarchy(h *hierarchy.Hierarchy, list CAs, now func() time.Time) Issuers {
	return authorities{h, list, now}
}

// Issuer implements Issuers.
func (a authorities) Issuer(ctx context.Context, tenant, id string) (*Issuer, error) {
	fact, err := a.hierarchy.Fact(ctx, tenant, naming.Ref(id))
	if problem.Is(err, problem.NotFound) || err == nil && (fact.CA.ID != id || len(fact.Certificates) == 0) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("load CA: %w", err)
	}
	certificate, err := x509.ParseCertificate(fact.Certificates[0].DER)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of CA %s: %w", id, err)
	}
	ca := fact.CA
	algorithm, err := ca.SignatureAlgorithm(0)
	if err != nil {
		return nil, fmt.Errorf("CA %s: %w", id, err)
	}
	return &Issuer{
		Tenant: ca.Tenant, ID: ca.ID, Family: ca.Family, Manual: ca.Kind == hierarchy.Root, Signs: signs(ca), BaseURL: ca.BaseURL, Shards: ca.Shards,
		Certificate: certificate, Algorithm: algorithm, Delegates: a.delegates(ca),
	}, nil
}

// delegates tells whether a CA issues certificates by the profile of responders, which is of the private family. Others answer by their own key, as a CA
// does that issues no more.
func (a authorities) delegates(ca hierarchy.CA) bool {
	return ca.Kind == hierarchy.Issuing && ca.Family == hierarchy.Private && ca.Status == hierarchy.Active && ca.Issues(ResponderProfile) && !ca.Succeeded(a.now())
}

// signs tells whether a CA signs lists here. A retired one does.
func signs(ca hierarchy.CA) bool {
	return ca.Custody != hierarchy.Offline && slices.Contains([]hierarchy.Status{hierarchy.Active, hierarchy.Retired}, ca.Status)
}

// IDs implements Issuers.
func (a authorities) IDs(ctx context.Context, tenant, after string, limit int) ([]string, error) {
	cas, err := a.list.CAs(ctx, tenant, hierarchy.List{After: after, Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("list CAs: %w", err)
	}
	ids := make([]string, len(cas))
	for i, ca := range cas {
		ids[i] = ca.ID
	}
	return ids, nil
}

// Signer implements Issuers.
func (a authorities) Signer(ctx context.Context, tenant, id string) (crypto.Signer, func(), error) {
	fact, err := a.hierarchy.Fact(ctx, tenant, naming.Ref(id))
	if err != nil {
		return nil, nil, fmt.Errorf("load CA: %w", err)
	}
	if !signs(fact.CA) {
		return nil, nil, errors.New("the CA's key does not sign here")
	}
	signer, err := a.hierarchy.Signer(ctx, fact.CA)
	if err != nil {
		return nil, nil, err
	}
	return signer, signer.Release, nil
}
