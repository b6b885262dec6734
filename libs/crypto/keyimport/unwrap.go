package keyimport

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keywrap"
)

const (
	// minWrappingBits is the smallest modulus of a wrapping key: 128 bits of strength (SP 800-57 part 1 table 2).
	minWrappingBits = 3072
	// transportKey is the length in bytes of the AES key of [MethodRSA].
	transportKey = 32
	// minPadded is the length in bytes of the shortest material wrapped with padding (RFC 5649 section 4.1).
	minPadded = 16
)

// errWrongKey is the one error of material that does not open, whatever the reason.
var errWrongKey = fault.New(fault.ImportWrongKey,
	"the material does not open: it was wrapped for another wrapping key, or with other algorithms, or was damaged")

func unwrap(method string, wrapping *jwk.Key, wrapped []byte) ([]byte, error) {
	if len(wrapped) > MaxWrapped {
		return nil, fault.New(fault.ImportMalformed, "the wrapped material is longer than %d bytes", MaxWrapped)
	}
	switch method {
	case MethodRSA:
		return unwrapRSA(wrapping, wrapped)
	case MethodECDH:
		return unwrapECDH(wrapping, wrapped)
	default:
		return nil, errMethod()
	}
}

func unwrapRSA(wrapping *jwk.Key, wrapped []byte) ([]byte, error) {
	private, ok := wrapping.Material().(*rsa.PrivateKey)
	if !ok || wrapping.Algorithm != "RSA-OAEP-256" || wrapping.Size() < minWrappingBits {
		return nil, fault.New(fault.KeyMismatch, "the wrapping key is no private key for %s", MethodRSA)
	}
	if err := wrapping.Permits(jwk.OpUnwrapKey, jwk.OpDecrypt); err != nil {
		return nil, err
	}
	size := private.Size()
	if rest := len(wrapped) - size; rest < minPadded || rest%8 != 0 {
		return nil, fault.New(fault.ImportMalformed,
			"the wrapped material must be %d bytes of RSA-OAEP followed by at least %d bytes, a multiple of 8, of AES key wrap with padding", size, minPadded)
	}
	// A key that stands in for one that cannot be opened, so that both failures take the same path.
	decoy := make([]byte, transportKey)
	_, _ = rand.Read(decoy) // never fails: it ends the process instead
	key, err := keywrap.UnwrapRSAOAEP(private, crypto.SHA256, wrapped[:size])
	good := err == nil && len(key) == transportKey
	if !good {
		key = decoy
	}
	defer clear(key)
	material, err := keywrap.UnwrapPadded(key, wrapped[size:])
	if err != nil || !good {
		return nil, errWrongKey
	}
	return material, nil
}

func unwrapECDH(wrapping *jwk.Key, wrapped []byte) ([]byte, error) {
	if wrapping.Algorithm != MethodECDH || !wrapping.IsPrivate() {
		return nil, fault.New(fault.KeyMismatch, "the wrapping key is no private key for %s", MethodECDH)
	}
	message := string(wrapped)
	header, err := jwe.ParseHeader(message)
	if err != nil {
		return nil, fault.New(fault.ImportMalformed, "the wrapped material: %w", err)
	}
	if header.Algorithm != MethodECDH || header.Encryption != "A256GCM" && header.Encryption != "A256CBC-HS512" {
		return nil, fault.New(fault.ImportMalformed, `the JWE must have "alg" %s and "enc" A256GCM or A256CBC-HS512`, MethodECDH)
	}
	material, _, err := jwe.Decrypt(wrapping, message, jwe.Expect{})
	if errors.Is(err, jwe.ErrDecryption) {
		return nil, errWrongKey
	}
	if err != nil {
		return nil, fault.New(fault.ImportMalformed, "the wrapped material: %w", err)
	}
	return material, nil
}
