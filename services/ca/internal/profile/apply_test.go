package profile_test

import (
	"crypto"
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
)

// issue signs an intent, so that the standard library can say what it reads.
func issue(t testing.TB, intent certificate.Intent) *x509.Certificate {
	t.Helper()
	key := keys()["P-256"]
	issuer := must(certificate.EncodeName(named("issuer")...))
	template := certificate.Template{
		Intent: intent, Serial: certificate.NewSerial(), Issuer: issuer, Signature: must(certificate.Identifier(x509.ECDSAWithSHA256)), AuthorityKeyID: []byte{1},
	}
	tbs, err := template.TBS()
	require.NoError(t, err)
	der, err := certificate.Sign(tbs, key, x509.ECDSAWithSHA256)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return parsed
}

// asks are, for every built-in profile, a request that it takes.
func asks() map[string]struct {
	subject []profile.Named
	san     certificate.SAN
} {
	type ask = struct {
		subject []profile.Named
		san     certificate.SAN
	}
	person := []profile.Named{{Name: "CN", Value: "Ann"}, {Name: "O", Value: "Example"}}
	org := append([]profile.Named{{Name: "C", Value: "CH"}}, person...)
	ev := append([]profile.Named{{Name: "businessCategory", Value: "Private Organization"}, {Name: "jurisdictionC", Value: "CH"}, {Name: "serialNumber", Value: "1"}}, org...)
	web := hosts("www.example.com")
	return map[string]ask{
		"root-ca": {subject: org}, "intermediate-ca": {subject: org}, "tls-server": {san: web}, "load-balancer": {san: hosts("*.example.com", "example.com")},
		"internal-tls": {san: hosts("db.corp")}, "database-server": {san: hosts("db")}, "message-queue-server": {san: hosts("mq")}, "vpn-server": {san: web},
		"tls-client": {subject: person}, "mtls-client": {san: hosts("a.svc")}, "vpn-client": {subject: person},
		"smartcard-logon": {subject: person, san: certificate.SAN{UPN: []string{"ann@corp.example"}}}, "device": {subject: person},
		"kubernetes-workload": {san: certificate.SAN{URI: []string{"spiffe://example.org/ns/a/sa/b"}}}, "code-signing": {subject: org},
		"ev-code-signing": {subject: ev}, "kernel-code-signing": {subject: ev}, "document-signing": {subject: person},
		"smime-signing":    {san: certificate.SAN{Email: []string{"ann@example.com"}}},
		"smime-encryption": {san: certificate.SAN{Email: []string{"ann@example.com"}}}, "ocsp-responder": {subject: person}, "timestamp": {subject: person},
	}
}

func TestApply_EveryBuiltInProfileIssuesForEveryKeyItAllows(t *testing.T) {
	t.Parallel()
	set, err := profile.Load("", now)
	require.NoError(t, err)
	for _, name := range set.Names() {
		p, err := set.Find(name)
		require.NoError(t, err)
		ask, known := asks()[name]
		require.True(t, known, name)
		taken := 0
		for kind := range keys() {
			intent, err := p.Apply(request(t, kind, nil, ask.san), profile.Asked{Subject: ask.subject}, now)
			allowed := strings.HasPrefix(kind, "P-") && contains(p.Keys.Curves, kind) || kind == "Ed25519" && p.Keys.Ed25519 ||
				kind == "RSA-2048" && p.Keys.RSAMin == 2048 || kind == "RSA-3072" && p.Keys.RSAMax >= 3072
			if !allowed {
				require.ErrorContains(t, err, "public_key: ", "%s %s", name, kind)
				continue
			}
			require.NoError(t, err, "%s %s", name, kind)
			taken++
			got := issue(t, intent)
			assert.Equal(t, p.BasicConstraints.CA, got.IsCA)
			assert.Equal(t, time.Duration(p.Validity.Default)-time.Second, got.NotAfter.Sub(got.NotBefore))
			assert.Equal(t, now.Add(-time.Duration(p.Validity.Backdate)), got.NotBefore)
			assert.Equal(t, ask.san.DNS, got.DNSNames)
			assert.NotZero(t, got.KeyUsage)
			if contains(p.KeyUsage.RSA, "keyEncipherment") {
				assert.Equal(t, strings.HasPrefix(kind, "RSA"), got.KeyUsage&x509.KeyUsageKeyEncipherment != 0, "%s %s", name, kind)
			}
			assert.Len(t, append(got.ExtKeyUsage, make([]x509.ExtKeyUsage, len(got.UnknownExtKeyUsage))...), len(p.ExtendedKeyUsage.Purposes))
		}
		assert.Positive(t, taken, name)
	}
}

