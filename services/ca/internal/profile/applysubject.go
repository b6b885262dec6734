package profile

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// namedOf are the attributes that a request asks for, in its order.
func namedOf(request *certificate.Request, r *Refusals) []Named {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(request.RawSubject, &sequence); err != nil || len(rest) > 0 {
		r.add("subject", "the DER of a Name", "the request's subject is not well formed")
		return nil
	}
	var subject []Named
	for _, set := range sequence {
		for _, a := range set {
			if value, ok := a.Value.(string); ok {
				subject = append(subject, Named{attributeName(a.Type), value})
			}
		}
	}
	return subject
}

// applySubject makes the subject: the profile's attributes in the profile's order.
func (p *Profile) applySubject(subject []Named, san certificate.SAN, requester string, r *Refusals) []byte {
	asked := map[string][]string{}
	for i, a := range subject {
		id, _, err := attributeOf(a.Name)
		if err != nil {
			r.add(element("subject", i), "a short name, such as CN, or a dotted object identifier", "%q is no known attribute", a.Name)
			continue
		}
		name := attributeName(id)
		if !slices.ContainsFunc(p.compiled.attributes, func(c compiledAttribute) bool { return c.name == name }) && p.Subject.Others == othersRefuse {
			r.add("subject."+name, p.acceptedAttributes(), "the attribute is not in the profile")
		}
		asked[name] = append(asked[name], a.Value)
	}
	words := wordsOf(asked, san, requester)
	var attributes []certificate.Attribute
	for _, c := range p.compiled.attributes {
		for _, value := range c.values(asked[c.name], words, r) {
			if c.name == commonName && p.Subject.CommonName == nameSAN && !isAlternative(value, san) {
				r.add("subject.CN", "one of the subject alternative names, or none", "%q is no subject alternative name", value)
			}
			attributes = append(attributes, certificate.Attribute{Type: c.id, Value: value})
		}
	}
	der, err := certificate.EncodeName(attributes...)
	if err != nil {
		r.add("subject", "characters that the attribute can have", "%s", err)
	}
	return der
}

func (p *Profile) acceptedAttributes() string {
	var names []string
	for _, c := range p.compiled.attributes {
		names = append(names, c.name)
	}
	if len(names) == 0 {
		return "no attribute"
	}
	return listed(names)
}

// wordsOf fill the placeholders.
func wordsOf(asked map[string][]string, san certificate.SAN, requester string) map[string]string {
	words := map[string]string{"{requester}": requester}
	for word, names := range map[string][]string{"{dns}": san.DNS, "{email}": san.Email, "{uri}": san.URI, "{upn}": san.UPN, "{cn}": asked[commonName]} {
		if len(names) > 0 {
			words[word] = names[0]
		}
	}
	if len(san.IP) > 0 {
		words["{ip}"] = san.IP[0].String()
	}
	return words
}

// values are those of an attribute that are certified.
func (c compiledAttribute) values(asked []string, words map[string]string, r *Refusals) []string {
	field := "subject." + c.name
	if c.Value != "" {
		value, missing := fill(c.Value, words)
		switch {
		case missing != "" && c.Required:
			r.add(field, "a request that says it", "there is nothing to fill in for %s", missing)
			return nil
		case missing != "":
			return nil
		}
		c.check(field, value, r)
		return []string{value}
	}
	if len(asked) == 0 && c.Required {
		r.add(field, "a value", "the attribute is required")
	}
	if len(asked) > c.Max {
		r.add(field, fmt.Sprintf("at most %d", c.Max), "the attribute is there %d times", len(asked))
	}
	for _, value := range asked {
		c.check(field, value, r)
	}
	return asked
}

// check holds a value to the attribute's bounds.
func (c compiledAttribute) check(field, value string, r *Refusals) {
	length := utf8.RuneCountInString(value)
	switch {
	case length == 0 || length > c.bound:
		r.add(field, fmt.Sprintf("1 to %d characters", c.bound), "the value has %d characters", length)
	case !utf8.ValidString(value) || slices.ContainsFunc([]rune(value), func(char rune) bool { return !unicode.IsPrint(char) }):
		r.add(field, "printable characters", "the value has a character that cannot be printed")
	case (c.name == country || c.name == "jurisdictionC") && !isCountry(value):
		r.add(field, "two capital letters of ISO 3166", "%q is no country", value)
	case c.pattern != nil && !c.pattern.MatchString(value):
		r.add(field, "values that match "+c.Pattern, "%q is not allowed", value)
	}
}
