package ruleset_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset/weakkey"
)

var now = time.Date(2026, 11, 22, 10, 30, 15, 0, time.UTC)

// keys are the DER of one public key of each kind.
var keys = sync.OnceValue(func() map[string][]byte {
	made := map[string][]byte{}
	put := func(name string, public crypto.PublicKey) { made[name] = must(x509.MarshalPKIXPublicKey(public)) }
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		put(name, must(ecdsa.GenerateKey(curve, rand.Reader)).Public())
	}
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	put("RSA", key.Public())
	public, _, _ := ed25519.GenerateKey(rand.Reader)
	put("Ed25519", public)
	return made
})

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func attribute(id []int, value string) certificate.Attribute {
	return certificate.Attribute{Type: id, Value: value}
}

func name(attributes ...certificate.Attribute) []byte {
	return must(certificate.EncodeName(attributes...))
}

// web is a certificate of the web that breaks no rule; the tests spoil it.
func web(key string) *certificate.Template {
	usage := x509.KeyUsageDigitalSignature
	if key == "RSA" {
		usage |= x509.KeyUsageKeyEncipherment
	}
	return &certificate.Template{
		Intent: certificate.Intent{
			Subject: name(), SAN: certificate.SAN{DNS: []string{"www.example.com"}}, SPKI: keys()[key], NotBefore: now, NotAfter: now.Add(90*ruleset.Day - time.Second),
			Extensions: []pkix.Extension{
				must(certificate.KeyUsage(usage)), must(certificate.ExtendedKeyUsage(false, []int{1, 3, 6, 1, 5, 5, 7, 3, 1})),
				must(certificate.BasicConstraints(false, -1)), must(certificate.CertificatePolicies(certificate.Policy{ID: []int{2, 23, 140, 1, 2, 1}})),
			},
		},
		Serial: certificate.NewSerial(), Issuer: name(attribute([]int{2, 5, 4, 3}, "issuer")), Signature: must(certificate.Identifier(x509.ECDSAWithSHA256)),
		AuthorityKeyID: []byte{1, 2, 3}, OCSP: []string{"http://ocsp.example.com"}, IssuerURLs: []string{"http://ca.example.com/ca.cer"},
		CRL: []string{"http://ca.example.com/0.crl"},
	}
}

// authority is a certificate of an authority that breaks no rule.
func authority() *certificate.Template {
	c := web("P-256")
	c.Subject, c.SAN = name(attribute([]int{2, 5, 4, 3}, "authority")), certificate.SAN{}
	c.Extensions = []pkix.Extension{must(certificate.KeyUsage(x509.KeyUsageCertSign | x509.KeyUsageCRLSign)), must(certificate.BasicConstraints(true, 0))}
	c.SubjectKeyID = []byte{4, 5, 6}
	return c
}

// set replaces or adds an extension.
func set(c *certificate.Template, e pkix.Extension) {
	c.Extensions = slices.DeleteFunc(slices.Clone(c.Extensions), func(have pkix.Extension) bool { return have.Id.Equal(e.Id) })
	c.Extensions = append(c.Extensions, e)
}

// drop removes an extension.
func drop(c *certificate.Template, last int) {
	c.Extensions = slices.DeleteFunc(slices.Clone(c.Extensions), func(have pkix.Extension) bool { return have.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, last}) })
}

func usage(u x509.KeyUsage) pkix.Extension { return must(certificate.KeyUsage(u)) }

func purposes(critical bool, last ...int) pkix.Extension {
	var ids []asn1.ObjectIdentifier
	for _, arc := range last {
		ids = append(ids, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, arc})
	}
	return must(certificate.ExtendedKeyUsage(critical, ids...))
}

func check(t testing.TB, c *certificate.Template, family ruleset.Family) []ruleset.Finding {
	t.Helper()
	tbs, err := c.TBS()
	require.NoError(t, err)
	return ruleset.New(nil).Check(tbs, c.Intent, family, now)
}

func named(found []ruleset.Finding) (names []string) {
	for _, f := range found {
		names = append(names, f.Rule)
	}
	return names
}

