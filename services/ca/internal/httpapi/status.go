package httpapi

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/location"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/published"
)

// Status are the lists and the OCSP responders of CAs, for anybody.
func Status(objects *published.Objects) []server.Protocol {
	route := func(method, path string, serve func(w http.ResponseWriter, r *http.Request, tenant, ca string) error) server.Protocol {
		return server.Protocol{
			Method: method, Path: path, Client: server.ClientEither, Tenant: true, Anonymous: true, Light: true, CrossSite: true, MaxBody: ocsp.MaxRequest + 1,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := serve(w, r, server.TenantFrom(r.Context()), chi.URLParam(r, "ca")); err != nil {
					server.Fail(w, r, err)
				}
			}),
		}
	}
	return []server.Protocol{
		route(http.MethodGet, location.CRLPattern, func(w http.ResponseWriter, r *http.Request, tenant, ca string) error {
			return objects.List(w, r, tenant, ca, chi.URLParam(r, "list"))
		}),
		route(http.MethodPost, location.OCSPPattern, func(w http.ResponseWriter, r *http.Request, tenant, ca string) error {
			objects.Post(w, r, tenant, ca)
			return nil
		}),
		route(http.MethodGet, location.OCSPGetPattern, func(w http.ResponseWriter, r *http.Request, tenant, ca string) error {
			objects.Get(w, r, tenant, ca, chi.URLParam(r, "*"))
			return nil
		}),
	}
}
