package barrier_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

func TestWrap_IsACompactJWEWithTheBindingInItsHeader(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	b := unsealed(t, store)
	// The digests were computed with Python: sha256 over struct.pack('>Q', len(x)) + x of each field.
	for want, at := range map[string]barrier.Binding{
		"BY4fTLSws0yTmntUYDger5-3N6KR5Zs7ll4RXvUxh3w": place1("a"),
		"JNxIZIedbbi47MwdXvfN0Qe_pSwPTHL2sa5MpGQqzBM": {Tenant: "täl", Purpose: "p", ID: "i", Version: -2},
	} {
		header := headerOf(t, wrap(t, b, at, "value"))
		content := store.row(barrier.LevelContent, at.Tenant, 1)
		assert.Equal(t, map[string]any{"alg": "A256KW", "enc": "A256GCM", "kid": content.ID, "aad": want}, header)
	}
	root, intermediate := store.row(barrier.LevelRoot, "", 1), store.row(barrier.LevelIntermediate, "a", 1)
	for parent, row := range map[string]barrier.WrappedKey{
		unsealKeyID: root, root.ID: intermediate, intermediate.ID: store.row(barrier.LevelContent, "a", 1),
	} {
		assert.Equal(t, parent, row.ParentID)
		assert.Equal(t, parent, headerOf(t, row.JWE)["kid"])
	}
}

func TestWrap_EqualValuesLookDifferent(t *testing.T) {
	t.Parallel()
	b := unsealed(t, newMemStore())
	one, other := wrap(t, b, place1("a"), "value"), wrap(t, b, place1("a"), "value")
	assert.NotEqual(t, one, other)
	assert.Empty(t, unwrap(t, b, place1("a"), wrap(t, b, place1("a"), "")))
}

func TestUnwrap_AMovedOrChangedRowIsNamed(t *testing.T) {
	t.Parallel()
	b := unsealed(t, newMemStore())
	value := wrap(t, b, place1("a"), "value")
	wrap(t, b, place1("b"), "so that this tenant has keys")
	for name, change := range map[string]func(*barrier.Binding){
		"tenant":                 func(at *barrier.Binding) { at.Tenant = "b" },
		"tenant without keys":    func(at *barrier.Binding) { at.Tenant = "c" },
		"purpose":                func(at *barrier.Binding) { at.Purpose = "test/other" },
		"id":                     func(at *barrier.Binding) { at.ID = "row-2" },
		"version":                func(at *barrier.Binding) { at.Version = 2 },
		"attribute value":        func(at *barrier.Binding) { at.Attributes[1].Value = "true" },
		"attribute name":         func(at *barrier.Binding) { at.Attributes[1].Name = "exported" },
		"attribute missing":      func(at *barrier.Binding) { at.Attributes = at.Attributes[:1] },
		"attribute more":         func(at *barrier.Binding) { at.Attributes = append(at.Attributes, barrier.Attribute{}) },
		"values exchanged":       func(at *barrier.Binding) { at.Attributes[0].Value, at.Attributes[1].Value = "false", "ES256" },
		"fields run together":    func(at *barrier.Binding) { at.Purpose, at.ID = "test/valuerow", "-1" },
		"attribute runs into id": func(at *barrier.Binding) { at.ID, at.Attributes = "row-1\x00algorithm", at.Attributes[1:] },
	} {
		at := place1("a")
		change(&at)
		_, err := b.Unwrap(t.Context(), at, value)
		require.ErrorIs(t, err, barrier.ErrMoved, name)
		var named *barrier.ValueError
		require.ErrorAs(t, err, &named)
		assert.Equal(t, at, named.Binding)
		for _, part := range []string{at.Tenant, at.Purpose, `version `} {
			assert.Contains(t, err.Error(), part)
		}
	}
	at := place1("a")
	at.Version = 7
	_, err := b.Unwrap(t.Context(), at, value)
	assert.EqualError(t, err, `open value (tenant "a", purpose "test/value", id "row-1", version 7): it was moved, or a column bound to it was changed (algorithm, exportable)`)

	at = place1("a")
	slices.Reverse(at.Attributes)
	assert.Equal(t, "value", unwrap(t, b, at, value), "the order of attributes does not matter")
}

