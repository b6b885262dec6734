package unseal_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
)

// From every mode to every other one: the old opens until the commit, the new from the staging on, and what is stored stays.
func TestRekey_FromEachModeToEachMode(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	other := &remote{key: bytes.Repeat([]byte{3}, 32), needs: []string{"there"}}
	modes := map[string]func() unseal.Material{
		"derive":     func() unseal.Material { return derive(t) },
		"shamir":     func() unseal.Material { return shamir },
		"jwk RSA":    func() unseal.Material { return jwkOf(t, rsaKey, "") },
		"jwk EC":     func() unseal.Material { return jwkOf(t, ecKey(t), "ECDH-ES+A256KW") },
		"jwk secret": func() unseal.Material { return jwkOf(t, secret(t), "") },
		"kms":        func() unseal.Material { return unseal.Material{Mode: unseal.KMS, Remote: other} },
	}
	for from, oldMaterial := range modes {
		for to, newMaterial := range modes {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				i, old, next := install(), oldMaterial(), newMaterial()
				var oldShares []string
				if old.Mode == unseal.Shamir {
					oldShares = newShares(t, 3, 2)[:2]
				}
				r := i.opened(t, old, oldShares...)
				want := derived(t, r.barrier)
				newShares := stage(t, r, next, oldShares)

				assert.True(t, i.opens(t, old, oldShares...), "the old opens while it is staged")
				assert.True(t, i.opens(t, next, newShares[:min(2, len(newShares))]...), "so does the new")
				_, err := r.CommitRekey(t.Context())
				require.ErrorIs(t, err, unseal.ErrNotVerified)
				assertCode(t, err, "invalid_state")
				verify(t, r, next, newShares)
				status, err := r.CommitRekey(t.Context())
				require.NoError(t, err)
				assert.Equal(t, unseal.RekeyNone, status.State)

				assert.Equal(t, want, derived(t, i.opened(t, next, newShares[:min(2, len(newShares))]...).barrier))
				if from != to || from != "kms" && from != "jwk RSA" { // these two stay the same here: only the unseal key changes
					assert.False(t, i.opens(t, old, oldShares...), "the old opens nothing any more")
				}

				// The process itself goes on with the new material.
				require.NoError(t, r.Seal(t.Context()))
				require.NoError(t, r.Start(t.Context()))
				for _, share := range newShares[min(1, len(newShares)):] {
					_, err := r.SubmitShare(t.Context(), share)
					require.NoError(t, err)
				}
				assert.Equal(t, want, derived(t, r.barrier))
				assert.Equal(t, next.Mode, r.Status().Mode)
			})
		}
	}
}

// stage brings a rekeying to the state staged; the result is its new shares, for mode shamir.
func stage(t *testing.T, r *replica, next unseal.Material, oldShares []string) []string {
	t.Helper()
	request := unseal.RekeyRequest{Material: next}
	if next.Mode == unseal.Shamir {
		request.Shares, request.Threshold = 3, 2
	}
	status, err := r.StartRekey(t.Context(), request)
	require.NoError(t, err)
	for n, share := range oldShares {
		require.Equal(t, unseal.RekeyAuthorizing, status.State)
		assert.Equal(t, n, status.Progress.Submitted)
		status, err = r.AuthorizeRekey(t.Context(), share)
		require.NoError(t, err)
	}
	require.Equal(t, unseal.RekeyStaged, status.State)
	assert.Equal(t, next.Mode, status.Rekey.Mode)
	assert.Len(t, status.NewShares, request.Shares)
	again, err := r.RekeyStatus(t.Context())
	require.NoError(t, err)
	assert.Empty(t, again.NewShares, "they are told once")
	return status.NewShares
}

func verify(t *testing.T, r *replica, next unseal.Material, newShares []string) {
	t.Helper()
	proof := []string{""}
	if next.Mode == unseal.Shamir {
		proof = newShares[1:]
	}
	var status unseal.RekeyStatus
	for _, share := range proof {
		var err error
		status, err = r.VerifyRekey(t.Context(), share)
		require.NoError(t, err)
	}
	require.Equal(t, unseal.RekeyVerified, status.State)
}

