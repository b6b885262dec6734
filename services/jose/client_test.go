package jose_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// The Go client, end to end: what it sends and reads is what the service reads and sends.
func TestClient_DoesWhatTheServiceOffers(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	j, err := client.New(client.Config{URL: s.URL(), Roots: s.Roots(), Token: token})
	require.NoError(t, err)
	t.Cleanup(j.Close)
	ctx := t.Context()

	for name, algorithm := range map[string]string{"signer": "ES256", "box": "A256GCM/A256KW"} {
		made, err := j.CreateKey(ctx, client.CreateKey{Name: name, Algorithm: algorithm})
		require.NoError(t, err)
		assert.Equal(t, name, made.Name)
	}
	changed, err := j.UpdateKey(ctx, "signer", 1, func(k client.Key) (client.Patch, error) {
		return client.Patch{"description": k.Name + " of the shop"}, nil
	})
	require.NoError(t, err)
	assert.Equal(t, "signer of the shop", changed.Description)
	count := 0
	for _, err := range j.ListKeys(ctx, client.KeyFilter{}) {
		require.NoError(t, err)
		count++
	}
	assert.Equal(t, 2, count)

	signed, err := j.Sign(ctx, client.SignRequest{Payload: client.EncodeBytes([]byte("hi")), Signers: &[]client.Signer{{Key: "signer"}}})
	require.NoError(t, err)
	verified, err := j.Verify(ctx, client.VerifyRequest{Message: signed.Message})
	require.NoError(t, err)
	assert.Equal(t, client.EncodeBytes([]byte("hi")), verified.Payload)
	_, err = j.Verify(ctx, client.VerifyRequest{Message: signed.Message[:len(signed.Message)-4] + "AAAA"})
	var problem *client.Problem
	require.ErrorAs(t, err, &problem)
	assert.Equal(t, "verification_failed", problem.Code)

	sealed, err := j.Encrypt(ctx, client.EncryptRequest{Plaintext: client.EncodeBytes([]byte("hi")), Recipients: &[]client.Recipient{{Key: "box"}}})
	require.NoError(t, err)
	plaintext, opened, err := j.Decrypt(ctx, "", sealed.Message)
	require.NoError(t, err)
	assert.Equal(t, []string{"hi", sealed.KID}, []string{string(plaintext), opened.KID})

	_, err = j.CreateProfile(ctx, client.CreateProfile{
		Name: "access", Issuer: "https://shop.example", Audience: []string{"api"}, Key: new("signer"), Revocation: new(true),
	})
	require.NoError(t, err)
	claims := json.RawMessage(`{"role":"admin","n":9007199254740993}`)
	issued, err := j.IssueJWT(ctx, client.IssueRequest{Profile: "access", Subject: new("ada"), Claims: &claims})
	require.NoError(t, err)
	accepted, err := j.VerifyJWT(ctx, "access", issued.Token)
	require.NoError(t, err)
	assert.Contains(t, string(accepted.Claims), "9007199254740993")
	card, err := j.IssueSDJWT(ctx, client.IssueSDJWT{Profile: "access", Claims: json.RawMessage(`{"name":"Ada"}`), Selective: []string{"/name"}})
	require.NoError(t, err)
	shown, err := j.PresentSDJWT(ctx, client.PresentSDJWT{Token: card.Token, Disclose: []string{}})
	require.NoError(t, err)
	seen, err := j.VerifySDJWT(ctx, client.VerifySDJWT{Profile: "access", Token: shown.Token})
	require.NoError(t, err)
	assert.NotContains(t, string(seen.Claims), "Ada")
	_, err = j.RevokeToken(ctx, "access", issued.Jti, time.Time{})
	require.NoError(t, err)
	_, err = j.VerifyJWT(ctx, "access", issued.Token)
	require.ErrorAs(t, err, &problem)
	assert.Equal(t, "token_revoked", problem.Code)

	next, err := j.RotateKey(ctx, "signer", false)
	require.NoError(t, err)
	assert.Equal(t, client.VersionStatusPending, next.Status)
	set, err := j.KeySet(ctx)
	require.NoError(t, err)
	assert.Contains(t, string(set), signed.KID)
	public, err := j.PublicKey(ctx, "signer", 1)
	require.NoError(t, err)
	thumbprint, err := j.Thumbprint(ctx, public.JWK)
	require.NoError(t, err)
	assert.Contains(t, thumbprint.URI, thumbprint.Thumbprint)
	require.NoError(t, j.DeleteProfile(ctx, "access"))
}