func contains(list []string, value string) bool {
	for _, one := range list {
		if one == value {
			return true
		}
	}
	return false
}

// rich has a rule of every kind.
const rich = `name: p
family: private
validity: {min: 1h, max: 90d, default: 30d, backdate: 5m, ahead: 1d}
keys: {curves: [P-256], rsa_min: 3072, rsa_max: 3072}
key_usage: {all: [digitalSignature]}
signature_hash: SHA-384
subject:
  common_name: san
  attributes:
    - {type: C, value: CH}
    - {type: O, required: true, pattern: "[A-Z][a-z]+"}
    - {type: OU, max: 2}
    - {type: CN}
    - {type: serialNumber, value: "{requester}/{dns}"}
san:
  min: 1
  max: 4
  dns: {max: 3, patterns: ["*.example.com", "**.deep.example", "one.example"]}
  ip: {max: 1, patterns: [10.0.0.0/8]}
  uri: {max: 1, patterns: ["spiffe://example.org/ns/*/sa/*"]}
  email: {max: 1, patterns: ["*@example.com"]}
extensions:
  - {id: 1.2.3.4, utf8: "ü"}
  - {id: 1.2.3.5, integer: 5, critical: false}
policies: [{id: 1.3.6.1.4.1.5555.1, cps: ["http://ca.example.com/cps"]}]
`

