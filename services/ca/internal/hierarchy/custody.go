package hierarchy

import (
	"context"
	"crypto"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keycache"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// purposeKey is the barrier's label for keys of CAs. It is part of what is authenticated: it never changes.
const purposeKey = "ca/key"

// pin is the place and the attributes that a wrapped key is bound to, and the wrapped key itself: all that decides whether it opens. Moving
// the row to another tenant or id, making it another kind of CA, or giving it another subject, makes it unreadable.
type pin struct {
	tenant, id string
	kind       Kind
	family     Family
	lab        bool
	algorithm  string
	keySize    int
	keyID      string
	subject    string
	wrapped    string
}

func pinned(ca CA) pin {
	return pin{
		tenant: ca.Tenant, id: ca.ID, kind: ca.Kind, family: ca.Family, lab: ca.Lab, algorithm: ca.Algorithm, keySize: ca.KeySize, keyID: string(ca.KeyID),
		subject: string(ca.Subject), wrapped: ca.WrappedKey,
	}
}

// binding is the pin as the barrier authenticates it.
func (p pin) binding() barrier.Binding {
	return barrier.Binding{
		Tenant: p.tenant, Purpose: purposeKey, ID: p.id,
		Attributes: []barrier.Attribute{
			{Name: "kind", Value: string(p.kind)},
			{Name: "family", Value: string(p.family)},
			{Name: "lab", Value: strconv.FormatBool(p.lab)},
			{Name: "algorithm", Value: p.algorithm},
			{Name: "key_size", Value: strconv.Itoa(p.keySize)},
			{Name: "key_id", Value: hex.EncodeToString([]byte(p.keyID))},
			{Name: "subject", Value: hex.EncodeToString([]byte(p.subject))},
		},
	}
}

// Binding is what the wrapped key of a CA is bound to.
func Binding(ca CA) barrier.Binding { return pinned(ca).binding() }

// identified is a CA with what is told of its public key.
func identified(ca CA, public *jwk.Key) (CA, error) {
	spki, err := public.MarshalPKIX()
	if err != nil {
		return CA{}, fmt.Errorf("encode public key: %w", err)
	}
	ca.SPKI = spki
	ca.KeyID, err = certificate.KeyID(spki)
	return ca, err
}

// wrap seals a CA's key for its row.
func wrap(wrapper *barrier.Wrapper, ca CA, material *jwk.Key) (string, error) {
	text, err := material.MarshalPrivate()
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	defer clear(text)
	wrapped, err := wrapper.Wrap(pinned(ca).binding(), text)
	if err != nil {
		return "", fmt.Errorf("wrap key: %w", err)
	}
	return wrapped, nil
}

// Signer is a CA's private key that somebody may be using. It must be released.
type Signer struct {
	crypto.Signer

	lease *keycache.Lease[pin]
}

// Release gives the key back.
func (s *Signer) Release() { s.lease.Release() }

// Signer opens a CA's key. Whoever asks has decided that it may sign.
func (h *Hierarchy) Signer(ctx context.Context, ca CA) (*Signer, error) {
	lease, err := h.open(ctx, ca)
	if err != nil {
		return nil, err
	}
	signer, ok := lease.Key().Material().(crypto.Signer)
	if !ok {
		lease.Release()
		return nil, fmt.Errorf("CA %s: its key does not sign", ca.ID)
	}
	return &Signer{Signer: signer, lease: lease}, nil
}

// open opens the key of a CA and checks that it is the one whose public part the row tells.
func (h *Hierarchy) open(ctx context.Context, ca CA) (*keycache.Lease[pin], error) {
	switch {
	case ca.Custody == Offline:
		return nil, problem.New("ca_offline", "the key of CA %q is not here: sign where it is kept, and bring the result", ca.Name)
	case ca.WrappedKey == "":
		return nil, problem.New(problem.InvalidState, "the key of CA %q is destroyed", ca.Name)
	case h.barrier.Sealed():
		return nil, barrier.ErrSealed
	}
	at := pinned(ca)
	slot := keycache.Slot{Tenant: at.tenant, ID: at.id}
	if held := h.cache.Get(slot, at); held != nil {
		return held, nil
	}
	since := h.cache.Generation()
	text, err := h.barrier.Unwrap(ctx, at.binding(), at.wrapped)
	if err != nil {
		return nil, fmt.Errorf("open the key of CA %s: %w", ca.ID, err)
	}
	defer clear(text)
	material, err := jwk.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("decode the key of CA %s: %w", ca.ID, err)
	}
	if err := check(ca, material); err != nil {
		material.Zero()
		return nil, fmt.Errorf("key of CA %s: %w", ca.ID, err)
	}
	return h.cache.Put(slot, at, material, since), nil
}

// check refuses a key whose public part is not the CA's.
func check(ca CA, material *jwk.Key) error {
	spki, err := material.MarshalPKIX()
	if err != nil {
		return err
	}
	id, err := certificate.KeyID(spki)
	if err != nil {
		return err
	}
	if string(id) != string(ca.KeyID) || string(spki) != string(ca.SPKI) {
		return errForeignKey
	}
	return nil
}