func TestRekey_WrongSharesAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	i := install()
	old, foreign := newShares(t, 3, 2), newShares(t, 3, 2)
	r := i.opened(t, shamir, old[:2]...)
	_, err := r.AuthorizeRekey(t.Context(), old[0])
	assertCode(t, err, "invalid_state")
	_, err = r.VerifyRekey(t.Context(), old[0])
	assertCode(t, err, "invalid_state")

	_, err = r.StartRekey(t.Context(), unseal.RekeyRequest{Material: shamir, Shares: 3, Threshold: 2})
	require.NoError(t, err)
	for _, wrong := range []string{"", "nonsense", foreign[1]} {
		_, err = r.AuthorizeRekey(t.Context(), wrong)
		assertCode(t, err, "bad_request")
	}
	_, err = r.AuthorizeRekey(t.Context(), old[0])
	require.NoError(t, err)
	_, err = r.AuthorizeRekey(t.Context(), old[0])
	require.ErrorIs(t, err, secretshare.ErrDuplicate)
	status, err := r.AuthorizeRekey(t.Context(), old[2])
	require.NoError(t, err)
	for _, wrong := range []string{"", old[0], foreign[0]} {
		_, err = r.VerifyRekey(t.Context(), wrong)
		assertCode(t, err, "bad_request")
	}
	_, err = r.VerifyRekey(t.Context(), status.NewShares[0])
	require.NoError(t, err)
	_, err = r.StartRekey(t.Context(), unseal.RekeyRequest{Material: derive(t)})
	require.ErrorIs(t, err, unseal.ErrRekeyExists)
	_, _, err = r.RotateRoot(t.Context(), old[0])
	require.NoError(t, err)
	_, _, err = r.RotateRoot(t.Context(), old[1])
	require.ErrorIs(t, err, barrier.ErrRekeying)
	assertCode(t, err, "invalid_state")

	// A new share opens, with others, from the staging on; after cancelling it does not.
	require.NoError(t, r.Rehearse(t.Context(), status.NewShares[2]))
	ended, err := r.CancelRekey(t.Context())
	require.NoError(t, err)
	assert.Equal(t, unseal.RekeyNone, ended.State)
	require.ErrorIs(t, r.Rehearse(t.Context(), status.NewShares[2]), secretshare.ErrForeign)
	assert.False(t, i.opens(t, shamir, status.NewShares[:2]...))
	assert.True(t, i.opens(t, shamir, old[1:]...))
	_, err = r.CancelRekey(t.Context())
	require.ErrorIs(t, err, unseal.ErrNoRekey)
}

func TestRekey_RefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	i, m := install(), derive(t)
	r := i.opened(t, m)
	loop := &remote{key: make([]byte, 32), needs: []string{"there", "here"}}
	public, err := jwk.FromMaterial(ecKey(t).PublicKey(), jwk.Attributes{})
	require.NoError(t, err)
	text, err := public.MarshalPublic()
	require.NoError(t, err)
	for name, request := range map[string]unseal.RekeyRequest{
		"no mode":             {},
		"dev":                 {Material: unseal.Material{Mode: unseal.Dev, Secret: secret(t)}},
		"same secret":         {Material: m},
		"short secret":        {Material: unseal.Material{Mode: unseal.Derive, Secret: secret(t)[1:]}},
		"threshold":           {Material: shamir, Shares: 3, Threshold: 4},
		"one share":           {Material: shamir, Shares: 1, Threshold: 1},
		"shares of a secret":  {Material: derive(t), Shares: 3, Threshold: 2},
		"public key":          {Material: unseal.Material{Mode: unseal.JWK, JWK: text}},
		"no key":              {Material: unseal.Material{Mode: unseal.JWK, JWK: []byte("{}")}},
		"a key for signing":   {Material: jwkOf(t, secret(t), "HS256")},
		"a cycle":             {Material: unseal.Material{Mode: unseal.KMS, Remote: loop}},
		"no remote":           {Material: unseal.Material{Mode: unseal.KMS}},
		"remote for a secret": {Material: unseal.Material{Mode: unseal.Derive, Secret: secret(t), Remote: loop}},
	} {
		_, err := r.StartRekey(t.Context(), request)
		require.Error(t, err, name)
		var coded interface{ ErrorCode() string }
		require.ErrorAs(t, err, &coded, name)
	}
	require.NoError(t, r.Seal(t.Context()))
	_, err = r.StartRekey(t.Context(), unseal.RekeyRequest{Material: derive(t)})
	require.ErrorIs(t, err, barrier.ErrSealed)
	assert.True(t, i.opens(t, m))
}
