package hierarchy

import (
	"context"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
)

// Bounds of what callers say of a CA.
const (
	maxDescription = 4096
	maxProfiles    = 100
	maxURL         = 512
	maxSubject     = 4096 // bytes of a DER Name
	// MaxShards bounds into how many parts the list of revocations is cut.
	MaxShards = 256
	// DefaultShards is one list for all.
	DefaultShards = 1
)

// NewCA asks for a CA.
type NewCA struct {
	Name        string
	Description string
	Kind        Kind
	Family      Family
	Subject     pkix.Name
	Algorithm   string // empty: ES384 for a root, ES256 otherwise
	KeySize     int    // bits of an RSA modulus; 0: default
	Profiles    []string
	BaseURL     string
	Shards      int // 0: DefaultShards
	Lab         bool
}

// Draft is a CA that is not stored yet. Its key is in memory until Zero.
type Draft struct {
	CA CA

	material *jwk.Key
}

// Signer is the key of the draft.
func (d *Draft) Signer() (crypto.Signer, error) {
	signer, ok := d.material.Material().(crypto.Signer)
	if !ok {
		return nil, errors.New("the key of the new CA does not sign")
	}
	return signer, nil
}

// Zero ends the draft.
func (d *Draft) Zero() { d.material.Zero() }

// Draft makes a CA with a new key. It is pending until a certificate is installed.
func (h *Hierarchy) Draft(ctx context.Context, caller access.Caller, ask NewCA) (*Draft, error) {
	if err := access.Decide(caller, access.Manage); err != nil {
		return nil, err
	}
	subject, err := subjectOf(ask.Subject)
	if err != nil {
		return nil, err
	}
	ca, spec, err := h.newCA(caller, ask, subject)
	if err != nil {
		return nil, err
	}
	// What will be refused is better said before a key is made. The unique index decides.
	if _, err := h.store.CA(ctx, ca.Tenant, naming.Ref(ca.Name)); err == nil {
		return nil, errTaken()
	}
	material, err := h.generator.Take(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("generate %s: %w", ca.Algorithm, err)
	}
	return h.seal(ctx, ca, material)
}

// Keep stores a draft with its event.
func (h *Hierarchy) Keep(ctx context.Context, draft *Draft) error {
	return h.keep(ctx, draft.CA, ActionCreate, nil)
}

// newCA is the CA that was asked for, before it has a key.
func (h *Hierarchy) newCA(caller access.Caller, ask NewCA, subject []byte) (CA, alg.Spec, error) {
	if ask.Algorithm == "" {
		ask.Algorithm = "ES256"
		if ask.Kind == Root {
			ask.Algorithm = "ES384"
		}
	}
	spec, err := signs(ask.Algorithm, ask.KeySize)
	if err != nil {
		return CA{}, alg.Spec{}, err
	}
	now := h.instant()
	ca := CA{
		Tenant: caller.Tenant, Name: ask.Name, Description: ask.Description, Kind: ask.Kind, Family: ask.Family, Status: Pending, Custody: Barrier,
		Algorithm: spec.Algorithm, Subject: subject, Profiles: slices.Clone(ask.Profiles), BaseURL: ask.BaseURL, Shards: max(ask.Shards, DefaultShards), Lab: ask.Lab,
		CreatedAt: now, UpdatedAt: now, Revision: 1,
	}
	if spec.KeyType == alg.KeyTypeRSA {
		ca.KeySize = spec.KeySize
	}
	if ca.ID, err = newID(); err != nil {
		return CA{}, alg.Spec{}, err
	}
	return ca, spec, ca.check()
}

// signs is the entry of an algorithm that CAs can sign with.
func signs(algorithm string, size int) (alg.Spec, error) {
	spec, err := alg.ParseSpec(algorithm, size, "")
	if err != nil {
		return alg.Spec{}, err
	}
	if spec.Use != alg.UseSign || !slices.Contains(algorithms(), spec.Algorithm) {
		return alg.Spec{}, alg.Unsupported(algorithm)
	}
	return spec, nil
}

