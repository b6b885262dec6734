// Package login has the pages on which people log in to a service of their own, without an identity provider: login, logout, fresh
// authentication, and an account page with the sessions and the password. Its main type is [Pages].
//
// The pages work without JavaScript, and their content security policy allows none. Every form carries a token that is bound to the
// browser by a cookie, the login form too: no other site can log anybody in or out (OWASP ASVS 5, chapters 3.5, 6.3, 7.2 and 7.4).
package login

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Paths of the pages. Each also stands under /t/{tenant}.
const (
	pathStart         = "/browser"
	PathLogin         = "/browser/login"
	PathLogout        = "/browser/logout"
	PathAuthenticate  = "/browser/reauthenticate" // fresh authentication (step-up)
	PathAccount       = "/browser/account"
	pathPassword      = "/browser/account/password"
	pathEndSession    = "/browser/account/sessions/end"
	pathEndOthers     = "/browser/account/sessions/end-others"
	pathAssets        = "/browser/assets/"
	parameterReturn   = "return_to"
	parameterNotice   = "notice"
	maxForm           = 16 << 10 // bytes of a form; a password has at most 1024
	styleHashLength   = 12
	styleMaxAge       = "public, max-age=31536000, immutable"
	contentSecurity   = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	permissionsPolicy = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
)

// Passwords verifies and changes the passwords of users. It bounds how often somebody may try, per account and per address.
type Passwords interface {
	// Password returns the user whose login name and password these are, with Methods. The error has the code unauthenticated, alike
	// and at the same cost for an unknown user, a wrong password and a disabled user; rate_limited, with RetryAfter; or state_unavailable.
	Password(ctx context.Context, tenant, login, password string, address netip.Addr) (*server.Principal, error)
	// ChangePassword sets a new password. The error has the code unauthenticated when the old one is wrong; validation_failed,
	// invalid_state or conflict, with a detail that is shown, when the new one cannot be taken; and otherwise those of Password.
	ChangePassword(ctx context.Context, tenant, userID, oldPassword, newPassword string) error
}

// Keys derives keys that are the same on every replica. [barrier.Barrier] is one.
type Keys interface {
	DeriveKey(label string, n int) ([]byte, error)
}

// Config is what Pages stand on. All of it but Tokens and Home is mandatory.
type Config struct {
	Sessions  *session.Manager
	Passwords Passwords
	// Tokens lets people log in with an API token, which it is shown as a bearer token; nil when they may not.
	Tokens server.Authenticator
	// Keys derives the key of the forms' tokens.
	Keys Keys
	// Title is what the pages are headed with, such as "Key management".
	Title string
	// Home is the local path to go to after a login that was asked for without one; "" for the account page. It is the same for all
	// tenants.
	Home string
	Now  func() time.Time
	Log  *slog.Logger
}

// Pages serves the pages. It is safe for concurrent use.
type Pages struct {
	cfg   Config
	pages *template.Template
	style style
}

//go:embed style.css
var styleSheet []byte

// style is the one style sheet: its path has its hash, so that it never changes, and pages name its hash, so that no other is taken.
type style struct {
	Path      string
	Integrity string // Subresource Integrity
}

// New makes the pages.
func New(cfg Config) (*Pages, error) {
	if cfg.Sessions == nil || cfg.Passwords == nil || cfg.Keys == nil || cfg.Title == "" || cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("new login pages: sessions, passwords, keys, title, clock and log are mandatory")
	}
	if cfg.Home != "" && !isLocal(cfg.Home) {
		return nil, fmt.Errorf("new login pages: home %q is not a local path", cfg.Home)
	}
	pages, err := template.New("").Funcs(template.FuncMap{"device": device, "when": when, "machine": machineTime}).ParseFS(templates, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("new login pages: %w", err)
	}
	name, integrity := sha256.Sum256(styleSheet), sha512.Sum384(styleSheet)
	return &Pages{cfg: cfg, pages: pages, style: style{
		Path:      pathAssets + hex.EncodeToString(name[:])[:styleHashLength] + ".css",
		Integrity: "sha384-" + base64.StdEncoding.EncodeToString(integrity[:]),
	}}, nil
}

// Protocols are the routes of the pages, for server.Deps. Anybody may ask for each: the pages look for the session themselves, and send a
// browser without one to the login.
func (p *Pages) Protocols() []server.Protocol {
	page := func(method, path string, serve func(v *visit)) server.Protocol {
		return server.Protocol{
			Method: method, Path: path, Client: server.ClientBrowser, Tenant: true, Anonymous: true, MaxBody: maxForm,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(p.visit(w, r)) }),
		}
	}
	return []server.Protocol{
		page(http.MethodGet, pathStart, p.start),
		page(http.MethodGet, PathLogin, p.showLogin),
		page(http.MethodPost, PathLogin, p.login),
		page(http.MethodGet, PathLogout, p.withSession(p.showLogout)),
		page(http.MethodPost, PathLogout, p.logout),
		page(http.MethodGet, PathAuthenticate, p.withSession(p.showAuthenticate)),
		page(http.MethodPost, PathAuthenticate, p.withSession(p.authenticate)),
		page(http.MethodGet, PathAccount, p.withSession(p.showAccount)),
		page(http.MethodPost, pathEndSession, p.withSession(p.endSession)),
		page(http.MethodPost, pathEndOthers, p.withSession(p.endOthers)),
		page(http.MethodGet, pathPassword, p.withSession(p.showPassword)),
		page(http.MethodPost, pathPassword, p.withSession(p.changePassword)),
		{
			Method: http.MethodGet, Path: p.style.Path, Client: server.ClientBrowser, Anonymous: true, Light: true,
			Handler: http.HandlerFunc(serveStyle),
		},
	}
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h["Content-Type"] = []string{"text/css; charset=utf-8"}
	h["Cache-Control"] = []string{styleMaxAge}
	h.Del("Vary")
	_, _ = w.Write(styleSheet) // the browser has gone
}