func TestApply_NamesTheFieldTheRuleAndWhatWouldBeTaken(t *testing.T) {
	t.Parallel()
	p := parse(t, rich)
	organisation := []profile.Named{{Name: "O", Value: "Example"}}
	good := func() (*certificate.Request, profile.Asked) {
		return request(t, "P-256", nil, hosts("a.example.com")), profile.Asked{Subject: organisation, Requester: "ann"}
	}
	r, asked := good()
	intent, err := p.Apply(r, asked, now)
	require.NoError(t, err)
	got := issue(t, intent)
	assert.Equal(t, "SERIALNUMBER=ann/a.example.com,O=Example,C=CH", got.Subject.String())
	assert.Equal(t, crypto.SHA384, intent.Hash)

	with := func(names ...profile.Named) []profile.Named {
		return append(append([]profile.Named{}, organisation...), names...)
	}
	for what, test := range map[string]struct {
		change  func(r *certificate.Request, asked *profile.Asked)
		refusal profile.Refusal
	}{
		"short key":    {func(r *certificate.Request, _ *profile.Asked) { r.PublicKey = keys()["RSA-2048"].Public() }, profile.Refusal{Field: "public_key", Rule: "an RSA key of 2048 bits is not allowed", Accepted: "RSA of 3072 to 3072 bits, P-256"}},
		"other curve":  {func(r *certificate.Request, _ *profile.Asked) { r.PublicKey = keys()["P-521"].Public() }, profile.Refusal{Field: "public_key", Rule: "a key on curve P-521 is not allowed", Accepted: "RSA of 3072 to 3072 bits, P-256"}},
		"no key":       {func(r *certificate.Request, _ *profile.Asked) { r.PublicKey = nil }, profile.Refusal{Field: "public_key", Rule: "this kind of key is not known", Accepted: "RSA of 3072 to 3072 bits, P-256"}},
		"too long":     {func(_ *certificate.Request, a *profile.Asked) { a.Validity = 91 * 24 * time.Hour }, profile.Refusal{Field: "validity", Rule: "91d is too long", Accepted: "1h to 90d"}},
		"too short":    {func(_ *certificate.Request, a *profile.Asked) { a.Validity = time.Minute }, profile.Refusal{Field: "validity", Rule: "1m is too short", Accepted: "1h to 90d"}},
		"negative":     {func(_ *certificate.Request, a *profile.Asked) { a.Validity = -time.Hour }, profile.Refusal{Field: "validity", Rule: "-1h is too short", Accepted: "1h to 90d"}},
		"not a second": {func(_ *certificate.Request, a *profile.Asked) { a.Validity = 2*time.Hour + 1 }, profile.Refusal{Field: "validity", Rule: "2h0m0.000000001s has a part of a second", Accepted: "whole seconds"}},
		"too early":    {func(_ *certificate.Request, a *profile.Asked) { a.NotBefore = now.Add(-time.Hour) }, profile.Refusal{Field: "not_before", Rule: "the certificate may not begin at 2026-11-22T09:30:15Z", Accepted: "from 2026-11-22T10:25:14Z to 2026-11-23T10:30:15Z"}},
		"too late":     {func(_ *certificate.Request, a *profile.Asked) { a.NotBefore = now.Add(25 * time.Hour) }, profile.Refusal{Field: "not_before", Rule: "the certificate may not begin at 2026-11-23T11:30:15Z", Accepted: "from 2026-11-22T10:25:14Z to 2026-11-23T10:30:15Z"}},
		"other hash":   {func(_ *certificate.Request, a *profile.Asked) { a.Hash = crypto.SHA256 }, profile.Refusal{Field: "hash", Rule: "the profile signs with another hash than SHA-256", Accepted: "SHA-384"}},
		"no O":         {func(_ *certificate.Request, a *profile.Asked) { a.Subject = []profile.Named{} }, profile.Refusal{Field: "subject.O", Rule: "the attribute is required", Accepted: "a value"}},
		"pattern of O": {func(_ *certificate.Request, a *profile.Asked) {
			a.Subject = []profile.Named{{Name: "O", Value: "example"}}
		}, profile.Refusal{Field: "subject.O", Rule: `"example" is not allowed`, Accepted: "values that match [A-Z][a-z]+"}},
		"three OU": {func(_ *certificate.Request, a *profile.Asked) {
			a.Subject = with(profile.Named{Name: "OU", Value: "a"}, profile.Named{Name: "OU", Value: "b"}, profile.Named{Name: "2.5.4.11", Value: "c"})
		}, profile.Refusal{Field: "subject.OU", Rule: "the attribute is there 3 times", Accepted: "at most 2"}},
		"long OU": {func(_ *certificate.Request, a *profile.Asked) {
			a.Subject = with(profile.Named{Name: "OU", Value: strings.Repeat("ü", 65)})
		}, profile.Refusal{Field: "subject.OU", Rule: "the value has 65 characters", Accepted: "1 to 64 characters"}},
		"empty OU": {func(_ *certificate.Request, a *profile.Asked) { a.Subject = with(profile.Named{Name: "OU"}) }, profile.Refusal{Field: "subject.OU", Rule: "the value has 0 characters", Accepted: "1 to 64 characters"}},
		"control": {func(_ *certificate.Request, a *profile.Asked) {
			a.Subject = with(profile.Named{Name: "OU", Value: "a\x00b"})
		}, profile.Refusal{Field: "subject.OU", Rule: "the value has a character that cannot be printed", Accepted: "printable characters"}},
		"unlisted": {func(_ *certificate.Request, a *profile.Asked) {
			a.Subject = with(profile.Named{Name: "L", Value: "Bern"})
		}, profile.Refusal{Field: "subject.L", Rule: "the attribute is not in the profile", Accepted: "C, O, OU, CN, serialNumber"}},
		"unknown": {func(_ *certificate.Request, a *profile.Asked) {
			a.Subject = with(profile.Named{Name: "Town", Value: "Bern"})
		}, profile.Refusal{Field: "subject[1]", Rule: `"Town" is no known attribute`, Accepted: "a short name, such as CN, or a dotted object identifier"}},
		"strange CN": {func(_ *certificate.Request, a *profile.Asked) {
			a.Subject = with(profile.Named{Name: "CN", Value: "Ann"})
		}, profile.Refusal{Field: "subject.CN", Rule: `"Ann" is no subject alternative name`, Accepted: "one of the subject alternative names, or none"}},
		"other host":  {func(r *certificate.Request, _ *profile.Asked) { r.SAN = hosts("a.b.example.com") }, profile.Refusal{Field: "san.dns[0]", Rule: "a.b.example.com is not allowed", Accepted: "names like *.example.com, **.deep.example, one.example"}},
		"bare domain": {func(r *certificate.Request, _ *profile.Asked) { r.SAN = hosts("deep.example") }, profile.Refusal{Field: "san.dns[0]", Rule: "deep.example is not allowed", Accepted: "names like *.example.com, **.deep.example, one.example"}},
		"suffix":      {func(r *certificate.Request, _ *profile.Asked) { r.SAN = hosts("a.example.com.evil.org") }, profile.Refusal{Field: "san.dns[0]", Rule: "a.example.com.evil.org is not allowed", Accepted: "names like *.example.com, **.deep.example, one.example"}},
		"wildcard":    {func(r *certificate.Request, _ *profile.Asked) { r.SAN = hosts("*.example.com") }, profile.Refusal{Field: "san.dns[0]", Rule: "*.example.com is a wildcard", Accepted: "host names without *"}},
		"other network": {func(r *certificate.Request, _ *profile.Asked) {
			r.SAN.IP = []netip.Addr{netip.MustParseAddr("11.0.0.1")}
		}, profile.Refusal{Field: "san.ip[0]", Rule: "11.0.0.1 is not allowed", Accepted: "addresses in 10.0.0.0/8"}},
		"other path": {func(r *certificate.Request, _ *profile.Asked) {
			r.SAN.URI = []string{"spiffe://example.org/ns/a/b/sa/c"}
		}, profile.Refusal{Field: "san.uri[0]", Rule: "spiffe://example.org/ns/a/b/sa/c is not allowed", Accepted: "names like spiffe://example.org/ns/*/sa/*"}},
		"other mailbox": {func(r *certificate.Request, _ *profile.Asked) { r.SAN.Email = []string{"ann@sub.example.com"} }, profile.Refusal{Field: "san.email[0]", Rule: "ann@sub.example.com is not allowed", Accepted: "names like *@example.com"}},
		"no principal":  {func(r *certificate.Request, _ *profile.Asked) { r.SAN.UPN = []string{"ann@corp"} }, profile.Refusal{Field: "san.upn", Rule: "there are 1 names of this kind", Accepted: "0 to 0"}},
		"no name":       {func(r *certificate.Request, _ *profile.Asked) { r.SAN = certificate.SAN{} }, profile.Refusal{Field: "san", Rule: "there are 0 subject alternative names", Accepted: "1 to 4 names"}},
		"many": {func(r *certificate.Request, _ *profile.Asked) {
			r.SAN = hosts("a.example.com", "b.example.com", "c.example.com", "d.example.com")
		}, profile.Refusal{Field: "san.dns", Rule: "there are 4 names of this kind", Accepted: "0 to 3"}},
		"bad asked": {func(_ *certificate.Request, a *profile.Asked) { a.SAN = &certificate.SAN{DNS: []string{"a_b"}} }, profile.Refusal{Field: "san", Rule: `"a_b" is no host name: a label has a character other than letters, digits and hyphens`, Accepted: "well-formed names"}},
	} {
		r, asked := good()
		test.change(r, &asked)
		_, err := p.Apply(r, asked, now)
		var refusals *profile.Refusals
		require.ErrorAs(t, err, &refusals, what)
		assert.Contains(t, refusals.List, test.refusal, what)
		var one profile.Refusal
		require.ErrorAs(t, err, &one)
		assert.Contains(t, err.Error(), test.refusal.Error())
	}
}

