package jwe

import (
	"crypto/ecdh"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
	"github.com/cryptoutil/cryptoutil/libs/crypto/kdf"
)

// agree derives the key that both sides share (RFC 7518 section 4.6): the content encryption key, or
// the key that wraps it.
func agree(private *ecdh.PrivateKey, public *ecdh.PublicKey, management alg.KeyManagement, enc alg.ContentEncryption, h *Header) ([]byte, error) {
	z, err := private.ECDH(public)
	if err != nil {
		return nil, err
	}
	defer clear(z)
	if management.Family == alg.ECDHES {
		return kdf.Concat(z, enc.Name, h.PartyUInfo, h.PartyVInfo, enc.KeySize), nil
	}
	return kdf.Concat(z, management.Name, h.PartyUInfo, h.PartyVInfo, management.KeySize), nil
}

// appendEphemeral appends "epk" (RFC 7518 section 4.6.1.1).
func appendEphemeral(out []byte, curve string, public *ecdh.PublicKey) []byte {
	point := public.Bytes()
	size := len(point) / 2
	out = append(strictjson.AppendName(out, "epk"), '{')
	out = strictjson.AppendMember(out, "kty", string(alg.KeyTypeEC))
	out = strictjson.AppendMember(out, "crv", curve)
	out = appendEncoded(out, "x", point[1:1+size])
	out = appendEncoded(out, "y", point[1+size:])
	return append(out, '}')
}

var errEphemeral = fault.New(fault.InvalidJWE, `header: member "epk" is not a public key on the recipient's curve`)

// parseEphemeral reads "epk" and makes sure that it is a point on the recipient's curve, which is
// what stops invalid curve attacks (RFC 8725 section 2.5).
func parseEphemeral(text []byte, curve ecdh.Curve, curveName string) (*ecdh.PublicKey, error) {
	if text == nil {
		return nil, errEphemeral
	}
	var keyType, name string
	var x, y []byte
	err := strictjson.Object(text, func(member, value []byte) error {
		switch string(member) {
		case "kty":
			return joseheader.ReadString(&keyType, value, nil)
		case "crv":
			return joseheader.ReadString(&name, value, nil)
		case "x":
			return readBytes(&x, value)
		case "y":
			return readBytes(&y, value)
		case "d":
			return errEphemeral
		}
		return nil
	})
	if err != nil || keyType != string(alg.KeyTypeEC) || name != curveName || len(x) != len(y) {
		return nil, errEphemeral
	}
	const uncompressed = 4 // SEC 1 section 2.3.3
	point := make([]byte, 0, 1+len(x)+len(y))
	point = append(append(append(point, uncompressed), x...), y...)
	public, err := curve.NewPublicKey(point)
	if err != nil {
		return nil, errEphemeral
	}
	return public, nil
}

// readFixed decodes the characters of a member that must have exactly the length of to.
func readFixed(to, text []byte) bool {
	if len(text) != base64url.EncodedLen(len(to)) {
		return false
	}
	_, err := base64url.AppendDecode(to[:0], string(text))
	return err == nil
}
