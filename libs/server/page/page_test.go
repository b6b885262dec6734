package page_test

import (
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

var list = page.List{Tenant: "acme", Name: "keys", Filter: []string{"", "active"}, Sort: "created_at"}

// keys derives from a seed, or is sealed.
type keys struct {
	seed   byte
	sealed bool
}

var errSealed = errors.New("sealed")

func (k *keys) DeriveKey(label string, n int) ([]byte, error) {
	if k.sealed {
		return nil, errSealed
	}
	key := make([]byte, n)
	copy(key, label)
	key[n-1] = k.seed

	return key, nil
}

func cursors(t testing.TB, seed byte) *page.Cursors {
	t.Helper()
	c, err := page.New(&keys{seed: seed})
	require.NoError(t, err)

	return c
}

func encode(t testing.TB, c *page.Cursors, list page.List, last string) string {
	t.Helper()
	cursor, err := c.Encode(list, last)
	require.NoError(t, err)

	return cursor
}

func refused(t *testing.T, c *page.Cursors, list page.List, cursor string) {
	t.Helper()
	_, err := c.Decode(list, cursor)
	var p *problem.Error
	require.ErrorAs(t, err, &p)
	assert.Equal(t, "invalid_cursor", p.ErrorCode())
	assert.Equal(t, "start again without a cursor, or repeat the filter of the page before", p.ErrorDetail())
}

func TestCursor_ComesBack(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"0199-id", "", "ü\x00\n", strings.Repeat("x", 5000)} {
		cursor := encode(t, cursors(t, 1), list, last)
		assert.Regexp(t, "^[A-Za-z0-9_-]+$", cursor)
		got, err := cursors(t, 1).Decode(list, cursor)
		require.NoError(t, err)
		assert.Equal(t, last, got)
	}
	got, err := cursors(t, 1).Decode(list, "")
	require.NoError(t, err)
	assert.Empty(t, got, "the first page has no cursor")
}

func TestCursor_BelongsToOneList(t *testing.T) {
	t.Parallel()
	c := cursors(t, 1)
	cursor := encode(t, c, list, "last")
	for _, other := range []page.List{
		{Tenant: "other", Name: "keys", Filter: []string{"", "active"}, Sort: "created_at"},
		{Tenant: "acme", Name: "versions", Filter: []string{"", "active"}, Sort: "created_at"},
		{Tenant: "acme", Name: "keys", Filter: []string{"", "disabled"}, Sort: "created_at"},
		{Tenant: "acme", Name: "keys", Filter: []string{"active", ""}, Sort: "created_at"},
		{Tenant: "acme", Name: "keys", Filter: []string{"", "active", ""}, Sort: "created_at"},
		{Tenant: "acme", Name: "keys", Sort: "created_at"},
		{Tenant: "acme", Name: "keys", Filter: []string{"", "active"}, Sort: "name"},
		{Tenant: "acmekeys", Name: "", Filter: []string{"", "active"}, Sort: "created_at"},
	} {
		refused(t, c, other, cursor)
	}
	refused(t, cursors(t, 2), list, cursor)
}

func TestCursor_EveryBitCounts(t *testing.T) {
	t.Parallel()
	c := cursors(t, 1)
	cursor := encode(t, c, list, "last")
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	require.NoError(t, err)
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			refused(t, c, list, base64.RawURLEncoding.EncodeToString(raw))
			raw[i] ^= 1 << bit
		}
	}
	for _, text := range []string{"x", "====", cursor + "=", cursor + "A", cursor[1:], "\n" + cursor, base64.RawURLEncoding.EncodeToString(raw[:31])} {
		refused(t, c, list, text)
	}
}

func TestCursor_WithoutKeyThereIsNone(t *testing.T) {
	t.Parallel()
	_, err := page.New(nil)
	require.Error(t, err)
	c, err := page.New(&keys{sealed: true})
	require.NoError(t, err)
	_, err = c.Encode(list, "last")
	require.ErrorIs(t, err, errSealed)
	_, err = c.Decode(list, encode(t, cursors(t, 1), list, "last"))
	require.ErrorIs(t, err, errSealed)
}

func TestLimit(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 100, page.Limit(nil))
	for asked, want := range map[int]int{1: 1, 500: 500, 1000: 1000, 0: 1, -5: 1, 1001: 1000} {
		assert.Equal(t, want, page.Limit(&asked))
	}
}

func FuzzDecode(f *testing.F) {
	c := cursors(f, 1)
	f.Add(encode(f, c, list, "last"))
	f.Add("")
	f.Fuzz(func(t *testing.T, cursor string) {
		last, err := c.Decode(list, cursor)
		if err == nil && cursor != "" && encode(t, c, list, last) != cursor {
			t.Fatalf("two cursors for one position: %q", cursor)
		}
	})
}