func TestApply_AskedGoesBeforeTheRequest(t *testing.T) {
	t.Parallel()
	p := parse(t, rich)
	asked := profile.Asked{
		Subject: []profile.Named{{Name: "O", Value: "Example"}, {Name: "CN", Value: "B.example.com"}}, SAN: &certificate.SAN{DNS: []string{"B.Example.com", "x.y.deep.example"}},
		Validity: 48 * time.Hour, NotBefore: now.Add(time.Hour), Requester: "ann", Hash: crypto.SHA384,
	}
	intent, err := p.Apply(request(t, "P-256", named("evil.example.org"), hosts("evil.example.org")), asked, now)
	require.NoError(t, err)
	got := issue(t, intent)
	assert.Equal(t, []string{"b.example.com", "x.y.deep.example"}, got.DNSNames)
	assert.Equal(t, "b.example.com", got.Subject.CommonName)
	assert.Equal(t, now.Add(time.Hour), got.NotBefore)
	assert.Equal(t, 48*time.Hour-time.Second, got.NotAfter.Sub(got.NotBefore))
	custom := map[string]string{}
	for _, e := range got.Extensions {
		custom[e.Id.String()] = string(e.Value)
	}
	assert.Equal(t, "\x0c\x02ü", custom["1.2.3.4"])
	assert.Equal(t, "\x02\x01\x05", custom["1.2.3.5"])
}

