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
	h := serviceHeaders()
	h["Content-Security-Policy"] = []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
	h["Referrer-Policy"] = []string{"no-referrer"}
	h["Cross-Origin-Resource-Policy"] = []string{"same-origin"}
	h["Vary"] = []string{"Cookie"}

	return h
}

// pageHeaders let a page use what this origin has, scripts in files included, and nothing else. A page that needs more says so itself.
func pageHeaders() http.Header {
	h := browserHeaders()
	h["Content-Security-Policy"] = []string{"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"}
	h["Cross-Origin-Opener-Policy"] = []string{"same-origin"}

	return h
}

// fixedHeader is one header that many answers share.
type fixedHeader struct {
	name  string
	value []string
}

// sendHeaders sets the headers of an audience, by pointing to values that all answers share; what comes later may replace them.
func sendHeaders(fixed http.Header) stage {
	list := make([]fixedHeader, 0, len(fixed))
	for name, value := range fixed {
		list = append(list, fixedHeader{name, value[:1:1]})
	}

	return func(next handler) handler {
		return func(c *call, w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			for i := range list {
				h[list[i].name] = list[i].value
			}
			next(c, w, r)
		}
	}
}
