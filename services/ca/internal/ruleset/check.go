package ruleset

import (
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset/weakkey"
)

// Severity says what a finding means.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the certificate breaks a rule: it is not to be issued
	Warning Severity = "warning" // it does what is advised against
)

// Finding is a rule that a certificate breaks.
type Finding struct {
	// Rule is its name, the same for ever.
	Rule     string
	Severity Severity
	// Citation is where the rule stands.
	Citation string
	// Detail says what is wrong, for people.
	Detail string
}

// Rule is what the catalogue says of a rule.
type Rule struct {
	Name     string
	Severity Severity
	Citation string
	// Family is br for a rule of the Baseline Requirements, private for one that counts for every family.
	Family Family
	// Since is the quantity of the timetable with whose first date the rule begins to count; empty for always.
	Since Quantity
}

// rule is a rule and its check, which says what is wrong, or "".
type rule struct {
	Rule

	check func(s *subject) string
}

// Set are the rules of a program. It is safe for concurrent use.
type Set struct {
	blocked *weakkey.Blocklist
	rules   []rule
	since   []time.Time // of the rules
}

// New makes the rules; blocked are keys that are never certified, nil for none.
func New(blocked *weakkey.Blocklist) *Set {
	s := &Set{blocked: blocked}
	for _, list := range [][]rule{structureRules(), nameRules(), usageRules(), authorityRules(), brRules(), brNameRules(), brPointerRules()} {
		s.rules = append(s.rules, list...)
	}
	s.since = make([]time.Time, len(s.rules))
	for i, r := range s.rules {
		if r.Since != "" {
			s.since[i] = first(r.Since)
		}
	}
	return s
}

// Rules is the catalogue, in the order in which the rules are looked at. The rules for keys, whose names begin with "rsa_", and for what cannot be read
// ("parse") and is blocked ("key_blocked") come beside it.
func (s *Set) Rules() []Rule {
	list := make([]Rule, len(s.rules))
	for i, r := range s.rules {
		list[i] = r.Rule
	}
	return list
}

// Check holds a TBSCertificate to the rules of a family at a time, and to what it was meant to be. Nil means that nothing is wrong.
func (s *Set) Check(tbs []byte, intent certificate.Intent, family Family, now time.Time) []Finding {
	c, err := parse(tbs)
	if err != nil {
		return []Finding{{"parse", Error, "RFC 5280 4.1", err.Error()}}
	}
	c.intent, c.family, c.now = intent, family, now
	var found []Finding
	for i, r := range s.rules {
		if r.Family == BR && !family.isBR() || now.Before(s.since[i]) {
			continue
		}
		if detail := r.check(c); detail != "" {
			found = append(found, Finding{r.Name, r.Severity, r.Citation, detail})
		}
	}
	for _, w := range weakkey.Check(c.PublicKey) {
		found = append(found, Finding{w.Rule, Error, w.Citation, w.Detail})
	}
	if reason, blocked := s.blocked.Blocked(c.RawSubjectPublicKeyInfo); blocked {
		found = append(found, Finding{"key_blocked", Error, "TLS BR 6.1.1.3", "the public key is blocked: " + reason})
	}
	return found
}

// HasError says whether a finding forbids the certificate.
func HasError(found []Finding) bool {
	for _, f := range found {
		if f.Severity == Error {
			return true
		}
	}
	return false
}

// always makes a rule for every family.
func always(name, citation string, check func(s *subject) string) rule {
	return rule{Rule{name, Error, citation, Private, ""}, check}
}

// webOnly makes a rule of the Baseline Requirements.
func webOnly(name, citation string, since Quantity, check func(s *subject) string) rule {
	return rule{Rule{name, Error, citation, BR, since}, check}
}

// advised makes a rule a warning.
func advised(r rule) rule {
	r.Severity = Warning
	return r
}

// when is a detail where something is wrong.
func when(wrong bool, detail string) string {
	if wrong {
		return detail
	}
	return ""
}
