package keyring

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Input says what the bytes to sign are.
type Input string

// Inputs.
const (
	InputMessage    Input = "message"     // the message itself
	InputDigest     Input = "digest"      // its digest, by the algorithm's hash
	InputJWSPayload Input = "jws_payload" // the payload of a JWS
)

// Format is the encoding of a signature.
type Format string

// Formats.
const (
	FormatJWS   Format = "jws"   // compact serialization, RFC 7515 section 7.1
	FormatP1363 Format = "p1363" // ECDSA, r || s of fixed length
	FormatDER   Format = "der"   // ECDSA, RFC 3279 section 2.2.3
	FormatRaw   Format = "raw"   // RSA, Ed25519, HMAC
)

// SignRequest asks for a signature.
type SignRequest struct {
	Payload []byte
	Input   Input
	Format  Format
	Type    string // `typ` of the JWS header
	Version int64  // that signs, if it may; 0: the primary one
}

// Signed is what Sign returns.
type Signed struct {
	Used

	Signature string // compact JWS, or the bare signature in base64url
	Algorithm string
	Format    Format
}

// Sign signs with the primary version, or with another one that is enabled: for whoever must publish a version before it is used.
func (k *Keyring) Sign(ctx context.Context, caller Caller, ref Ref, ask SignRequest) (Signed, error) {
	if err := k.checkInline(ask.Payload); err != nil {
		return Signed{}, err
	}
	if err := checkShape(ask.Input, ask.Format, ask.Type); err != nil {
		return Signed{}, err
	}
	p, err := k.permit(ctx, caller, OpSign, ref, ask.Version)
	if err != nil {
		return Signed{}, err
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return Signed{}, err
	}
	defer held.release()
	k.count(p, len(ask.Payload))
	signed := Signed{Used: p.used(), Algorithm: p.spec.Signature, Format: ask.Format}
	if ask.Format == FormatJWS {
		header := jws.Header{Algorithm: p.spec.Signature, KeyID: p.keyID, Type: ask.Type}
		if signed.Signature, err = jws.Sign(held.key, header, ask.Payload); err != nil {
			return Signed{}, fmt.Errorf("sign: %w", err)
		}
		return signed, nil
	}
	signature, err := jws.SignRaw(held.key, p.spec.Signature, jws.Input(ask.Input), ask.Payload, jws.Format(ask.Format))
	if err != nil {
		return Signed{}, fmt.Errorf("sign: %w", err)
	}
	signed.Signature = base64.RawURLEncoding.EncodeToString(signature)
	return signed, nil
}

// VerifyRequest asks whether a signature is good.
type VerifyRequest struct {
	Signature  string // compact JWS, or the bare signature in base64url
	Payload    []byte
	HasPayload bool
	Input      Input
	Format     Format
	Type       string // `typ` that the JWS must carry; empty: any
	Version    int64  // of a bare signature; 0: the primary one
}

// Verdict is what Verify returns.
type Verdict struct {
	Used // nothing when the signature names no version of this key

	Valid   bool
	Payload []byte // of a valid JWS
}

// Verify checks a signature. A signature that does not verify is a verdict, not an error.
func (k *Keyring) Verify(ctx context.Context, caller Caller, ref Ref, ask VerifyRequest) (Verdict, error) {
	if err := checkShape(ask.Input, ask.Format, ask.Type); err != nil {
		return Verdict{}, err
	}
	if ask.Format == FormatJWS {
		if ask.Version != 0 {
			return Verdict{}, problem.New("validation_failed", "a JWS names its version; leave version out")
		}
		return k.verifyJWS(ctx, caller, ref, ask)
	}
	if !ask.HasPayload {
		return Verdict{}, problem.New("validation_failed", "a bare signature is verified against a payload; give one")
	}
	if err := k.checkInline(ask.Payload); err != nil {
		return Verdict{}, err
	}
	p, err := k.permit(ctx, caller, OpVerify, ref, ask.Version)
	if err != nil {
		return Verdict{}, err
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return Verdict{}, err
	}
	defer held.release()
	k.count(p, len(ask.Payload))
	signature, err := DecodeBytes(ask.Signature)
	if err != nil {
		return Verdict{Used: p.used()}, nil
	}
	err = jws.VerifyRaw(held.key, p.spec.Signature, jws.Input(ask.Input), ask.Payload, signature, jws.Format(ask.Format))
	if err != nil && !errors.Is(err, jws.ErrVerification) {
		return Verdict{}, fmt.Errorf("verify: %w", err)
	}
	return Verdict{Used: p.used(), Valid: err == nil}, nil
}

func (k *Keyring) verifyJWS(ctx context.Context, caller Caller, ref Ref, ask VerifyRequest) (Verdict, error) {
	if err := k.checkMessage(ask.Signature); err != nil {
		return Verdict{}, err
	}
	header, err := jws.ParseHeader(ask.Signature)
	if err != nil {
		header = jws.Header{}
	}
	p, version, err := k.permitNamed(ctx, caller, OpVerify, ref, header.KeyID)
	if err != nil || version == 0 {
		return Verdict{}, err
	}
	held, err := k.material(ctx, p)
	if err != nil {
		return Verdict{}, err
	}
	defer held.release()
	k.count(p, len(ask.Signature))
	payload, header, err := jws.Verify(held.key, ask.Signature, jws.Expect{Algorithm: p.spec.Signature})
	if err != nil ||
		ask.Type != "" && header.Type != ask.Type ||
		ask.HasPayload && subtle.ConstantTimeCompare(payload, ask.Payload) != 1 {
		return Verdict{Used: p.used()}, nil
	}
	if payload == nil {
		payload = []byte{} // of a JWS, unlike that of a bare signature, there is one
	}
	return Verdict{Used: p.used(), Valid: true, Payload: payload}, nil
}

// checkShape refuses combinations of input, format and typ that mean nothing, for any algorithm.
func checkShape(input Input, format Format, typ string) error {
	switch format {
	case FormatJWS:
		if input != InputJWSPayload {
			return problem.New("validation_failed", "with format jws the input is jws_payload")
		}
		return nil
	case FormatP1363, FormatDER, FormatRaw:
		if typ != "" {
			return problem.New("validation_failed", "only a JWS has a typ")
		}
	default:
		return problem.New("validation_failed", "the format is one of jws, p1363, der, raw")
	}
	if input != InputMessage && input != InputDigest {
		return problem.New("validation_failed", "with format %s the input is message or digest", format)
	}
	return nil
}
