package login

import (
	"net/http"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// maxShown is how many sessions the account page lists, this one first and then the newest.
const maxShown = 1000

// showAccount says who one is, and where else one is logged in.
func (p *Pages) showAccount(v *visit) { p.accountPage(v, http.StatusOK, "") }

func (p *Pages) accountPage(v *visit, status int, fault string) {
	list, err := p.cfg.Sessions.List(v.ctx, v.tenant, session.Filter{Kind: v.who.Kind, PrincipalID: v.who.ID}, "", maxShown)
	if err != nil {
		v.fail(err)
		return
	}
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b session.Info) int { // this one first
		switch v.who.SessionID {
		case a.ID:
			return -1
		case b.ID:
			return 1
		}
		return 0
	})
	tokens := v.tokens(formLogout, formEndSession, formEndOthers)
	if tokens == nil {
		return
	}
	v.render(status, "account", page{
		Heading: "Your account", Fault: fault, Notice: notice(v.r.URL.Query().Get(parameterNotice)), Tokens: tokens, Sessions: list,
	})
}

// endSession ends one of one's own sessions, this one too.
func (p *Pages) endSession(v *visit) {
	again := func(status int, fault string) { p.accountPage(v, status, fault) }
	if !v.posted(formEndSession, again) {
		return
	}
	id := v.field("session")
	err := p.cfg.Sessions.RevokeOwn(v.ctx, v.who, id, session.ReasonRevoked)
	if err != nil && codeOf(err) != problem.NotFound { // it may have ended by itself
		v.fail(err)
		return
	}
	server.Annotate(v.ctx, "session", id, 0)
	if id == v.who.SessionID {
		http.SetCookie(v.w, p.cfg.Sessions.ClearCookie(v.tenant))
		v.see(noticed(v.path(PathLogin), "logged_out"))
		return
	}
	v.see(noticed(v.path(PathAccount), "session_ended"))
}

func (p *Pages) endOthers(v *visit) {
	again := func(status int, fault string) { p.accountPage(v, status, fault) }
	if !v.posted(formEndOthers, again) {
		return
	}
	if _, err := p.cfg.Sessions.RevokeAll(v.ctx, v.tenant, v.who.Kind, v.who.ID, v.who.SessionID, session.ReasonRevoked); err != nil {
		v.fail(err)
		return
	}
	v.see(noticed(v.path(PathAccount), "sessions_ended"))
}
