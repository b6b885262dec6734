package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

const (
	// minRecipientBits is the smallest RSA modulus that keys are exported to: 128 bits of strength (SP 800-57 part 1 table 2).
	minRecipientBits = 3072
	// MaxExported is how many keys one set can be made of.
	MaxExported = 100
)

// Exported is key material for a recipient.
type Exported struct {
	JWE       string // of a JWK or a JWK Set (RFC 7517 section 7)
	Of        []Used
	Recipient Used
}

// Export encrypts the private JWK of a version (0: the active one) to a recipient, a key of the tenant's. Only keys that were made exportable
// have it.
func (a *Authority) Export(ctx context.Context, caller Caller, ref Ref, number int64, recipient Ref) (Exported, error) {
	p, err := a.permit(ctx, caller, OpExport, ref, number)
	if err != nil {
		return Exported{}, err
	}
	if err := exportable(p.key, p.version); err != nil {
		return Exported{}, err
	}
	held, err := a.open(ctx, p.key, p.version)
	if err != nil {
		return Exported{}, err
	}
	defer held.Release()
	leaving := *held.Key()
	leaving.ID = p.version.KID()
	out := Exported{Of: []Used{p.used(p.spec.Algorithm)}}
	out.JWE, out.Recipient, err = a.wrapTo(ctx, caller, recipient, func(to *jwk.Key, header jwe.Header) (string, error) {
		return jwe.EncryptKey(to, header, &leaving)
	})
	if err != nil {
		return Exported{}, err
	}
	return out, a.recordExport(ctx, caller, []Key{p.key}, out.Of)
}

// ExportSet encrypts a JWK Set of all versions of some keys that have a private part here.
func (a *Authority) ExportSet(ctx context.Context, caller Caller, refs []Ref, recipient Ref) (Exported, error) {
	if len(refs) == 0 || len(refs) > MaxExported {
		return Exported{}, invalid("/keys", "1 to %d keys", MaxExported)
	}
	var out Exported
	var keys []Key
	var leaving []*jwk.Key
	var opened leases
	defer func() { opened.release() }()
	for _, ref := range refs {
		ring, err := a.permitKey(ctx, &caller, OpExport, ref)
		if err != nil {
			return Exported{}, err
		}
		keys = append(keys, ring.Key)
		for _, version := range ring.Versions {
			if err := exportable(ring.Key, version); err != nil {
				return Exported{}, err
			}
			held, err := a.open(ctx, ring.Key, version)
			if err != nil {
				return Exported{}, err
			}
			opened = append(opened, held)
			key := *held.Key()
			key.ID = version.KID()
			leaving = append(leaving, &key)
			out.Of = append(out.Of, Used{Algorithm: ring.Key.Algorithm, KeyID: ring.Key.ID, Version: version.Number, KID: version.KID()})
		}
	}
	var err error
	out.JWE, out.Recipient, err = a.wrapTo(ctx, caller, recipient, func(to *jwk.Key, header jwe.Header) (string, error) {
		return jwe.EncryptKeySet(to, header, leaving)
	})
	if err != nil {
		return Exported{}, err
	}
	return out, a.recordExport(ctx, caller, keys, out.Of)
}

// exportable decides whether a version may leave. That the key was made exportable is what the barrier vouches for: a row that was changed by
// hand does not open.
func exportable(key Key, version Version) error {
	switch {
	case !key.Exportable:
		return problem.New("not_exportable", "the key was not created exportable")
	case key.Status != KeyActive:
		return errState("the key", string(key.Status), string(OpExport), string(KeyActive))
	case version.Status == VersionDestroyed:
		return errNoVersion()
	case version.Origin == OriginPublic:
		return problem.New("no_private_key", "only the public part of the key is here; it cannot be exported")
	}
	return nil
}

// wrapTo encrypts by the active version of a recipient's key.
func (a *Authority) wrapTo(
	ctx context.Context, caller Caller, recipient Ref, encrypt func(to *jwk.Key, header jwe.Header) (string, error),
) (string, Used, error) {
	p, held, err := a.use(ctx, caller, OpWrap, recipient, 0)
	if problem.Is(err, problem.NotFound) {
		return "", Used{}, invalid("/recipient", "no such key")
	}
	if err != nil {
		return "", Used{}, err
	}
	defer held.Release()
	if p.spec.KeyType == alg.KeyTypeRSA && held.Key().Size() < minRecipientBits {
		return "", Used{}, problem.New("key_mismatch", "a recipient's RSA key has at least %d bits", minRecipientBits)
	}
	message, err := encrypt(held.Key(), jwe.Header{
		Algorithm: p.spec.KeyManagement, Encryption: p.spec.ContentEncryption, KeyID: p.version.KID(),
	})
	if err != nil {
		return "", Used{}, fmt.Errorf("export: %w", err)
	}
	return message, p.used(p.spec.Algorithm), nil
}

// recordExport writes down what leaves before it does.
func (a *Authority) recordExport(ctx context.Context, caller Caller, keys []Key, of []Used) error {
	byID := make(map[string]Key, len(keys))
	for _, key := range keys {
		byID[key.ID] = key
	}
	return a.store.InTx(ctx, func(ctx context.Context) error {
		for _, used := range of {
			// The decision is made once more on the rows as they are in the transaction.
			ring, err := a.store.Ring(ctx, caller.Tenant, Ref(used.KeyID))
			if errors.Is(err, ErrNotFound) || err == nil && ring.Key.Status != KeyActive {
				return errConflict()
			}
			if err != nil {
				return err
			}
			if err := a.events.Record(ctx, keyEvent(ActionExport, byID[used.KeyID], used.Version)); err != nil {
				return err
			}
		}
		return nil
	})
}

// ImportEncrypted is Import for a JWK that is encrypted (RFC 7517 section 7) to a key of the tenant's, which the header's `kid` names.
func (a *Authority) ImportEncrypted(ctx context.Context, caller Caller, ask NewKey, text string) (Key, Version, error) {
	if err := decideScope(caller, OpImport); err != nil {
		return Key{}, Version{}, err
	}
	header, err := jwe.ParseHeader(text)
	if err != nil {
		return Key{}, Version{}, malformed(err)
	}
	p, held, err := a.useNamed(ctx, caller, OpUnwrap, "", header.KeyID, errDecryption)
	if err != nil {
		return Key{}, Version{}, err
	}
	defer held.Release()
	brought, _, err := jwe.DecryptKey(held.Key(), text, jwe.Expect{Algorithm: p.spec.KeyManagement, Encryption: p.spec.ContentEncryption})
	switch {
	case errors.Is(err, jwe.ErrDecryption):
		return Key{}, Version{}, errDecryption()
	case err != nil:
		return Key{}, Version{}, malformed(err)
	}
	defer brought.Zero()
	return a.adoptKey(ctx, caller, ask, brought)
}
