package jwk

import (
	"math/big"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

// MaxKeyText is the length in bytes of the longest JSON text [Parse] reads: an RSA-8192 private key
// with a chain of certificates fits.
const MaxKeyText = 64 << 10

// Parse reads one JSON Web Key. It refuses duplicate members, points that are not on their curve,
// private parts that do not belong to their public part, RSA below 2048 bits, secrets below 128 bits,
// algorithms that are not supported or do not fit the key, and attributes that contradict each other.
// Members it does not know are ignored (RFC 7517 section 4).
//
// Of the certificate members, "x5c" must certify this very key and "x5t#S256" must be the hash of its
// first certificate. "x5t" is a SHA-1 hash: it is neither computed nor compared nor kept; it never
// counts as a statement about the key. "x5u" is never fetched. Errors carry the code invalid_jwk or
// unsupported_algorithm.
func Parse(text []byte) (*Key, error) {
	k, _, err := parse(text)
	return k, err
}

// parse also returns the ID of a key that it refuses, as far as it can be read.
func parse(text []byte) (key *Key, id string, err error) {
	if len(text) > MaxKeyText {
		return nil, "", fault.New(fault.InvalidKey, "key is longer than %d bytes", MaxKeyText)
	}
	var p parsed
	if err := strictjson.Object(text, p.member); err != nil {
		return nil, p.attributes.ID, fault.New(fault.InvalidKey, "parse key: %w", err)
	}
	m, err := p.material()
	if err != nil {
		return nil, p.attributes.ID, err
	}
	k, err := newKey(m, p.attributes)
	if err != nil {
		return nil, p.attributes.ID, err
	}
	// Without the certificate its hash says nothing that could be checked.
	if p.thumbprint != "" && len(k.Certificates) > 0 && p.thumbprint != k.certificateThumbprint() {
		return nil, p.attributes.ID, fault.New(fault.InvalidKey, `"x5t#S256" is not the hash of the first certificate of "x5c"`)
	}
	return k, k.ID, nil
}

// parsed is a key's text taken apart; nil members were absent.
type parsed struct {
	keyType        string
	curve          string
	thumbprint     string
	attributes     Attributes
	hasOtherPrimes bool

	x, y, d, n, e, p, q, dp, dq, qi, k, pub, priv *string
}

func (p *parsed) member(name, value []byte) (err error) {
	switch string(name) {
	case "kty":
		p.keyType, err = strictjson.String(value)
	case "crv":
		p.curve, err = strictjson.String(value)
	case "kid":
		p.attributes.ID, err = strictjson.String(value)
	case "alg":
		p.attributes.Algorithm, err = strictjson.String(value)
	case "use":
		p.attributes.Use, err = strictjson.String(value)
	case "key_ops":
		p.attributes.Operations, err = strictjson.Strings(value)
	case "x5c":
		p.attributes.Certificates, err = joseheader.ParseChain(value)
	case "x5t#S256":
		p.thumbprint, err = strictjson.String(value)
	case "oth":
		p.hasOtherPrimes = true
	default:
		if to := p.keyMember(string(name)); to != nil {
			var text string
			text, err = strictjson.String(value)
			*to = &text
		}
	}
	if err != nil {
		return fault.New(fault.InvalidKey, "member %q: %w", name, err)
	}
	return nil
}

func (p *parsed) keyMember(name string) **string {
	switch name {
	case "x":
		return &p.x
	case "y":
		return &p.y
	case "d":
		return &p.d
	case "n":
		return &p.n
	case "e":
		return &p.e
	case "p":
		return &p.p
	case "q":
		return &p.q
	case "dp":
		return &p.dp
	case "dq":
		return &p.dq
	case "qi":
		return &p.qi
	case "k":
		return &p.k
	case "pub":
		return &p.pub
	case "priv":
		return &p.priv
	default:
		return nil
	}
}

// private says whether any private member of an asymmetric key is there: half a private key is an
// error, not a public key.
func (p *parsed) private() bool {
	return p.d != nil || p.p != nil || p.q != nil || p.dp != nil || p.dq != nil || p.qi != nil || p.hasOtherPrimes
}

func (p *parsed) material() (*material, error) {
	switch p.keyType {
	case "RSA":
		return parseRSA(p)
	case "EC":
		return parseEC(p)
	case "OKP":
		return parseOKP(p)
	case "AKP":
		return parseAKP(p)
	case "oct":
		secret, err := p.bytes("k", p.k, 0)
		if err != nil {
			return nil, err
		}
		return octetMaterial(secret)
	case "":
		return nil, fault.New(fault.InvalidKey, `member "kty" is missing`)
	default:
		return nil, fault.New(fault.InvalidKey, "key type %.16q is not supported", p.keyType)
	}
}

// bytes decodes a member of exactly size bytes; 0 is any size.
func (p *parsed) bytes(name string, text *string, size int) ([]byte, error) {
	if text == nil || *text == "" {
		return nil, fault.New(fault.InvalidKey, "member %q is missing", name)
	}
	value, err := base64url.Decode(*text)
	if err != nil {
		return nil, fault.New(fault.InvalidKey, "member %q is %w", name, err)
	}
	if size != 0 && len(value) != size {
		return nil, fault.New(fault.InvalidKey, "member %q has %d bytes instead of %d", name, len(value), size)
	}
	return value, nil
}

// integer decodes a Base64urlUInt (RFC 7518 section 2). Leading zero bytes, which the section forbids
// and old writers produce, are taken off.
func (p *parsed) integer(name string, text *string) (*big.Int, error) {
	value, err := p.bytes(name, text, 0)
	if err != nil {
		return nil, err
	}
	defer clear(value)
	return new(big.Int).SetBytes(value), nil
}
