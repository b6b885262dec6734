package certificate

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// The longest names that are taken. A host name is bounded by RFC 1035 section 2.3.4, the local part of a mailbox by RFC 5321 section 4.5.3.1.1; URIs
// and principals by what anybody can need.
const (
	maxHost      = 253
	maxLabel     = 63
	maxLocal     = 64
	maxURI       = 2048
	maxPrincipal = 256
)

// DNSName checks a host name and returns it in lower case, with internationalised labels as A-labels. Its labels have letters, digits and hyphens;
// the first may be "*", if two or more follow. A label that begins with "xn--" must be what IDNA (RFC 5891 in the reading of UTS #46,
// nontransitional, for registration) makes of some text; other labels with hyphens in the third and fourth place are reserved (RFC 5890 section 2.3.1). An error is a [*Refusal].
func DNSName(text string) (string, error) {
	name := strings.ToLower(text)
	host, wildcard := name, false
	if rest, found := strings.CutPrefix(name, "*."); found {
		host, wildcard = rest, true
	}
	labels := strings.Split(host, ".")
	for i, label := range labels {
		checked, problem := dnsLabel(label)
		if problem != "" {
			return "", refuse(BadName, "%q is no host name: %s", text, problem)
		}
		labels[i] = checked
	}
	host = strings.Join(labels, ".")
	if wildcard && len(labels) < 2 {
		return "", refuse(BadName, "%q is no host name: a wildcard stands above a single label", text)
	}
	if _, err := netip.ParseAddr(host); err == nil || isNumber(labels[len(labels)-1]) {
		return "", refuse(BadName, "%q is no host name: its last label is a number; put addresses among the IP names", text)
	}
	if wildcard {
		host = "*." + host
	}
	if len(host) > maxHost {
		return "", refuse(BadName, "a host name has %d characters, more than %d", len(host), maxHost)
	}
	return host, nil
}

// dnsLabel returns the A-label of a lower-case label, or what is wrong with it.
func dnsLabel(label string) (checked, problem string) {
	if !isIA5(label) {
		ascii, err := idna.Registration.ToASCII(label)
		if err != nil {
			return "", "a label is not allowed by IDNA (UTS #46)"
		}
		label = ascii
	}
	switch {
	case label == "":
		return "", "a label is empty"
	case len(label) > maxLabel:
		return "", "a label is longer than 63 characters"
	case label[0] == '-' || label[len(label)-1] == '-':
		return "", "a label begins or ends with a hyphen"
	case strings.IndexFunc(label, isNoLDH) >= 0:
		return "", "a label has a character other than letters, digits and hyphens"
	case strings.HasPrefix(label, "xn--"):
		wide, err := idna.Registration.ToUnicode(label)
		if err != nil || isIA5(wide) {
			return "", "a label is no A-label of IDNA (UTS #46)"
		}
		if back, err := idna.Registration.ToASCII(wide); err != nil || back != label {
			return "", "a label is no A-label of IDNA (UTS #46)"
		}
	case len(label) >= 4 && label[2:4] == "--":
		return "", "a label with hyphens in the third and fourth place is reserved"
	}
	return label, ""
}

func isNoLDH(c rune) bool {
	return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-'
}

func isNumber(label string) bool {
	return strings.IndexFunc(label, func(c rune) bool { return c < '0' || c > '9' }) < 0
}

// EmailAddress checks a mailbox (RFC 5280 section 4.2.1.6: the Mailbox of RFC 5321, ASCII, without quotes and comments) and returns it with its
// host in lower case. An error is a [*Refusal].
func EmailAddress(text string) (string, error) {
	local, host, found := strings.Cut(text, "@")
	if !found || local == "" || len(local) > maxLocal {
		return "", refuse(BadName, "%q is no mailbox: write local-part@host", text)
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.IndexFunc(atom, isNoAtom) >= 0 {
			return "", refuse(BadName, "%q is no mailbox: its local part is no dot-atom of RFC 5321", text)
		}
	}
	host, err := DNSName(host)
	if err != nil || strings.HasPrefix(host, "*") {
		return "", refuse(BadName, "%q is no mailbox: what follows the @ is no host name", text)
	}
	return local + "@" + host, nil
}

func isNoAtom(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", c)
}

// URI checks an absolute URI (RFC 5280 section 4.2.1.6): ASCII, with a scheme; a host, where there is one, is a host name or an address. It is
// returned as it stands. An error is a [*Refusal].
func URI(text string) (string, error) {
	if len(text) > maxURI || !isIA5(text) || strings.ContainsAny(text, " \"<>\\^`{|}") {
		return "", refuse(BadName, "%.100q is no URI: longer than %d, or with characters that a URI has not", text, maxURI)
	}
	parsed, err := url.Parse(text)
	if err != nil || !parsed.IsAbs() || parsed.Host == "" && parsed.Opaque == "" && len(parsed.Path) < 2 {
		return "", refuse(BadName, "%q is no absolute URI", text)
	}
	if host := parsed.Hostname(); host != "" {
		if _, err := netip.ParseAddr(host); err != nil {
			if name, err := DNSName(host); err != nil || strings.HasPrefix(name, "*") {
				return "", refuse(BadName, "%q is no URI: its host is no host name", text)
			}
		}
	} else if parsed.Host != "" || parsed.User != nil {
		return "", refuse(BadName, "%q is no URI: it has no host", text)
	}
	return text, nil
}

// UserPrincipalName checks the name of a person in a Windows domain, "name@domain". It is returned as it stands. An error is a [*Refusal].
func UserPrincipalName(text string) (string, error) {
	name, domain, found := strings.Cut(text, "@")
	if !found || name == "" || domain == "" || strings.Contains(domain, "@") || len(text) > maxPrincipal || !utf8.ValidString(text) ||
		strings.IndexFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) >= 0 {
		return "", refuse(BadName, "%.100q is no user principal name: write name@domain", text)
	}
	return text, nil
}