func TestUnwrap_NothingAlteredOpens(t *testing.T) {
	t.Parallel()
	b := unsealed(t, newMemStore())
	value := wrap(t, b, place1("a"), "value")
	for i := range value {
		altered := []byte(value)
		altered[i] = 'A'
		if value[i] == 'A' {
			altered[i] = 'B'
		}
		_, err := b.Unwrap(t.Context(), place1("a"), string(altered))
		var named *barrier.ValueError
		require.ErrorAs(t, err, &named, "character %d", i)
	}
	for _, wrong := range []string{"", "....", "x", value[:len(value)-1], value + ".", value + "A", strings.Repeat("A", 100_000)} {
		_, err := b.Unwrap(t.Context(), place1("a"), wrong)
		require.ErrorIs(t, err, barrier.ErrUnreadable)
	}
}

// Somebody who can write SQL rewrites the header for the place he moves the row to.
func TestUnwrap_AForgedDigestDoesNotOpen(t *testing.T) {
	t.Parallel()
	b := unsealed(t, newMemStore())
	target := place1("a")
	target.ID = "row-2"
	header, _, _ := strings.Cut(wrap(t, b, target, "other"), ".")
	_, rest, _ := strings.Cut(wrap(t, b, place1("a"), "value"), ".")
	_, err := b.Unwrap(t.Context(), target, header+"."+rest)
	require.ErrorIs(t, err, barrier.ErrUnreadable)
	assert.ErrorContains(t, err, `id "row-2"`)

	// Or names a key of another tenant.
	foreign := headerOf(t, wrap(t, b, place1("b"), "other"))
	forged := headerOf(t, wrap(t, b, place1("a"), "value"))
	forged["kid"] = foreign["kid"]
	text, err := json.Marshal(forged)
	require.NoError(t, err)
	_, err = b.Unwrap(t.Context(), place1("a"), base64.RawURLEncoding.EncodeToString(text)+"."+rest)
	require.ErrorIs(t, err, barrier.ErrUnreadable)
	assert.ErrorContains(t, err, "no content key")
}

func TestWrap_RefusesIncompleteBindings(t *testing.T) {
	t.Parallel()
	b := unsealed(t, newMemStore())
	w, err := b.Tenant(t.Context(), "a")
	require.NoError(t, err)
	for _, change := range []func(*barrier.Binding){
		func(at *barrier.Binding) { at.Tenant = "b" },
		func(at *barrier.Binding) { at.Tenant = "" },
		func(at *barrier.Binding) { at.Purpose = "" },
		func(at *barrier.Binding) { at.ID = "" },
		func(at *barrier.Binding) { at.Attributes = append(at.Attributes, at.Attributes[0]) },
	} {
		at := place1("a")
		change(&at)
		_, err := w.Wrap(at, []byte("value"))
		require.Error(t, err)
	}
	_, err = b.Unwrap(t.Context(), barrier.Binding{}, "x")
	require.ErrorContains(t, err, "without tenant")
	_, err = b.Tenant(t.Context(), "")
	require.Error(t, err)
}

func TestUnwrap_MakesNoKeys(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	b := unsealed(t, store)
	value := wrap(t, unsealed(t, newMemStore()), place1("a"), "of another installation")
	_, err := b.Unwrap(t.Context(), place1("a"), value)
	require.ErrorIs(t, err, barrier.ErrUnreadable)
	assert.Len(t, store.all(), 1, "only the root key")
	assert.Equal(t, "value", unwrap(t, b, place1("a"), wrap(t, b, place1("a"), "value")))
}

