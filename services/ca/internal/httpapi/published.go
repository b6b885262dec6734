package httpapi

import (
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/location"
)

// publishedCaching is how long anybody may keep a CA's certificate. It does not change; which one is the primary one may.
const publishedCaching = "public, max-age=3600"

// Published are the certificates of CAs, for anybody: what the URLs in certificates lead to (RFC 5280 section 4.2.2.1), and the roots.
func Published(cas *hierarchy.Hierarchy) []server.Protocol {
	return []server.Protocol{
		public(location.CertificatePattern, "application/pkix-cert", func(r *http.Request) ([]byte, error) {
			fact, err := publishedCA(r, cas)
			if err != nil {
				return nil, err
			}
			return fact.Certificates[0].DER, nil
		}),
		public(location.ChainPattern, "application/pkcs7-mime; smime-type=certs-only", func(r *http.Request) ([]byte, error) {
			fact, err := publishedCA(r, cas)
			if err != nil {
				return nil, err
			}
			chain, err := cas.Chain(r.Context(), fact, 0)
			if err != nil {
				return nil, err
			}
			return certificate.PKCS7(chain...)
		}),
		public(location.RootsPattern, "application/x-pem-file", func(r *http.Request) ([]byte, error) {
			roots, err := cas.Roots(r.Context(), server.TenantFrom(r.Context()))
			if err != nil {
				return nil, err
			}
			return certificate.PEM(roots...), nil
		}),
	}
}

// publishedCA is the CA of the path, with a certificate.
func publishedCA(r *http.Request, cas *hierarchy.Hierarchy) (hierarchy.Fact, error) {
	fact, err := cas.Fact(r.Context(), server.TenantFrom(r.Context()), naming.Ref(chi.URLParam(r, "ca")))
	if err == nil && len(fact.Certificates) == 0 {
		err = problem.New(problem.NotFound, "the CA has no certificate yet")
	}
	return fact, err
}

// public is an object that anybody may have.
func public(path, mediaType string, read func(r *http.Request) ([]byte, error)) server.Protocol {
	return server.Protocol{
		Method: http.MethodGet, Path: path, Client: server.ClientEither, Tenant: true, Anonymous: true, Light: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := read(r)
			if err != nil {
				server.Fail(w, r, err)
				return
			}
			header, tag := w.Header(), etag.OfContent(body)
			header.Set("Cache-Control", publishedCaching)
			header.Set("ETag", tag)
			if etag.NoneMatch(r.Header.Get("If-None-Match"), tag) {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			header.Set("Content-Type", mediaType)
			header.Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = w.Write(body) // the client is gone if it fails
		}),
	}
}