func TestCheck_FindsNothingInSoundCertificates(t *testing.T) {
	t.Parallel()
	for key := range keys() {
		if key != "Ed25519" {
			assert.Empty(t, check(t, web(key), ruleset.BR), key)
		}
		assert.Empty(t, check(t, web(key), ruleset.Private), key)
	}
	assert.Empty(t, check(t, authority(), ruleset.Private))
	assert.Empty(t, check(t, authority(), ruleset.BR))
	lab := web("P-256")
	drop(lab, 32)
	assert.Empty(t, check(t, lab, ruleset.BRLab))
}

// spoilt are, for each rule, certificates that break it.
func spoilt() []struct {
	rule  string
	from  *certificate.Template
	spoil func(c *certificate.Template)
} {
	type one = struct {
		rule  string
		from  *certificate.Template
		spoil func(c *certificate.Template)
	}
	cn, country, org, unit := []int{2, 5, 4, 3}, []int{2, 5, 4, 6}, []int{2, 5, 4, 10}, []int{2, 5, 4, 11}
	policy := func(ids ...asn1.ObjectIdentifier) pkix.Extension {
		var list []certificate.Policy
		for _, id := range ids {
			list = append(list, certificate.Policy{ID: id})
		}
		return must(certificate.CertificatePolicies(list...))
	}
	critical := func(e pkix.Extension, yes bool) pkix.Extension { e.Critical = yes; return e }
	san := func(s certificate.SAN, critical bool) pkix.Extension {
		return must(certificate.SubjectAltName(s, critical))
	}
	return []one{
		{"br_serial_entropy", web("P-256"), func(c *certificate.Template) { c.Serial = certificate.Serial{1, 2, 3, 4, 5, 6, 7} }},
		{"signature_algorithm", web("P-256"), func(c *certificate.Template) { c.Signature.Parameters = asn1.NullRawValue }},
		{"signature_algorithm", web("P-256"), func(c *certificate.Template) { c.Signature.Algorithm = []int{1, 2, 840, 113549, 1, 1, 5} }},
		{"signature_algorithm", web("P-256"), func(c *certificate.Template) { c.Signature = must(certificate.Identifier(x509.PureEd25519)) }},
		{"validity_over", web("P-256"), func(c *certificate.Template) { c.NotBefore, c.NotAfter = now.Add(-time.Hour), now.Add(-time.Second) }},
		{"subject_or_san", web("P-256"), func(c *certificate.Template) { set(c, san(c.SAN, false)) }},
		{"subject_lengths", web("P-256"), func(c *certificate.Template) { c.Subject = name(attribute(org, strings.Repeat("x", 65))) }},
		{"subject_country", web("P-256"), func(c *certificate.Template) { c.Subject = name(attribute(country, "ch")) }},
		{"subject_string_types", web("P-256"), func(c *certificate.Template) {
			c.Subject = must(asn1.Marshal(pkix.RDNSequence{{{Type: country, Value: asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("CH")}}}}))
		}},
		{"subject_string_types", web("P-256"), func(c *certificate.Template) {
			c.Subject = must(asn1.Marshal(pkix.RDNSequence{{{Type: org, Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte("x")}}}}))
		}},
		{"san_well_formed", web("P-256"), func(c *certificate.Template) { c.SAN.DNS = []string{"a_b.example.com"} }},
		{"san_critical", web("P-256"), func(c *certificate.Template) { c.Subject = name(attribute(country, "CH")); set(c, san(c.SAN, true)) }},
		{"key_usage_fits_key", web("P-256"), func(c *certificate.Template) {
			set(c, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment))
		}},
		{"key_usage_fits_key", web("RSA"), func(c *certificate.Template) { set(c, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement)) }},
		{"key_usage_fits_key", web("Ed25519"), func(c *certificate.Template) { set(c, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement)) }},
		{"key_usage_empty", web("P-256"), func(c *certificate.Template) {
			set(c, pkix.Extension{Id: []int{2, 5, 29, 15}, Critical: true, Value: []byte{3, 1, 0}})
		}},
		{"key_usage_only", web("P-256"), func(c *certificate.Template) { set(c, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageEncipherOnly)) }},
		{"key_usage_critical", web("P-256"), func(c *certificate.Template) { set(c, critical(usage(x509.KeyUsageDigitalSignature), false)) }},
		{"purpose_without_usage", web("P-256"), func(c *certificate.Template) { set(c, usage(x509.KeyUsageContentCommitment)) }},
		{"purpose_twice", web("P-256"), func(c *certificate.Template) { set(c, purposes(false, 1, 1)) }},
		{"purpose_any_critical", web("P-256"), func(c *certificate.Template) {
			set(c, must(certificate.ExtendedKeyUsage(true, []int{2, 5, 29, 37, 0})))
		}},
		{"timestamping", web("P-256"), func(c *certificate.Template) { set(c, purposes(false, 8)) }},
		{"timestamping", web("P-256"), func(c *certificate.Template) { set(c, purposes(true, 8, 1)) }},
		{"ocsp_no_check", web("P-256"), func(c *certificate.Template) { set(c, certificate.OCSPNoCheck()) }},
		{"parse", web("P-256"), func(c *certificate.Template) { set(c, policy([]int{2, 23, 140, 1, 2, 1}, []int{2, 23, 140, 1, 2, 1})) }},
		{"ca_named", authority(), func(c *certificate.Template) { c.Subject = name() }},
		{"ca_key_usage", authority(), func(c *certificate.Template) { set(c, usage(x509.KeyUsageCRLSign)) }},
		{"ca_key_identifier", authority(), func(c *certificate.Template) { c.SubjectKeyID = nil }},
		{"ca_basic_constraints_critical", authority(), func(c *certificate.Template) { set(c, critical(must(certificate.BasicConstraints(true, 0)), false)) }},
		{"leaf_signs_no_certificates", web("P-256"), func(c *certificate.Template) { set(c, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign)) }},
		{"leaf_constrains_no_names", web("P-256"), func(c *certificate.Template) {
			set(c, must(certificate.NameConstraints(true, certificate.Subtrees{DNS: []string{"a.com"}}, certificate.Subtrees{})))
		}},
		{"name_constraints_critical", authority(), func(c *certificate.Template) {
			set(c, must(certificate.NameConstraints(false, certificate.Subtrees{DNS: []string{"a.com"}}, certificate.Subtrees{})))
		}},
		{"authority_key_identifier", web("P-256"), func(c *certificate.Template) { c.AuthorityKeyID = nil }},
		{"never_critical", web("P-256"), func(c *certificate.Template) { set(c, critical(certificate.OCSPNoCheck(), true)) }},

		{"br_validity", web("P-256"), func(c *certificate.Template) { c.NotAfter = now.Add(200 * ruleset.Day) }},
		{"br_not_before", web("P-256"), func(c *certificate.Template) { c.NotBefore = now.Add(-49 * time.Hour) }},
		{"br_not_before", web("P-256"), func(c *certificate.Template) { c.NotBefore = now.Add(49 * time.Hour) }},
		{"br_key", web("Ed25519"), func(*certificate.Template) {}},
		{"br_key_usage", web("P-256"), func(c *certificate.Template) { set(c, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement)) }},
		{"br_key_usage", web("P-256"), func(c *certificate.Template) { set(c, critical(usage(x509.KeyUsageDigitalSignature), false)) }},
		{"br_key_usage", web("RSA"), func(c *certificate.Template) {
			set(c, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageDataEncipherment))
		}},
		{"br_purposes", web("P-256"), func(c *certificate.Template) { set(c, purposes(false, 1, 2)) }},
		{"br_purposes", web("P-256"), func(c *certificate.Template) { drop(c, 37) }},
		{"br_purposes", web("P-256"), func(c *certificate.Template) { set(c, purposes(true, 1)) }},
		{"br_basic_constraints", web("P-256"), func(c *certificate.Template) { set(c, critical(must(certificate.BasicConstraints(false, -1)), false)) }},
		{"br_policy", web("P-256"), func(c *certificate.Template) { drop(c, 32) }},
		{"br_policy", web("P-256"), func(c *certificate.Template) { set(c, policy([]int{2, 23, 140, 1, 2, 1}, []int{2, 23, 140, 1, 2, 2})) }},
		{"br_policy_critical", web("P-256"), func(c *certificate.Template) { set(c, critical(policy([]int{2, 23, 140, 1, 2, 1}), true)) }},
		{"br_subject_key_identifier", web("P-256"), func(c *certificate.Template) { c.SubjectKeyID = []byte{1} }},
		{"br_unknown_critical", web("P-256"), func(c *certificate.Template) {
			set(c, pkix.Extension{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
		}},
		{"br_san_present", web("P-256"), func(c *certificate.Template) { c.SAN = certificate.SAN{}; c.Subject = name(attribute(country, "CH")) }},
		{"br_san_critical", web("P-256"), func(c *certificate.Template) { c.Subject = name(attribute(country, "CH")); set(c, san(c.SAN, true)) }},
		{"br_san_kinds", web("P-256"), func(c *certificate.Template) { c.SAN.Email = []string{"a@example.com"} }},
		{"br_internal_name", web("P-256"), func(c *certificate.Template) { c.SAN.DNS = []string{"db.corp"} }},
		{"br_internal_name", web("P-256"), func(c *certificate.Template) { c.SAN.DNS = []string{"localhost"} }},
		{"br_reserved_address", web("P-256"), func(c *certificate.Template) { c.SAN.IP = []netip.Addr{netip.MustParseAddr("10.0.0.1")} }},
		{"br_common_name", web("P-256"), func(c *certificate.Template) { c.Subject = name(attribute(cn, "example.com")) }},
		{"br_common_name", web("P-256"), func(c *certificate.Template) {
			c.Subject = name(attribute(cn, "www.example.com"), attribute(cn, "www.example.com"))
		}},
		{"br_common_name_discouraged", web("P-256"), func(c *certificate.Template) { c.Subject = name(attribute(cn, "www.example.com")) }},
		{"br_no_organizational_unit", web("P-256"), func(c *certificate.Template) { c.Subject = name(attribute(unit, "x")) }},
		{"br_subject", web("P-256"), func(c *certificate.Template) { c.Subject = name(attribute(org, "Example")) }},
		{"br_subject", web("P-256"), func(c *certificate.Template) {
			set(c, policy([]int{2, 23, 140, 1, 2, 2}))
			c.Subject = name(attribute(org, "Example"))
		}},
		{"br_subject", web("P-256"), func(c *certificate.Template) {
			set(c, policy([]int{2, 23, 140, 1, 2, 2}))
			c.Subject = name(attribute(country, "CH"), attribute(org, "Example")) // and no place
		}},
		{"br_issuer_pointer", web("P-256"), func(c *certificate.Template) { c.OCSP, c.IssuerURLs = nil, nil }},
		{"br_crl_pointer", web("P-256"), func(c *certificate.Template) { c.CRL = nil }},
		{"br_pointers_plain", web("P-256"), func(c *certificate.Template) { c.CRL = []string{"https://ca.example.com/0.crl"} }},
		{"br_pointers_plain", web("P-256"), func(c *certificate.Template) { c.OCSP = []string{"ldap://ca.example.com"} }},
		{"br_crl_critical", web("P-256"), func(c *certificate.Template) {
			set(c, critical(must(certificate.CRLDistributionPoints(c.CRL)), true))
			c.CRL = nil
		}},
		{"spki_encoding", web("P-256"), func(c *certificate.Template) { c.SPKI = modulus(big.NewInt(1), 2048, 3) }},
	}
}

