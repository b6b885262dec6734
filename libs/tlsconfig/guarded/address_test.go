package guarded_test

import (
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
)

func TestGet_RefusesEveryAddressThatIsNotPublic(t *testing.T) {
	t.Parallel()
	for address, reason := range map[string]string{
		"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "10.0.0.1": "private", "10.255.255.255": "private", "100.64.0.1": "shared",
		"100.127.255.255": "shared", "127.0.0.1": "loopback", "127.8.8.8": "loopback", "169.254.0.1": "link-local", "169.254.169.254": "cloud metadata",
		"169.254.170.2": "cloud metadata", "168.63.129.16": "cloud metadata", "100.100.100.200": "cloud metadata", "172.16.0.1": "private",
		"172.31.255.255": "private", "192.0.0.8": "reserved", "192.0.2.1": "documentation", "192.88.99.1": "reserved", "192.168.1.1": "private",
		"198.18.0.1": "benchmarking", "198.19.255.255": "benchmarking", "198.51.100.7": "documentation", "203.0.113.9": "documentation",
		"224.0.0.1": "multicast", "239.255.255.255": "multicast", "240.0.0.1": "reserved", "255.255.255.255": "reserved",
		"::": "unspecified", "::1": "loopback", "fe80::1": "link-local", "febf::1": "link-local", "fec0::1": "site-local", "fc00::1": "unique local",
		"fd12:3456::1": "unique local", "fd00:ec2::254": "cloud metadata", "ff02::1": "multicast", "2001::1": "reserved", "2001:db8::1": "documentation",
		"3fff::1": "documentation", "100::1": "reserved", "5f00::1": "reserved", "4000::1": "reserved", "64:ff9b:1::a00:1": "reserved",
		"::ffff:127.0.0.1": "loopback", "::ffff:10.0.0.1": "private", "::ffff:169.254.169.254": "cloud metadata", "::127.0.0.1": "reserved",
		"64:ff9b::7f00:1": "loopback", "64:ff9b::a9fe:a9fe": "cloud metadata", "64:ff9b::c0a8:101": "private",
		"2002:7f00:1::": "loopback", "2002:a00:1::1": "private", "2002:a9fe:a9fe::1": "cloud metadata",
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			g := client(t, guarded.Config{PlainHTTP: true, Resolver: resolves("victim.example", address)})
			for _, host := range []string{"victim.example", net.JoinHostPort(address, "80")} { // by name, and as it stands
				_, err := g.Get(t.Context(), "http://"+host+"/", "")
				require.ErrorIs(t, err, guarded.ErrBlocked)
				var refused *guarded.AddressError
				require.ErrorAs(t, err, &refused)
				assert.Equal(t, reason, refused.Reason)
			}
			assert.ErrorIs(t, g.Check("http://"+net.JoinHostPort(address, "80")+"/"), guarded.ErrBlocked)
		})
	}
}

func TestGet_RefusesScopedAddresses(t *testing.T) {
	t.Parallel()
	g := client(t, guarded.Config{PlainHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("::/0")}})
	_, err := g.Get(t.Context(), "http://[fe80::1%25lo]/", "")
	require.ErrorIs(t, err, guarded.ErrBlocked)
}

func TestCheck_AdmitsPublicAddresses(t *testing.T) {
	t.Parallel()
	g := client(t, guarded.Config{})
	for _, host := range []string{
		"example.com", "8.8.8.8", "172.32.0.1", "100.128.0.1", "[2606:4700::1111]", "[64:ff9b::808:808]", "[2002:808:808::1]", "[::ffff:8.8.8.8]", "192.0.1.1",
	} {
		assert.NoError(t, g.Check("https://"+host+"/x"), host)
	}
}

func TestGet_ReadsOtherSpellingsOfAddressesAsNames(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.", "localhost", "LOCALHOST"} {
		resolver := resolves(host, "127.0.0.1")
		_, err := client(t, guarded.Config{PlainHTTP: true, Resolver: resolver}).Get(t.Context(), "http://"+host+"/", "")
		assert.ErrorIs(t, err, guarded.ErrBlocked, host)
	}
}

func TestAllow_AdmitsMetadataOnlyByAnEntryOfItsOwn(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]bool{
		"169.254.0.0/16": false, "0.0.0.0/0": false, "169.254.169.254/32": true, "169.254.169.254": true, "::ffff:169.254.169.254": true,
	} {
		allow, err := guarded.ParseAllow([]string{entry})
		require.NoError(t, err)
		g := client(t, guarded.Config{Allow: allow})
		assert.Equal(t, want, g.Check("https://169.254.169.254/") == nil, entry)
		assert.Equal(t, want, g.Check("https://[64:ff9b::a9fe:a9fe]/") == nil, entry)
	}
}

func TestAllow_AdmitsNoMoreThanItSays(t *testing.T) {
	t.Parallel()
	allow, err := guarded.ParseAllow([]string{"10.1.0.0/16", "fd00:1::/32"})
	require.NoError(t, err)
	g := client(t, guarded.Config{Allow: allow})
	for host, want := range map[string]bool{
		"10.1.2.3": true, "[::ffff:10.1.2.3]": true, "[fd00:1::1]": true, "10.2.0.1": false, "127.0.0.1": false, "[fd00:2::1]": false,
		"[::ffff:10.2.0.1]": false, "[64:ff9b::a02:1]": false,
	} {
		assert.Equal(t, want, g.Check("https://"+host+"/") == nil, host)
	}
}

func TestParseAllow_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"internal.example": `"internal.example" is neither an address nor a prefix`, "10.1.2.3/16": "write 10.1.0.0/16", "": "neither", "fe80::1%lo": "neither",
	} {
		_, err := guarded.ParseAllow([]string{entry})
		require.ErrorContains(t, err, want)
	}
}

func TestGet_DialsOnlyTheAdmittedAddressesOfAName(t *testing.T) {
	t.Parallel()
	port := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("here")) })
	resolver := &names{answers: map[string][][]netip.Addr{
		"mixed.example": {{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("192.168.0.1")}}, "empty.example": {{}},
	}}
	g := client(t, onLoopback(func(c *guarded.Config) { c.Resolver = resolver }))
	answer, err := g.Get(t.Context(), "http://mixed.example:"+port+"/", "")
	require.NoError(t, err)
	assert.Equal(t, "here", string(answer.Body))
	_, err = g.Get(t.Context(), "http://empty.example:"+port+"/", "")
	require.ErrorContains(t, err, "no address")
	_, err = g.Get(t.Context(), "http://unknown.example/", "")
	var dns *net.DNSError
	require.ErrorAs(t, err, &dns)
}

func TestGet_IsNotFooledByANameThatChanges(t *testing.T) {
	t.Parallel()
	port := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("admitted")) })
	internal, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.2", port))
	require.NoError(t, err)
	defer internal.Close()

	// Whoever looks the name up to judge it and again to dial it would dial the second answer.
	resolver := resolves("rebind.example", "127.0.0.1", "rebind.example", "127.0.0.2")
	g := client(t, onLoopback(func(c *guarded.Config) { c.Resolver = resolver }))
	answer, err := g.Get(t.Context(), "http://rebind.example:"+port+"/", "")
	require.NoError(t, err)
	assert.Equal(t, "admitted", string(answer.Body))
	assert.Equal(t, 1, resolver.count("rebind.example"))

	g.CloseIdleConnections()
	_, err = g.Get(t.Context(), "http://rebind.example:"+port+"/", "")
	require.ErrorIs(t, err, guarded.ErrBlocked)
	assert.Equal(t, 2, resolver.count("rebind.example"))
}
