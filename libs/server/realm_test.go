package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// realm knows a caller per bearer token.
type realm struct {
	mu    sync.Mutex
	calls int
	more  map[string]*server.Principal
}

var principals = map[string]*server.Principal{
	"reader":    {Tenant: "acme", Realm: "file", Kind: server.KindAPIToken, ID: "r1", Name: "Reader", Scopes: []string{"t:read"}},
	"writer":    {Tenant: "acme", Realm: "file", Kind: server.KindClient, ID: "w1", Scopes: []string{"t:read", "t:write"}},
	"scopeless": {Tenant: "acme", Realm: "file", Kind: server.KindClient, ID: "s1"},
	"admin":     {Tenant: "acme", Realm: "file", Kind: server.KindAPIToken, ID: "a1", Scopes: []string{"t:admin"}},
	"other":     {Tenant: "other", Realm: "file", Kind: server.KindClient, ID: "w1", Scopes: []string{"t:write"}},
}

func (a *realm) Authenticate(_ context.Context, r *http.Request) (*server.Principal, error) {
	a.mu.Lock()
	a.calls++
	a.mu.Unlock()
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch token {
	case "nobody":
		return nil, nil //nolint:nilnil // a broken authenticator
	case "broken":
		return nil, errors.New("canary-internal: the realm's file has gone")
	}
	if p, known := principals[token]; known {
		return p, nil
	}
	if p, known := a.more[token]; known {
		return p, nil
	}

	return nil, problem.New(problem.Unauthenticated, "the credential is not valid")
}
