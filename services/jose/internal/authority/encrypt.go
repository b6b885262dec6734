package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Encryption asks for a JWE (RFC 7516).
type Encryption struct {
	// Serialization may be empty: compact where it can say everything, otherwise flattened or general.
	Serialization     string
	Plaintext         []byte
	Type, ContentType string
	// AAD is carried in the clear and authenticated; nil for none.
	AAD []byte
	// Header are further members of the protected header, Unprotected those of the shared one.
	Header, Unprotected map[string]any
	Recipients          []Recipient // at least one
}

// Recipient is one whose key decrypts.
type Recipient struct {
	Key         Ref
	Unprotected map[string]any // members of the recipient's own header
}

func (e Encryption) serialization() jwe.Serialization {
	switch {
	case e.Serialization != "":
		return jwe.Serialization(e.Serialization)
	case len(e.Recipients) > 1:
		return jwe.General
	case e.AAD != nil || len(e.Unprotected) > 0 || len(e.Recipients) == 1 && len(e.Recipients[0].Unprotected) > 0:
		return jwe.Flattened
	default:
		return jwe.Compact
	}
}

// Encrypt makes a JWE to the active version of each recipient's key.
func (a *Authority) Encrypt(ctx context.Context, caller Caller, ask Encryption) (Made, error) {
	if err := checkInline(ask.Plaintext); err != nil {
		return Made{}, err
	}
	if err := checkInline(ask.AAD); err != nil {
		return Made{}, err
	}
	if n := len(ask.Recipients); n == 0 || n > jwe.MaxRecipients {
		return Made{}, invalid("/recipients", "1 to %d recipients", jwe.MaxRecipients)
	}
	draft := jwe.Draft{
		Serialization: ask.serialization(), Plaintext: ask.Plaintext, AAD: ask.AAD, Unprotected: ask.Unprotected,
		Protected:  jwe.Header{Type: ask.Type, ContentType: ask.ContentType, Extra: ask.Header},
		Recipients: make([]jwe.Recipient, 0, len(ask.Recipients)),
	}
	made := Made{By: make([]Used, 0, len(ask.Recipients))}
	opened := make(leases, 0, len(ask.Recipients))
	defer func() { opened.release() }()
	for _, recipient := range ask.Recipients {
		p, held, err := a.use(ctx, caller, OpEncrypt, recipient.Key, 0)
		if err != nil {
			return Made{}, err
		}
		opened = append(opened, held)
		if draft.Protected.Encryption == "" {
			draft.Protected.Encryption = p.spec.ContentEncryption
		}
		if draft.Protected.Encryption != p.spec.ContentEncryption {
			return Made{}, problem.New("key_mismatch", "the recipients' keys are for different content encryptions")
		}
		draft.Recipients = append(draft.Recipients, jwe.Recipient{
			Key: held.Key(), Algorithm: p.spec.KeyManagement, KeyID: p.version.KID(), Unprotected: recipient.Unprotected,
		})
		made.By = append(made.By, p.used(p.spec.Algorithm))
	}
	message, err := draft.Encrypt()
	if err != nil {
		return Made{}, fmt.Errorf("encrypt: %w", err)
	}
	made.Message = string(message)
	return made, nil
}

// Decrypted is the content of a JWE that is authentic.
type Decrypted struct {
	Used

	Plaintext         []byte
	AAD               []byte // nil for none
	Type, ContentType string // `typ` and `cty` of the protected header
}

// Decrypt opens a JWE for whichever recipient is one of ours, or for the key that ref names, as Verify checks a JWS. Every cryptographic reason
// to refuse is the one error decryption_failed.
func (a *Authority) Decrypt(ctx context.Context, caller Caller, ref Ref, text string) (Decrypted, error) {
	if err := decideScopeUnlessGranted(a, caller, OpDecrypt); err != nil {
		return Decrypted{}, err
	}
	message, err := jwe.Parse([]byte(text), jwe.Allow{})
	if err != nil {
		return Decrypted{}, malformed(err)
	}
	var tried attempts
	for i := range message.Headers {
		opened, err := a.decryptOne(ctx, caller, ref, message, i)
		if err == nil {
			return opened, nil
		}
		if err := tried.refused(err); err != nil {
			return Decrypted{}, err
		}
	}
	return Decrypted{}, tried.first
}

// decryptOne decrypts for one recipient of a message.
func (a *Authority) decryptOne(ctx context.Context, caller Caller, ref Ref, message *jwe.Message, i int) (Decrypted, error) {
	p, held, err := a.useNamed(ctx, caller, OpDecrypt, ref, message.Headers[i].KeyID, errDecryption)
	if err != nil {
		return Decrypted{}, err
	}
	defer held.Release()
	plaintext, header, err := message.Decrypt(i, held.Key(), jwe.Expect{Algorithm: p.spec.KeyManagement, Encryption: p.spec.ContentEncryption})
	if errors.Is(err, jwe.ErrDecryption) {
		return Decrypted{}, errDecryption()
	}
	if err != nil {
		return Decrypted{}, malformed(err)
	}
	return Decrypted{
		Used: p.used(p.spec.Algorithm), Plaintext: plaintext, AAD: message.AAD, Type: header.Type, ContentType: header.ContentType,
	}, nil
}
