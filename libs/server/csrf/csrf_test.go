package csrf_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/csrf"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

// keys are those of a barrier that may be sealed.
type keys struct {
	fill   byte
	sealed bool
}

func (k *keys) DeriveKey(_ string, n int) ([]byte, error) {
	if k.sealed {
		return nil, errors.New("sealed")
	}

	return bytes.Repeat([]byte{k.fill}, n), nil
}

func refused(t *testing.T, err error) {
	t.Helper()
	var coded problem.Coded
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, problem.CSRFFailed, coded.ErrorCode())
}

func TestTokens(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	tokens, err := csrf.New(&keys{fill: 1}, time.Hour, func() time.Time { return now })
	require.NoError(t, err)
	token, err := tokens.Issue("session-1")
	require.NoError(t, err)
	another, err := tokens.Issue("session-1")
	require.NoError(t, err)
	assert.NotEqual(t, token, another)
	replica, err := csrf.New(&keys{fill: 1}, time.Hour, func() time.Time { return now })
	require.NoError(t, err)
	require.NoError(t, replica.Check("session-1", token), "every replica takes it")

	refused(t, tokens.Check("session-2", token))
	refused(t, tokens.Check("session-", "1"+token))
	refused(t, tokens.Check("", token))
	for _, text := range []string{"", "x", token[:len(token)-1], token + "A", "!" + token[1:]} {
		refused(t, tokens.Check("session-1", text))
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	for i := range raw { // not a bit may change, the end of life included
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		refused(t, tokens.Check("session-1", base64.RawURLEncoding.EncodeToString(changed)))
	}
	other, err := csrf.New(&keys{fill: 2}, time.Hour, func() time.Time { return now })
	require.NoError(t, err)
	refused(t, other.Check("session-1", token))

	now = now.Add(time.Hour - time.Second)
	require.NoError(t, tokens.Check("session-1", token))
	now = now.Add(time.Second)
	refused(t, tokens.Check("session-1", token))
}

func TestTokens_Faults(t *testing.T) {
	t.Parallel()
	_, err := csrf.New(nil, time.Hour, time.Now)
	require.Error(t, err)
	k := &keys{fill: 1}
	tokens, err := csrf.New(k, time.Hour, time.Now)
	require.NoError(t, err)
	_, err = tokens.Issue("")
	require.Error(t, err)
	token, err := tokens.Issue("b")
	require.NoError(t, err)
	k.sealed = true
	_, err = tokens.Issue("b")
	require.ErrorContains(t, err, "sealed")
	require.ErrorContains(t, tokens.Check("b", token), "sealed", "not taken for a forgery")
}
