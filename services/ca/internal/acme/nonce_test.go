package acme_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// keys derives what every replica with the same secret derives.
type keys struct {
	secret string
	sealed bool
	asked  map[string]int
}

func (k *keys) DeriveKey(label string, n int) ([]byte, error) {
	if k.sealed {
		return nil, errors.New("sealed")
	}
	if k.asked == nil {
		k.asked = map[string]int{}
	}
	k.asked[label]++
	sum := sha256.Sum256([]byte(k.secret + label))
	return sum[:n], nil
}

// moment is a clock that is set by hand.
type moment struct{ at time.Time }

func (m *moment) now() time.Time { return m.at }

func nonces(t *testing.T, k *keys, m *moment) *acme.Nonces {
	t.Helper()
	n, err := acme.NewNonces(k, m.now)
	require.NoError(t, err)
	return n
}

func clockAt(text string) *moment {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return &moment{at}
}

func TestNonces_EveryReplicaKnowsThemForTenMinutes(t *testing.T) {
	t.Parallel()
	m := clockAt("2026-11-22T10:55:00Z")
	one, two := nonces(t, &keys{secret: "s"}, m), nonces(t, &keys{secret: "s"}, m)
	stranger := nonces(t, &keys{secret: "other"}, m)
	nonce, err := one.Fresh("tenant/main")
	require.NoError(t, err)
	use, until, err := two.Check("tenant/main", nonce)
	require.NoError(t, err)
	assert.NotEmpty(t, use)
	assert.True(t, until.After(m.at.Add(10*time.Minute-time.Second)), "the use is remembered for as long as the nonce could be used")
	_, _, err = stranger.Check("tenant/main", nonce)
	assert.ErrorIs(t, err, acme.ErrNonce)
	for _, scope := range []string{"tenant/other", "other/main", ""} {
		_, _, err = two.Check(scope, nonce)
		assert.ErrorIs(t, err, acme.ErrNonce)
	}
	m.at = m.at.Add(9*time.Minute + 59*time.Second) // past the hour, at which the key changes
	_, _, err = two.Check("tenant/main", nonce)
	assert.NoError(t, err)
	m.at = m.at.Add(2 * time.Second)
	_, _, err = two.Check("tenant/main", nonce)
	assert.ErrorIs(t, err, acme.ErrNonce)
}

func TestNonces_AReplicaWhoseClockIsALittleAheadIsUnderstood(t *testing.T) {
	t.Parallel()
	ahead, behind := clockAt("2026-11-22T11:00:10Z"), clockAt("2026-11-22T10:59:50Z")
	nonce, err := nonces(t, &keys{}, ahead).Fresh("x")
	require.NoError(t, err)
	_, _, err = nonces(t, &keys{}, behind).Check("x", nonce)
	assert.NoError(t, err)
	behind.at = behind.at.Add(-10 * time.Minute)
	_, _, err = nonces(t, &keys{}, behind).Check("x", nonce)
	assert.ErrorIs(t, err, acme.ErrNonce)
}

func TestNonces_AreDifferentAndCannotBeChanged(t *testing.T) {
	t.Parallel()
	m := clockAt("2026-11-22T10:30:00Z")
	k := &keys{}
	n := nonces(t, k, m)
	seen := map[string]bool{}
	for range 1000 {
		nonce, err := n.Fresh("x")
		require.NoError(t, err)
		require.False(t, seen[nonce])
		seen[nonce] = true
		assert.Equal(t, nonce, strings.Trim(nonce, "="), "base64url without padding (RFC 8555 section 6.5.1)")
	}
	assert.Len(t, k.asked, 1, "one key serves an hour")
	nonce, err := n.Fresh("x")
	require.NoError(t, err)
	for i := range len(nonce) {
		for _, c := range []byte("A_") {
			altered := []byte(nonce)
			if altered[i] == c {
				continue
			}
			altered[i] = c
			_, _, err := n.Check("x", string(altered))
			require.ErrorIs(t, err, acme.ErrNonce, "character %d", i)
		}
	}
	for _, wrong := range []string{"", "x", nonce[:40], nonce + "A", nonce + "=", nonce[:8] + "\n" + nonce[8:], strings.Repeat("A", 1<<20)} {
		_, _, err := n.Check("x", wrong)
		require.ErrorIs(t, err, acme.ErrNonce)
	}
}

func TestNonces_UnderASealedBarrierThereAreNone(t *testing.T) {
	t.Parallel()
	n := nonces(t, &keys{sealed: true}, clockAt("2026-11-22T10:30:00Z"))
	_, err := n.Fresh("x")
	assert.Error(t, err)
	_, err = acme.NewNonces(nil, time.Now)
	assert.Error(t, err)
}
