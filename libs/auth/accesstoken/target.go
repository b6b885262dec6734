package accesstoken

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxTarget is the length of the longest URL in a proof.
const maxTarget = 4096

// targets tells whether the URL in a proof is the request's, query and fragment aside (RFC 9449 section 4.3).
func (v *Verifier) targets(text string, r *http.Request) bool {
	if len(text) > maxTarget {
		return false
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.User != nil || u.Host == "" {
		return false
	}
	said := originOf(u)
	if len(v.origins) > 0 {
		if !slices.Contains(v.origins, said) {
			return false
		}
	} else if said != originOf(&url.URL{Scheme: "https", Host: r.Host}) {
		return false
	}
	return normalPath(u.EscapedPath()) == normalPath(r.URL.EscapedPath())
}

// parseOrigin reads a configured origin.
func parseOrigin(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("origin %q is not a scheme and an authority, such as https://host:port", text)
	}
	return originOf(u), nil
}

// originOf is scheme and authority in their normal form (RFC 3986 sections 6.2.2.1 and 6.2.3).
func originOf(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	}
	return scheme + "://" + strings.TrimSuffix(host, ":")
}

// normalPath writes percent-encoded octets in the one way of RFC 3986 section 6.2.2: unreserved ones plain, the others in upper case. An encoded
// slash stays one.
func normalPath(path string) string {
	if path == "" {
		return "/"
	}
	if !strings.Contains(path, "%") {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) { // what net/url has read has two digits there
			b.WriteByte(path[i])
			continue
		}
		octet, err := url.PathUnescape(path[i : i+3])
		if err == nil && unreserved(octet[0]) {
			b.WriteByte(octet[0])
		} else {
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
