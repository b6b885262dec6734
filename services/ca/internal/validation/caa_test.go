package validation_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

const account = "https://ca.example.net/acme/tls-server/account/1"

func record(flag uint8, tag, value string) validation.CAA {
	return validation.CAA{Flag: flag, Tag: tag, Value: value}
}

func TestCAA_AllowsAndRefusesByTheRecordsThatGovern(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		records []validation.CAA
		host    bool // whether www.example.com may have a certificate
		wild    bool // whether *.example.com may
	}{
		"none":                           {nil, true, true},
		"this authority":                 {[]validation.CAA{record(0, "issue", "ca.example.net")}, true, true},
		"one of two":                     {[]validation.CAA{record(0, "issue", "other.example"), record(0, "issue", " CA.example.net ")}, true, true},
		"another":                        {[]validation.CAA{record(0, "issue", "other.example")}, false, false},
		"nobody":                         {[]validation.CAA{record(0, "issue", ";")}, false, false},
		"empty":                          {[]validation.CAA{record(0, "issue", "")}, false, false},
		"upper case tag":                 {[]validation.CAA{record(0, "ISSUE", "other.example")}, false, false},
		"malformed":                      {[]validation.CAA{record(0, "issue", "%%%%%")}, false, false},
		"malformed parameter":            {[]validation.CAA{record(0, "issue", "ca.example.net; policy")}, false, false},
		"unknown parameter":              {[]validation.CAA{record(0, "issue", "ca.example.net; policy=ev")}, true, true},
		"a name that begins alike":       {[]validation.CAA{record(0, "issue", "ca.example.net.evil.example")}, false, false},
		"wildcards only for another":     {[]validation.CAA{record(0, "issue", "ca.example.net"), record(0, "issuewild", "other.example")}, true, false},
		"wildcards for nobody":           {[]validation.CAA{record(0, "issuewild", ";")}, true, false},
		"wildcards only":                 {[]validation.CAA{record(0, "issue", ";"), record(0, "issuewild", "ca.example.net")}, false, true},
		"iodef alone":                    {[]validation.CAA{record(128, "iodef", "mailto:security@example.com")}, true, true},
		"unknown property":               {[]validation.CAA{record(0, "tbs", "x")}, true, true},
		"critical unknown":               {[]validation.CAA{record(128, "tbs", "x")}, false, false},
		"critical unknown and allowed":   {[]validation.CAA{record(0, "issue", "ca.example.net"), record(255, "tbs", "x")}, false, false},
		"other bits are not critical":    {[]validation.CAA{record(127, "tbs", "x")}, true, true},
		"this account":                   {[]validation.CAA{record(0, "issue", "ca.example.net; accounturi="+account)}, true, true},
		"another account":                {[]validation.CAA{record(0, "issue", "ca.example.net; accounturi="+account+"0")}, false, false},
		"two accounts":                   {[]validation.CAA{record(0, "issue", "ca.example.net; accounturi="+account+"; accounturi="+account)}, false, false},
		"another account, and this":      {[]validation.CAA{record(0, "issue", "ca.example.net; accounturi=x"), record(0, "issue", "ca.example.net;accounturi="+account)}, true, true},
		"this method":                    {[]validation.CAA{record(0, "issue", "ca.example.net; validationmethods=http-01,dns-01")}, true, true},
		"another method":                 {[]validation.CAA{record(0, "issue", "ca.example.net; validationmethods=tls-alpn-01")}, false, false},
		"no method":                      {[]validation.CAA{record(0, "issue", "ca.example.net; validationmethods=")}, false, false},
		"a method of the authority":      {[]validation.CAA{record(0, "issue", "ca.example.net; validationmethods=ca-internal,dns-01")}, true, true},
		"methods twice":                  {[]validation.CAA{record(0, "issue", "ca.example.net; validationmethods=dns-01; validationmethods=dns-01")}, false, false},
		"account and method":             {[]validation.CAA{record(0, "issue", "ca.example.net; validationmethods=dns-01; accounturi="+account)}, true, true},
		"right method, wrong account":    {[]validation.CAA{record(0, "issue", "ca.example.net; validationmethods=dns-01; accounturi=x")}, false, false},
		"parameter without an authority": {[]validation.CAA{record(0, "issue", "; accounturi="+account)}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := hosts()
			z.caa["example.com"] = test.records
			l := local(t, validation.LocalConfig{Resolver: z})
			for identifier, right := range map[string]bool{"www.example.com": test.host, "*.example.com": test.wild} {
				a := attempt(validation.DNS01, domain(t, identifier))
				a.CAA = &validation.Authority{Domains: []string{"ca.example.net"}, AccountURI: account}
				err := l.Allowed(t.Context(), a)
				if right {
					assert.NoError(t, err, identifier)
				} else {
					refused(t, validation.KindCAA, err)
				}
			}
		})
	}
}

func TestCAA_ClimbsTheTreeToTheFirstRecords(t *testing.T) {
	t.Parallel()
	z := hosts()
	z.caa["b.example.com"] = []validation.CAA{record(0, "issue", "ca.example.net")}
	z.caa["example.com"] = []validation.CAA{record(0, "issue", ";")}
	l := local(t, validation.LocalConfig{Resolver: z})
	ask := func(name string) error {
		a := attempt(validation.HTTP01, domain(t, name))
		a.CAA = &validation.Authority{Domains: []string{"ca.example.net"}}
		return l.Allowed(t.Context(), a)
	}
	assert.NoError(t, ask("a.b.example.com"), "the nearest records govern")
	assert.Equal(t, []string{"a.b.example.com", "b.example.com"}, z.asked)
	refused(t, validation.KindCAA, ask("c.example.com"))
	z.asked = nil
	assert.NoError(t, ask("www.example.org"))
	assert.Equal(t, []string{"www.example.org", "example.org", "org"}, z.asked)
}

func TestCAA_AFailedLookupRefuses(t *testing.T) {
	t.Parallel()
	for _, failing := range []string{"www.example.com", "example.com", "com"} {
		z := hosts()
		z.failing[failing] = true
		l := local(t, validation.LocalConfig{Resolver: z})
		a := attempt(validation.DNS01, domain(t, "www.example.com"))
		a.CAA = &validation.Authority{Domains: []string{"ca.example.net"}}
		assert.True(t, refused(t, validation.KindDNS, l.Allowed(t.Context(), a)).Passing)
	}
}

func TestCAA_IsAskedWithTheChallengeAndNotForAddresses(t *testing.T) {
	t.Parallel()
	z := hosts()
	z.texts["_acme-challenge.example.com"] = []string{digestText()}
	z.caa["example.com"] = []validation.CAA{record(0, "issue", ";")}
	l := local(t, validation.LocalConfig{Resolver: z, HTTPPort: serve(t, answer(keyAuthorization))})
	a := attempt(validation.DNS01, domain(t, "example.com"))
	assert.NoError(t, l.Prove(t.Context(), a), "where the profile does not ask")
	a.CAA = &validation.Authority{Domains: []string{"ca.example.net"}}
	refused(t, validation.KindCAA, l.Prove(t.Context(), a))

	z.asked = nil
	a = attempt(validation.HTTP01, ip(t, "127.0.0.1"))
	a.CAA = &validation.Authority{Domains: []string{"ca.example.net"}}
	assert.NoError(t, l.Prove(t.Context(), a))
	assert.Empty(t, z.asked)
}
