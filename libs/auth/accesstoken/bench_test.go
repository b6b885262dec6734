package accesstoken_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/accesstoken"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// What an access token costs a request: a JWT (ES256) seen for the first time and again, and one with a proof by DPoP.
func BenchmarkAuthenticate(b *testing.B) {
	f := newFixture(b, nil)
	b.Run("signature", func(b *testing.B) { // alone, for comparison
		public, err := f.blue.Public()
		require.NoError(b, err)
		token := f.token(b, f.person())
		b.ReportAllocs()
		for b.Loop() {
			_, _, err := jws.Verify(public, token, jws.Expect{Type: "at+jwt"})
			require.NoError(b, err)
		}
	})
	b.Run("hot", func(b *testing.B) {
		token := f.token(b, f.person())
		r := request(b, "Bearer", token)
		b.ReportAllocs()
		for b.Loop() {
			if !f.Recognizes(token) {
				b.Fatal("not recognized")
			}
			_, err := f.Authenticate(b.Context(), r, token)
			require.NoError(b, err)
		}
	})
	b.Run("cold", func(b *testing.B) {
		tokens := make([]string, 2000)
		for i := range tokens {
			tokens[i] = f.token(b, f.person())
		}
		small := newSmall(b, f) // remembers so few that none of them is known when it comes again
		r := request(b, "Bearer", tokens[0])
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_, err := small.Authenticate(b.Context(), r, tokens[i%len(tokens)])
			require.NoError(b, err)
		}
	})
	b.Run("hot/introspected", func(b *testing.B) {
		claims := f.administrator()
		f.identity.says(active(claims))
		token := f.token(b, claims)
		r := request(b, "Bearer", token)
		b.ReportAllocs()
		for b.Loop() { // the clock stands still: one question
			_, err := f.Authenticate(b.Context(), r, token)
			require.NoError(b, err)
		}
	})
	b.Run("hot/dpop", func(b *testing.B) {
		p := newProver(b, f, "ES256")
		verifier := newSmall(b, f)
		r := request(b, "DPoP", p.token)
		r.Header.Set("DPoP", p.proof(b, p.header(b), p.claims()))
		b.ReportAllocs()
		for b.Loop() {
			_, err := verifier.Authenticate(b.Context(), r, p.token)
			require.NoError(b, err)
		}
	})
}

// What remembering a proof costs.
func BenchmarkReplays(b *testing.B) {
	now := &clock{now: time.Now()}
	r := accesstoken.NewReplays(1<<16, now.Now)
	thumbprints := [16]string{}
	for i := range thumbprints {
		thumbprints[i] = rand.Text()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%(1<<15) == 0 {
			now.Add(time.Minute)
		}
		id := accesstoken.ProofID{}
		binary.BigEndian.PutUint64(id[:], uint64(i))
		_, err := r.First(b.Context(), thumbprints[i%len(thumbprints)], id, time.Time{})
		require.NoError(b, err)
	}
}

// forgetful takes one proof again and again.
type forgetful struct{}

func (forgetful) First(context.Context, string, accesstoken.ProofID, time.Time) (bool, error) {
	return true, nil
}

// newSmall is a verifier that remembers next to nothing.
func newSmall(b *testing.B, f *fixture) *accesstoken.Verifier {
	b.Helper()
	keys := &kept{key: f.blue}
	v, err := accesstoken.New(accesstoken.Config{
		Product: "kms", Audience: audience, Issuers: []accesstoken.Issuer{{ID: blueIssuer, Tenant: "sales", Keys: keys}},
		Replays: forgetful{}, Remember: 16, Now: f.clock.Now,
	})
	require.NoError(b, err)
	return v
}

// kept is a set of one key.
type kept struct{ key *jwk.Key }

func (k *kept) Key(context.Context, string) (*jwk.Key, error) { return k.key, nil }
