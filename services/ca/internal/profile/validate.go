package profile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
)

// faults collects what is wrong with a profile.
type faults struct{ list []config.Problem }

func (f *faults) add(path, suggestion, message string, args ...any) {
	f.list = append(f.list, config.Problem{Path: path, Message: fmt.Sprintf(message, args...), Suggestion: suggestion})
}

func (f *faults) oneOf(path, value string, allowed ...string) {
	f.list = append(f.list, config.OneOf(path, value, allowed...)...)
}

// unique reports values that are there twice.
func (f *faults) unique(path string, values []string) {
	for i, value := range values {
		if slices.Contains(values[:i], value) {
			f.add(element(path, i), "keep one of them", "%q is there twice", value)
		}
	}
}

func element(path string, index int) string { return fmt.Sprintf("%s[%d]", path, index) }

// profileName is a name that also is a file's and a part of a path.
var profileName = regexp.MustCompile(`\A[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\z`)

// Validate implements [config.Validator]: it finds what contradicts itself, what can never be issued, and what the family forbids today. What
// it will forbid at a date that is already known is a warning: see [Profile.Warnings].
func (p *Profile) Validate() []config.Problem {
	f := &faults{}
	if !profileName.MatchString(p.Name) {
		f.add("name", `such as "web-server"`, "%q is not a name of 1 to 63 lower-case letters, digits and hyphens", p.Name)
	}
	f.oneOf("family", p.Family, ruleset.Families()...)
	if p.BRLab && !p.isBR() {
		f.add("br_lab", "remove it, or write family: br", "a laboratory of the CA/Browser Forum's rules, but the family is %s", p.Family)
	}
	p.checkValidity(f)
	p.checkKeys(f)
	p.checkKeyUsage(f)
	p.checkPurposes(f)
	p.checkAuthority(f)
	p.checkSubject(f)
	p.checkSAN(f)
	p.checkConstraints(f)
	p.checkPolicies(f)
	p.checkExtensions(f)
	p.checkHandling(f)
	if p.isBR() {
		p.checkBR(f)
	}
	return f.list
}

func (p *Profile) isBR() bool { return p.Family == string(ruleset.BR) }

func (p *Profile) checkValidity(f *faults) {
	v := p.Validity
	switch {
	case v.Max <= 0:
		f.add("validity.max", `write a period, such as "90d"`, "is missing")
	case v.Min <= 0:
		f.add("validity.min", `write a period, such as "1h"`, "is missing")
	case v.Max < v.Min:
		f.add("validity.max", "make it at least "+v.Min.String(), "%s is shorter than validity.min, %s", v.Max, v.Min)
	case v.Default < v.Min || v.Default > v.Max:
		f.add("validity.default", fmt.Sprintf("write a period from %s to %s", v.Min, v.Max), "%s lies outside of validity.min and validity.max", v.Default)
	case v.Backdate >= v.Min:
		f.add("validity.backdate", "make it shorter than validity.min", "%s would let the shortest certificate, of %s, end before it is issued", v.Backdate, v.Min)
	}
	if p.Renewal.Window > v.Default && v.Default > 0 {
		f.add("renewal.window", "make it shorter than "+v.Default.String(), "%s is longer than validity.default: a certificate could be renewed before it begins",
			p.Renewal.Window)
	}
}

func (p *Profile) checkKeys(f *faults) {
	const minRSA, maxRSA = 2048, 8192 // as package certificate takes them
	k := p.Keys
	switch {
	case k.RSAMin == 0 && k.RSAMax == 0:
	case k.RSAMin < minRSA || k.RSAMin > maxRSA:
		f.add("keys.rsa_min", "", "%d is not from %d to %d bits", k.RSAMin, minRSA, maxRSA)
	case k.RSAMax < k.RSAMin || k.RSAMax > maxRSA:
		f.add("keys.rsa_max", "", "%d is not from keys.rsa_min, %d, to %d bits", k.RSAMax, k.RSAMin, maxRSA)
	}
	for i, curve := range k.Curves {
		f.oneOf(element("keys.curves", i), curve, curves...)
	}
	f.unique("keys.curves", k.Curves)
	if k.RSAMax == 0 && len(k.Curves) == 0 && !k.Ed25519 {
		f.add("keys", "allow one of rsa_min and rsa_max, curves, ed25519", "no kind of key is allowed")
	}
}

// Warnings say what will be forbidden at a date that is already known. Issuance goes on: a default that is too long is cut on the day.
func (p *Profile) Warnings(now time.Time) []string {
	if !p.isBR() || p.IsAuthority() {
		return nil
	}
	var warnings []string
	for _, change := range ruleset.Ahead(ruleset.ValidityDays, now) {
		limit := Period(time.Duration(change.Value) * ruleset.Day)
		if p.Validity.Max > limit {
			warnings = append(warnings, fmt.Sprintf("profile %s: validity.max %s is more than the %s allowed from %s (%s): longer certificates will then be refused, "+
				"and a longer default cut", p.Name, p.Validity.Max, limit, change.From.Format(time.DateOnly), change.Citation))
		}
		if p.Validity.Min > limit {
			warnings = append(warnings, fmt.Sprintf("profile %s: validity.min %s is more than the %s allowed from %s (%s): from then on it issues nothing",
				p.Name, p.Validity.Min, limit, change.From.Format(time.DateOnly), change.Citation))
		}
	}
	return warnings
}

// listed is a short enumeration.
func listed(values []string) string { return strings.Join(values, ", ") }
