package login

import (
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Purposes of forms.
const (
	formLogin        = "login"
	formLogout       = "logout"
	formAuthenticate = "authenticate"
	formEndSession   = "end_session"
	formEndOthers    = "end_others"
	formPassword     = "password"
)

const (
	wrongLogin = "The user name or the password is wrong."
	wrongToken = "The API token is not valid here."
)

// start sends a browser that knows no more than the prefix somewhere useful.
func (p *Pages) start(v *visit) { v.see(v.returnTo("")) }

func (p *Pages) showLogin(v *visit) {
	if !v.lookUp() {
		return
	}
	if v.who != nil {
		v.see(v.returnTo(v.asked()))
		return
	}
	p.loginPage(v, http.StatusOK, "")
}

func (p *Pages) loginPage(v *visit, status int, fault string) {
	tokens := v.tokens(formLogin)
	if tokens == nil {
		return
	}
	content := page{Heading: "Log in", Fault: fault, Login: v.field("login"), ReturnTo: v.asked(), Tokens: tokens, ByToken: p.cfg.Tokens != nil}
	if v.r.Method == http.MethodGet {
		content.Login = ""
		content.Notice = notice(v.r.URL.Query().Get(parameterNotice))
	}
	v.render(status, "login", content)
}

// login begins a session. The id is always a new one, whatever the browser came with, and the session it came with ends.
func (p *Pages) login(v *visit) {
	if !v.lookUp() {
		return
	}
	before := v.who
	again := func(status int, fault string) {
		v.who = nil // the page is for somebody who is not logged in
		if err := v.knowBrowser(true); err != nil {
			v.fail(err)
			return
		}
		p.loginPage(v, status, fault)
	}
	if before != nil { // the form was made before, perhaps in another tab
		v.who = nil
		if err := v.knowBrowser(false); err != nil {
			v.fail(err)
			return
		}
	}
	if before != nil && v.browserID == "" { // logged in already, in another tab
		v.see(v.returnTo(v.asked()))
		return
	}
	if !v.posted(formLogin, again) {
		return
	}
	began := p.cfg.Now()
	wrong, login := wrongLogin, v.field("login")
	var who *server.Principal
	var err error
	if token := v.field("token"); token != "" {
		wrong, login = wrongToken, ""
		who, err = v.byToken(token)
	} else {
		who, err = p.cfg.Passwords.Password(v.ctx, v.tenant, login, v.field("password"), server.AddressFrom(v.ctx))
	}
	if err != nil {
		if status, text, ok := v.fault(err, wrong); ok {
			again(status, text)
			return
		}
		v.fail(err)
		return
	}
	authenticated := *who
	authenticated.AuthenticatedAt = began
	issued, err := p.cfg.Sessions.Create(v.ctx, session.Ask{
		Principal: &authenticated, Client: session.ClientBrowser, Login: login, Request: v.r, Address: server.AddressFrom(v.ctx),
	})
	if err != nil {
		if status, text, ok := v.fault(err, "Your sessions were ended meanwhile. Log in again."); ok {
			again(status, text)
			return
		}
		v.fail(err)
		return
	}
	if before != nil {
		if err := p.cfg.Sessions.RevokeOwn(v.ctx, before, before.SessionID, session.ReasonReplaced); err != nil {
			p.cfg.Log.WarnContext(v.ctx, "the session before this login did not end", "session", before.SessionID, "error", err)
		}
	}
	server.Annotate(v.ctx, "session", issued.Principal.SessionID, 0)
	http.SetCookie(v.w, p.cfg.Sessions.Cookie(issued))
	v.setFormCookie("", -1)
	v.see(v.returnTo(v.asked()))
}

func (p *Pages) showLogout(v *visit) {
	if tokens := v.tokens(formLogout); tokens != nil {
		v.render(http.StatusOK, "logout", page{Heading: "Log out", Tokens: tokens})
	}
}

// logout ends the session in the database and in the browser.
func (p *Pages) logout(v *visit) {
	if !v.lookUp() {
		return
	}
	if v.who != nil {
		again := func(status int, fault string) {
			if tokens := v.tokens(formLogout); tokens != nil {
				v.render(status, "logout", page{Heading: "Log out", Fault: fault, Tokens: tokens})
			}
		}
		if !v.posted(formLogout, again) {
			return
		}
		err := p.cfg.Sessions.RevokeOwn(v.ctx, v.who, v.who.SessionID, session.ReasonLogout)
		if err != nil && codeOf(err) != "not_found" {
			v.fail(err)
			return
		}
		server.Annotate(v.ctx, "session", v.who.SessionID, 0)
	}
	http.SetCookie(v.w, p.cfg.Sessions.ClearCookie(v.tenant))
	v.w.Header()["Clear-Site-Data"] = []string{`"storage"`} // not "cookies": those of other services on this host are not ours
	v.see(noticed(v.path(PathLogin), "logged_out"))
}
