package jws

import (
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Input says what a bare signature goes over.
type Input string

// The inputs. Ed25519 and HMAC take messages alone.
const (
	InputMessage Input = "message"
	InputDigest  Input = "digest" // of exactly the length of the algorithm's hash
)

// Format says how a bare signature is encoded.
type Format string

// The formats. ECDSA has the first two, all other algorithms the third alone.
const (
	FormatP1363 Format = "p1363" // r and s, each of the full length of the curve's order
	FormatDER   Format = "der"   // the ASN.1 structure ECDSA-Sig-Value (RFC 3279 section 2.2.3)
	FormatRaw   Format = "raw"   // the octets that the algorithm produces
)

// SignRaw signs a message or a digest with a private or symmetric key. An empty algorithm means the
// key's. A digest of another length than the hash's, and an input or a format that the algorithm does
// not have, are errors with code invalid_input.
func SignRaw(key *jwk.Key, algorithm string, input Input, data []byte, format Format) ([]byte, error) {
	sig, err := resolve(key, algorithm)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := maySign(key); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := checkRaw(sig, input, data, format); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	var signature []byte
	if input == InputDigest {
		signature, err = signDigest(key, sig, data, format == FormatDER)
	} else {
		signature, err = signMessage(key, sig, data, format == FormatDER)
	}
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signature, nil
}

// VerifyRaw checks a bare signature with a public or symmetric key (a private key stands for its
// public part). It returns nil, [ErrVerification], or an error about the call as SignRaw does.
func VerifyRaw(key *jwk.Key, algorithm string, input Input, data, signature []byte, format Format) error {
	sig, err := resolve(key, algorithm)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := mayVerify(key); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := checkRaw(sig, input, data, format); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	verify := verifyMessage
	if input == InputDigest {
		verify = verifyDigest
	}
	if !verify(key, sig, data, signature, format == FormatDER) {
		return ErrVerification
	}
	return nil
}

func checkRaw(sig alg.Signature, input Input, data []byte, format Format) error {
	switch input {
	case InputMessage:
	case InputDigest:
		if sig.Family == alg.EdDSA || sig.Family == alg.HMAC {
			return fault.New(fault.InvalidInput, "%s takes messages, not digests", sig.Name)
		}
		if len(data) != sig.Hash.Size() {
			return fault.New(fault.InvalidInput, "a digest for %s has %d bytes, not %d", sig.Name, sig.Hash.Size(), len(data))
		}
	default:
		return fault.New(fault.InvalidInput, "input %.16q is neither message nor digest", input)
	}
	isECDSA := sig.Family == alg.ECDSA
	switch {
	case isECDSA && (format == FormatP1363 || format == FormatDER):
		return nil
	case isECDSA:
		return fault.New(fault.InvalidInput, "a signature of %s is p1363 or der, not %.16q", sig.Name, format)
	case format != FormatRaw:
		return fault.New(fault.InvalidInput, "a signature of %s is raw, not %.16q", sig.Name, format)
	default:
		return nil
	}
}
