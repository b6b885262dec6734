package accesstoken_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

func TestKeys_RotatedAndWithdrawn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := f.token(t, f.person())
	_, err := f.present(t, token)
	require.NoError(t, err)
	next := newKey(t, "ES256", "blue-2")
	f.identity.set(func(i *identity) { i.keys["blue"] = []*jwk.Key{f.blue, next} })
	f.clock.Add(10 * time.Second)
	_, err = f.present(t, compact(t, next, "ES256", header(next), f.person()))
	require.NoError(t, err, "the new key is fetched when it is first seen")
	_, err = f.present(t, token)
	require.NoError(t, err)
	f.identity.set(func(i *identity) { i.keys["blue"] = []*jwk.Key{next} })
	f.clock.Add(59 * time.Second)
	_, err = f.present(t, token)
	require.NoError(t, err, "as long as the set may be kept")
	f.clock.Add(time.Second)
	_, err = f.present(t, token)
	requireCode(t, "unauthenticated", err, "the key was withdrawn")
	// Another key under the same id does not profit from what was verified.
	again := newKey(t, "ES256", "blue-2")
	token = compact(t, next, "ES256", header(next), f.person())
	_, err = f.present(t, token)
	require.NoError(t, err)
	f.identity.set(func(i *identity) { i.keys["blue"] = []*jwk.Key{again} })
	f.clock.Add(time.Minute)
	_, err = f.present(t, token)
	requireCode(t, "unauthenticated", err)
}

func TestKeys_UnknownOnesAreNoFloodOfFetches(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	_, err := f.present(t, f.token(t, f.person()))
	require.NoError(t, err)
	for range 30 {
		_, err := f.present(t, compact(t, f.blue, "ES256", with(header(f.blue), object{"kid": "made-up"}), f.person()))
		requireCode(t, "unauthenticated", err)
	}
	fetched, _ := f.identity.counts()
	assert.Equal(t, 1, fetched)
}
