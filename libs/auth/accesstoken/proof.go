package accesstoken

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
)

const (
	// proofType is the "typ" of DPoP proofs (RFC 9449 section 4.2).
	proofType = "dpop+jwt"
	// maxProof is the length of the longest proof that is looked at: one with an RSA-4096 key has less than 2,500.
	maxProof = 8 << 10
	// maxProofAge is how old a proof may be; with the leeway for a clock that is ahead, one is remembered for a minute.
	maxProofAge = 50 * time.Second
	// proofSpan is how long after its first use a proof may still be new enough.
	proofSpan = maxProofAge + leeway
)

// Reasons why a proof is refused.
var (
	errProofCount  = errors.New("not exactly one proof")
	errProofForm   = errors.New("not a DPoP proof")
	errProofKey    = errors.New("a proof by another key than the token's")
	errProofTarget = errors.New("a proof for another request")
	errProofAge    = errors.New("a proof that is too old, or from the future")
	errProofToken  = errors.New("a proof for another token")
	errProofUsed   = errors.New("a proof that was used before")
	errProofNonce  = errors.New("a proof without a nonce of this service, or with an old one")
)

// proof is the content of a DPoP proof whose signature is right.
type proof struct {
	thumbprint                 string
	id, method, target, access string
	nonce                      string
	issued                     time.Time
}

// checkProof checks the proof of a request in the order of RFC 9449 section 4.3. Only one that is right in all else is remembered.
func (v *Verifier) checkProof(ctx context.Context, r *http.Request, token, thumbprint string, now time.Time) error {
	texts := r.Header["Dpop"]
	if len(texts) != 1 {
		return refuseProof(errProofCount)
	}
	p, err := v.readProof(texts[0])
	if err != nil {
		return refuseProof(err)
	}
	sum := sha256.Sum256([]byte(token))
	age := now.Sub(p.issued)
	switch {
	case p.thumbprint != thumbprint:
		return refuseProof(errProofKey)
	case p.method != r.Method || !v.targets(p.target, r):
		return refuseProof(errProofTarget)
	case p.access != base64.RawURLEncoding.EncodeToString(sum[:]):
		return refuseProof(errProofToken)
	case age < -leeway || age >= maxProofAge:
		return refuseProof(errProofAge)
	}
	if err := v.checkNonce(p.nonce); err != nil {
		return err
	}
	id := sha256.Sum256([]byte(p.thumbprint + "." + p.id))
	first, err := v.cfg.Replays.First(ctx, p.thumbprint, ProofID(id[:16]), p.issued.Add(proofSpan))
	if err != nil {
		return err
	}
	if !first {
		return refuseProof(errProofUsed)
	}
	return nil
}

func (v *Verifier) checkNonce(shown string) error {
	if v.cfg.Nonces == nil {
		return nil
	}
	valid, err := v.cfg.Nonces.Valid(shown)
	if err != nil || valid {
		return err
	}
	nonce, err := v.cfg.Nonces.Current()
	if err != nil {
		return err
	}
	return &refusal{code: useNonce, nonce: nonce, proven: true, reason: errProofNonce}
}

// readProof verifies a proof with the key that it holds. That is the one place where a key inside a message is used: it proves nothing but
// that the sender has it, and the token says that he must.
func (v *Verifier) readProof(text string) (proof, error) {
	if len(text) > maxProof {
		return proof{}, errProofForm
	}
	signed, encodedSignature, _ := cutLast(text)
	encodedHeader, encodedClaims, found := strings.Cut(signed, ".")
	if !found || strings.Contains(encodedClaims, ".") {
		return proof{}, errProofForm
	}
	place := v.digests.of(encodedHeader)
	by := v.provers.get(place)
	known := by != nil
	if !known {
		var err error
		if by, err = v.readProver(encodedHeader); err != nil {
			return proof{}, err
		}
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(encodedSignature)
	if err != nil {
		return proof{}, fmt.Errorf("%w: %w", errProofForm, err)
	}
	format := jws.FormatRaw
	if strings.HasPrefix(by.algorithm, "ES") {
		format = jws.FormatP1363 // RFC 7518 section 3.4
	}
	if err := jws.VerifyRaw(by.key, by.algorithm, jws.InputMessage, []byte(signed), signature, format); err != nil {
		return proof{}, err
	}
	if !known {
		v.provers.put(place, by)
	}
	p, err := readProofClaims(encodedClaims)
	p.thumbprint = by.thumbprint
	return p, err
}

// prover is what the header of proofs says: a client writes the same one each time.
type prover struct {
	key        *jwk.Key
	algorithm  string
	thumbprint string
}

// readProver reads a header, if it is that of a proof.
func (v *Verifier) readProver(encoded string) (*prover, error) {
	header, err := readObject(encoded)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"crit", "b64", "zip", "jku", "x5u", "x5c"} { // as package jws does
		if _, there := header[name]; there {
			return nil, fmt.Errorf("%w: header member %q", errProofForm, name)
		}
	}
	typ, algorithm := textOf(header["typ"]), textOf(header["alg"])
	switch {
	case !strings.EqualFold(typ, proofType) && !strings.EqualFold(typ, "application/"+proofType):
		return nil, fmt.Errorf("%w: of another type", errProofForm)
	case !slices.Contains(v.algorithms, algorithm):
		return nil, errAlgorithm
	case header["jwk"] == nil:
		return nil, fmt.Errorf("%w: without a key", errProofForm)
	}
	key, err := jwk.Parse(header["jwk"])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProofForm, err)
	}
	if key.IsPrivate() {
		return nil, fmt.Errorf("%w: with a private key", errProofForm)
	}
	return &prover{key: key, algorithm: algorithm, thumbprint: key.ThumbprintSHA256()}, nil
}

func readProofClaims(encoded string) (proof, error) {
	members, err := readObject(encoded)
	if err != nil {
		return proof{}, err
	}
	p := proof{
		id: textOf(members["jti"]), method: textOf(members["htm"]), target: textOf(members["htu"]), access: textOf(members["ath"]),
		nonce: textOf(members["nonce"]),
	}
	if members["iat"] == nil || readDate(members["iat"], &p.issued) != nil || p.id == "" {
		return proof{}, fmt.Errorf("%w: a mandatory claim is missing", errProofForm)
	}
	return p, nil
}

// readObject reads a JSON object in base64url, in which no member stands twice.
func readObject(encoded string) (members map[string]json.RawMessage, err error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProofForm, err)
	}
	if err := jsonscan.Scan(text, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", errProofForm, err)
	}
	if json.Unmarshal(text, &members) != nil {
		return nil, errProofForm
	}
	return members, nil
}

// textOf is the text of a member, "" for anything else.
func textOf(member json.RawMessage) (text string) {
	if member == nil || json.Unmarshal(member, &text) != nil {
		return ""
	}
	return text
}

// cutLast cuts at the last dot.
func cutLast(text string) (before, after string, found bool) {
	if at := strings.LastIndexByte(text, '.'); at >= 0 {
		return text[:at], text[at+1:], true
	}
	return "", "", false
}