// algorithms are those that certificates are signed with (RFC 5758, RFC 4055, RFC 8410).
func algorithms() []string {
	return []string{"ES256", "ES384", "ES512", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
}

// check holds what callers say of a CA to what it can be.
func (c CA) check() error {
	if err := naming.Check(c.Name); err != nil {
		return err
	}
	switch {
	case len(c.Description) > maxDescription || !naming.Storable(c.Description):
		return invalid("/description", "a description is UTF-8 of at most %d bytes, without U+0000", maxDescription)
	case !slices.Contains([]Kind{Root, Intermediate, Issuing}, c.Kind):
		return invalid("/kind", "root, intermediate or issuing")
	case !slices.Contains([]Family{Private, BR}, c.Family):
		return invalid("/family", "private or br")
	case c.Lab && c.Family != BR:
		return invalid("/lab", "only a CA of the br family can be one for tests")
	case c.Family == BR && c.Algorithm == "Ed25519":
		return invalid("/key/algorithm", "the CA/Browser Forum's rules know no Ed25519")
	case c.Family == BR && c.Kind == Issuing && c.BaseURL == "":
		return invalid("/base_url", "certificates of family br say over http where their status is told")
	case c.Shards < 1 || c.Shards > MaxShards:
		return invalid("/shards", "from 1 to %d", MaxShards)
	case len(c.Profiles) > maxProfiles:
		return invalid("/profiles", "at most %d", maxProfiles)
	}
	for _, profile := range c.Profiles {
		if !naming.Valid(profile) {
			return invalid("/profiles", "%q is no name of a profile", profile)
		}
	}
	return checkBaseURL(c.BaseURL)
}

// checkBaseURL refuses what cannot stand in a certificate: status must be had without TLS, or looking it up would need another look-up
// (RFC 5280 section 8).
func checkBaseURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(text) > maxURL {
		return invalid("/base_url", "an http URL with a host and without query, such as http://pki.example.org; clients do not fetch status over https")
	}
	return nil
}

// subjectOf encodes a subject.
func subjectOf(name pkix.Name) ([]byte, error) {
	sequence := name.ToRDNSequence()
	if len(sequence) == 0 {
		return nil, invalid("/subject", "a CA has a subject: its certificates name it as their issuer")
	}
	der, err := asn1.Marshal(sequence)
	if err != nil || len(der) > maxSubject {
		return nil, invalid("/subject", "does not fit into %d bytes of DER", maxSubject)
	}
	return der, nil
}

// seal wraps the key of a CA.
func (h *Hierarchy) seal(ctx context.Context, ca CA, material *jwk.Key) (*Draft, error) {
	ca, err := identified(ca, material)
	if err != nil {
		return nil, err
	}
	wrapper, err := h.wrapper(ctx, ca.Tenant)
	if err != nil {
		return nil, err
	}
	if ca.WrappedKey, err = wrap(wrapper, ca, material); err != nil {
		return nil, err
	}
	return &Draft{CA: ca, material: material}, nil
}

func (h *Hierarchy) wrapper(ctx context.Context, tenant string) (*barrier.Wrapper, error) {
	wrapper, err := h.barrier.Tenant(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("open barrier for tenant: %w", err)
	}
	return wrapper, nil
}

// keep stores a new CA with its event.
func (h *Hierarchy) keep(ctx context.Context, ca CA, action string, also func(context.Context, CA) error) error {
	err := h.store.InTx(ctx, func(ctx context.Context) error {
		if err := h.store.InsertCA(ctx, ca); err != nil {
			return err
		}
		if err := h.events.Record(ctx, Event{Tenant: ca.Tenant, Action: action, CAID: ca.ID, Detail: ca.Algorithm}); err != nil {
			return err
		}
		if also == nil {
			return nil
		}
		return also(ctx, ca)
	})
	if errors.Is(err, ErrNameTaken) {
		return errTaken()
	}
	if err != nil {
		return fmt.Errorf("store CA: %w", err)
	}
	return nil
}

func errTaken() error {
	return problem.New(problem.Conflict, "a CA has the name, or the key, already")
}

// invalid is the refusal of one member of a request.
func invalid(pointer, format string, args ...any) error {
	return apivalue.Invalid(pointer, format, args...)
}
