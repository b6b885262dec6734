package server

import "net/http"

// Every value is a slice of its own that is shared by all answers: a header is set by pointing to it.
var (
	// serviceHeaders keep answers out of caches.
	serviceHeaders = http.Header{
		"Cache-Control":             {"no-store"},
		"X-Content-Type-Options":    {"nosniff"},
		"Strict-Transport-Security": {"max-age=31536000"},
	}
	// browserHeaders also leave a browser nothing to run, frame or report: an API is no page.
	browserHeaders = http.Header{
		"Cache-Control":                {"no-store"},
		"X-Content-Type-Options":       {"nosniff"},
		"Strict-Transport-Security":    {"max-age=31536000"},
		"Content-Security-Policy":      {"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Vary":                         {"Cookie"},
	}
)

// sendHeaders sets the headers of a prefix; what comes later in the pipeline may replace them.
func sendHeaders(fixed http.Header) stage {
	return func(next handler) handler {
		return func(c *call, w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			for name, value := range fixed {
				h[name] = value[:1:1]
			}
			next(c, w, r)
		}
	}
}
