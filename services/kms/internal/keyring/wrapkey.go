package keyring

import (
	"context"
	"encoding/json"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Content types of wrapped keys, as `cty` names them (RFC 7515 section 4.1.10).
const (
	contentJWK    = "jwk+json"     // RFC 7517 section 7
	contentOctets = "octet-stream" // the octets of a symmetric key
)

// KeyText is a caller's key: as a JWK, or as raw octets. It has one of the two.
type KeyText struct {
	JWK    json.RawMessage
	Octets []byte
}

// Clear overwrites the key.
func (t KeyText) Clear() {
	clear(t.JWK)
	clear(t.Octets)
}

// content is the key as a message holds it.
func (t KeyText) content() (content, error) {
	if (len(t.JWK) > 0) == (len(t.Octets) > 0) {
		return content{}, problem.New("validation_failed", "give a key of one byte or more, or a JWK, and not both")
	}
	if len(t.Octets) > 0 {
		return content{text: t.Octets, contentType: contentOctets}, nil
	}
	if _, err := jwk.Parse(t.JWK); err != nil {
		return content{}, err
	}
	return content{text: t.JWK, contentType: contentJWK}, nil
}

// Wrap encrypts a caller's key under the primary version.
func (k *Keyring) Wrap(ctx context.Context, caller Caller, ref Ref, key KeyText, bind Context) (Encrypted, error) {
	of, err := key.content()
	if err != nil {
		return Encrypted{}, err
	}
	if err := k.checkInline(of.text); err != nil {
		return Encrypted{}, err
	}
	return k.seal(ctx, caller, OpWrap, ref, bind, of)
}

// Unwrapped is what Unwrap returns.
type Unwrapped struct {
	Used
	KeyText
}

// Unwrap opens a message that says it holds a key: of Wrap, of GenerateDataKey or of Generate, or made elsewhere in the same way. Any other
// message, and one that says so wrongly, is decryption_failed like one that does not open.
func (k *Keyring) Unwrap(ctx context.Context, caller Caller, ref Ref, wrapped string, bind Context) (Unwrapped, error) {
	opened, used, err := k.unseal(ctx, caller, OpUnwrap, ref, bind, wrapped)
	if err != nil {
		return Unwrapped{}, err
	}
	switch opened.contentType {
	case contentOctets:
		return Unwrapped{Used: used, KeyText: KeyText{Octets: opened.text}}, nil
	case contentJWK:
		if _, err := jwk.Parse(opened.text); err == nil {
			return Unwrapped{Used: used, KeyText: KeyText{JWK: opened.text}}, nil
		}
	}
	clear(opened.text)
	return Unwrapped{}, errDecryption()
}