func TestRotate_KeepsOldVersionsReadableOnEveryReplica(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	first, second := unsealed(t, store), unsealed(t, store)
	w, err := second.Tenant(t.Context(), "a")
	require.NoError(t, err)
	values := []string{wrap(t, second, place1("a"), "value")}
	for _, level := range []barrier.Level{barrier.LevelContent, barrier.LevelIntermediate, barrier.LevelContent} {
		require.NoError(t, first.Rotate(t.Context(), "a", level))
		values = append(values, wrap(t, first, place1("a"), "value"))
	}
	newest := store.row(barrier.LevelContent, "a", 3)
	assert.Equal(t, newest.ID, headerOf(t, values[3])["kid"])
	assert.Equal(t, store.row(barrier.LevelIntermediate, "a", 2).ID, newest.ParentID)
	assert.Equal(t, store.row(barrier.LevelIntermediate, "a", 1).ID, store.row(barrier.LevelContent, "a", 2).ParentID)

	for _, value := range values {
		assert.Equal(t, "value", unwrap(t, second, place1("a"), value))
		assert.Equal(t, "value", unwrap(t, unsealed(t, store), place1("a"), value))
	}
	// Having met the new version, the other replica's wrapper uses it too.
	value, err := w.Wrap(place1("a"), []byte("value"))
	require.NoError(t, err)
	assert.Equal(t, newest.ID, headerOf(t, value)["kid"])

	require.Error(t, first.Rotate(t.Context(), "a", barrier.LevelRoot))
	require.Error(t, first.Rotate(t.Context(), "", barrier.LevelContent))
}

// A store that was restored from a backup, or failed over to a copy that lagged behind, lacks keys that this process still has. What they
// wrap could not be read by anybody else, nor by this process once it has ended.
func TestTenant_AKeyThatTheStoreLostWrapsNothingMore(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	b := unsealed(t, store)
	value := wrap(t, b, place1("a"), "value")
	lost := store.row(barrier.LevelContent, "a", 1)
	store.remove(barrier.LevelContent, "a", 1)

	_, err := b.Tenant(t.Context(), "a")
	require.ErrorIs(t, err, barrier.ErrLost)
	require.ErrorContains(t, err, lost.ID)
	assert.Equal(t, "value", unwrap(t, b, place1("a"), value), "what was wrapped can be saved as long as the process lives")

	// Another replica, started after the loss, has made its own version 1.
	wrap(t, unsealed(t, store), place1("a"), "value")
	_, err = b.Tenant(t.Context(), "a")
	require.ErrorIs(t, err, barrier.ErrLost)
}

func TestTenant_WrapsUnderTheNewestKeyOfTheStore(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	first, second := unsealed(t, store), unsealed(t, store)
	wrap(t, second, place1("a"), "value")
	require.NoError(t, first.Rotate(t.Context(), "a", barrier.LevelContent))
	value := wrap(t, second, place1("a"), "value")
	assert.Equal(t, store.row(barrier.LevelContent, "a", 2).ID, headerOf(t, value)["kid"])
}

func TestRotate_AtTheSameMomentOnManyReplicas(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	barriers := make([]*barrier.Barrier, 6)
	for i := range barriers {
		barriers[i] = unsealed(t, store)
		wrap(t, barriers[i], place1("a"), "value")
	}
	values := make([]string, len(barriers))
	each(len(barriers), func(i int) {
		assert.NoError(t, barriers[i].Rotate(t.Context(), "a", barrier.LevelContent))
		values[i] = wrap(t, barriers[i], place1("a"), "value")
	})
	for _, b := range barriers {
		for _, value := range values {
			assert.Equal(t, "value", unwrap(t, b, place1("a"), value))
		}
	}
}

