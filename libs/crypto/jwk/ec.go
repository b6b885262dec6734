package jwk

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/subtle"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// maxCoordinate is the length in bytes of a coordinate on P-521.
const maxCoordinate = 66

// uncompressed is the first byte of an uncompressed point (SEC 1 section 2.3.3).
const uncompressed = 4

func lookupCurve(name string) (elliptic.Curve, error) {
	switch name {
	case alg.CurveP256:
		return elliptic.P256(), nil
	case alg.CurveP384:
		return elliptic.P384(), nil
	case alg.CurveP521:
		return elliptic.P521(), nil
	default:
		return nil, fault.New(fault.InvalidKey, "curve %.16q is not supported for EC keys", name)
	}
}

func coordinateSize(curve elliptic.Curve) int { return (curve.Params().BitSize + 7) / 8 }

func ecPublicMaterial(key *ecdsa.PublicKey) (*material, error) {
	if key == nil || key.Curve == nil || key.X == nil || key.Y == nil { //nolint:staticcheck // absent parts make the methods panic
		return nil, fault.New(fault.InvalidKey, "EC key without a curve or a point")
	}
	name := key.Curve.Params().Name
	if _, err := lookupCurve(name); err != nil {
		return nil, err
	}
	if _, err := key.ECDH(); err != nil {
		return nil, fault.New(fault.InvalidKey, "EC point is not on curve %s", name)
	}
	return &material{keyType: alg.KeyTypeEC, curve: name, ecPublic: key}, nil
}

func ecPrivateMaterial(key *ecdsa.PrivateKey) (*material, error) {
	if key == nil || key.D == nil { //nolint:staticcheck // absent parts make the methods panic
		return nil, fault.New(fault.InvalidKey, "EC key without its private part")
	}
	m, err := ecPublicMaterial(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	agreement, err := key.ECDH()
	if err != nil {
		return nil, fault.New(fault.InvalidKey, "EC private key is out of range").Because(ErrWeak)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil || !bytes.Equal(agreement.PublicKey().Bytes(), point) {
		return nil, fault.New(fault.InvalidKey, "EC private and public part do not match")
	}
	m.ecPrivate = key
	return m, nil
}

func ecdhPrivateMaterial(key *ecdh.PrivateKey) (*material, error) {
	if key == nil {
		return nil, fault.New(fault.InvalidKey, "EC key without its private part")
	}
	curve, err := curveOfECDH(key.Curve())
	if err != nil {
		return nil, err
	}
	private, err := ecdsa.ParseRawPrivateKey(curve, key.Bytes())
	if err != nil {
		return nil, fault.New(fault.InvalidKey, "EC private key is out of range").Because(ErrWeak)
	}
	return ecPrivateMaterial(private)
}

func ecdhPublicMaterial(key *ecdh.PublicKey) (*material, error) {
	if key == nil {
		return nil, fault.New(fault.InvalidKey, "EC key without a point")
	}
	curve, err := curveOfECDH(key.Curve())
	if err != nil {
		return nil, err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, key.Bytes())
	if err != nil {
		return nil, fault.New(fault.InvalidKey, "EC point is not on the curve")
	}
	return ecPublicMaterial(public)
}

func curveOfECDH(curve ecdh.Curve) (elliptic.Curve, error) {
	switch curve {
	case ecdh.P256():
		return elliptic.P256(), nil
	case ecdh.P384():
		return elliptic.P384(), nil
	case ecdh.P521():
		return elliptic.P521(), nil
	default:
		return nil, fault.New(fault.InvalidKey, "the curve is not supported for EC keys")
	}
}

// parseEC reads the members of RFC 7518 section 6.2, whose byte strings have the full length of a
// coordinate of the curve.
func parseEC(p *parsed) (*material, error) {
	curve, err := lookupCurve(p.curve)
	if err != nil {
		return nil, err
	}
	size := coordinateSize(curve)
	x, err := p.bytes("x", p.x, size)
	if err != nil {
		return nil, err
	}
	y, err := p.bytes("y", p.y, size)
	if err != nil {
		return nil, err
	}
	point := append(append(make([]byte, 0, 1+2*maxCoordinate), uncompressed), x...)
	point = append(point, y...)
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, fault.New(fault.InvalidKey, "EC point is not on curve %s", p.curve)
	}
	if !p.private() {
		return ecPublicMaterial(public)
	}
	scalar, err := p.bytes("d", p.d, size)
	if err != nil {
		return nil, err
	}
	defer clear(scalar)
	private, err := ecdsa.ParseRawPrivateKey(curve, scalar)
	if err != nil {
		return nil, fault.New(fault.InvalidKey, "EC private key is out of range").Because(ErrWeak)
	}
	if !private.PublicKey.Equal(public) {
		return nil, fault.New(fault.InvalidKey, "EC private and public part do not match")
	}
	return ecPrivateMaterial(private)
}

func edPublicMaterial(key ed25519.PublicKey) (*material, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, fault.New(fault.InvalidKey, "Ed25519 public key must have %d bytes", ed25519.PublicKeySize)
	}
	if err := checkEdwardsPoint(key); err != nil {
		return nil, err
	}
	return &material{keyType: alg.KeyTypeOKP, curve: alg.CurveEd25519, edPublic: slices.Clone(key)}, nil
}

func edPrivateMaterial(key ed25519.PrivateKey) (*material, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fault.New(fault.InvalidKey, "Ed25519 private key must have %d bytes", ed25519.PrivateKeySize)
	}
	private := ed25519.NewKeyFromSeed(key.Seed())
	if subtle.ConstantTimeCompare(private, key) != 1 {
		return nil, fault.New(fault.InvalidKey, "Ed25519 private and public part do not match")
	}
	return &material{
		keyType: alg.KeyTypeOKP, curve: alg.CurveEd25519,
		edPrivate: &hidden{private}, edPublic: ed25519.PublicKey(slices.Clone(private[ed25519.SeedSize:])),
	}, nil
}

// parseOKP reads the members of RFC 8037 section 2.
func parseOKP(p *parsed) (*material, error) {
	if p.curve != alg.CurveEd25519 {
		return nil, fault.New(fault.InvalidKey, "curve %.16q is not supported for OKP keys", p.curve)
	}
	public, err := p.bytes("x", p.x, ed25519.PublicKeySize)
	if err != nil {
		return nil, err
	}
	if !p.private() {
		return edPublicMaterial(public)
	}
	seed, err := p.bytes("d", p.d, ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	defer clear(seed)
	return edPrivateMaterial(append(slices.Clone(seed), public...))
}

// minSecret is the length in bytes of the shortest symmetric key: AES-128.
const minSecret = 16

func octetMaterial(secret []byte) (*material, error) {
	if len(secret) < minSecret {
		return nil, fault.New(fault.InvalidKey, "symmetric key of %d bytes is shorter than %d", len(secret), minSecret).Because(ErrWeak)
	}
	return &material{keyType: alg.KeyTypeOctet, size: len(secret) * 8, secret: &hidden{secret}}, nil
}
