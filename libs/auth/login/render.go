package login

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// page is what a template knows.
type page struct {
	// Service, Style, Tenant, Who, Links and Named are filled in by render.
	Service string
	Style   style
	Tenant  string
	// Named tells that the tenant is worth to be shown: its path names it.
	Named bool
	Who   *server.Principal
	Links links

	Heading, Text string
	// Fault is what was wrong with the form; Notice is what has been done.
	Fault, Notice string
	RequestID     string

	Login, ReturnTo string
	// ByToken tells that the page takes an API token.
	ByToken bool
	// Tokens are those of the page's forms, by purpose.
	Tokens   map[string]string
	Sessions []session.Info
}

// links are the paths of the tenant's pages.
type links struct {
	Login, Logout, Authenticate, Account, Password, EndSession, EndOthers string
}

// render answers with a page. It is made before anything is sent, so that no half of it is.
func (v *visit) render(status int, name string, content page) {
	content.Service, content.Style, content.Tenant, content.Who = v.pages.cfg.Title, v.pages.style, v.tenant, v.who
	content.Named = server.PathPrefix(v.ctx) != ""
	content.Links = links{
		Login: v.path(PathLogin), Logout: v.path(PathLogout), Authenticate: v.path(PathAuthenticate), Account: v.path(PathAccount),
		Password: v.path(pathPassword), EndSession: v.path(pathEndSession), EndOthers: v.path(pathEndOthers),
	}
	var out bytes.Buffer
	if err := v.pages.pages.ExecuteTemplate(&out, name+".html", content); err != nil {
		v.pages.cfg.Log.ErrorContext(v.ctx, "login page", "page", name, "error", err)
		http.Error(v.w, "Something went wrong.", http.StatusInternalServerError)
		return
	}
	v.w.Header()["Content-Type"] = []string{"text/html; charset=utf-8"}
	v.w.WriteHeader(status)
	_, _ = out.WriteTo(v.w) // the browser has gone
}

// tokens makes the tokens of a page's forms; an error is answered, and nil returned.
func (v *visit) tokens(purposes ...string) map[string]string {
	made := make(map[string]string, len(purposes))
	for _, purpose := range purposes {
		token, err := v.formToken(purpose)
		if err != nil {
			v.fail(err)
			return nil
		}
		made[purpose] = token
	}
	return made
}

// notice is the text for a notice's name; nobody else's text is shown.
func notice(name string) string {
	switch name {
	case "logged_out":
		return "You are logged out."
	case "password_changed":
		return "The password is changed. All your other sessions have ended."
	case "session_ended":
		return "The session has ended."
	case "sessions_ended":
		return "All your other sessions have ended."
	default:
		return ""
	}
}

func noticed(path, name string) string { return path + "?" + parameterNotice + "=" + name }

// when is a time for people, machineTime for the attribute datetime.
func when(t time.Time) string        { return t.UTC().Format("2 Jan 2006, 15:04 UTC") }
func machineTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// roughly says a duration in words, rounded up.
func roughly(d time.Duration) string {
	n, unit := int(math.Ceil(d.Minutes())), "minute"
	switch {
	case d < time.Minute:
		n, unit = int(math.Ceil(d.Seconds())), "second"
	case d > 2*time.Hour:
		n, unit = int(math.Ceil(d.Hours())), "hour"
	}
	if n != 1 {
		unit += "s"
	}
	return strconv.Itoa(n) + " " + unit
}

// sentence begins with a capital and ends with a stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// device is the browser and system of a user agent, as far as it tells.
func device(userAgent string) string {
	pick := func(names [][2]string) string {
		for _, name := range names {
			if strings.Contains(userAgent, name[0]) {
				return name[1]
			}
		}
		return ""
	}
	browser := pick([][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}})
	system := pick([][2]string{{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}})
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser+system != "":
		return browser + system
	default:
		return "Unknown device"
	}
}
