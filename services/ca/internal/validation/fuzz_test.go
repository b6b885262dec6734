package validation_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// FuzzParseIdentifier makes sure that what is accepted has one form, which is accepted again, and cannot be taken for something else.
func FuzzParseIdentifier(f *testing.F) {
	for _, seed := range []string{"example.com", "*.Example.com", "192.0.2.1", "::1", "xn--a", "a..b", "1.2.3.0x4", "", "*", "a\u0000b", "\u212a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if i, err := validation.ParseIdentifier(validation.TypeDNS, text); err == nil {
			again, err := validation.ParseIdentifier(validation.TypeDNS, i.Value)
			assert.NoError(t, err)
			assert.Equal(t, i, again)
			_, err = netip.ParseAddr(i.Base().Value)
			assert.Error(t, err, "a DNS name is no address")
			assert.Equal(t, strings.HasPrefix(i.Value, "*."), i.Wildcard())
			assert.NotContains(t, i.Base().Value, "*")
		}
		if i, err := validation.ParseIdentifier(validation.TypeIP, text); err == nil {
			address, ok := i.Address()
			assert.True(t, ok)
			assert.Equal(t, text, address.String())
		}
	})
}

// FuzzCAA makes sure that whoever a record does not name is not allowed, whatever else stands in it.
func FuzzCAA(f *testing.F) {
	for _, seed := range []string{"ca.example.net", ";", "ca.example.net; accounturi=x", "ca.example.net;validationmethods=dns-01", "other.example; a=b", "%", "", " \t;=;", "CA.example.net"} {
		f.Add(uint8(0), "issue", seed)
	}
	f.Add(uint8(128), "issue", "ca.example.net")
	f.Add(uint8(128), "unknown", "ca.example.net")
	f.Fuzz(func(t *testing.T, flag uint8, tag, value string) {
		z := hosts()
		z.caa["example.com"] = []validation.CAA{{Flag: flag, Tag: tag, Value: value}, {Tag: "issue", Value: ";"}}
		l := local(t, validation.LocalConfig{Resolver: z})
		a := attempt(validation.DNS01, domain(t, "example.com"))
		a.CAA = &validation.Authority{Domains: []string{"ca.example.net"}, AccountURI: account}
		if err := l.Allowed(t.Context(), a); err == nil {
			assert.True(t, strings.EqualFold(tag, "issue"))
			name, _, _ := strings.Cut(value, ";")
			assert.Equal(t, "ca.example.net", strings.ToLower(strings.Trim(name, " \t")))
		}
	})
}
