package accesstoken_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// strangers is a realm that knows nobody.
type strangers struct{ auth.Realm }

func (strangers) Account(context.Context, string, string, string) (*auth.Account, error) {
	return nil, auth.ErrUnknown
}

func (strangers) Certificate(context.Context, *x509.Certificate) ([]auth.ClientRef, error) {
	return nil, auth.ErrUnknown
}

func TestGate_AdmitsByAccessTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	hashes, err := secrethash.New(secrethash.Config{Peppers: map[int][]byte{3: bytes.Repeat([]byte{7}, secrethash.MinPepper)}})
	require.NoError(t, err)
	gate, err := auth.New(auth.Config{
		Realms: []auth.Realm{strangers{}}, Bearers: []auth.Bearer{f.Verifier}, Secrets: hashes, Log: discard(), Now: f.clock.Now,
	})
	require.NoError(t, err)
	token := f.token(t, f.program())
	who, err := gate.Authenticate(t.Context(), request(t, "Bearer", token))
	require.NoError(t, err)
	assert.Equal(t, server.KindClient, who.Kind)

	p := newProver(t, f, "ES256")
	r := request(t, "DPoP", p.token)
	r.Header.Set("DPoP", p.proof(t, p.header(t), p.claims()))
	who, err = gate.Authenticate(t.Context(), r)
	require.NoError(t, err)
	assert.True(t, who.Confirmed)
	_, err = gate.Authenticate(t.Context(), r)
	requireCode(t, "unauthenticated", err, "the proof was used")
	assert.Contains(t, challenge(t, err)["Www-Authenticate"][1], `error="invalid_dpop_proof"`)
	_, err = gate.Authenticate(t.Context(), request(t, "Bearer", p.token))
	requireCode(t, "unauthenticated", err)
}