// modulus is the SPKI of an RSA key whose modulus ends in a number and has as many bits.
func modulus(low *big.Int, bits, exponent int) []byte {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	n.Add(n, low)
	return must(x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: exponent}))
}

func TestCheck_FindsEveryBrokenRule(t *testing.T) {
	t.Parallel()
	broken := map[string]bool{"parse": true}
	for _, test := range spoilt() {
		test.spoil(test.from)
		found := check(t, test.from, ruleset.BR)
		if test.rule == "name_constraints_critical" { // the web allows them not to be
			found = check(t, test.from, ruleset.Private)
		}
		i := slices.IndexFunc(found, func(f ruleset.Finding) bool { return f.Rule == test.rule })
		if !assert.GreaterOrEqual(t, i, 0, "%s: %v", test.rule, found) {
			continue
		}
		assert.NotEmpty(t, found[i].Detail)
		assert.NotEmpty(t, found[i].Citation)
		broken[test.rule] = true
		if strings.HasPrefix(test.rule, "br_") {
			assert.NotContains(t, named(check(t, test.from, ruleset.Private)), test.rule, "a rule of the web alone")
		}
	}
	for rule := range rawSpoilt(t) {
		broken[rule] = true
	}
	for _, rule := range ruleset.New(nil).Rules() {
		assert.True(t, broken[rule.Name], "no certificate breaks %s", rule.Name)
		assert.NotEmpty(t, rule.Citation, rule.Name)
	}
}

