package auth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Reasons why a credential is refused. They are logged; every caller gets the same answer.
var (
	errNone     = errors.New("no credential")
	errSeveral  = errors.New("several credentials")
	errScheme   = errors.New("neither Bearer, DPoP nor Basic")
	errKind     = errors.New("a credential of another kind")
	errUser     = errors.New("the user name is not the client's id")
	errUnknown  = errors.New("unknown")
	errSecret   = errors.New("a wrong secret")
	errDisabled = errors.New("disabled")
	errExpired  = errors.New("expired")
)

// shown is what a request's Authorization header presents: one of the three.
type shown struct {
	credential credential.Credential // an API token or a client secret
	token      string                // another bearer token
	client     ClientRef             // whom the client certificate is to stand for
}

// read takes a header apart. Its errors hold nothing of the header.
func read(r *http.Request, header string) (shown, error) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimLeft(token, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		if strings.HasPrefix(token, apiTokenPrefix) {
			made, err := parse(token, credential.APIToken)
			return shown{credential: made}, err
		}
		return shown{token: token}, present(token)
	case strings.EqualFold(scheme, "DPoP"): // never an API token: its holder is proven by nothing
		return shown{token: token}, present(token)
	case strings.EqualFold(scheme, "Basic"):
		return readBasic(r)
	}
	return shown{}, errScheme
}

// apiTokenPrefix begins every API token.
const apiTokenPrefix = "cu_" + string(credential.APIToken) + "_"

func present(token string) error {
	if token == "" || strings.HasPrefix(token, apiTokenPrefix) {
		return credential.ErrMalformed
	}
	return nil
}

// readBasic reads client credentials (RFC 7617), or with an empty password the client, as tenant/id, that a client certificate proves.
func readBasic(r *http.Request) (shown, error) {
	user, password, ok := r.BasicAuth()
	if !ok {
		return shown{}, credential.ErrMalformed
	}
	if password == "" {
		tenant, id, _ := strings.Cut(user, "/")
		if !credential.ValidTenant(tenant) || !credential.ValidID(id) {
			return shown{}, credential.ErrMalformed
		}
		return shown{client: ClientRef{Tenant: tenant, ID: id}}, nil
	}
	made, err := parse(password, credential.ClientSecret)
	if err == nil && made.ID() != user {
		return shown{}, errUser
	}
	return shown{credential: made}, err
}

func parse(text string, kind credential.Kind) (credential.Credential, error) {
	made, err := credential.Parse(text)
	if err == nil && made.Kind() != kind {
		return credential.Credential{}, errKind
	}
	return made, err
}

func principalKind(kind credential.Kind) string {
	if kind == credential.ClientSecret {
		return server.KindClient
	}
	return server.KindAPIToken
}

// refuse is the one answer to a credential that does not let its holder in.
func refuse(reason error) error {
	return problem.New(problem.Unauthenticated, "present an API token (Bearer) or client credentials (Basic) that are known and in force").Because(reason)
}

// refusal is refuse for a named credential; an error that is none of the account is returned as it is.
func refusal(made credential.Credential, err error) error {
	switch {
	case errors.Is(err, errDisabled), errors.Is(err, errExpired), errors.Is(err, errOwner), errors.Is(err, errUnknown):
		return refuse(fmt.Errorf("%s: %w", made, err))
	}
	return err
}

// tooManyError is the answer to whoever tries too often.
type tooManyError struct{ after time.Duration }

func (e *tooManyError) Error() string { return "too many attempts" }

// ErrorCode is the stable code of the API.
func (*tooManyError) ErrorCode() string { return problem.RateLimited }

// ErrorDetail is the text for the client.
func (*tooManyError) ErrorDetail() string { return "too many attempts; wait before the next one" }

// RetryAfter is when to try again.
func (e *tooManyError) RetryAfter() time.Duration { return e.after }
