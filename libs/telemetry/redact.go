package telemetry

import (
	"regexp"
	"strings"
)

// redacted stands for what is not shown.
const redacted = "[redacted]"

// urls matches absolute URLs inside a text, as in the errors of net/http.
var urls = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.\-]*://[^\s"'<>` + "`" + `]+`)

// RedactText removes query, fragment and credentials from every absolute URL in a text. Log values, span attributes and recorded
// errors pass through it by themselves.
func RedactText(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	return urls.ReplaceAllStringFunc(text, RedactURL)
}

// RedactURL removes query, fragment and credentials from one URL, absolute or relative ("/authorize?code=x" becomes
// "/authorize?[redacted]"). It needs no valid URL.
func RedactURL(raw string) string {
	clean, _, hidden := strings.Cut(raw, "#")
	clean, _, query := strings.Cut(clean, "?")
	if scheme, rest, found := strings.Cut(clean, "://"); found {
		authority, path, hasPath := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			authority = redacted + authority[at:]
		}
		clean = scheme + "://" + authority
		if hasPath {
			clean += "/" + path
		}
	}
	if query || hidden {
		clean += "?" + redacted
	}
	return clean
}
