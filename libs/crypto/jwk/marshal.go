package jwk

import (
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"math/big"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

// MarshalPublic returns the public part as JSON. A symmetric key has none: that is an error with
// code key_mismatch.
func (k *Key) MarshalPublic() ([]byte, error) {
	public, err := k.Public()
	if err != nil {
		return nil, err
	}
	return append(public.appendPublic([]byte{'{'}), '}'), nil
}

// MarshalPrivate returns the whole key as JSON, secrets included. A public key is an error with code
// key_mismatch.
func (k *Key) MarshalPrivate() ([]byte, error) {
	if !k.IsPrivate() {
		return nil, fault.New(fault.KeyMismatch, "the key has no private part")
	}
	out := k.appendPublic([]byte{'{'})
	switch {
	case k.m.secret != nil:
		out = appendBytes(out, "k", k.m.secret.bytes)
	case k.m.edPrivate != nil:
		out = appendBytes(out, "d", k.m.edPrivate.bytes[:ed25519.SeedSize])
	case k.m.kemPrivate != nil:
		out = appendBytes(out, "priv", k.m.kemPrivate.seed)
	case k.m.ecPrivate != nil:
		scalar, err := k.m.ecPrivate.Bytes()
		if err != nil {
			return nil, fmt.Errorf("encode EC private key: %w", err)
		}
		out = appendBytes(out, "d", scalar)
		clear(scalar)
	case k.m.rsaPrivate != nil:
		key := k.m.rsaPrivate
		out = appendInt(out, "d", key.D)
		out = appendInt(out, "p", key.Primes[0])
		out = appendInt(out, "q", key.Primes[1])
		out = appendInt(out, "dp", key.Precomputed.Dp)
		out = appendInt(out, "dq", key.Precomputed.Dq)
		out = appendInt(out, "qi", key.Precomputed.Qinv)
	}
	return append(out, '}'), nil
}

// MarshalJSON returns the public part, and for a symmetric key its attributes alone.
func (k *Key) MarshalJSON() ([]byte, error) {
	return append(k.appendPublic([]byte{'{'}), '}'), nil
}

// appendPublic appends the members that are not secret.
func (k *Key) appendPublic(out []byte) []byte {
	if k.m == nil {
		return out
	}
	out = k.appendIdentity(out)
	algorithm := k.Algorithm
	if k.m.parameterSet != "" {
		algorithm = "" // a part of the identity, which has it already
	}
	for _, attribute := range [...][2]string{{"kid", k.ID}, {"use", k.Use}, {"alg", algorithm}} {
		if attribute[1] != "" {
			out = strictjson.AppendMember(out, attribute[0], attribute[1])
		}
	}
	if len(k.Operations) > 0 {
		out = appendStrings(strictjson.AppendName(out, "key_ops"), k.Operations)
	}
	if len(k.Certificates) > 0 {
		out = joseheader.AppendChain(strictjson.AppendName(out, "x5c"), k.Certificates)
		out = strictjson.AppendMember(out, "x5t#S256", k.certificateThumbprint())
	}
	return out
}

// appendIdentity appends the required public members in lexicographic order, as RFC 7638 section 3.2
// wants them; RFC 9964 counts "alg" among those of an AKP key.
func (k *Key) appendIdentity(out []byte) []byte {
	switch k.m.keyType {
	case alg.KeyTypeRSA:
		out = appendInt(out, "e", big.NewInt(int64(k.m.rsaPublic.E)))
		out = strictjson.AppendMember(out, "kty", "RSA")
		return appendInt(out, "n", k.m.rsaPublic.N)
	case alg.KeyTypeEC:
		out = strictjson.AppendMember(out, "crv", k.m.curve)
		out = strictjson.AppendMember(out, "kty", "EC")
		point, err := k.m.ecPublic.Bytes()
		if err != nil {
			return out // a point that was checked when the key was made
		}
		size := len(point) / 2
		out = appendBytes(out, "x", point[1:1+size])
		return appendBytes(out, "y", point[1+size:])
	case alg.KeyTypeOKP:
		out = strictjson.AppendMember(out, "crv", k.m.curve)
		out = strictjson.AppendMember(out, "kty", "OKP")
		return appendBytes(out, "x", k.m.edPublic)
	case alg.KeyTypeAKP:
		out = strictjson.AppendMember(out, "alg", k.m.parameterSet)
		out = strictjson.AppendMember(out, "kty", "AKP")
		return appendBytes(out, "pub", k.m.kemPublic.Bytes())
	default:
		return strictjson.AppendMember(out, "kty", "oct")
	}
}

// String describes the key without its private part.
func (k *Key) String() string {
	if k == nil || k.m == nil {
		return "jwk(empty)"
	}
	kind := "public"
	if k.IsPrivate() {
		kind = "private"
	}
	return fmt.Sprintf("jwk(%s %s %s%s%d %q %q)", kind, k.m.keyType, k.m.curve, k.m.parameterSet, k.m.size, k.Algorithm, k.ID)
}

// Format makes every verb of fmt print what String returns.
func (k *Key) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(k.String())) }

// LogValue logs what String returns.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

func appendBytes(out []byte, name string, value []byte) []byte {
	out = strictjson.AppendName(out, name)
	out = base64url.AppendEncode(append(out, '"'), value)
	return append(out, '"')
}

func appendInt(out []byte, name string, value *big.Int) []byte {
	encoded := value.Bytes()
	defer clear(encoded)
	return appendBytes(out, name, encoded)
}

func appendStrings(out []byte, list []string) []byte {
	out = append(out, '[')
	for i, text := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = strictjson.AppendString(out, text)
	}
	return append(out, ']')
}
