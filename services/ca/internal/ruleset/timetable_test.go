package ruleset_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func day(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateOnly, text)
	require.NoError(t, err)
	return at
}

func TestLimit_ChangesAtTheSecondOfItsDate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		quantity      ruleset.Quantity
		from          string
		before, after int
	}{
		{ruleset.ValidityDays, "2020-09-01", 0, 398},
		{ruleset.ValidityDays, "2026-03-15", 398, 200},
		{ruleset.ValidityDays, "2027-03-15", 200, 100},
		{ruleset.ValidityDays, "2029-03-15", 100, 47},
		{ruleset.ShortLivedDays, "2026-03-15", 10, 7},
		{ruleset.RemotePerspectives, "2026-06-15", 3, 4},
		{ruleset.RemotePerspectives, "2026-12-15", 4, 5},
		{ruleset.CAAParameters, "2027-03-15", 0, 1},
		{ruleset.CommonNameKnown, "2012-07-01", 0, 1},
		{ruleset.NoOrganizationalUnit, "2022-09-01", 0, 1},
	} {
		from := day(t, test.from)
		assert.Equal(t, test.before, ruleset.Limit(test.quantity, from.Add(-time.Nanosecond)), test)
		assert.Equal(t, test.after, ruleset.Limit(test.quantity, from), test)
		ahead := ruleset.Ahead(test.quantity, from.Add(-time.Nanosecond))
		require.NotEmpty(t, ahead)
		assert.Equal(t, from, ahead[0].From)
		assert.Equal(t, test.after, ahead[0].Value)
		assert.NotEmpty(t, ahead[0].Citation)
	}
	assert.Empty(t, ruleset.Ahead(ruleset.ValidityDays, day(t, "2029-03-15")))
	assert.Equal(t, 47*24*time.Hour, ruleset.MaxValidity(ruleset.BR, day(t, "2035-01-01")))
	assert.Zero(t, ruleset.MaxValidity(ruleset.Private, day(t, "2035-01-01")))
}

func TestNames_OfNoPublicNetwork(t *testing.T) {
	t.Parallel()
	for name, internal := range map[string]bool{
		"localhost": true, "db": true, "a.local": true, "*.corp.internal": true, "a.example": true, "1.0.0.127.in-addr.arpa": true, "a.onion": true,
		"example.com": false, "*.example.com": false, "local.example.com": false, "a.host": false,
	} {
		assert.Equal(t, internal, ruleset.IsInternalName(name), name)
	}
	for address, reserved := range map[string]bool{
		"10.1.2.3": true, "127.0.0.1": true, "192.168.0.1": true, "172.31.255.255": true, "172.32.0.0": false, "100.64.0.1": true, "169.254.1.1": true,
		"224.0.0.1": true, "255.255.255.255": true, "::1": true, "fe80::1": true, "fd00::1": true, "2001:db8::1": true, "ff02::1": true,
		"8.8.8.8": false, "2606:4700::1111": false,
	} {
		parsed := netip.MustParseAddr(address)
		assert.Equal(t, reserved, ruleset.IsReservedAddress(parsed), address)
		assert.Equal(t, reserved, ruleset.IsReservedPrefix(netip.PrefixFrom(parsed, parsed.BitLen())), address)
	}
	assert.False(t, ruleset.IsReservedPrefix(netip.MustParsePrefix("0.0.0.0/0")))
}
