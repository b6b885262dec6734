package server

import (
	"context"
	"net/http"
)

// Types of clients that a Protocol is for.
const (
	ClientBrowser = "browser"
	ClientService = "service"
	ClientEither  = "either"
)

// Protocol is a route outside the API: a page, or a path that a standard fixes. It passes the same pipeline.
type Protocol struct {
	// Method and Path, a pattern such as /browser/login or /.well-known/jwks.json.
	Method, Path string
	// Client is ClientBrowser, ClientService or ClientEither: it decides headers and who may present what.
	Client string
	// Tenant tells that the path also stands under /t/{tenant}.
	Tenant bool
	// Anonymous tells that anybody may call it; otherwise Scopes are alternatives, each a set, none for any caller.
	Anonymous bool
	Scopes    [][]string
	// CrossSite exempts it from the protection against cross-site requests: what a standard has posted from another site.
	CrossSite bool
	// MaxBody is the largest body in bytes; 0 for the default.
	MaxBody int64
	// Light is for public objects that are asked for at high rates, such as a JWKS or a CRL: the request passes the limits and gets the
	// headers, and that is all. It is neither traced nor audited, and is served while the barrier is sealed. Such a route is anonymous.
	Light   bool
	Handler http.Handler
}

// AdminRoute is a route of the admin listener beside the server's own.
type AdminRoute struct {
	// Method and Path, below /admin/v1.
	Method, Path string
	// Open tells that it needs no token.
	Open    bool
	Handler http.Handler
}

// AdminAuthenticator lets operators into the admin listener who present something else than the admin token. The error has the code
// unauthenticated, or rate_limited: it bounds attempts by itself, in process, because it knows which of them failed and must work while the database is away.
type AdminAuthenticator interface {
	Operator(ctx context.Context, r *http.Request) (*Principal, error)
}
