package server

import "net/http"

// serviceHeaders keep answers out of caches.
func serviceHeaders() http.Header {
	return http.Header{
		"Cache-Control":             {"no-store"},
		"X-Content-Type-Options":    {"nosniff"},
		"Strict-Transport-Security": {"max-age=31536000"},
	}
}

// browserHeaders also leave a browser nothing to run, frame or report: an API is no page.
func browserHeaders() http.Header {
	return http.Header{
		"Cache-Control":                {"no-store"},
		"X-Content-Type-Options":       {"nosniff"},
		"Strict-Transport-Security":    {"max-age=31536000"},
		"Content-Security-Policy":      {"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Vary":                         {"Cookie"},
	}
}

// sendHeaders sets the headers of a prefix, by pointing to values that all answers share; what comes later may replace them.
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
