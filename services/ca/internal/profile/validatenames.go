package profile

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// maxNames bounds the alternative names of a certificate: more do not fit a handshake.
const maxNames = 250

// nameKind is a kind of alternative names.
type nameKind struct {
	key        string
	names      *Names
	separators string
	prefixes   bool // patterns are prefixes of addresses
}

// kinds are the kinds in the order of their keys.
func (s *SAN) kinds() []nameKind {
	return []nameKind{
		{"dns", &s.DNS, ".", false},
		{"ip", &s.IP, "", true},
		{"email", &s.Email, "@.", false},
		{"uri", &s.URI, "/", false},
		{"upn", &s.UPN, "@", false},
	}
}

func (p *Profile) checkSAN(f *faults) {
	s := &p.SAN
	least, most := 0, 0
	for _, kind := range s.kinds() {
		path, n := "san."+kind.key, kind.names
		if n.Min < 0 || n.Max < n.Min {
			f.add(path+".max", "", "%d is less than %s.min, %d", n.Max, path, n.Min)
		}
		if n.Max == 0 && len(n.Patterns) > 0 {
			f.add(path+".patterns", "write max, or remove the patterns", "patterns for names of which none is allowed")
		}
		if n.Wildcards && kind.key != "dns" {
			f.add(path+".wildcards", "remove it", "only host names have wildcards")
		}
		f.unique(path+".patterns", n.Patterns)
		for i, pattern := range n.Patterns {
			if problem := kind.problem(pattern); problem != "" {
				f.add(element(path+".patterns", i), "", "%q can never match: %s", pattern, problem)
			}
		}
		least, most = least+n.Min, most+n.Max
	}
	switch {
	case s.Max > maxNames:
		f.add("san.max", "", "%d is more than %d", s.Max, maxNames)
	case s.Min < 0 || s.Max < s.Min:
		f.add("san.max", "", "%d is less than san.min, %d", s.Max, s.Min)
	case least > s.Max:
		f.add("san.max", "", "%d is less than the %d names that the kinds ask for", s.Max, least)
	case most < s.Min || most == 0 && s.Max > 0:
		f.add("san.max", "allow a kind: san.dns.max, san.ip.max, san.email.max, san.uri.max or san.upn.max", "the kinds allow %d names, less than san asks for", most)
	}
}

// problem says why no name can match a pattern; "" where one can.
func (k nameKind) problem(pattern string) string {
	if k.prefixes {
		prefix, err := netip.ParsePrefix(pattern)
		switch {
		case err != nil:
			return "it is no prefix of addresses, such as 10.0.0.0/8"
		case prefix != prefix.Masked():
			return "bits beyond its length are set; it is " + prefix.Masked().String()
		}
		return ""
	}
	if pattern == "" {
		return "it is empty"
	}
	check := map[string]func(string) (string, error){
		"dns": certificate.DNSName, "email": certificate.EmailAddress, "uri": certificate.URI, "upn": certificate.UserPrincipalName,
	}[k.key]
	// A name of the pattern's form, with letters for its stars, is tried: where that is refused, all are.
	for _, fill := range []string{"a", "1"} {
		sample := strings.ReplaceAll(strings.ReplaceAll(pattern, "**", fill), "*", fill)
		if k.key == "email" && !strings.Contains(sample, "@") || k.key == "uri" && strings.HasPrefix(pattern, "**") {
			sample = map[string]string{"email": "a@", "uri": "https://"}[k.key] + sample
		}
		if k.key == "upn" && !strings.Contains(sample, "@") {
			sample = "a@" + sample
		}
		compiled, err := compileGlob(pattern, k.separators)
		if err != nil {
			return "it cannot be compiled"
		}
		if name, err := check(sample); err == nil && compiled.exp.MatchString(name) {
			return ""
		}
	}
	return map[string]string{
		"dns": "no host name in lower case has this form", "email": "no mailbox with its host in lower case has this form",
		"uri": "no absolute URI has this form", "upn": "no name@domain has this form",
	}[k.key]
}

func (p *Profile) checkSubject(f *faults) {
	s := p.Subject
	f.oneOf("subject.others", s.Others, othersRefuse, othersIgnore)
	f.oneOf("subject.common_name", s.CommonName, nameFree, nameSAN, nameNone)
	required := false
	var types []string
	for i, a := range s.Attributes {
		path := element("subject.attributes", i)
		id, bound, err := attributeOf(a.Type)
		if err != nil {
			f.add(path+".type", "write a short name, such as CN or O, or a dotted object identifier", "%q is no known attribute", a.Type)
			continue
		}
		name := attributeName(id)
		if slices.Contains(types, name) {
			f.add(path+".type", "keep one, and write max", "%s is there twice", name)
		}
		types = append(types, name)
		required = required || a.Required || a.Value != ""
		p.checkAttribute(f, path, a, bound)
	}
	hasCommonName := slices.Contains(types, commonName)
	switch {
	case hasCommonName && s.CommonName == nameNone:
		f.add("subject.common_name", "remove the attribute CN, or write san or free", "the common name is not certified, but listed among the attributes")
	case !hasCommonName && s.CommonName == nameSAN:
		f.add("subject.common_name", "list the attribute CN, or write none", "the common name is an alternative name, but not listed among the attributes")
	}
	if p.BasicConstraints.CA && !required {
		f.add("subject.attributes", "write required: true for CN or O", "an authority without a name (RFC 5280 section 4.1.2.6)")
	}
}

func (p *Profile) checkAttribute(f *faults, path string, a Attribute, bound int) {
	if a.Max < 0 || a.Max > 10 {
		f.add(path+".max", "", "%d is not from 0 to 10", a.Max)
	}
	if a.Value != "" {
		if a.Max > 1 {
			f.add(path+".max", "remove it", "a value that is fixed is there once")
		}
		p.checkTemplate(f, path+".value", a, bound)
	}
	if a.Pattern == "" {
		return
	}
	exp, err := compileWhole(a.Pattern)
	switch {
	case err != nil:
		f.add(path+".pattern", "", "is no regular expression (RE2): %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	case !canMatch(`\A(?:`+a.Pattern+`)\z`, bound):
		f.add(path+".pattern", "", "%q can never match a value of %s, which has at most %d characters", a.Pattern, a.Type, bound)
	case a.Value != "" && isLiteral(a.Value) && !exp.MatchString(a.Value):
		f.add(path+".pattern", "", "%q does not match the fixed value %q", a.Pattern, a.Value)
	}
}
