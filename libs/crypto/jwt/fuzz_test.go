package jwt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
)

// FuzzCheck feeds payloads to a profile: no panic, a refusal always has a reason, and what is accepted
// holds what the profile asks for.
func FuzzCheck(f *testing.F) {
	p := profile()
	p.MaxAge = p.Lifetime
	p.RequiredClaims = []string{"sub"}
	p.AllowedClaims = []string{"scope"}
	a := authority(f, p, start)
	for _, payload := range []string{
		`{"iss":"https://issuer","sub":"s","aud":["x","https://b"],"exp":1800000060,"nbf":1800000000.5,"iat":1800000000,"jti":"j","scope":{"a":[1e5]}}`,
		`{"iss":"https://issuer","sub":"s","aud":"https://a","iat":1800000000}`, `{"exp":1e9}`, `{"aud":[]}`, `{"exp":0.1,"exp":2}`, `[]`,
	} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := a.Check(payload)
		if err != nil {
			var refused *jwt.Error
			require.ErrorAs(t, err, &refused)
			require.NotEmpty(t, refused.Reason)
			return
		}
		require.Equal(t, p.Issuer, c.Issuer)
		require.NotEmpty(t, c.Subject)
		require.False(t, c.IssuedAt.IsZero())
	})
}
