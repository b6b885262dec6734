package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// What a page of another origin may send and see (the CORS protocol of the Fetch standard).
const (
	corsMethods = "GET, POST, PUT, PATCH, DELETE"
	corsHeaders = "Content-Type, If-Match, If-None-Match, Idempotency-Key, Authorization, DPoP"
	corsExposed = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, Idempotency-Replayed, WWW-Authenticate, DPoP-Nonce"
	corsMaxAge  = "600" // seconds; browsers keep no preflight for much longer
)

// shareOrigins lets pages of the configured origins read answers, and answers their preflights, which carry no session. Others get
// answers that their browser keeps from them.
func (s *Server) shareOrigins(a *audience) stage {
	if !a.browsers {
		return pass
	}

	return func(next handler) handler {
		return func(c *call, w http.ResponseWriter, r *http.Request) {
			if len(c.settings.origins) == 0 {
				next(c, w, r)

				return
			}
			h := w.Header()
			h["Vary"] = append(append([]string(nil), h["Vary"]...), "Origin")
			origins := r.Header["Origin"]
			if len(origins) != 1 || !c.settings.origins[origins[0]] {
				next(c, w, r)

				return
			}
			h["Access-Control-Allow-Origin"] = origins
			h["Access-Control-Allow-Credentials"] = []string{"true"}
			if r.Method == http.MethodOptions && len(r.Header["Access-Control-Request-Method"]) > 0 {
				h["Access-Control-Allow-Methods"] = []string{corsMethods}
				h["Access-Control-Allow-Headers"] = []string{corsHeaders}
				h["Access-Control-Max-Age"] = []string{corsMaxAge}
				w.WriteHeader(http.StatusNoContent)

				return
			}
			h["Access-Control-Expose-Headers"] = []string{corsExposed}
			next(c, w, r)
		}
	}
}

// pass is a stage that does nothing.
func pass(next handler) handler { return next }

// refuseCrossSite refuses what a page of another site has a browser send (cross-site request forgery). Programs are asked too, unless they
// present a token: browsers add client certificates and the passwords of Basic by themselves, wherever the page comes from. A program says
// nothing of sites and origins, and passes.
func (s *Server) refuseCrossSite(a *audience) stage {
	return func(next handler) handler {
		return func(c *call, w http.ResponseWriter, r *http.Request) {
			exempt := c.route != nil && c.route.crossSite || a.programs && !addedByBrowsers(r)
			if !exempt {
				err := c.settings.crossSite.Check(r)
				if err == nil && !isSafe(r.Method) && comesInPlain(r) {
					err = errPlainOrigin
				}
				if err != nil {
					s.fail(c, w, r, problem.New(problem.CSRFFailed, "send it from a page of this service").Because(err))

					return
				}
			}
			next(c, w, r)
		}
	}
}

// errPlainOrigin is a page of our own host that came without TLS: anybody on the way can have written it. CrossOriginProtection compares
// hosts alone where a browser does not send Sec-Fetch-Site.
var errPlainOrigin = errors.New("the page came without TLS")

func comesInPlain(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Origin"], func(origin string) bool { return strings.HasPrefix(strings.ToLower(origin), "http:") })
}

// isSafe tells whether a method changes nothing (RFC 9110 section 9.2.1).
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// addedByBrowsers tells whether the request authenticates by what a browser adds to requests by itself.
func addedByBrowsers(r *http.Request) bool {
	credentials := r.Header["Authorization"]
	if len(credentials) == 0 {
		return hasSessionCookie(r) || r.TLS != nil && len(r.TLS.PeerCertificates) > 0
	}
	scheme, _, _ := strings.Cut(credentials[0], " ")

	return strings.EqualFold(scheme, "Basic") || hasSessionCookie(r)
}
