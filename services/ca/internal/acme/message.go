package acme

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// Message is a request whose signature is right.
type Message struct {
	Site    Site
	URL     string
	Payload []byte // empty for POST-as-GET
	// Account is the one that signed; its ID is empty where the request names a key.
	Account Account
	// Key is what the signature was verified with.
	Key *jwk.Key

	use      []byte // by which the nonce's use is recorded
	useUntil time.Time
}

// Signer is who may sign a request (RFC 8555 section 6.2).
type Signer int

// The signers.
const (
	ByAccount Signer = iota // named by "kid"
	ByKey                   // in the request, as "jwk"
	ByEither
)

// algorithms are those that requests may be signed with. None is a MAC, and none is "none".
var algorithms = []string{"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "Ed25519", "EdDSA"}

// Algorithms lists what requests may be signed with.
func Algorithms() []string { return slices.Clone(algorithms) }

// Open reads and verifies the body of a request that was sent to a URL (RFC 8555 section 6.2 to 6.5).
func (s *Server) Open(ctx context.Context, site Site, url string, body []byte, by Signer) (*Message, error) {
	parsed, err := parseMessage(body)
	if err != nil {
		return nil, err
	}
	header := parsed.Signatures[0].Protected
	m := &Message{Site: site, URL: url}
	if err := checkURL(header, url); err != nil {
		return nil, err
	}
	if err := s.checkNonce(m, header); err != nil {
		return nil, err
	}
	if err := s.findKey(ctx, m, header, by); err != nil {
		return nil, err
	}
	m.Payload, err = verifyMessage(parsed, m.Key, header.Algorithm)
	if err != nil {
		return nil, err
	}
	if m.Account.ID != "" && m.Account.Status != AccountValid {
		return nil, NewError(Unauthorized, "the account is %s", m.Account.Status)
	}
	return m, nil
}

// parseMessage reads a JWS of the one form that requests have: flattened, with one protected header and nothing unprotected (section 6.2).
func parseMessage(body []byte) (*jws.Message, error) {
	parsed, err := jws.Parse(body, jws.Allow{EmbeddedKey: true})
	switch {
	case errors.Is(err, jwk.ErrWeak):
		return nil, NewError(BadPublicKey, "the key is too weak").because(err)
	case err != nil:
		return nil, NewError(Malformed, "the request is no JWS that is accepted: %v", err)
	case parsed.Serialization != jws.Flattened || parsed.Detached || len(parsed.Signatures) != 1:
		return nil, NewError(Malformed, "the request is no JWS in flattened JSON serialization with a payload")
	case parsed.Signatures[0].Unprotected != nil || parsed.Signatures[0].Protected.Algorithm == "":
		return nil, NewError(Malformed, "the whole header of the JWS must be protected")
	}
	header := parsed.Signatures[0].Protected
	if !slices.Contains(algorithms, header.Algorithm) {
		refusal := NewError(BadSignatureAlgorithm, "the request is signed with an algorithm that is not accepted")
		refusal.Algorithms = Algorithms()
		return nil, refusal
	}
	if (header.Key == nil) == (header.KeyID == "") {
		return nil, NewError(Malformed, `the header of the JWS holds either "jwk" or "kid"`)
	}
	return parsed, nil
}

// checkURL makes sure that the request was signed for this place (section 6.4).
func checkURL(header jws.Header, url string) error {
	signed, ok := header.Extra["url"].(string)
	switch {
	case !ok:
		return NewError(Malformed, `the header of the JWS has no "url"`)
	case signed != url:
		return NewError(Unauthorized, `the "url" in the header of the JWS is not the one that the request was sent to`)
	default:
		return nil
	}
}

// checkNonce makes sure that a nonce was made here, for this directory (section 6.5). Its use is recorded where something changes.
func (s *Server) checkNonce(m *Message, header jws.Header) error {
	nonce, ok := header.Extra["nonce"].(string)
	if !ok {
		return NewError(BadNonce, `the header of the JWS has no "nonce"`)
	}
	var err error
	m.use, m.useUntil, err = s.nonces.Check(nonceScope(m.Site), nonce)
	if errors.Is(err, ErrNonce) {
		return NewError(BadNonce, "the nonce is not valid, or too old; take the one of this answer")
	}
	return err
}

// nonceScope is where a nonce is valid.
func nonceScope(site Site) string { return site.Tenant + "/" + site.Directory.Name }

// Nonce makes a nonce for the next request.
func (s *Server) Nonce(site Site) (string, error) { return s.nonces.Fresh(nonceScope(site)) }

// findKey finds what the signature is verified with: the account's key, or the one in the header.
func (s *Server) findKey(ctx context.Context, m *Message, header jws.Header, by Signer) error {
	if header.Key != nil {
		if by == ByAccount {
			return NewError(Malformed, `the request names its account by "kid"`)
		}
		m.Key = header.Key
		return nil
	}
	if by == ByKey {
		return NewError(Malformed, `the request holds its key as "jwk"`)
	}
	id, ok := strings.CutPrefix(header.KeyID, m.Site.accounts())
	if !ok {
		return NewError(AccountDoesNotExist, "the key id is no account's URL in this directory")
	}
	account, err := s.store.Account(ctx, m.Site.Tenant, id)
	if errors.Is(err, ErrNotFound) || err == nil && account.Directory != m.Site.Directory.Name {
		return NewError(AccountDoesNotExist, "no account has this URL")
	}
	if err != nil {
		return fmt.Errorf("read account: %w", err)
	}
	if m.Key, err = jwk.Parse([]byte(account.Key)); err != nil {
		return fmt.Errorf("read key of account %s: %w", account.ID, err)
	}
	m.Account = account
	return nil
}

// verifyMessage checks the signature.
func verifyMessage(parsed *jws.Message, key *jwk.Key, algorithm string) ([]byte, error) {
	payload, _, err := parsed.Verify(0, key, jws.Expect{Algorithm: algorithm, Allow: jws.Allow{EmbeddedKey: true}})
	switch {
	case errors.Is(err, jws.ErrVerification):
		return nil, NewError(Unauthorized, "the signature of the JWS is not valid").withStatus(http.StatusUnauthorized)
	case err != nil:
		return nil, NewError(Malformed, "the JWS cannot be verified: %v", err)
	default:
		return payload, nil
	}
}

// use records that the request changes something, in the transaction of the change. A nonce does that once (section 6.5).
func (s *Server) use(ctx context.Context, m *Message) error {
	err := s.store.UseNonce(ctx, m.Site.Tenant, m.use, m.useUntil)
	if errors.Is(err, ErrNonceUsed) {
		return NewError(BadNonce, "the nonce was used before; take the one of this answer")
	}
	if err != nil {
		return fmt.Errorf("record nonce: %w", err)
	}
	return nil
}

// change runs fn in a transaction that uses the request's nonce up.
func (s *Server) change(ctx context.Context, m *Message, fn func(context.Context) error) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.use(ctx, m); err != nil {
			return err
		}
		return fn(ctx)
	})
}
