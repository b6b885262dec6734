package keyring

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// headerContext is the protected header's member that carries a context's digest.
const headerContext = "ctx"

// content is what a message holds: the plaintext, and what its protected header says of it.
type content struct {
	text        []byte
	typ         string // `typ`
	contentType string // `cty`
}

// seal makes a compact JWE under the primary version.
func (k *Keyring) seal(ctx context.Context, caller Caller, op Operation, ref Ref, bind Context, of content) (Encrypted, error) {
	caller, digest, err := caller.with(bind)
	if err != nil {
		return Encrypted{}, err
	}
	p, err := k.permitSeal(ctx, caller, op, ref)
	if err != nil {
		return Encrypted{}, err
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return Encrypted{}, err
	}
	defer held.release()
	header := jwe.Header{
		Algorithm: p.spec.KeyManagement, Encryption: p.spec.ContentEncryption, KeyID: p.keyID, Type: of.typ, ContentType: of.contentType,
	}
	if digest != "" {
		header.Extra = map[string]any{headerContext: digest}
	}
	ciphertext, err := jwe.Encrypt(held.key, header, of.text)
	if err != nil {
		return Encrypted{}, fmt.Errorf("encrypt: %w", err)
	}
	k.count(p, len(of.text))
	return Encrypted{Used: p.used(), Ciphertext: ciphertext}, nil
}

// permitSeal is permit for the primary version and something that encrypts. Where the algorithm uses the key itself under random nonces, it
// counts the use, and when the key has had as many as it may, a new version takes its place.
func (k *Keyring) permitSeal(ctx context.Context, caller Caller, op Operation, ref Ref) (permit, error) {
	const attempts = 3 // another replica may rotate at the same moment
	for range attempts {
		p, err := k.permit(ctx, caller, op, ref, 0)
		if err != nil || !p.spec.DirectUse {
			return p, err
		}
		granted, err := k.uses.take(ctx, p.version, usesLimit(p.key))
		if err != nil || granted {
			return p, err
		}
		if rotatable(p.key) != nil {
			return permit{}, problem.New("usage_limit_reached", "version %d has encrypted as often as its algorithm allows, and the key gets no further version by itself", p.version.Version)
		}
		if _, err := k.rotate(ctx, p.key, p.version.Version); err != nil && !errors.Is(err, ErrStale) {
			return permit{}, fmt.Errorf("rotate key %s at its limit of uses: %w", p.key.ID, err)
		}
		caller.decided.forget(caller.decision(op, ref, 0))
	}
	return permit{}, problem.New("conflict", "the key is being rotated; try again")
}

// unseal opens a compact JWE that was made under a version of the key. The content is the caller's to clear.
func (k *Keyring) unseal(ctx context.Context, caller Caller, op Operation, ref Ref, bind Context, ciphertext string) (content, Used, error) {
	caller, digest, err := caller.with(bind)
	if err != nil {
		return content{}, Used{}, err
	}
	if err := k.checkMessage(ciphertext); err != nil {
		return content{}, Used{}, err
	}
	header, err := jwe.ParseHeader(ciphertext)
	if err != nil {
		header = jwe.Header{}
	}
	p, version, err := k.permitNamed(ctx, caller, op, ref, header.KeyID)
	if err != nil {
		return content{}, Used{}, err
	}
	if version == 0 {
		return content{}, Used{}, errDecryption()
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return content{}, Used{}, err
	}
	defer held.release()
	plaintext, header, err := jwe.Decrypt(held.key, ciphertext, jwe.Expect{Algorithm: p.spec.KeyManagement, Encryption: p.spec.ContentEncryption})
	if err != nil {
		return content{}, Used{}, errDecryption()
	}
	named, _ := header.Extra[headerContext].(string)
	if _, present := header.Extra[headerContext]; present != (digest != "") || subtle.ConstantTimeCompare([]byte(named), []byte(digest)) != 1 {
		clear(plaintext)
		return content{}, Used{}, errDecryption()
	}
	k.count(p, len(plaintext))
	return content{text: plaintext, typ: header.Type, contentType: header.ContentType}, p.used(), nil
}
