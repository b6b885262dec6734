package accesstoken_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/accesstoken"
	"github.com/cryptoutil/cryptoutil/libs/federation"
)

func TestIssuers_AreCheckedAtStart(t *testing.T) {
	t.Parallel()
	peers, err := federation.Open(federation.Config{Enabled: true, Identity: federation.IdentityConfig{AuthzURL: "https://127.0.0.1:1"}}, federation.Deps{Log: discard()})
	require.NoError(t, err)
	deps := accesstoken.Deps{Product: "kms", Now: time.Now}
	for issuer, want := range map[string]string{"http://id.example": "https URL", "id": "https URL", "https://id.example?a=b": "https URL", "https://id.example": ""} {
		_, err := accesstoken.Open(peers, federation.IdentityConfig{Audience: audience, Issuers: map[string]string{issuer: "sales"}}, deps)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want, issuer)
	}
	_, err = accesstoken.Open(peers, federation.IdentityConfig{Issuers: map[string]string{blueIssuer: "sales"}}, deps)
	require.ErrorContains(t, err, "Audience")
	_, err = accesstoken.Open(peers, federation.IdentityConfig{Audience: audience}, deps)
	require.ErrorContains(t, err, "Issuers")
	none, err := federation.Open(federation.Config{}, federation.Deps{Log: discard()})
	require.NoError(t, err)
	_, err = accesstoken.Open(none, federation.IdentityConfig{}, deps)
	require.ErrorContains(t, err, "no Identity")
}
