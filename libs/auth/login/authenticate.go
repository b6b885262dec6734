package login

import (
	"errors"
	"net/http"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// showAuthenticate is the page for what wants a fresh authentication (RFC 9470).
func (p *Pages) showAuthenticate(v *visit) { p.authenticatePage(v, http.StatusOK, "") }

func (p *Pages) authenticatePage(v *visit, status int, fault string) {
	login, err := p.cfg.Sessions.LoginOf(v.ctx, v.who)
	if err != nil {
		p.gone(v, err)
		return
	}
	if tokens := v.tokens(formAuthenticate); tokens != nil {
		v.render(status, "authenticate", page{
			Heading: "Confirm that it is you", Fault: fault, Login: login, ReturnTo: v.asked(), Tokens: tokens, ByToken: !v.who.Person(),
		})
	}
}

// authenticate verifies the password again and gives the session a new id, the time, and the rights that its owner has now.
func (p *Pages) authenticate(v *visit) {
	again := func(status int, fault string) { p.authenticatePage(v, status, fault) }
	if !v.posted(formAuthenticate, again) {
		return
	}
	began := p.cfg.Now()
	wrong := "The password is wrong."
	var who *server.Principal
	var err error
	if v.who.Person() {
		who, err = v.byPassword()
	} else {
		wrong = wrongToken
		who, err = v.byToken(v.field("token"))
	}
	if err == nil && (who.Kind != v.who.Kind || who.ID != v.who.ID) { // such as when the login name is another's by now
		err = problem.New(problem.Unauthenticated, "that is somebody else")
	}
	if err != nil {
		if status, text, ok := v.fault(err, wrong); ok {
			again(status, text)
			return
		}
		v.fail(err)
		return
	}
	fresh := *v.who
	fresh.AuthenticatedAt, fresh.Methods, fresh.Credential = began, who.Methods, who.Credential
	issued, err := p.cfg.Sessions.Rotate(v.ctx, &fresh, v.r)
	if err != nil {
		p.gone(v, err)
		return
	}
	server.Annotate(v.ctx, "session", issued.Principal.SessionID, 0)
	http.SetCookie(v.w, p.cfg.Sessions.Cookie(issued))
	v.see(v.returnTo(v.asked()))
}

// byPassword verifies the password of who is logged in.
func (v *visit) byPassword() (*server.Principal, error) {
	login, err := v.pages.cfg.Sessions.LoginOf(v.ctx, v.who)
	if err != nil {
		return nil, err
	}
	return v.pages.cfg.Passwords.Password(v.ctx, v.tenant, login, v.field("password"), server.AddressFrom(v.ctx))
}

// byToken verifies an API token of the tenant. Other credentials are for programs.
func (v *visit) byToken(token string) (*server.Principal, error) {
	wrong := problem.New(problem.Unauthenticated, "%s", wrongToken)
	if v.pages.cfg.Tokens == nil || !strings.HasPrefix(token, "cu_"+string(credential.APIToken)+"_") {
		return nil, wrong
	}
	shown := v.r.Clone(v.ctx)
	shown.Header = http.Header{"Authorization": {"Bearer " + token}}
	shown.TLS = nil
	who, err := v.pages.cfg.Tokens.Authenticate(v.ctx, shown)
	if err != nil {
		return nil, err
	}
	if who.Tenant != v.tenant || who.Kind != server.KindAPIToken {
		return nil, wrong
	}
	return who, nil
}

// gone sends somebody whose session has ended meanwhile to the login.
func (p *Pages) gone(v *visit, err error) {
	if code := codeOf(err); code == problem.SessionRequired || code == problem.Unauthenticated {
		v.see(v.path(PathLogin))
		return
	}
	v.fail(err)
}

func codeOf(err error) string {
	var coded problem.Coded
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return ""
}
