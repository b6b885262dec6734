package accesstoken_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/accesstoken"
)

// Whatever is presented, nobody comes in but by a genuine token, and the verifier survives.
func FuzzAuthenticate(f *testing.F) {
	key := newKey(f, "ES256", "blue-1")
	now := &clock{now: time.Unix(1_800_000_000, 0)}
	v, err := accesstoken.New(accesstoken.Config{
		Product: "kms", Audience: audience, Issuers: []accesstoken.Issuer{{ID: blueIssuer, Tenant: "sales", Keys: &kept{key: key}}}, Now: now.Now,
	})
	require.NoError(f, err)
	p := &prover{fixture: &fixture{Verifier: v, clock: now, blue: key}, key: newKey(f, "ES256", "")}
	p.token = p.fixture.token(f, with(p.person(), object{"cnf": object{"jkt": p.key.ThumbprintSHA256()}}))
	bearer, program := p.fixture.token(f, p.person()), p.fixture.token(f, p.program())
	genuine := map[string]bool{p.token: true, bearer: true, program: true}
	f.Add("DPoP", p.token, p.proof(f, p.header(f), p.claims()))
	f.Add("Bearer", bearer, "")
	f.Add("bearer", program, "x")
	f.Add("Bearer", "eyJ.e30.", "..")
	f.Fuzz(func(t *testing.T, scheme, token, proof string) {
		r := request(t, "Bearer", "x")
		r.Header["Authorization"] = []string{scheme + " " + token}
		r.Header["Dpop"] = []string{proof}
		who, err := v.Authenticate(t.Context(), r, token)
		if err == nil && !genuine[token] {
			t.Fatalf("%q let %s in", token, who.ID)
		}
		if err != nil {
			requireCode(t, "unauthenticated", err)
		}
	})
}
