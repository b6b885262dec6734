// Package exchange serves the operations by which a caller exchanges a credential for a session and ends it: POST /sessions and DELETE
// /sessions/current. [New] makes the document and its handlers, which every service serves beside its own.
package exchange

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

//go:embed openapi.yaml
var document []byte

// microseconds is how the API writes times.
const microseconds = "2006-01-02T15:04:05.000000Z"

// New is the API of a manager's sessions.
func New(sessions *session.Manager) server.API {
	return server.API{Document: document, Mount: func(r chi.Router, errs server.ErrorHandlers) {
		e := exchange{sessions, errs}
		r.Post("/sessions", e.begin)
		r.Delete("/sessions/current", e.end)
	}}
}

type exchange struct {
	sessions *session.Manager
	errs     server.ErrorHandlers
}

// beginSession is the body of POST /sessions.
type beginSession struct {
	Scopes          []string `json:"scopes"`
	LifetimeSeconds int64    `json:"lifetime_seconds"`
}

// begun is the answer to it.
type begun struct {
	SessionID          string   `json:"session_id"`
	SessionToken       string   `json:"session_token"`
	TokenType          string   `json:"token_type"`
	Format             string   `json:"format"`
	Scopes             []string `json:"scopes"`
	ExpiresAt          string   `json:"expires_at"`
	IdleTimeoutSeconds int64    `json:"idle_timeout_seconds"`
}

func (e exchange) begin(w http.ResponseWriter, r *http.Request) {
	var body beginSession
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil { // the contract was checked before
		e.errs.Request(w, r, err)
		return
	}
	who, ok := server.PrincipalFrom(r.Context())
	if !ok || who.SessionID != "" {
		e.errs.Response(w, r, problem.New(problem.Forbidden, "a session is not exchanged for another one: present the credential"))
		return
	}
	issued, err := e.sessions.Create(r.Context(), session.Ask{
		Principal: who, Client: session.ClientService, Scopes: body.Scopes, Lifetime: time.Duration(body.LifetimeSeconds) * time.Second,
		Request: r, Address: server.AddressFrom(r.Context()),
	})
	if err != nil {
		e.errs.Response(w, r, err)
		return
	}
	p := issued.Principal
	server.Annotate(r.Context(), "session", p.SessionID, 0)
	text, err := json.Marshal(begun{ //nolint:gosec // the one place where the token is shown
		SessionID: p.SessionID, SessionToken: issued.Token, TokenType: "Bearer", Format: string(issued.Format), Scopes: append([]string{}, p.Scopes...),
		ExpiresAt: p.ExpiresAt.UTC().Format(microseconds), IdleTimeoutSeconds: int64(issued.IdleTimeout / time.Second),
	})
	if err != nil {
		e.errs.Response(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(append(text, '\n')) // the caller has gone
}

func (e exchange) end(w http.ResponseWriter, r *http.Request) {
	who, ok := server.PrincipalFrom(r.Context())
	if !ok || who.SessionID == "" {
		e.errs.Response(w, r, problem.New(problem.NotFound, "the request comes with a credential, not with a session"))
		return
	}
	if err := e.sessions.RevokeOwn(r.Context(), who, who.SessionID, session.ReasonLogout); err != nil {
		e.errs.Response(w, r, err)
		return
	}
	server.Annotate(r.Context(), "session", who.SessionID, 0)
	if len(r.CookiesNamed(e.sessions.CookieName(who.Tenant))) > 0 {
		http.SetCookie(w, e.sessions.ClearCookie(who.Tenant))
	}
	w.WriteHeader(http.StatusNoContent)
}