// rawSpoilt breaks rules by changing the parts of a TBSCertificate, where the encoder makes no such thing.
func rawSpoilt(t testing.TB) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	look := func(rule string, c *certificate.Template, change func(parts []asn1.RawValue)) {
		tbs, err := c.TBS()
		require.NoError(t, err)
		var parts []asn1.RawValue
		_, err = asn1.Unmarshal(tbs, &parts)
		require.NoError(t, err)
		change(parts)
		names := named(ruleset.New(nil).Check(must(asn1.Marshal(parts)), c.Intent, ruleset.BR, now))
		assert.Contains(t, names, rule)
		found[rule] = true
	}
	whole := func(text ...byte) asn1.RawValue { return asn1.RawValue{FullBytes: text} }
	replace := func(part *asn1.RawValue, from, to string) {
		require.Contains(t, string(part.FullBytes), from)
		part.FullBytes = []byte(strings.Replace(string(part.FullBytes), from, to, 1))
	}
	const version, serial, issuer, validity = 0, 1, 3, 4
	look("version", web("P-256"), func(parts []asn1.RawValue) { parts[version] = whole(0xa0, 3, 2, 1, 1) })
	look("serial_range", web("P-256"), func(parts []asn1.RawValue) {
		parts[serial] = whole(append([]byte{2, 21, 0, 0x80}, make([]byte, 19)...)...)
	})
	look("serial_range", web("P-256"), func(parts []asn1.RawValue) { parts[serial] = whole(2, 1, 0) })
	look("parse", web("P-256"), func(parts []asn1.RawValue) { parts[serial] = whole(2, 1, 0x80) })
	look("issuer_named", web("P-256"), func(parts []asn1.RawValue) { parts[issuer] = whole(0x30, 0) })
	look("validity_order", web("P-256"), func(parts []asn1.RawValue) { replace(&parts[validity], "27", "25") })
	late := web("P-256")
	late.NotAfter = time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)
	look("validity_encoding", late, func(parts []asn1.RawValue) { replace(&parts[validity], "2050", "2049") })
	look("intent", web("P-256"), func(parts []asn1.RawValue) { replace(&parts[7], "www.example.com", "wvw.example.com") })
	look("intent", web("P-256"), func(parts []asn1.RawValue) { parts[6] = whole(keys()["P-384"]...) })
	look("intent", web("P-256"), func(parts []asn1.RawValue) { parts[5] = whole(name(attribute([]int{2, 5, 4, 6}, "CH"))...) })
	look("intent", web("P-256"), func(parts []asn1.RawValue) { replace(&parts[validity], "2702", "2701") })
	look("intent", web("P-256"), func(parts []asn1.RawValue) {
		parts[7].FullBytes = []byte(strings.Replace(string(parts[7].FullBytes), "\x03\x02\x07\x80", "\x03\x02\x06\xc0", 1))
	})
	return found
}

