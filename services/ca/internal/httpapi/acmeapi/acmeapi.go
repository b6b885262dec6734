// Package acmeapi is the HTTP side of the ACME server (RFC 8555): it reads requests, calls package acme and writes answers. Its main function
// is [Protocols].
//
// Each directory stands under /acme/{directory}, and for a tenant under /t/{tenant}/acme/{directory}.
package acmeapi

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/server"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

// maxBody is the largest request in bytes: a signing request or a certificate, twice in base64url.
const maxBody = 128 << 10

// Config is what the handlers need.
type Config struct {
	// Server and Log are required.
	Server *acme.Server
	Log    *slog.Logger
	// BaseURL is the URL under which clients reach this service, such as https://ca.example; "" takes the host that each request names. Accounts
	// are named by URLs: one installation should have one.
	BaseURL string
}

// handlers serve the resources.
type handlers struct {
	server *acme.Server
	log    *slog.Logger
	base   string
}

// Protocols are the routes of ACME.
func Protocols(c Config) ([]server.Protocol, error) {
	if c.Server == nil || c.Log == nil {
		return nil, errors.New("ACME handlers: a server and a log are required")
	}
	h := &handlers{server: c.Server, log: c.Log, base: c.BaseURL}
	routes := []server.Protocol{
		route(http.MethodGet, "/directory", h.directory),
		route(http.MethodGet, "/new-nonce", h.newNonce),
		route(http.MethodGet, "/renewal-info/{certificate}", h.renewalInfo),
		// Section 6.3: what anybody may GET is read by POST-as-GET as well.
		route(http.MethodPost, "/directory", h.post(acme.ByAccount, h.readAs(h.directory))),
		route(http.MethodPost, "/new-nonce", h.post(acme.ByAccount, h.readAs(h.newNonce))),
	}
	for path, do := range map[string]http.HandlerFunc{
		"/new-account":                   h.post(acme.ByKey, h.newAccount),
		"/account/{id}":                  h.post(acme.ByAccount, h.account),
		"/account/{id}/orders":           h.post(acme.ByAccount, h.orders),
		"/new-order":                     h.post(acme.ByAccount, h.newOrder),
		"/order/{id}":                    h.post(acme.ByAccount, h.order),
		"/order/{id}/finalize":           h.post(acme.ByAccount, h.finalize),
		"/new-authz":                     h.post(acme.ByAccount, h.newAuthorization),
		"/authz/{id}":                    h.post(acme.ByAccount, h.authorization),
		"/challenge/{id}/{method}":       h.post(acme.ByAccount, h.challenge),
		"/certificate/{serial}":          h.post(acme.ByAccount, h.certificate),
		"/certificate/{serial}/{number}": h.post(acme.ByAccount, h.certificate),
		"/revoke-cert":                   h.post(acme.ByEither, h.revoke),
		"/key-change":                    h.post(acme.ByAccount, h.keyChange),
	} {
		routes = append(routes, route(http.MethodPost, path, do), route(http.MethodGet, path, h.notByGET))
	}
	return routes, nil
}

// route is one of a directory's. Requests carry no credential of HTTP: who sends them follows from their signature.
func route(method, path string, do http.HandlerFunc) server.Protocol {
	return server.Protocol{
		Method: method, Path: "/acme/{directory}" + path, Client: server.ClientEither, Tenant: true, Anonymous: true, CrossSite: true, Handler: do,
	}
}
