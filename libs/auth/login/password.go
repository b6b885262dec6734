package login

import (
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

func (p *Pages) showPassword(v *visit) { p.passwordPage(v, http.StatusOK, "") }

func (p *Pages) passwordPage(v *visit, status int, fault string) {
	if !v.who.Person() { // an API token has none
		v.see(v.path(PathAccount))
		return
	}
	login, err := p.cfg.Sessions.LoginOf(v.ctx, v.who)
	if err != nil {
		p.gone(v, err)
		return
	}
	if tokens := v.tokens(formPassword); tokens != nil {
		v.render(status, "password", page{Heading: "Change password", Fault: fault, Login: login, Tokens: tokens})
	}
}

// changePassword sets a new password, gives this session a new id and ends all others.
func (p *Pages) changePassword(v *visit) {
	again := func(status int, fault string) { p.passwordPage(v, status, fault) }
	if !v.posted(formPassword, again) {
		return
	}
	current, next := v.field("password"), v.field("new_password")
	if next != v.field("repeated_password") {
		again(http.StatusUnprocessableEntity, "The new password and its repetition differ.")
		return
	}
	if err := p.cfg.Passwords.ChangePassword(v.ctx, v.tenant, v.who.ID, current, next); err != nil {
		if status, text, ok := v.fault(err, "The current password is wrong."); ok {
			again(status, text)
			return
		}
		v.fail(err)
		return
	}
	fresh := *v.who
	fresh.AuthenticatedAt = p.cfg.Now()
	issued, err := p.cfg.Sessions.Rotate(v.ctx, &fresh, v.r)
	kept := ""
	if err == nil {
		kept = issued.Principal.SessionID
	}
	// Whatever became of this session, the others were begun with a password that is gone.
	if _, revokeErr := p.cfg.Sessions.RevokeAll(v.ctx, v.tenant, v.who.Kind, v.who.ID, kept, session.ReasonPasswordChanged); revokeErr != nil {
		v.fail(revokeErr)
		return
	}
	if err != nil {
		p.gone(v, err)
		return
	}
	server.Annotate(v.ctx, "user", v.who.ID, 0)
	http.SetCookie(v.w, p.cfg.Sessions.Cookie(issued))
	v.see(noticed(v.path(PathAccount), "password_changed"))
}
