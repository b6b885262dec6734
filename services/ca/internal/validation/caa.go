package validation

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Authority is whom CAA records must allow.
type Authority struct {
	// Domains are the issuer domain names that stand for this authority (RFC 8659 section 4.2).
	Domains []string
	// AccountURI is the URL of the account that asks (RFC 8657 section 3); "" where there is none.
	AccountURI string
}

// flagCritical is the bit of a property that an issuer must understand (RFC 8659 section 4.1).
const flagCritical = 128

// Properties that are understood (RFC 8659 sections 4.2 to 4.4). What iodef asks for is nobody's duty.
const (
	tagIssue     = "issue"
	tagIssueWild = "issuewild"
	tagIodef     = "iodef"
)

// checkCAA says whether the records that govern a name allow the authority to issue for it.
func checkCAA(ctx context.Context, resolver Resolver, i Identifier, method Method, authority Authority) error {
	records, at, err := relevant(ctx, resolver, i.Base().Value)
	if err != nil {
		return err
	}
	var issue, wild []CAA
	for _, r := range records {
		switch lower(r.Tag) {
		case tagIssue:
			issue = append(issue, r)
		case tagIssueWild:
			wild = append(wild, r)
		case tagIodef:
		default:
			if r.Flag&flagCritical != 0 {
				return refuse(KindCAA, "a CAA record of %s has a critical property that is not understood", at)
			}
		}
	}
	if i.Wildcard() && len(wild) > 0 { // RFC 8659 section 4.3: it takes precedence over issue
		issue = wild
	}
	if len(issue) == 0 { // no record restricts the issuance
		return nil
	}
	for _, r := range issue {
		if allows(r.Value, method, authority) {
			return nil
		}
	}
	return refuse(KindCAA, "the CAA records of %s do not allow this authority, account and method to issue for %s", at, i)
}

// relevant finds the records that govern a name, and the name that they were found at, by climbing the tree (RFC 8659 section 3). That a
// name is an alias is the resolver's business; the climb goes on from the name itself.
func relevant(ctx context.Context, resolver Resolver, name string) ([]CAA, string, error) {
	for at := name; at != ""; {
		records, err := resolver.LookupCAA(ctx, at)
		if err != nil { // section 3 and BR 3.2.2.8: what cannot be looked up does not allow
			return nil, at, caaFailure(at, err)
		}
		if len(records) > 0 {
			return records, at, nil
		}
		_, at, _ = strings.Cut(at, ".")
	}
	return nil, "", nil
}

func caaFailure(name string, err error) *Error {
	var failed *LookupError
	if errors.As(err, &failed) {
		return fromLookup(failed)
	}
	return refuse(KindDNS, "no answer about CAA records of %s", name).because(err).passing()
}

// allows says whether the value of one issue or issuewild property does. A value that cannot be read allows nobody (RFC 8659 section 4.2).
func allows(value string, method Method, authority Authority) bool {
	domain, parameters, ok := parseIssue(value)
	if !ok || domain == "" || !slices.ContainsFunc(authority.Domains, func(own string) bool { return lower(own) == domain }) {
		return false
	}
	var accounts, methods []string
	for _, p := range parameters {
		switch p.tag {
		case "accounturi":
			accounts = append(accounts, p.value)
		case "validationmethods":
			methods = append(methods, p.value)
		}
	}
	// RFC 8657 sections 3 and 4: a parameter that is there twice, or is not understood, is satisfied by nobody.
	if len(accounts) > 1 || len(accounts) == 1 && (authority.AccountURI == "" || accounts[0] != authority.AccountURI) {
		return false
	}
	return len(methods) == 0 || len(methods) == 1 && slices.Contains(strings.Split(methods[0], ","), string(method))
}

// parameter is one of an issuer's own (RFC 8659 section 4.2).
type parameter struct{ tag, value string }

// parseIssue reads the value of a property: [issuer-domain-name] [";" parameters] (RFC 8659 section 4.2).
func parseIssue(value string) (domain string, parameters []parameter, ok bool) {
	domain, rest, more := strings.Cut(value, ";")
	domain = lower(trim(domain))
	if domain != "" && !isDomain(domain) {
		return "", nil, false
	}
	if !more || trim(rest) == "" {
		return domain, nil, true
	}
	for _, text := range strings.Split(rest, ";") {
		tag, text, found := strings.Cut(text, "=")
		tag, text = lower(trim(tag)), trim(text)
		if !found || !isTag(tag) || !isParameterValue(text) {
			return "", nil, false
		}
		parameters = append(parameters, parameter{tag, text})
	}
	return domain, parameters, true
}

// trim takes off white space as the grammar has it.
func trim(text string) string { return strings.Trim(text, " \t") }

func isDomain(text string) bool {
	for _, label := range strings.Split(text, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || !isTag(strings.ReplaceAll(label, "-", "")) {
			return false
		}
	}
	return true
}

// isTag accepts letters and digits; text is in lower case.
func isTag(text string) bool {
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}

// isParameterValue accepts printable ASCII without space and semicolon.
func isParameterValue(text string) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' || c == ';' {
			return false
		}
	}
	return true
}
