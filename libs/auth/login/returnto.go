package login

import (
	"net/url"
	"strings"
)

// maxReturn is the length of the longest path to return to, in bytes.
const maxReturn = 2048

// isLocal tells whether a browser that is sent there stays on this origin, however it reads the text. It takes a path with an optional query
// and refuses whatever else there is: other origins, network-path references ("//host"), backslashes and control characters, which browsers
// turn into such or drop (URL standard section 4.4), empty and dot segments, plain or encoded, and fragments.
func isLocal(text string) bool {
	if len(text) > maxReturn || !strings.HasPrefix(text, "/") {
		return false
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '#' {
			return false
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || u.Opaque != "" {
		return false
	}
	path, _, _ := strings.Cut(text, "?")
	lower := strings.ToLower(path)
	for _, hidden := range []string{"%2e", "%2f", "%5c", "%00", "%09", "%0a", "%0d"} {
		if strings.Contains(lower, hidden) {
			return false
		}
	}
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		if segment == "." || segment == ".." || (segment == "" && i < len(segments)-1) {
			return false
		}
	}
	return true
}

// returnTo is where to go after an authentication: what was asked for if that is local and no page that would begin another one, and the
// home page otherwise.
func (v *visit) returnTo(asked string) string {
	path, _, _ := strings.Cut(asked, "?")
	for _, loop := range []string{PathLogin, PathLogout, PathAuthenticate} {
		if strings.HasSuffix(path, loop) {
			asked = ""
		}
	}
	switch {
	case isLocal(asked):
		return asked
	case v.pages.cfg.Home != "":
		return v.pages.cfg.Home
	default:
		return v.path(PathAccount)
	}
}
