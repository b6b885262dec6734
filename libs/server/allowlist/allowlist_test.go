package allowlist_test

import (
	"net/http"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/allowlist"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

func TestList_Contains(t *testing.T) {
	t.Parallel()
	l, err := allowlist.Parse([]string{"192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "::1", "0.0.0.0/32"})
	require.NoError(t, err)
	for address, want := range map[string]bool{
		"192.0.2.0": true, "192.0.2.255": true, "192.0.3.0": false, "192.0.1.255": false, "198.51.100.7": true, "198.51.100.8": false,
		"::ffff:192.0.2.9": true, "2001:db8:ffff::1": true, "2001:db9::": false, "::1": true, "::2": false, "0.0.0.0": true, "::": false,
		"fe80::1%eth0": false,
	} {
		assert.Equal(t, want, l.Contains(netip.MustParseAddr(address)), address)
	}
	assert.False(t, l.Contains(netip.Addr{}))
	all, err := allowlist.Parse([]string{"0.0.0.0/0"})
	require.NoError(t, err)
	assert.True(t, all.Contains(netip.MustParseAddr("8.8.8.8")))
	assert.False(t, all.Contains(netip.MustParseAddr("2001:db8::1")), "IPv4 is not IPv6")
	zoned, err := allowlist.Parse([]string{"fe80::/10"})
	require.NoError(t, err)
	assert.True(t, zoned.Contains(netip.MustParseAddr("fe80::1%eth0")))
}

func TestParse_RefusesSlips(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "localhost", "192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/-1", "::ffff:192.0.2.0/120", "::ffff:192.0.2.1", "fe80::1%eth0", "1.2.3", "10.0.0.0/8 "} {
		_, err := allowlist.Parse([]string{text})
		require.Error(t, err, text)
	}
	_, err := allowlist.Parse([]string{"10.1.0.0/8"})
	require.ErrorContains(t, err, "10.0.0.0/8")
}

func client(t *testing.T, header, remote string, lines ...string) string {
	t.Helper()
	trusted, err := allowlist.Parse([]string{"10.0.0.0/8", "fd00::/8"})
	require.NoError(t, err)
	p := allowlist.Proxies{Trusted: trusted, Header: header}
	r := &http.Request{RemoteAddr: remote, Header: http.Header{header: lines}}

	return p.Client(r).String()
}

func TestProxies_XForwardedFor(t *testing.T) {
	t.Parallel()
	const h = allowlist.HeaderXForwardedFor
	const proxy = "10.0.0.1:1234"
	for _, c := range []struct {
		remote string
		lines  []string
		want   string
	}{
		{"203.0.113.9:1", []string{"192.0.2.1"}, "203.0.113.9"}, // not a proxy of ours: what it says is its own
		{"[::ffff:203.0.113.9]:1", nil, "203.0.113.9"},
		{proxy, nil, "10.0.0.1"},
		{proxy, []string{"192.0.2.1"}, "192.0.2.1"},
		{"[fd00::1]:5", []string{"2001:db8::7"}, "2001:db8::7"},
		{proxy, []string{"1.1.1.1, 192.0.2.1"}, "192.0.2.1"}, // the left one is the client's invention
		{proxy, []string{"1.1.1.1", "192.0.2.1"}, "192.0.2.1"},
		{proxy, []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{proxy, []string{"192.0.2.1", "10.0.0.3,10.0.0.2"}, "192.0.2.1"},
		{proxy, []string{"10.9.9.9"}, "10.9.9.9"},
		{proxy, []string{"192.0.2.1:4711"}, "192.0.2.1"},
		{proxy, []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{proxy, []string{"[2001:db8::7]"}, "2001:db8::7"},
		{proxy, []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{proxy, []string{"192.0.2.1, nonsense"}, "10.0.0.1"}, // nobody knows who sent that
		{proxy, []string{"192.0.2.1, nonsense, 10.0.0.2"}, "10.0.0.2"},
		{proxy, []string{"192.0.2.1,"}, "10.0.0.1"},
		{proxy, []string{""}, "10.0.0.1"},
		{"nonsense", []string{"192.0.2.1"}, "invalid IP"},
		{"@", nil, "invalid IP"},
	} {
		assert.Equal(t, c.want, client(t, h, c.remote, c.lines...), "%s %q", c.remote, c.lines)
	}
	none := allowlist.Proxies{Header: h}
	r := &http.Request{RemoteAddr: proxy, Header: http.Header{h: {"192.0.2.1"}}}
	assert.Equal(t, "10.0.0.1", none.Client(r).String(), "without trusted proxies nobody is believed")
}

func TestProxies_Forwarded(t *testing.T) {
	t.Parallel()
	const proxy = "10.0.0.1:1234"
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{[]string{"for=192.0.2.1"}, "192.0.2.1"},
		{[]string{`For="192.0.2.1:80"; proto=https;by=10.0.0.2`}, "192.0.2.1"},
		{[]string{`proto=https;for="[2001:db8::7]:4711"`}, "2001:db8::7"},
		{[]string{`for=1.1.1.1, for=192.0.2.1;host=x, for=10.0.0.2`}, "192.0.2.1"},
		{[]string{"for=unknown"}, "10.0.0.1"},
		{[]string{"for=_hidden"}, "10.0.0.1"},
		{[]string{"by=192.0.2.1"}, "10.0.0.1"},
		{[]string{"192.0.2.1"}, "10.0.0.1"},
		{[]string{`for=192.0.2.1, for="_x,for=1.1.1.1"`}, "10.0.0.1"},
	} {
		assert.Equal(t, c.want, client(t, allowlist.HeaderForwarded, proxy, c.lines...), "%q", c.lines)
	}
	r := &http.Request{RemoteAddr: proxy, Header: http.Header{"X-Forwarded-For": {"192.0.2.1"}}}
	trusted, err := allowlist.Parse([]string{"10.0.0.0/8"})
	require.NoError(t, err)
	p := allowlist.Proxies{Trusted: trusted, Header: allowlist.HeaderForwarded}
	assert.Equal(t, "10.0.0.1", p.Client(r).String(), "only one header is read")
}

func FuzzProxies(f *testing.F) {
	f.Add("for=192.0.2.1", "1.1.1.1, 10.0.0.2")
	trusted, err := allowlist.Parse([]string{"10.0.0.0/8"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, forwarded, chain string) {
		for header, text := range map[string]string{allowlist.HeaderForwarded: forwarded, allowlist.HeaderXForwardedFor: chain} {
			p := allowlist.Proxies{Trusted: trusted, Header: header}
			r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{header: {text}}}
			assert.True(t, p.Client(r).IsValid())
			r.RemoteAddr = "192.0.2.1:1"
			assert.Equal(t, "192.0.2.1", p.Client(r).String())
		}
	})
}
