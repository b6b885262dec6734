package session

import (
	"net/http"
)

// cookiePrefix begins the names of this service's session cookies; the tenant's id follows. With __Host- no other host can set one, and
// its path and Secure are fixed (RFC 6265bis section 4.1.3.2). The service stands in the name because cookies ignore ports.
func (m *Manager) cookiePrefix() string { return "__Host-cu-" + m.deps.Service + "-" }

// CookieName is the name of the cookie of a tenant's sessions.
func (m *Manager) CookieName(tenant string) string { return m.cookiePrefix() + tenant }

// Cookie is the one that a browser brings the session back with. It ends with the browser, and has no expiry for a thief to read.
func (m *Manager) Cookie(issued Issued) *http.Cookie {
	return m.cookie(m.CookieName(issued.Principal.Tenant), issued.Token, 0)
}

// ClearCookie removes the cookie of a tenant's session from the browser.
func (m *Manager) ClearCookie(tenant string) *http.Cookie {
	return m.cookie(m.CookieName(tenant), "", -1)
}

func (m *Manager) cookie(name, value string, maxAge int) *http.Cookie {
	sameSite := http.SameSiteLaxMode
	if m.cfg.SameSite == "strict" {
		sameSite = http.SameSiteStrictMode
	}
	return &http.Cookie{ //nolint:gosec // the linter does not see that SameSite is set
		Name: name, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: sameSite,
	}
}
