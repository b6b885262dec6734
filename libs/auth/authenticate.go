package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// realmName is the file realm's name in a Principal.
const realmName = "file"

var _ server.Authenticator = (*FileRealm)(nil)

// Reasons why a credential is refused. They are logged; every caller gets the same answer.
var (
	errNone     = errors.New("no credential")
	errScheme   = errors.New("neither Bearer nor Basic")
	errKind     = errors.New("a credential of another kind")
	errUser     = errors.New("the user name is not the client's id")
	errUnknown  = errors.New("unknown")
	errSecret   = errors.New("a wrong secret")
	errDisabled = errors.New("disabled")
	errExpired  = errors.New("expired")
	errTenant   = errors.New("the tenant is suspended")
)

// Authenticate implements server.Authenticator. Whatever is wrong, the answer is the same, and an unknown id costs what a wrong secret does.
func (f *FileRealm) Authenticate(ctx context.Context, r *http.Request) (*server.Principal, error) {
	presented, err := present(r)
	if err != nil {
		return nil, refuse(err)
	}
	state := f.current.Load()
	entry, known := state.byID[entryKey{presented.Kind(), presented.Tenant(), presented.ID()}]
	hash := f.dummy
	if known {
		hash = entry.SecretHash
	}
	verified, err := f.cfg.Hashes.Verify(ctx, presented.Secret(), hash)
	switch {
	case err != nil:
	case !known:
		err = errUnknown
	case !verified.Match:
		err = errSecret
	case entry.Disabled:
		err = errDisabled
	case !entry.ExpiresAt.IsZero() && !f.cfg.Now().Before(entry.ExpiresAt):
		err = errExpired
	case state.tenants[entry.Tenant].Status == TenantSuspended:
		err = errTenant
	}
	if err != nil {
		return nil, refuse(fmt.Errorf("%s: %w", presented, err))
	}
	return &server.Principal{
		Tenant: entry.Tenant, Realm: realmName, Kind: principalKind(presented.Kind()), ID: entry.ID, Name: entry.Name,
		Scopes: entry.Scopes, ExpiresAt: entry.ExpiresAt,
	}, nil
}

// present reads the credential of a request.
func present(r *http.Request) (credential.Credential, error) {
	headers := r.Header["Authorization"]
	if len(headers) != 1 {
		return credential.Credential{}, errNone
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return parse(strings.TrimLeft(token, " "), credential.APIToken)
	case strings.EqualFold(scheme, "Basic"):
		user, password, ok := r.BasicAuth()
		if !ok {
			return credential.Credential{}, credential.ErrMalformed
		}
		presented, err := parse(password, credential.ClientSecret)
		if err == nil && presented.ID() != user {
			return credential.Credential{}, errUser
		}
		return presented, err
	}
	return credential.Credential{}, errScheme
}

func parse(text string, kind credential.Kind) (credential.Credential, error) {
	presented, err := credential.Parse(text)
	if err == nil && presented.Kind() != kind {
		return credential.Credential{}, errKind
	}
	return presented, err
}

func principalKind(kind credential.Kind) string {
	if kind == credential.ClientSecret {
		return server.KindClient
	}
	return server.KindAPIToken
}

func refuse(reason error) error {
	return problem.New(problem.Unauthenticated, "present an API token (Bearer) or client credentials (Basic) that are known and in force").Because(reason)
}
