package page_test

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// fixedKey derives the same key for every label.
type fixedKey byte

func (k fixedKey) DeriveKey(_ string, n int) ([]byte, error) {
	key := make([]byte, n)
	for i := range key {
		key[i] = byte(k)
	}
	return key, nil
}

// sealedKeys is a sealed barrier.
type sealedKeys struct{}

var errSealed = errors.New("sealed")

func (sealedKeys) DeriveKey(string, int) ([]byte, error) { return nil, errSealed }

func newCursors(t *testing.T, keys page.Keys) *page.Cursors {
	t.Helper()
	cursors, err := page.New(keys)
	require.NoError(t, err)
	return cursors
}

func TestCursor_ContinuesTheListItCameFrom(t *testing.T) {
	t.Parallel()
	list := page.List{Tenant: "a", Name: "keys", Sort: "id", Filter: []string{"x", ""}}
	cursor, err := newCursors(t, fixedKey(1)).Encode(list, "0198-z")
	require.NoError(t, err)
	last, err := newCursors(t, fixedKey(1)).Decode(list, cursor)
	require.NoError(t, err, "another replica with the same key")
	assert.Equal(t, "0198-z", last)
	first, err := newCursors(t, fixedKey(1)).Decode(list, "")
	require.NoError(t, err)
	assert.Empty(t, first)
}

func TestCursor_IsRefusedForAnythingElse(t *testing.T) {
	t.Parallel()
	list := page.List{Tenant: "a", Name: "keys", Sort: "id", Filter: []string{"x", ""}}
	cursors := newCursors(t, fixedKey(1))
	cursor, err := cursors.Encode(list, "last")
	require.NoError(t, err)
	refused := func(c *page.Cursors, list page.List, cursor, why string) {
		t.Helper()
		_, err := c.Decode(list, cursor)
		var coded interface{ ErrorCode() string }
		require.ErrorAs(t, err, &coded, why)
		assert.Equal(t, "invalid_cursor", coded.ErrorCode(), why)
	}
	for why, change := range map[string]func(*page.List){
		"another tenant":       func(l *page.List) { l.Tenant = "b" },
		"another list":         func(l *page.List) { l.Name = "other" },
		"another order":        func(l *page.List) { l.Sort = "-id" },
		"another filter":       func(l *page.List) { l.Filter = []string{"", "x"} },
		"a filter more":        func(l *page.List) { l.Filter = []string{"x", "", ""} },
		"a moved field border": func(l *page.List) { l.Tenant, l.Name = "ak", "eys" },
	} {
		other := list
		change(&other)
		refused(cursors, other, cursor, why)
	}
	refused(newCursors(t, fixedKey(2)), list, cursor, "another key")
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	require.NoError(t, err)
	for i := range raw {
		raw[i] ^= 1
		refused(cursors, list, base64.RawURLEncoding.EncodeToString(raw), "a flipped bit")
		raw[i] ^= 1
	}
	for _, broken := range []string{"x", "!!!!", cursor[:40], cursor + "=", base64.RawURLEncoding.EncodeToString(raw[:31])} {
		refused(cursors, list, broken, broken)
	}
}

func TestCursor_FailsWhileSealed(t *testing.T) {
	t.Parallel()
	cursors := newCursors(t, sealedKeys{})
	_, err := cursors.Encode(page.List{}, "x")
	require.ErrorIs(t, err, errSealed)
	good, err := newCursors(t, fixedKey(1)).Encode(page.List{}, "x")
	require.NoError(t, err)
	_, err = cursors.Decode(page.List{}, good)
	require.ErrorIs(t, err, errSealed)
	_, err = page.New(nil)
	require.Error(t, err)
}

func TestLimit(t *testing.T) {
	t.Parallel()
	assert.Equal(t, page.DefaultLimit, page.Limit(nil))
	for asked, want := range map[int]int{-5: 1, 0: 1, 1: 1, 7: 7, 1000: 1000, 1001: 1000} {
		assert.Equal(t, want, page.Limit(&asked))
	}
}