func TestCheck_WhatCannotBeReadIsOneFinding(t *testing.T) {
	t.Parallel()
	tbs := must(web("P-256").TBS())
	for _, text := range [][]byte{nil, {0x30, 0}, tbs[:len(tbs)-1], append(slices.Clone(tbs), 0), []byte("text")} {
		assert.Equal(t, []string{"parse"}, named(ruleset.New(nil).Check(text, certificate.Intent{}, ruleset.Private, now)))
	}
}

func TestCheck_DatesDecide(t *testing.T) {
	t.Parallel()
	validity := func(begins string, days int) []string {
		c := web("P-256")
		at := day(t, begins)
		c.NotBefore, c.NotAfter = at, at.Add(time.Duration(days)*ruleset.Day-time.Second)
		return named(ruleset.New(nil).Check(must(c.TBS()), c.Intent, ruleset.BR, at))
	}
	for _, test := range []struct {
		begins string
		most   int
	}{{"2026-03-14", 398}, {"2026-03-15", 200}, {"2027-03-14", 200}, {"2027-03-15", 100}, {"2029-03-14", 100}, {"2029-03-15", 47}} {
		assert.Empty(t, validity(test.begins, test.most), test.begins)
		assert.Equal(t, []string{"br_validity"}, validity(test.begins, test.most+1), test.begins)
	}
	short := web("P-256")
	short.CRL, short.NotAfter = nil, now.Add(7*ruleset.Day-time.Second)
	assert.Empty(t, check(t, short, ruleset.BR), "short-lived")
	short.NotAfter = now.Add(7 * ruleset.Day)
	assert.Equal(t, []string{"br_crl_pointer"}, named(check(t, short, ruleset.BR)))
}

