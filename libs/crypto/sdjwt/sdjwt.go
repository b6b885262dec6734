// Package sdjwt issues, presents and verifies Selective Disclosure JWTs (RFC 9901): an issuer signs digests
// of claims, the holder gives a verifier the claims that he chooses, and may prove that the token is his.
// Its main types are [Draft], which an issuer signs, and [Token], which holders and verifiers have.
//
// Errors about the form of a token, its disclosures and its key binding have the code invalid_sd_jwt; those
// about the JWT that the issuer signed are the ones of package jwt.
package sdjwt

import (
	"crypto/sha256"
	"crypto/sha512"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

const (
	// MaxSize is the length in characters of the longest token that is written or read.
	MaxSize = 1 << 20
	// MaxDisclosures is the number of disclosures that a token may have.
	MaxDisclosures = 1000
)

// Names that RFC 9901 section 4.1 reserves.
const (
	digestsName   = "_sd"
	algorithmName = "_sd_alg"
	elementName   = "..."
)

// Token is an SD-JWT taken apart. Nothing in it is verified before [Token.Verify] has succeeded.
type Token struct {
	// JWT is what the issuer signed, in compact serialization.
	JWT string
	// Disclosures are those that travel along, in their order.
	Disclosures []Disclosure
	// KeyBinding is the holder's proof, a JWT in compact serialization, or empty.
	KeyBinding string
}

// Parse takes the compact serialization apart (RFC 9901 section 4):
// <JWT>~<disclosure 1>~...~<disclosure n>~<key binding, or nothing>.
func Parse(text string) (*Token, error) {
	if len(text) > MaxSize {
		return nil, fault.New(fault.InvalidSDJWT, "longer than %d characters", MaxSize)
	}
	parts := strings.Split(text, "~")
	if len(parts) < 2 {
		return nil, fault.New(fault.InvalidSDJWT, "not an SD-JWT: there is no tilde")
	}
	return assemble(parts[0], parts[1:len(parts)-1], parts[len(parts)-1])
}

func assemble(jwt string, disclosures []string, keyBinding string) (*Token, error) {
	t := &Token{JWT: jwt, KeyBinding: keyBinding}
	if t.JWT == "" {
		return nil, fault.New(fault.InvalidSDJWT, "the JWT is empty")
	}
	if len(disclosures) > MaxDisclosures {
		return nil, fault.New(fault.InvalidSDJWT, "more than %d disclosures", MaxDisclosures)
	}
	for i, encoded := range disclosures {
		d, err := parseDisclosure(encoded)
		if err != nil {
			return nil, fault.New(fault.InvalidSDJWT, "disclosure %d: %w", i, err)
		}
		t.Disclosures = append(t.Disclosures, d)
	}
	return t, nil
}

// String returns the compact serialization.
func (t *Token) String() string { return t.withoutBinding() + t.KeyBinding }

// withoutBinding is what the key binding is a hash of (RFC 9901 section 4.3.1).
func (t *Token) withoutBinding() string {
	var out strings.Builder
	out.WriteString(t.JWT)
	out.WriteByte('~')
	for i := range t.Disclosures {
		out.WriteString(t.Disclosures[i].encoded)
		out.WriteByte('~')
	}
	return out.String()
}

// DefaultHash is the algorithm of digests where a token names none (RFC 9901 section 4.1.1).
const DefaultHash = "sha-256"

// digest returns the encoded hash of a text by one of the algorithms of the IANA registry "Named Information
// Hash Algorithm" that are at least as strong as SHA-256; ok is false for all others.
func digest(algorithm, text string) (encoded string, ok bool) {
	switch algorithm {
	case "sha-256":
		sum := sha256.Sum256([]byte(text))
		return base64url.Encode(sum[:]), true
	case "sha-384":
		sum := sha512.Sum384([]byte(text))
		return base64url.Encode(sum[:]), true
	case "sha-512":
		sum := sha512.Sum512([]byte(text))
		return base64url.Encode(sum[:]), true
	default:
		return "", false
	}
}
