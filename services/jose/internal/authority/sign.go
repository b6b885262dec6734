package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// Signing asks for a JWS (RFC 7515).
type Signing struct {
	// Serialization may be empty: compact for one signer without unprotected members, otherwise general or flattened.
	Serialization string
	Payload       []byte
	// Detached leaves the payload out of the message, Unencoded signs it as it stands (RFC 7797).
	Detached, Unencoded bool
	Signers             []Signer // at least one
}

// Signer asks for one of the signatures.
type Signer struct {
	Key               Ref
	Type, ContentType string
	// Chain puts the certificates of the version into the protected header (`x5c`); without any the request is refused.
	Chain bool
	// Header are further members of the protected header, Unprotected those of the other.
	Header, Unprotected map[string]any
}

// serialization is the form of the message.
func (s Signing) serialization() jws.Serialization {
	switch {
	case s.Serialization != "":
		return jws.Serialization(s.Serialization)
	case len(s.Signers) > 1:
		return jws.General
	case len(s.Signers) == 1 && len(s.Signers[0].Unprotected) > 0:
		return jws.Flattened
	default:
		return jws.Compact
	}
}

// Sign makes a JWS with the active version of each signer's key.
func (a *Authority) Sign(ctx context.Context, caller Caller, ask Signing) (Made, error) {
	if err := checkInline(ask.Payload); err != nil {
		return Made{}, err
	}
	if n := len(ask.Signers); n == 0 || n > jws.MaxSignatures {
		return Made{}, invalid("/signers", "1 to %d signers", jws.MaxSignatures)
	}
	draft := jws.Draft{
		Serialization: ask.serialization(), Payload: ask.Payload, Detached: ask.Detached, Signers: make([]jws.Signer, 0, len(ask.Signers)),
	}
	made := Made{By: make([]Used, 0, len(ask.Signers))}
	opened := make(leases, 0, len(ask.Signers))
	defer func() { opened.release() }()
	for _, signer := range ask.Signers {
		p, held, err := a.use(ctx, caller, OpSign, signer.Key, 0)
		if err != nil {
			return Made{}, err
		}
		opened = append(opened, held)
		key, err := a.signer(ctx, p, held)
		if err != nil {
			return Made{}, err
		}
		var chain [][]byte
		if signer.Chain {
			if chain = key.Certificates; chain == nil {
				return Made{}, errNoCertificate()
			}
		}
		draft.Signers = append(draft.Signers, jws.Signer{
			Key: key, Unprotected: signer.Unprotected,
			Protected: jws.Header{
				Algorithm: p.spec.Signature, KeyID: p.version.KID(), Type: signer.Type, ContentType: signer.ContentType,
				Chain: chain, Unencoded: ask.Unencoded, Extra: signer.Header,
			},
		})
		made.By = append(made.By, p.used(p.spec.Signature))
	}
	message, err := draft.Sign()
	if err != nil {
		return Made{}, fmt.Errorf("sign: %w", err)
	}
	made.Message = string(message)
	return made, nil
}

// Verification asks for the verification of a JWS.
type Verification struct {
	Message string
	// Key, unless empty, says which key must have signed; signatures of others are passed over then, where there are several.
	Key Ref
	// Any accepts a message of which one signature verifies. Otherwise all must.
	Any bool
	// Type, unless empty, is the `typ` that the headers must have.
	Type string
	// Payload is that of a message that carries none; nil for one that does.
	Payload []byte
	// Unencoded admits payloads that were signed as they stand, Chain headers that carry certificates (`x5c`), which must be of the key.
	Unencoded, Chain bool
}

func (v Verification) allow() jws.Allow {
	return jws.Allow{Unencoded: v.Unencoded, EmbeddedChain: v.Chain}
}

// Signature is one that verifies.
type Signature struct {
	Used

	Index             int    // in the message
	Type, ContentType string // `typ` and `cty` of its protected header
}

// Signed is the content of a JWS that verifies.
type Signed struct {
	Payload    []byte
	Signatures []Signature // at least one
	JSON       bool        // whether the message was in a JSON serialization
}

// Verify checks a JWS. The header's `kid` finds the version; nothing else in it is believed: the algorithm is the key's own.
func (a *Authority) Verify(ctx context.Context, caller Caller, ask Verification) (Signed, error) {
	if err := decideScopeUnlessGranted(a, caller, OpVerify); err != nil {
		return Signed{}, err
	}
	message, err := jws.Parse([]byte(ask.Message), ask.allow())
	if err == nil && ask.Payload != nil {
		err = message.Attach(ask.Payload)
	}
	if err != nil {
		return Signed{}, malformed(err)
	}
	out := Signed{JSON: message.Serialization != jws.Compact}
	var tried attempts
	for i := range message.Signatures {
		payload, signature, err := a.verifyOne(ctx, caller, ask, message, i)
		if err == nil {
			out.Payload, out.Signatures = payload, append(out.Signatures, signature)
			continue
		}
		if ask.Key == "" && !ask.Any {
			return Signed{}, err
		}
		if err := tried.refused(err); err != nil {
			return Signed{}, err
		}
	}
	if len(out.Signatures) == 0 {
		return Signed{}, tried.first
	}
	return out, nil
}

// verifyOne checks one signature of a message.
func (a *Authority) verifyOne(ctx context.Context, caller Caller, ask Verification, message *jws.Message, i int) ([]byte, Signature, error) {
	p, held, err := a.useNamed(ctx, caller, OpVerify, ask.Key, message.Signatures[i].KeyID(), errVerification)
	if err != nil {
		return nil, Signature{}, err
	}
	defer held.Release()
	expect := jws.Expect{Algorithm: p.spec.Signature, Type: ask.Type, Allow: ask.allow()}
	payload, header, err := message.Verify(i, held.Key(), expect)
	if errors.Is(err, jws.ErrVerification) {
		return nil, Signature{}, errVerification()
	}
	if err != nil {
		return nil, Signature{}, malformed(err)
	}
	return payload, Signature{Used: p.used(p.spec.Signature), Index: i, Type: header.Type, ContentType: header.ContentType}, nil
}
