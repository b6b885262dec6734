package httpapi

import (
	"context"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
)

// GetKeySet implements GET /jwks.
func (h *Operations) GetKeySet(ctx context.Context, _ GetKeySetRequestObject) (GetKeySetResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	set, err := h.keys.PublishedFor(ctx, who)
	if err != nil {
		return nil, err
	}
	return GetKeySet200JSONResponse{Body: set, Headers: GetKeySet200ResponseHeaders{ETag: apivalue.Optional(etag.OfContent(set))}}, nil
}

// publicCacheControl lets everybody keep a public set for a minute. Whoever meets a kid that the set lacks asks again.
const publicCacheControl = "public, max-age=60"

// PublicSets serves the sets that anybody may read, from memory for as long as no key of the tenant has changed.
type PublicSets struct {
	sets *changes.Cache[publicSet]
}

// publicSet is a set as it is sent.
type publicSet struct {
	content []byte
	tag     string
}

// maxPublicSets is how many sets are kept.
const maxPublicSets = 1024

// NewPublicSets makes PublicSets that forget a tenant's sets when an object of one of the kinds changes. Make it before the follower runs.
func NewPublicSets(follower *changes.Follower, kinds ...string) *PublicSets {
	p := &PublicSets{sets: changes.NewCache[publicSet](follower, nil, maxPublicSets)}
	for _, kind := range kinds {
		follower.Subscribe(kind, func(change changes.Change) {
			if change.All {
				p.sets.Clear()
				return
			}
			p.sets.Forget(change.Tenant, "") // a set is made of many objects
		})
	}
	return p
}

// Protocol is the route of a set, also for tenants in the path.
func (p *PublicSets) Protocol(path string, load func(ctx context.Context, tenant string) ([]byte, error)) server.Protocol {
	return server.Protocol{
		Method: http.MethodGet, Path: path, Client: server.ClientEither, Tenant: true, Anonymous: true, Light: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tenant := server.TenantFrom(r.Context())
			set, err := p.sets.Get(r.Context(), tenant, path, func(ctx context.Context) (publicSet, error) {
				content, err := load(ctx, tenant)
				return publicSet{content: content, tag: etag.OfContent(content)}, err
			})
			if err != nil {
				server.Fail(w, r, err)
				return
			}
			set.serve(w, r)
		}),
	}
}

func (s publicSet) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", publicCacheControl)
	header.Set("ETag", s.tag)
	// A browser that shows a set has nothing to run in it, and tells nobody where it was.
	header.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	if etag.NoneMatch(r.Header.Get("If-None-Match"), s.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", "application/jwk-set+json") // RFC 7517 section 8.5.2
	_, _ = w.Write(s.content)                              // a client that has gone needs no answer
}