func TestTenant_AStoredKeyThatWasMovedOrChangedIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		level  barrier.Level
		change func(*memStore, *barrier.WrappedKey)
		want   error
	}{
		"content key of another tenant": {barrier.LevelContent, func(s *memStore, row *barrier.WrappedKey) {
			from := s.rows[place{barrier.LevelContent, "b", 1}]
			row.ID, row.ParentID, row.JWE = from.ID, from.ParentID, from.JWE
		}, barrier.ErrMoved},
		"intermediate key of another tenant": {barrier.LevelIntermediate, func(s *memStore, row *barrier.WrappedKey) {
			*row = s.rows[place{barrier.LevelIntermediate, "b", 1}]
		}, barrier.ErrMoved},
		"id":       {barrier.LevelContent, func(_ *memStore, row *barrier.WrappedKey) { row.ID = "another" }, barrier.ErrMoved},
		"version":  {barrier.LevelContent, func(_ *memStore, row *barrier.WrappedKey) { row.Version = 9 }, barrier.ErrMoved},
		"parent":   {barrier.LevelContent, func(_ *memStore, row *barrier.WrappedKey) { row.ParentID = "another" }, barrier.ErrMoved},
		"jwe":      {barrier.LevelIntermediate, func(_ *memStore, row *barrier.WrappedKey) { row.JWE = "a.b.c.d.e" }, barrier.ErrUnreadable},
		"jwe tail": {barrier.LevelContent, func(_ *memStore, row *barrier.WrappedKey) { row.JWE = cutTail(row.JWE) }, barrier.ErrUnreadable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newMemStore()
			b := unsealed(t, store)
			wrap(t, b, place1("a"), "value")
			value := wrap(t, b, place1("b"), "value")
			store.edit(c.level, "a", 1, func(row *barrier.WrappedKey) { c.change(store, row) })

			fresh := unsealed(t, store)
			_, err := fresh.Tenant(t.Context(), "a")
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, `tenant "a", purpose "barrier/`+string(c.level)+`"`)
			assert.Equal(t, "value", unwrap(t, fresh, place1("b"), value), "other tenants are not concerned")
		})
	}
}

// A second version of the root key, made here from the documented format alone.
func TestUnseal_ReadsEveryRootVersionAndDerivesFromTheOldest(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	before := unsealed(t, store)
	value := wrap(t, before, place1("a"), "value")
	want, err := before.DeriveKey("label", 64)
	require.NoError(t, err)

	const id = "0190b2b3-0000-7000-8000-000000000000"
	key, err := jwk.FromMaterial(unsealKey(), jwk.Attributes{ID: unsealKeyID})
	require.NoError(t, err)
	var fields []byte
	for _, field := range []string{"", "barrier/root", id, "\x00\x00\x00\x00\x00\x00\x00\x02", "parent_id", unsealKeyID} {
		fields = append(append(fields, 0, 0, 0, 0, 0, 0, 0, byte(len(field))), field...)
	}
	digest := sha256.Sum256(fields)
	compact, err := jwe.Encrypt(key, jwe.Header{
		Algorithm: "A256KW", Encryption: "A256GCM", Extra: map[string]any{"aad": base64.RawURLEncoding.EncodeToString(digest[:])},
	}, []byte(strings.Repeat("root key ", 8)[:64]))
	require.NoError(t, err)
	inserted, err := store.Insert(t.Context(), barrier.WrappedKey{
		Level: barrier.LevelRoot, ID: id, Version: 2, ParentID: unsealKeyID, JWE: compact, CreatedAt: clock(),
	})
	require.NoError(t, err)
	require.True(t, inserted)

	after := unsealed(t, store)
	got, err := after.DeriveKey("label", 64)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Equal(t, "value", unwrap(t, after, place1("a"), value))
	wrap(t, after, place1("b"), "value")
	assert.Equal(t, id, store.row(barrier.LevelIntermediate, "b", 1).ParentID)
}

func headerOf(t *testing.T, compact string) map[string]any {
	t.Helper()
	encoded, _, _ := strings.Cut(compact, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	require.NoError(t, err)
	var header map[string]any
	require.NoError(t, json.Unmarshal(text, &header))
	return header
}

// cutTail replaces the authentication tag.
func cutTail(compact string) string {
	return compact[:strings.LastIndex(compact, ".")+1] + strings.Repeat("A", 22)
}
