package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// staleIfError is how long a cache may go on serving a key set that it cannot renew (RFC 5861 section 4). A key that was destroyed or disabled
// meanwhile is trusted for so much longer by clients that cannot reach the service.
const staleIfError = time.Hour

// WellKnown is the public key set of each tenant, for anybody (RFC 8414 section 2 and RFC 7517 section 5).
func WellKnown(a *authority.Authority) server.Protocol {
	caching := fmt.Sprintf("public, max-age=%d, stale-if-error=%d", int(a.SetLifetime()/time.Second), int(staleIfError/time.Second))
	return server.Protocol{
		Method: http.MethodGet, Path: "/.well-known/jwks.json", Client: server.ClientEither, Tenant: true, Anonymous: true, Light: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			set, err := a.PublicSet(r.Context(), server.TenantFrom(r.Context()))
			if err != nil {
				server.Fail(w, r, err)
				return
			}
			header := w.Header()
			header.Set("Cache-Control", caching)
			header.Set("ETag", set.ETag)
			if etag.NoneMatch(r.Header.Get("If-None-Match"), set.ETag) {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			header.Set("Content-Type", "application/jwk-set+json")
			header.Set("Content-Length", strconv.Itoa(len(set.JSON)))
			_, _ = w.Write(set.JSON) // the client is gone if it fails
		}),
	}
}
