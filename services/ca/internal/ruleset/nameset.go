package ruleset

import (
	"encoding/asn1"
	"fmt"
	"slices"
	"unicode/utf8"
)

// bounds are the longest values of attributes in characters (RFC 5280 appendix A.1).
var bounds = map[string]int{
	"2.5.4.3": 64, "2.5.4.4": 40, "2.5.4.5": 64, "2.5.4.7": 128, "2.5.4.8": 128, "2.5.4.9": 128, "2.5.4.10": 64, "2.5.4.11": 64, "2.5.4.12": 64,
	"2.5.4.17": 40, "2.5.4.42": 16, "1.2.840.113549.1.9.1": 255,
}

// Object identifiers of attributes.
const (
	idCommonName   = "2.5.4.3"
	idSerialNumber = "2.5.4.5"
	idCountry      = "2.5.4.6"
	idLocality     = "2.5.4.7"
	idState        = "2.5.4.8"
	idOrganization = "2.5.4.10"
	idUnit         = "2.5.4.11"
)

// nameRules are those of the subject and its alternative names.
func nameRules() []rule {
	return []rule{
		always("subject_or_san", "RFC 5280 4.1.2.6", func(s *subject) string {
			return when(s.unnamed() && !s.critical(arcSubjectAltName), "without a subject, the alternative names must be there and critical")
		}),
		always("subject_lengths", "RFC 5280 A.1", func(s *subject) string {
			problem := ""
			s.attributes(func(id, value string) {
				length := utf8.RuneCountInString(value)
				if bound := bounds[id]; length == 0 || bound > 0 && length > bound {
					problem = fmt.Sprintf("the attribute %s has %d characters", id, length)
				}
			})
			return problem
		}),
		always("subject_country", "RFC 5280 A.1; ISO 3166", func(s *subject) string {
			problem := ""
			s.attributes(func(id, value string) {
				if id == idCountry && (len(value) != 2 || value[0] < 'A' || value[0] > 'Z' || value[1] < 'A' || value[1] > 'Z') {
					problem = fmt.Sprintf("%q is no country", value)
				}
			})
			return problem
		}),
		always("subject_string_types", "RFC 5280 4.1.2.6, A.1", checkStringTypes),
		always("san_well_formed", "RFC 5280 4.2.1.6", func(s *subject) string {
			return when(s.namesErr != nil, fmt.Sprint(s.namesErr))
		}),
		advised(always("san_critical", "RFC 5280 4.2.1.6", func(s *subject) string {
			return when(s.critical(arcSubjectAltName) && !s.unnamed(), "with a subject, the alternative names should not be critical")
		})),
	}
}

// printableOnly are the attributes that are PrintableStrings: serialNumber, countryName, dnQualifier, jurisdiction's country.
var printableOnly = []string{idSerialNumber, idCountry, "2.5.4.46", "1.3.6.1.4.1.311.60.2.1.3"}

// ia5Only are the attributes that are IA5Strings: domainComponent and emailAddress.
var ia5Only = []string{"0.9.2342.19200300.100.1.25", "1.2.840.113549.1.9.1"}

// checkStringTypes reads the tags of the values, which the parsed name does not keep.
func checkStringTypes(s *subject) string {
	var raw []relativeNameSET
	if rest, err := asn1.Unmarshal(s.RawSubject, &raw); err != nil || len(rest) > 0 {
		return "the subject is not one Name"
	}
	for _, set := range raw {
		for _, a := range set {
			id := a.Type.String()
			allowed := []int{asn1.TagPrintableString, asn1.TagUTF8String}
			switch {
			case slices.Contains(printableOnly, id):
				allowed = allowed[:1]
			case slices.Contains(ia5Only, id):
				allowed = []int{asn1.TagIA5String}
			}
			if a.Value.Class != asn1.ClassUniversal || !slices.Contains(allowed, a.Value.Tag) {
				return fmt.Sprintf("the attribute %s is of string type %d", id, a.Value.Tag)
			}
		}
	}
	return ""
}

// relativeNameSET is a RelativeDistinguishedName whose values keep their tags; the suffix tells encoding/asn1 that it is a SET.
type relativeNameSET []struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}
