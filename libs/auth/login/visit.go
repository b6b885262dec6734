package login

import (
	"context"
	"embed"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

//go:embed templates/*.html
var templates embed.FS

// visit is one request for a page.
type visit struct {
	pages  *Pages
	w      http.ResponseWriter
	r      *http.Request
	ctx    context.Context //nolint:containedctx // a visit is its request
	tenant string
	// who is nil without a session in force.
	who *server.Principal
	// browserID is what the forms are bound to.
	browserID string
	// form is what was posted; nil before it is read.
	form url.Values
}

func (p *Pages) visit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{pages: p, w: w, r: r, ctx: r.Context(), tenant: server.TenantFrom(r.Context())}
	h := w.Header()
	h["Content-Security-Policy"] = []string{contentSecurity}
	h["Referrer-Policy"] = []string{"same-origin"} // with no-referrer a browser would post forms with the origin "null"
	h["X-Frame-Options"] = []string{"DENY"}
	h["Permissions-Policy"] = []string{permissionsPolicy}
	h["Cache-Control"] = []string{"no-store"}
	return v
}

// path is a page's path within the same tenant.
func (v *visit) path(page string) string { return server.PathPrefix(v.ctx) + page }

// field is the one value of a posted field; a field that comes twice counts as empty, and nothing counts of a form that is malformed.
func (v *visit) field(name string) string {
	if v.form == nil {
		v.form = readForm(v.r)
	}
	if values := v.form[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// readForm reads the content of a request, whose length the server has bounded, and never its query.
func readForm(r *http.Request) url.Values {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || r.Method != http.MethodPost {
		return url.Values{}
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	if err != nil {
		return url.Values{}
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return url.Values{}
	}
	return form
}

// asked is where the visitor wants to go afterwards: a field of a form, or a parameter.
func (v *visit) asked() string {
	if v.r.Method == http.MethodPost {
		return v.field(parameterReturn)
	}
	return v.r.URL.Query().Get(parameterReturn)
}

// see sends the browser to a local path by GET.
func (v *visit) see(path string) {
	v.w.Header()["Location"] = []string{path}
	v.w.WriteHeader(http.StatusSeeOther)
}

// lookUp finds the session, if there is one. A failure to tell is answered, and false returned.
func (v *visit) lookUp() bool {
	who, err := v.pages.cfg.Sessions.Session(v.ctx, v.r)
	var coded problem.Coded
	switch {
	case err == nil && who.Tenant == v.tenant:
		v.who = who
	case err == nil:
	case errors.As(err, &coded) && (coded.ErrorCode() == problem.SessionRequired || coded.ErrorCode() == problem.WrongClientType):
	default:
		v.fail(err)
		return false
	}
	if err := v.knowBrowser(v.r.Method == http.MethodGet); err != nil {
		v.fail(err)
		return false
	}
	return true
}

// withSession is for pages that need a session: a browser without one is sent to the login, and comes back to the page it asked for.
func (p *Pages) withSession(serve func(v *visit)) func(v *visit) {
	return func(v *visit) {
		if !v.lookUp() {
			return
		}
		if v.who == nil {
			target := v.path(PathLogin)
			if v.r.Method == http.MethodGet {
				target += "?" + url.Values{parameterReturn: {v.r.URL.RequestURI()}}.Encode()
			}
			v.see(target)
			return
		}
		serve(v)
	}
}

// posted checks a form. What is wrong with it is answered by again, with a text for the visitor.
func (v *visit) posted(purpose string, again func(status int, fault string)) bool {
	ok, err := v.genuine(purpose)
	switch {
	case err != nil:
		v.fail(err)
	case ok:
		return true
	case v.browserID == "":
		if err := v.knowBrowser(true); err != nil {
			v.fail(err)
			return false
		}
		again(http.StatusForbidden, "Your browser did not send the cookie that this page needs. Allow cookies for this site and try again.")
	default:
		again(http.StatusForbidden, "This form was open for too long, or came from another page. Try again.")
	}
	return false
}

// fault is what a visitor is told of an error, with the status; ok is false for errors that get a page of their own.
func (v *visit) fault(err error, wrong string) (status int, text string, ok bool) {
	var coded problem.Coded
	if !errors.As(err, &coded) {
		return 0, "", false
	}
	switch coded.ErrorCode() {
	case problem.Unauthenticated:
		return http.StatusForbidden, wrong, true
	case problem.RateLimited:
		after := retryAfter(err)
		v.w.Header()["Retry-After"] = []string{strconv.Itoa(int(math.Ceil(after.Seconds())))}
		return http.StatusTooManyRequests, "Too many attempts. Try again in " + roughly(after) + ".", true
	case problem.ValidationFailed, problem.InvalidState, problem.Conflict:
		var detailed problem.Detailed
		if errors.As(err, &detailed) && detailed.ErrorDetail() != "" {
			return http.StatusUnprocessableEntity, sentence(detailed.ErrorDetail()), true
		}
	}
	return 0, "", false
}

// fail answers an error that the visitor can do nothing about. Its cause goes to the log.
func (v *visit) fail(err error) {
	status, heading, text := http.StatusInternalServerError, "Something went wrong", "The service could not do this. Try again in a moment."
	var coded problem.Coded
	if errors.As(err, &coded) {
		switch coded.ErrorCode() {
		case problem.StateUnavailable, problem.Sealed, problem.Overloaded, problem.DependencyUnavailable:
			status, heading, text = http.StatusServiceUnavailable, "Not available right now", "The service is up, but cannot reach what it needs. Try again in a moment."
			v.w.Header()["Retry-After"] = []string{"5"}
		}
	}
	v.pages.cfg.Log.ErrorContext(v.ctx, "login page", "path", v.r.URL.Path, "request_id", server.RequestIDFrom(v.ctx), "error", err)
	v.render(status, "error", page{Heading: heading, Text: text, RequestID: server.RequestIDFrom(v.ctx)})
}

// retryAfter is when an error says that it is worth to try again.
func retryAfter(err error) time.Duration {
	var told interface{ RetryAfter() time.Duration }
	if errors.As(err, &told) && told.RetryAfter() > 0 {
		return told.RetryAfter()
	}
	return time.Minute
}
