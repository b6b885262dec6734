package keyring

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

const (
	// minRecipientBits is the smallest RSA modulus that a key is exported to: 128 bits of strength (SP 800-57 part 1 table 2).
	minRecipientBits = 3072
	// exportEncryption is the content encryption of exports.
	exportEncryption = "A256GCM"
	// exportContentType is the "cty" of a JWE whose content is a JWK (RFC 7517 section 7).
	exportContentType = "jwk+json"
)

// Export asks for a version's key material.
type Export struct {
	Version int64 // 0: the primary one
	// Recipient is the public JWK that the material is encrypted to.
	Recipient []byte
}

// Exported is key material for a recipient.
type Exported struct {
	ElasticKeyID string
	Version      int64
	KeyID        string
	JWE          string // compact; its content is the private JWK
}

// Export encrypts the private JWK of a version to a recipient. Only keys that were made exportable have it. Where the key's policy has a quorum,
// the quorum must have agreed to this version and this recipient.
func (k *Keyring) Export(ctx context.Context, caller Caller, ref Ref, ask Export) (Exported, error) {
	p, err := k.permit(ctx, caller, OpExport, ref, ask.Version)
	if err != nil {
		return Exported{}, err
	}
	if err := exportable(p); err != nil {
		return Exported{}, err
	}
	recipient, err := parseRecipient(ask.Recipient)
	if err != nil {
		return Exported{}, err
	}
	message, err := k.exported(ctx, p, recipient)
	if err != nil {
		return Exported{}, err
	}
	thumbprint := recipient.ThumbprintSHA256()
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		key, err := k.stillExportable(ctx, p)
		if err != nil {
			return err
		}
		if err := k.approve(ctx, caller, ApproveExport, key, exportParameters{Version: p.version.Version, Recipient: thumbprint}); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: ActionExport, Key: p.key, Version: p.version.Version, Detail: "to " + thumbprint})
	})
	if err != nil {
		return Exported{}, fmt.Errorf("export version: %w", err)
	}
	return Exported{ElasticKeyID: p.key.ID, Version: p.version.Version, KeyID: p.version.KeyID(), JWE: message}, nil
}

// exportable decides whether the version may leave. What it says of the origin and of exportable is what the barrier vouches for: a row that was
// edited does not open.
func exportable(p permit) error {
	switch {
	case !p.key.Exportable || !p.version.Exportable:
		return problem.New("not_exportable", "the key was not created exportable")
	case p.version.Origin == OriginPublic:
		return errNoPrivateKey(p.version)
	case p.key.Status != ElasticActive:
		return errState("the key", string(p.key.Status), string(OpExport), string(ElasticActive))
	case p.version.Status != VersionEnabled:
		return errState(p.version.title(), string(p.version.Status), string(OpExport), string(VersionEnabled))
	}
	return nil
}

// stillExportable decides once more on the rows as they are in the transaction: a permit may rest on facts that are a second old.
func (k *Keyring) stillExportable(ctx context.Context, p permit) (key ElasticKey, err error) {
	if p.key, err = k.store.ElasticKey(ctx, p.key.Tenant, Ref(p.key.ID)); err != nil {
		return ElasticKey{}, fmt.Errorf("load key: %w", err)
	}
	if p.version, err = k.numbered(ctx, p.key, p.version.Version); err != nil {
		return ElasticKey{}, fmt.Errorf("load version: %w", err)
	}
	p.version = p.version.at(k.instant())
	return p.key, exportable(p)
}

// exported is the version's private JWK, encrypted to the recipient.
func (k *Keyring) exported(ctx context.Context, p permit, recipient *jwk.Key) (string, error) {
	held, err := k.material(ctx, p)
	if err != nil {
		return "", err
	}
	defer held.release()
	named := *held.key // a copy shares the material
	named.ID = p.version.KeyID()
	private, err := named.MarshalPrivate()
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	defer clear(private)
	message, err := jwe.Encrypt(recipient, jwe.Header{Encryption: exportEncryption, ContentType: exportContentType}, private)
	if err != nil {
		return "", fmt.Errorf("encrypt to recipient: %w", err)
	}
	return message, nil
}

// parseRecipient reads the key that material is encrypted to, and holds it to what protects the material: RSA of 3072 bits with OAEP and SHA-2, or
// a NIST curve with ECDH-ES+A256KW, and none of the weak keys that import refuses.
func parseRecipient(text []byte) (*jwk.Key, error) {
	stated, err := jwk.Parse(text)
	if err != nil {
		return nil, errRecipient("it must be a public JWK").Because(err)
	}
	if stated.IsPrivate() {
		return nil, errRecipient("it must be a public JWK; regard the private part, which came along, as disclosed")
	}
	spec, err := recipientSpec(stated)
	if err != nil {
		return nil, err
	}
	key, err := keyimport.ParsePublic(spec, text)
	if err != nil {
		return nil, errRecipient("it is weak, or not for key management").Because(err)
	}
	key.ID = stated.ID
	return key, nil
}

// recipientSpec is the key management that suits the recipient's key.
func recipientSpec(key *jwk.Key) (alg.Spec, error) {
	algorithm := key.Algorithm
	switch key.Type() {
	case alg.KeyTypeRSA:
		if key.Size() < minRecipientBits {
			return alg.Spec{}, errRecipient("an RSA key must have at least %d bits", minRecipientBits)
		}
		if algorithm == "" {
			algorithm = "RSA-OAEP-256"
		}
		if algorithm != "RSA-OAEP-256" && algorithm != "RSA-OAEP-384" && algorithm != "RSA-OAEP-512" {
			return alg.Spec{}, errRecipient("an RSA key must be for RSA-OAEP-256, RSA-OAEP-384 or RSA-OAEP-512")
		}
	case alg.KeyTypeEC:
		if algorithm == "" {
			algorithm = keyimport.MethodECDH
		}
		if algorithm != keyimport.MethodECDH {
			return alg.Spec{}, errRecipient("an EC key must be for %s", keyimport.MethodECDH)
		}
	default:
		return alg.Spec{}, errRecipient("it must be an RSA or an EC key")
	}
	spec, err := alg.ParseSpec(exportEncryption+"/"+algorithm, key.Size(), key.Curve())
	if err != nil {
		return alg.Spec{}, errRecipient("an RSA key must have 3072 or 4096 bits, an EC key must be on P-256, P-384 or P-521").Because(err)
	}
	return spec, nil
}

func errRecipient(format string, args ...any) *problem.Error {
	return problem.New("invalid_recipient", "the recipient's key: "+format, args...)
}
