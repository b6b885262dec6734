package profile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// compiled is a profile in the form that requests are held to.
type compiled struct {
	// usages by kind of key: RSA, EC, Ed25519.
	usages map[string]pkix.Extension
	// before and after are the extensions that depend on no request.
	fixed      []pkix.Extension
	attributes []compiledAttribute
	patterns   map[string][]glob // by the key of the kind
	prefixes   []netip.Prefix
}

type compiledAttribute struct {
	Attribute

	id      asn1.ObjectIdentifier
	name    string
	bound   int
	pattern *regexp.Regexp // nil for every value
}

// compile prepares a profile that was validated.
func (p *Profile) compile() error {
	c := compiled{usages: map[string]pkix.Extension{}, patterns: map[string][]glob{}}
	var err error
	for kind, names := range p.usagesByKind() {
		var usage x509.KeyUsage
		for _, name := range names {
			usage |= keyUsages[name]
		}
		if c.usages[kind], err = certificate.KeyUsage(usage); err != nil {
			return fmt.Errorf("compile profile %s: %w", p.Name, err)
		}
	}
	if c.fixed, err = p.fixedExtensions(); err != nil {
		return fmt.Errorf("compile profile %s: %w", p.Name, err)
	}
	for _, a := range p.Subject.Attributes {
		one := compiledAttribute{Attribute: a}
		if one.id, one.bound, err = attributeOf(a.Type); err == nil && a.Pattern != "" {
			one.pattern, err = compileWhole(a.Pattern)
		}
		if err != nil {
			return fmt.Errorf("compile profile %s: attribute %s: %w", p.Name, a.Type, err)
		}
		one.name = attributeName(one.id)
		one.Max = max(a.Max, 1)
		c.attributes = append(c.attributes, one)
	}
	for _, kind := range p.SAN.kinds() {
		for _, text := range kind.names.Patterns {
			if kind.prefixes {
				prefix, err := netip.ParsePrefix(text)
				if err != nil {
					return fmt.Errorf("compile profile %s: %w", p.Name, err)
				}
				c.prefixes = append(c.prefixes, prefix)
				continue
			}
			pattern, err := compileGlob(text, kind.separators)
			if err != nil {
				return fmt.Errorf("compile profile %s: %w", p.Name, err)
			}
			c.patterns[kind.key] = append(c.patterns[kind.key], pattern)
		}
	}
	p.compiled = c
	return nil
}

// fixedExtensions are those that every certificate of the profile has.
func (p *Profile) fixedExtensions() (list []pkix.Extension, err error) {
	put := func(e pkix.Extension, failed error) {
		if failed != nil && err == nil {
			err = failed
		}
		list = append(list, e)
	}
	if len(p.ExtendedKeyUsage.Purposes) > 0 {
		var ids []asn1.ObjectIdentifier
		for _, name := range p.ExtendedKeyUsage.Purposes {
			if known, found := purposes[name]; found {
				name = known
			}
			id, err := parseObject(name)
			if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
		put(certificate.ExtendedKeyUsage(p.ExtendedKeyUsage.Critical, ids...))
	}
	if !p.BasicConstraints.Absent {
		put(certificate.BasicConstraints(p.BasicConstraints.CA, p.BasicConstraints.PathLength))
	}
	if policies := p.policies(); len(policies) > 0 {
		put(certificate.CertificatePolicies(policies...))
	}
	permitted, excluded := p.NameConstraints.Permitted.check(&faults{}, ""), p.NameConstraints.Excluded.check(&faults{}, "")
	if !permitted.IsEmpty() || !excluded.IsEmpty() {
		put(certificate.NameConstraints(p.NameConstraints.Critical, permitted, excluded))
	}
	if p.MustStaple {
		put(certificate.TLSFeature(certificate.FeatureStatusRequest))
	}
	if p.OCSPNoCheck {
		put(certificate.OCSPNoCheck(), nil)
	}
	for _, e := range p.Extensions {
		put(e.encode())
	}
	return list, err
}

// policies are those that are certified: in a laboratory, not the reserved ones.
func (p *Profile) policies() []certificate.Policy {
	var policies []certificate.Policy
	for _, policy := range p.Policies {
		if p.BRLab && slices.Contains(reservedPolicies, policy.ID) {
			continue
		}
		if id, err := parseObject(policy.ID); err == nil { // validated
			policies = append(policies, certificate.Policy{ID: id, CPS: policy.CPS})
		}
	}
	return policies
}
