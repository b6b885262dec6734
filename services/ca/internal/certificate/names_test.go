package certificate_test

import (
	"encoding/asn1"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

func TestNames_AreCheckedAndBroughtToOneForm(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for _, test := range []struct {
		check func(string) (string, error)
		in    string
		want  string // "": refused
	}{
		{certificate.DNSName, "a.example", "a.example"},
		{certificate.DNSName, "A.Example", "a.example"},
		{certificate.DNSName, "localhost", "localhost"},
		{certificate.DNSName, "*.a.example", "*.a.example"},
		{certificate.DNSName, "münchen.example", "xn--mnchen-3ya.example"},
		{certificate.DNSName, "XN--MNCHEN-3YA.example", "xn--mnchen-3ya.example"},
		{certificate.DNSName, long + ".example", long + ".example"},
		{certificate.DNSName, "3com.example", "3com.example"},
		{certificate.DNSName, "", ""},
		{certificate.DNSName, ".", ""},
		{certificate.DNSName, "a.example.", ""},
		{certificate.DNSName, "a..example", ""},
		{certificate.DNSName, "a_b.example", ""},
		{certificate.DNSName, "-a.example", ""},
		{certificate.DNSName, "a-.example", ""},
		{certificate.DNSName, "ab--cd.example", ""},
		{certificate.DNSName, "xn--a.example", ""},          // not punycode of anything
		{certificate.DNSName, "xn--zzzzz--.example", ""},    // the same
		{certificate.DNSName, "xn--example-.example", ""},   // an A-label of ASCII
		{certificate.DNSName, "*", ""},                      // everything
		{certificate.DNSName, "*.example", ""},              // a whole top-level domain
		{certificate.DNSName, "*.*.example", ""},            // two wildcards
		{certificate.DNSName, "a.*.example", ""},            // not the first label
		{certificate.DNSName, "w*.a.example", ""},           // part of a label
		{certificate.DNSName, "192.0.2.1", ""},              // an address
		{certificate.DNSName, "a.1", ""},                    // looks like one
		{certificate.DNSName, "a.example\x00.evil.com", ""}, // cut off by C programs
		{certificate.DNSName, "a b.example", ""},
		{certificate.DNSName, "a" + long + ".example", ""},
		{certificate.DNSName, strings.Repeat(long+".", 4) + "example", ""},
		{certificate.EmailAddress, "Ann.B+x@Example.COM", "Ann.B+x@example.com"},
		{certificate.EmailAddress, "ann@münchen.example", "ann@xn--mnchen-3ya.example"},
		{certificate.EmailAddress, "ann", ""},
		{certificate.EmailAddress, "@example.com", ""},
		{certificate.EmailAddress, "ann@", ""},
		{certificate.EmailAddress, ".ann@example.com", ""},
		{certificate.EmailAddress, "a..b@example.com", ""},
		{certificate.EmailAddress, "\"ann\"@example.com", ""},
		{certificate.EmailAddress, "änn@example.com", ""},
		{certificate.EmailAddress, "ann@b@example.com", ""},
		{certificate.EmailAddress, "ann@*.example.com", ""},
		{certificate.EmailAddress, "ann@example.com\r\nBcc: x@y.z", ""},
		{certificate.EmailAddress, "Ann <ann@example.com>", ""},
		{certificate.EmailAddress, strings.Repeat("a", 65) + "@example.com", ""},
		{certificate.URI, "spiffe://example.org/ns/a/sa/b", "spiffe://example.org/ns/a/sa/b"},
		{certificate.URI, "https://a.example:8443/x?y=z", "https://a.example:8443/x?y=z"},
		{certificate.URI, "https://[2001:db8::1]/x", "https://[2001:db8::1]/x"},
		{certificate.URI, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
		{certificate.URI, "/relative", ""},
		{certificate.URI, "a.example", ""},
		{certificate.URI, "https://", ""},
		{certificate.URI, "https://user@", ""},
		{certificate.URI, "https://a_b.example/", ""},
		{certificate.URI, "https://*.example.com/", ""},
		{certificate.URI, "https://a.example/ x", ""},
		{certificate.URI, "https://zürich.example/", ""},
		{certificate.URI, "https://a.example/%zz", ""},
		{certificate.URI, "https://a.example/" + long + strings.Repeat("x", 2048), ""},
		{certificate.UserPrincipalName, "ann@corp.example", "ann@corp.example"},
		{certificate.UserPrincipalName, "Änn Müller@corp", "Änn Müller@corp"},
		{certificate.UserPrincipalName, "ann", ""},
		{certificate.UserPrincipalName, "@corp", ""},
		{certificate.UserPrincipalName, "ann@", ""},
		{certificate.UserPrincipalName, "ann@b@c", ""},
		{certificate.UserPrincipalName, "a\x00nn@corp", ""},
		{certificate.UserPrincipalName, "a\xffnn@corp", ""},
		{certificate.UserPrincipalName, strings.Repeat("a", 256) + "@corp", ""},
	} {
		got, err := test.check(test.in)
		if test.want == "" {
			require.Error(t, err, "%q gave %q", test.in, got)
			assert.Equal(t, certificate.BadName, reason(t, err), test.in)
			continue
		}
		require.NoError(t, err, test.in)
		assert.Equal(t, test.want, got)
		again, err := test.check(got)
		require.NoError(t, err, "what was made is taken")
		assert.Equal(t, got, again)
	}
}

func TestSAN_KeepsEveryNameOnce(t *testing.T) {
	t.Parallel()
	san, err := certificate.SAN{
		DNS: []string{"b.example", "A.example", "B.EXAMPLE"}, IP: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.1")},
		UPN: []string{"ann@corp"},
	}.Normalized()
	require.NoError(t, err)
	assert.Equal(t, []string{"b.example", "a.example"}, san.DNS)
	assert.Equal(t, 4, san.Count())
	extension, err := certificate.SubjectAltName(san, true)
	require.NoError(t, err)
	assert.True(t, extension.Critical)
	again, err := certificate.ParseSAN(extension.Value)
	require.NoError(t, err)
	assert.Equal(t, san, again)

	for _, ip := range []netip.Addr{{}, netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("fe80::1%eth0")} {
		_, err := certificate.SAN{IP: []netip.Addr{ip}}.Normalized()
		assert.Equal(t, certificate.BadName, reason(t, err))
	}
}

// name is a GeneralName.
func name(tag int, compound bool, content string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: compound, Bytes: []byte(content)}
}

func TestParseSAN_RefusesWhatItWouldHaveToDrop(t *testing.T) {
	t.Parallel()
	other := func(parts ...any) string {
		var text []byte
		for _, part := range parts {
			text = append(text, must(asn1.Marshal(part))...)
		}
		return string(text)
	}
	upn := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
	explicit := asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: []byte{0x0c, 3, 'a', '@', 'b'}}
	for what, test := range map[string]struct {
		names []asn1.RawValue
		want  certificate.Reason
	}{
		"none":              {nil, certificate.Malformed},
		"x400":              {[]asn1.RawValue{name(3, true, "")}, certificate.Unsupported},
		"directory name":    {[]asn1.RawValue{name(4, true, "\x30\x00")}, certificate.Unsupported},
		"registered id":     {[]asn1.RawValue{name(8, false, "\x2a")}, certificate.Unsupported},
		"short address":     {[]asn1.RawValue{name(7, false, "abc")}, certificate.Malformed},
		"mapped address":    {[]asn1.RawValue{name(7, false, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04")}, certificate.BadName},
		"bytes in a host":   {[]asn1.RawValue{name(2, false, "m\xc3\xbcnchen.example")}, certificate.BadName},
		"bad second name":   {[]asn1.RawValue{name(2, false, "a.example"), name(2, false, "a_b.example")}, certificate.BadName},
		"other other":       {[]asn1.RawValue{name(0, true, other(asn1.ObjectIdentifier{1, 2, 3}, explicit))}, certificate.Unsupported},
		"other nothing":     {[]asn1.RawValue{name(0, true, "")}, certificate.Malformed},
		"principal trailer": {[]asn1.RawValue{name(0, true, other(upn, explicit, 5))}, certificate.Malformed},
		"principal number": {[]asn1.RawValue{name(0, true, other(upn, asn1.RawValue{
			Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: []byte{2, 1, 5},
		}))}, certificate.Malformed},
	} {
		value, err := asn1.Marshal(test.names)
		require.NoError(t, err)
		_, err = certificate.ParseSAN(value)
		assert.Equal(t, test.want, reason(t, err), what)
	}
	_, err := certificate.ParseSAN([]byte{0x30, 2, 0x82})
	assert.Equal(t, certificate.Malformed, reason(t, err))
}

func TestEncodeName_KeepsOrderAndChoosesTheStringType(t *testing.T) {
	t.Parallel()
	text, err := certificate.EncodeName(
		certificate.Attribute{Type: []int{2, 5, 4, 6}, Value: "CH"},
		certificate.Attribute{Type: []int{0, 9, 2342, 19200300, 100, 1, 25}, Value: "example"},
		certificate.Attribute{Type: []int{2, 5, 4, 10}, Value: "Zürich AG"},
		certificate.Attribute{Type: []int{2, 5, 4, 11}, Value: "a"},
		certificate.Attribute{Type: []int{2, 5, 4, 11}, Value: "b"},
		certificate.Attribute{Type: []int{2, 5, 4, 3}, Value: "a.example"},
	)
	require.NoError(t, err)
	parsed, err := certificate.ParseName(text)
	require.NoError(t, err)
	assert.Equal(t, "a.example", parsed.CommonName)
	assert.Equal(t, []string{"a", "b"}, parsed.OrganizationalUnit)
	printed := openssl(t, text, "asn1parse", "-inform", "DER")
	var types []string
	for line := range strings.SplitSeq(printed, "\n") {
		if _, kind, found := strings.Cut(line, "prim: "); found && !strings.HasPrefix(kind, "OBJECT") {
			types = append(types, strings.Fields(kind)[0])
		}
	}
	assert.Equal(t, []string{"PRINTABLESTRING", "IA5STRING", "UTF8STRING", "PRINTABLESTRING", "PRINTABLESTRING", "PRINTABLESTRING"}, types)

	empty, err := certificate.EncodeName()
	require.NoError(t, err)
	assert.Equal(t, []byte{0x30, 0}, empty)
	for _, bad := range []certificate.Attribute{
		{Type: []int{2, 5, 4, 3}},
		{Type: []int{2, 5, 4, 3}, Value: "\xff"},
		{Type: []int{2, 5, 4, 6}, Value: "ü"},
		{Type: []int{1, 2, 840, 113549, 1, 9, 1}, Value: "ü@x"},
		{Value: "x"},
	} {
		_, err := certificate.EncodeName(bad)
		require.Error(t, err)
	}
	for _, bad := range [][]byte{nil, {0x30}, {0x30, 0, 0}, {0x30, 2, 0x31, 0}, {0x31, 0}} {
		_, err := certificate.ParseName(bad)
		assert.Equal(t, certificate.Malformed, reason(t, err))
	}
}
