package hierarchy

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// Import takes a CA that was elsewhere: its chain, its own certificate first, and its key. Without a key the CA is known and signs nothing here, as
// an offline root is.
func (h *Hierarchy) Import(ctx context.Context, caller access.Caller, ask NewCA, chain []*x509.Certificate, material *jwk.Key) (CA, error) {
	if err := access.Decide(caller, access.Manage); err != nil {
		return CA{}, err
	}
	if len(chain) == 0 {
		return CA{}, invalid("/chain", "from 1 to %d certificates, the CA's own first", maxChain)
	}
	leaf := chain[0]
	algorithm, size, err := algorithmOf(leaf, material, ask.Algorithm)
	if err != nil {
		return CA{}, err
	}
	ask.Algorithm, ask.KeySize = algorithm, size
	ca, _, err := h.newCA(caller, ask, leaf.RawSubject)
	if err != nil {
		return CA{}, err
	}
	if (ask.Kind == Root) != bytes.Equal(leaf.RawSubject, leaf.RawIssuer) {
		return CA{}, invalid("/kind", "a root, and only a root, certifies itself; this certificate's issuer is %q", leaf.Issuer.String())
	}
	also := func(ctx context.Context, ca CA) error {
		if err := h.checkChain(ca, chain); err != nil {
			return err
		}
		_, err := h.install(ctx, ca, chain, true)
		return err
	}
	if material == nil {
		ca.Custody, ca.SPKI = Offline, leaf.RawSubjectPublicKeyInfo
		if ca.KeyID, err = certificate.KeyID(ca.SPKI); err != nil {
			return CA{}, err
		}
		err = h.keep(ctx, ca, ActionImport, also)
	} else {
		var draft *Draft
		if draft, err = h.seal(ctx, ca, material); err == nil {
			ca = draft.CA
			err = h.keep(ctx, ca, ActionImport, also)
		}
	}
	if err != nil {
		return CA{}, err
	}
	return h.store.CA(ctx, ca.Tenant, refOf(ca.ID))
}

// algorithmOf is what a key that was brought signs with, and its length where that matters.
func algorithmOf(leaf *x509.Certificate, material *jwk.Key, asked string) (algorithm string, size int, err error) {
	public, err := jwk.ParsePKIX(leaf.RawSubjectPublicKeyInfo, jwk.Attributes{})
	if err != nil {
		return "", 0, problem.New("invalid_certificate", "the CA's public key is not acceptable: %v", err)
	}
	if material != nil {
		own, err := material.MarshalPKIX()
		if err != nil {
			return "", 0, fmt.Errorf("encode public key: %w", err)
		}
		if !bytes.Equal(own, leaf.RawSubjectPublicKeyInfo) {
			return "", 0, problem.New("key_mismatch", "the key is not the one that the first certificate is for")
		}
	}
	fits := map[alg.KeyType][]string{}
	for _, name := range algorithms() {
		spec, err := alg.ParseSpec(name, 0, "")
		if err != nil {
			return "", 0, err
		}
		if spec.KeyType == public.Type() && (spec.KeyType == alg.KeyTypeRSA || spec.Curve == public.Curve()) {
			fits[spec.KeyType] = append(fits[spec.KeyType], name)
		}
	}
	names := fits[public.Type()]
	if len(names) == 0 {
		return "", 0, problem.New("invalid_certificate", "CAs here do not sign with a key of type %s", public.Type())
	}
	algorithm = names[0]
	for _, name := range names {
		if name == asked {
			algorithm = name
		}
	}
	if asked != "" && algorithm != asked {
		return "", 0, problem.New("key_mismatch", "the key does not sign with %s, but with one of %v", asked, names)
	}
	if public.Type() == alg.KeyTypeRSA {
		size = public.Size()
	}
	return algorithm, size, nil
}