// Old clients name the host in the common name alone.
func TestApply_AHostInTheCommonNameJoinsTheAlternativeNames(t *testing.T) {
	t.Parallel()
	r := request(t, "P-256", named("WWW.Example.com"), certificate.SAN{})
	intent, err := builtin(t, "tls-server").Apply(r, profile.Asked{}, now)
	require.NoError(t, err)
	got := issue(t, intent)
	assert.Equal(t, []string{"www.example.com"}, got.DNSNames)
	assert.Empty(t, got.Subject.String())
	assert.True(t, critical(got, "2.5.29.17"), "without a subject the alternative names are critical")

	intent, err = builtin(t, "internal-tls").Apply(request(t, "P-256", named("db.corp"), hosts("a.corp")), profile.Asked{}, now)
	require.NoError(t, err)
	got = issue(t, intent)
	assert.Equal(t, []string{"a.corp", "db.corp"}, got.DNSNames)
	assert.Equal(t, "db.corp", got.Subject.CommonName)
	assert.False(t, critical(got, "2.5.29.17"))
}

func critical(c *x509.Certificate, id string) bool {
	for _, e := range c.Extensions {
		if e.Id.String() == id {
			return e.Critical
		}
	}
	return false
}

func TestApply_ALaboratoryBearsNoReservedPolicy(t *testing.T) {
	t.Parallel()
	r := request(t, "P-256", nil, hosts("www.example.com"))
	p := builtin(t, "tls-server")
	policies := func(p *profile.Profile, asked profile.Asked) int {
		intent, err := p.Apply(r, asked, now)
		require.NoError(t, err)
		return len(issue(t, intent).PolicyIdentifiers)
	}
	assert.Equal(t, 1, policies(p, profile.Asked{}))
	assert.Equal(t, 0, policies(p, profile.Asked{Lab: true}))
	lab := parse(t, strings.Replace(web, "br\n", "br\nbr_lab: true\n", 1))
	assert.Equal(t, 0, policies(lab, profile.Asked{}))
	assert.Equal(t, 0, policies(lab, profile.Asked{Lab: true}))
	assert.Equal(t, ruleset.BR, p.Rules(false))
	assert.Equal(t, ruleset.BRLab, p.Rules(true))
	assert.Equal(t, ruleset.BRLab, lab.Rules(false))
	assert.Equal(t, ruleset.Private, builtin(t, "device").Rules(true))
	two := parse(t, strings.Replace(web, "[{id: 2.23.140.1.2.1}]", "[{id: 2.23.140.1.2.1}, {id: 1.2.3}]", 1))
	assert.Equal(t, 2, policies(two, profile.Asked{}))
	assert.Equal(t, 1, policies(two, profile.Asked{Lab: true}))
}

func TestApply_NobodyIsNotCertified(t *testing.T) {
	t.Parallel()
	_, err := parse(t, sound).Apply(request(t, "P-256", nil, certificate.SAN{}), profile.Asked{}, now)
	require.ErrorContains(t, err, "the certificate would name nobody")
}

func TestAdmits_EveryListMustHoldTheCaller(t *testing.T) {
	t.Parallel()
	require.NoError(t, parse(t, sound).Admits(profile.Caller{}))
	p := parse(t, sound+"access: {roles: [operator, admin], scopes: ['ca:issue'], clients: [web-1]}\n")
	good := profile.Caller{Client: "web-1", Roles: []string{"admin"}, Scopes: []string{"x", "ca:issue"}}
	require.NoError(t, p.Admits(good))
	for _, bad := range []profile.Caller{
		{},
		{Client: "web-2", Roles: good.Roles, Scopes: good.Scopes},
		{Client: "web-1", Roles: []string{"user"}, Scopes: good.Scopes},
		{Client: "web-1", Roles: good.Roles, Scopes: []string{"ca:issu"}},
	} {
		err := p.Admits(bad)
		var refusals *profile.Refusals
		require.ErrorAs(t, err, &refusals)
	}
}

func BenchmarkApply(b *testing.B) {
	p := builtin(b, "tls-server")
	r := request(b, "P-256", nil, hosts("www.example.com", "example.com"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Apply(r, profile.Asked{}, now); err != nil {
			b.Fatal(err)
		}
	}
}