func TestCheck_ALaboratoryHasNoReservedPolicy(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{"br_policy"}, named(check(t, web("P-256"), ruleset.BRLab)))
}

func TestCheck_WeakAndBlockedKeys(t *testing.T) {
	t.Parallel()
	c := web("RSA")
	for rule, spki := range map[string][]byte{
		"rsa_small_factor": modulus(big.NewInt(1), 2048, 65537), // 2^2047 + 1 is a multiple of 3
		"rsa_exponent":     modulus(big.NewInt(1), 2048, 3),
		"rsa_length":       modulus(big.NewInt(1), 1024, 65537),
	} {
		c.SPKI = spki
		found := check(t, c, ruleset.Private)
		assert.Contains(t, named(found), rule)
		assert.True(t, ruleset.HasError(found))
	}
	blocked := web("P-256")
	set := ruleset.New(weakkey.NewBlocklist(weakkey.Entry{Hash: sha256.Sum256(blocked.SPKI), Reason: "published"}))
	found := set.Check(must(blocked.TBS()), blocked.Intent, ruleset.Private, now)
	require.Equal(t, []string{"key_blocked"}, named(found))
	assert.Contains(t, found[0].Detail, "published")
	other := web("P-384")
	assert.Empty(t, set.Check(must(other.TBS()), other.Intent, ruleset.Private, now))
}

func TestHasError_TellsWarningsApart(t *testing.T) {
	t.Parallel()
	c := web("P-256")
	c.SubjectKeyID = []byte{1}
	found := check(t, c, ruleset.BR)
	assert.Equal(t, []string{"br_subject_key_identifier"}, named(found))
	assert.False(t, ruleset.HasError(found))
	assert.True(t, ruleset.HasError(append(found, ruleset.Finding{Severity: ruleset.Error})))
}

func BenchmarkCheck(b *testing.B) {
	for _, key := range []string{"P-256", "RSA"} {
		c := web(key)
		tbs, rules := must(c.TBS()), ruleset.New(nil)
		b.Run(key, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if found := rules.Check(tbs, c.Intent, ruleset.BR, now); len(found) > 0 {
					b.Fatal(found)
				}
			}
		})
	}
}
