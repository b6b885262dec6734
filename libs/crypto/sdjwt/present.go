package sdjwt

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// payload returns what the issuer signed, not verified.
func (t *Token) payload() ([]byte, error) {
	_, rest, _ := strings.Cut(t.JWT, ".")
	encoded, _, found := strings.Cut(rest, ".")
	payload, err := base64url.Decode(encoded)
	if err != nil || !found {
		return nil, fault.New(fault.InvalidSDJWT, "the JWT has no payload")
	}
	return payload, nil
}

// Paths returns for each disclosure where it belongs in the payload, as a JSON pointer (RFC 6901). Positions
// in lists count what is hidden. Nothing is verified.
func (t *Token) Paths() ([]string, error) {
	payload, err := t.payload()
	if err != nil {
		return nil, err
	}
	_, paths, err := process(payload, t.Disclosures)
	if err != nil {
		return nil, fault.New(fault.InvalidSDJWT, "%w", err)
	}
	return paths, nil
}

// Present returns the token with those disclosures that keep names: it is called with the path of each (see
// [Token.Paths]). To keep one inside another one and not the other is an error: nobody could use it, and to
// give away more than was asked for is not this function's choice.
func (t *Token) Present(keep func(path string) bool) (*Token, error) {
	if t.KeyBinding != "" {
		return nil, fault.New(fault.InvalidSDJWT, "the token is bound to a presentation already") // RFC 9901 section 7.2
	}
	paths, err := t.Paths()
	if err != nil {
		return nil, err
	}
	chosen := &Token{JWT: t.JWT}
	for i, path := range paths {
		if keep(path) {
			chosen.Disclosures = append(chosen.Disclosures, t.Disclosures[i])
		}
	}
	if _, err := chosen.Paths(); err != nil {
		return nil, fault.New(fault.InvalidInput, "present SD-JWT: a disclosure inside another one needs that as well: %w", err)
	}
	return chosen, nil
}

// keyBindingType is the "typ" of RFC 9901 section 4.3.
const keyBindingType = "kb+jwt"

// Bind returns the token with the holder's proof that it is his and that he presents it to this audience,
// who gave him the nonce (RFC 9901 section 4.3). algorithm may be empty if the key names it.
func (t *Token) Bind(holder *jwk.Key, algorithm, audience, nonce string, now time.Time) (*Token, error) {
	if audience == "" || nonce == "" {
		return nil, fault.New(fault.InvalidInput, "bind SD-JWT: audience and nonce are needed")
	}
	claims, err := t.unverified()
	if err != nil {
		return nil, err
	}
	confirmed, err := holderKey(claims)
	if err != nil {
		return nil, err
	}
	if confirmed.ThumbprintSHA256() != holder.ThumbprintSHA256() {
		return nil, fault.New(fault.KeyMismatch, "bind SD-JWT: the token is for another holder's key")
	}
	hash, err := hashOf(claims)
	if err != nil {
		return nil, fault.New(fault.InvalidSDJWT, "%w", err)
	}
	sum, _ := digest(hash, t.withoutBinding())
	payload := strconv.AppendInt([]byte(`{"iat":`), now.Unix(), 10)
	for _, member := range [...][2]string{{"aud", audience}, {"nonce", nonce}, {"sd_hash", sum}} {
		payload = strictjson.AppendMember(payload, member[0], member[1])
	}
	bound := *t
	// The verifier has the key from "cnf": an ID would say nothing, and might say who the holder is.
	anonymous := *holder
	anonymous.ID = ""
	bound.KeyBinding, err = jws.Sign(&anonymous, jws.Header{Algorithm: algorithm, Type: keyBindingType}, append(payload, '}'))
	if err != nil {
		return nil, fmt.Errorf("bind SD-JWT: %w", err)
	}
	return &bound, nil
}

func (t *Token) unverified() (map[string]any, error) {
	payload, err := t.payload()
	if err != nil {
		return nil, err
	}
	value, err := strictjson.Value(payload)
	claims, ok := value.(map[string]any)
	if err != nil || !ok {
		return nil, fault.New(fault.InvalidSDJWT, "the payload is not an object")
	}
	return claims, nil
}

// holderKey returns the key of "cnf" (RFC 7800 section 3.2).
func holderKey(claims map[string]any) (*jwk.Key, error) {
	confirmation, _ := claims["cnf"].(map[string]any)
	member, there := confirmation["jwk"]
	if !there {
		return nil, fault.New(fault.InvalidSDJWT, `the token names no key of the holder ("cnf")`)
	}
	text, err := json.Marshal(member)
	if err != nil {
		return nil, fault.New(fault.InvalidSDJWT, `"cnf": %w`, err)
	}
	key, err := jwk.Parse(text)
	if err != nil {
		return nil, fault.New(fault.InvalidSDJWT, `"cnf": %w`, err)
	}
	if key.IsPrivate() {
		return nil, fault.New(fault.InvalidSDJWT, `"cnf" is not a public key`)
	}
	return key, nil
}
