package accesstoken_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/accesstoken"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// prover is a client that proves by DPoP.
type prover struct {
	*fixture

	key   *jwk.Key
	token string // bound to the key
}

func newProver(t testing.TB, f *fixture, algorithm string) *prover {
	t.Helper()
	p := &prover{fixture: f, key: newKey(t, algorithm, "")}
	p.token = f.token(t, with(f.person(), object{"cnf": object{"jkt": p.key.ThumbprintSHA256()}}))
	return p
}

func (p *prover) header(t testing.TB) object {
	t.Helper()
	public, err := p.key.MarshalPublic()
	require.NoError(t, err)
	return object{"typ": "dpop+jwt", "alg": p.key.Algorithm, "jwk": json.RawMessage(public)}
}

func (p *prover) claims() object {
	sum := sha256.Sum256([]byte(p.token))
	return object{
		"jti": rand.Text(), "htm": "POST", "htu": target, "iat": p.clock.Now().Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(sum[:]),
	}
}

func (p *prover) proof(t testing.TB, header, claims object) string {
	t.Helper()
	return compact(t, p.key, p.key.Algorithm, header, claims)
}

// present sends the token with these proofs.
func (p *prover) prove(t testing.TB, proofs ...string) (*server.Principal, error) {
	t.Helper()
	r := request(t, "DPoP", p.token)
	for _, proof := range proofs {
		r.Header.Add("DPoP", proof)
	}
	return p.Authenticate(t.Context(), r, p.token)
}

// fresh sends the token with a new proof.
func (p *prover) fresh(t testing.TB, change object) (*server.Principal, error) {
	t.Helper()
	return p.prove(t, p.proof(t, p.header(t), with(p.claims(), change)))
}

func TestDPoP_ConfirmsTheSender(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, algorithm := range []string{"ES256", "ES384", "ES512", "Ed25519", "PS256", "RS256"} {
		p := newProver(t, f, algorithm)
		for range 2 {
			who, err := p.fresh(t, nil)
			require.NoError(t, err, algorithm)
			assert.True(t, who.Confirmed)
		}
	}
	who, err := f.present(t, f.token(t, f.person()))
	require.NoError(t, err)
	assert.False(t, who.Confirmed)
}

func TestDPoP_SchemeAndBindingBelongTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := newProver(t, f, "ES256")
	proof := p.proof(t, p.header(t), p.claims())
	for _, scheme := range []string{"Bearer", "bearer", "Basic", ""} {
		r := request(t, scheme, p.token)
		r.Header.Set("DPoP", proof)
		_, err := p.Authenticate(t.Context(), r, p.token)
		requireCode(t, "unauthenticated", err, scheme)
		assert.Contains(t, challenge(t, err)["Www-Authenticate"][0], `error="invalid_token"`)
	}
	_, err := p.Verifier.Authenticate(t.Context(), request(t, "dpop", p.token), p.token)
	requireCode(t, "unauthenticated", err)
	assert.Contains(t, challenge(t, err)["Www-Authenticate"][1], `DPoP realm="cryptoutil", error="invalid_dpop_proof", algs="ES256 `, "without a proof")
	unbound := &prover{fixture: f, key: p.key, token: f.token(t, f.person())}
	_, err = unbound.fresh(t, nil)
	requireCode(t, "unauthenticated", err)
	assert.Contains(t, challenge(t, err)["Www-Authenticate"][1], `error="invalid_token"`)
	_, err = p.prove(t, proof)
	require.NoError(t, err, "it was not used up by what was refused")
}

func TestDPoP_EveryWrongProofIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p, other := newProver(t, f, "ES256"), newProver(t, f, "ES256")
	now := f.clock.Now().Unix()
	for name, change := range map[string]object{
		"another method":          {"htm": "GET"},
		"method in lower case":    {"htm": "post"},
		"no method":               {"htm": nil},
		"another path":            {"htu": target + "/1"},
		"path in upper case":      {"htu": strings.Replace(target, "keys", "KEYS", 1)},
		"another host":            {"htu": "https://ca.example/service/api/v1/keys"},
		"another port":            {"htu": "https://kms.example:8443/service/api/v1/keys"},
		"without TLS":             {"htu": "http://kms.example/service/api/v1/keys"},
		"with a user":             {"htu": "https://kms.example@evil.example/service/api/v1/keys"},
		"path alone":              {"htu": "/service/api/v1/keys"},
		"no target":               {"htu": nil},
		"target is a list":        {"htu": []string{target}},
		"encoded slash":           {"htu": "https://kms.example/service/api/v1%2Fkeys"},
		"too old":                 {"iat": now - 50},
		"from the future":         {"iat": now + 11},
		"no time":                 {"iat": nil},
		"time as text":            {"iat": "1"},
		"no id":                   {"jti": nil},
		"empty id":                {"jti": ""},
		"id is a number":          {"jti": 1},
		"without the token":       {"ath": nil},
		"another token":           {"ath": other.claims()["ath"]},
		"the token itself":        {"ath": p.token},
		"hash in standard base64": {"ath": p.claims()["ath"].(string) + "="},
	} {
		_, err := p.fresh(t, change)
		requireCode(t, "unauthenticated", err, name)
		assert.Contains(t, challenge(t, err)["Www-Authenticate"][1], `error="invalid_dpop_proof"`, name)
	}
	for name, change := range map[string]object{
		"query and fragment": {"htu": target + "?a=b#c"},
		"default port":       {"htu": "https://kms.example:443/service/api/v1/keys"},
		"letter case":        {"htu": "HTTPS://KMS.Example/service/api/v1/keys"},
		"needless encoding":  {"htu": "https://kms.example/service/api/v1/%6bey%73"},
		"old":                {"iat": now - 49},
		"clock ahead":        {"iat": now + 10},
	} {
		_, err := p.fresh(t, change)
		require.NoError(t, err, name)
	}
}

func TestDPoP_EveryWrongHeaderOfAProofIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p, other := newProver(t, f, "ES256"), newProver(t, f, "ES256")
	private, err := p.key.MarshalPrivate()
	require.NoError(t, err)
	proofs := map[string]string{
		"another key":       other.proof(t, other.header(t), p.claims()),
		"the other's key":   p.proof(t, other.header(t), p.claims()),
		"signed by another": other.proof(t, p.header(t), p.claims()),
		"none":              base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"dpop+jwt","alg":"none"}`)) + ".e30.",
		"the access token":  p.token,
		"empty":             "",
		"dots":              "..",
		"four parts":        p.proof(t, p.header(t), p.claims()) + ".a",
		"padded":            p.proof(t, p.header(t), p.claims()) + "=",
		"too long":          p.proof(t, with(p.header(t), object{"x": strings.Repeat("x", 9000)}), p.claims()),
	}
	for name, change := range map[string]object{
		"another type":     {"typ": "JWT"},
		"an access token":  {"typ": "at+jwt"},
		"no type":          {"typ": nil},
		"no key":           {"jwk": nil},
		"key as text":      {"jwk": "key"},
		"private key":      {"jwk": json.RawMessage(private)},
		"symmetric key":    {"jwk": object{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString(make([]byte, 32))}},
		"MAC":              {"alg": "HS256"},
		"alg none":         {"alg": "none"},
		"no alg":           {"alg": nil},
		"another curve":    {"alg": "ES384"},
		"extension":        {"crit": []string{"x"}, "x": 1},
		"key elsewhere":    {"jku": "https://evil.example"},
		"certificate":      {"x5c": []string{"AAAA"}},
		"unencoded":        {"b64": false},
		"key for wrapping": {"jwk": with(publicOf(t, p.key), object{"use": "enc"})},
	} {
		proofs[name] = p.proof(t, with(p.header(t), change), p.claims())
	}
	for name, proof := range proofs {
		_, err := p.prove(t, proof)
		requireCode(t, "unauthenticated", err, name)
		assert.Contains(t, challenge(t, err)["Www-Authenticate"][1], `error="invalid_dpop_proof"`, name)
	}
	_, err = p.prove(t, p.proof(t, p.header(t), p.claims()), p.proof(t, p.header(t), p.claims()))
	requireCode(t, "unauthenticated", err, "two proofs")
	_, err = p.prove(t, p.proof(t, with(p.header(t), object{"typ": "application/DPoP+JWT", "kid": "mine"}), p.claims()))
	require.NoError(t, err)
}

func publicOf(t testing.TB, key *jwk.Key) (o object) {
	t.Helper()
	text, err := key.MarshalPublic()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &o))
	return o
}

func TestDPoP_AProofServesOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p, other := newProver(t, f, "ES256"), newProver(t, f, "ES256")
	proof := p.proof(t, p.header(t), p.claims())
	var admitted atomic.Int64
	var group sync.WaitGroup
	for range 16 {
		r := request(t, "DPoP", p.token)
		r.Header.Set("DPoP", proof)
		group.Go(func() {
			if _, err := p.Authenticate(r.Context(), r, p.token); err == nil {
				admitted.Add(1)
			}
		})
	}
	group.Wait()
	assert.EqualValues(t, 1, admitted.Load())
	// The id counts, whatever else is new; and it is one of the key's.
	claims := p.claims()
	_, err := p.fresh(t, claims)
	require.NoError(t, err)
	f.clock.Add(time.Second)
	_, err = p.fresh(t, object{"jti": claims["jti"]})
	requireCode(t, "unauthenticated", err)
	_, err = other.fresh(t, object{"jti": claims["jti"]})
	require.NoError(t, err)
	// The latest proof there can be is remembered until it is too old.
	late := p.proof(t, p.header(t), with(p.claims(), object{"iat": f.clock.Now().Unix() + 10}))
	_, err = p.prove(t, late)
	require.NoError(t, err)
	for range 60 {
		_, err = p.prove(t, late)
		requireCode(t, "unauthenticated", err)
		f.clock.Add(time.Second)
	}
	_, err = p.prove(t, late)
	assert.Contains(t, err.Error(), "too old")
}

func TestDPoP_ForTheConfiguredOriginsWhateverTheRequestSays(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(_ *federation.IdentityConfig, deps *accesstoken.Deps) {
		deps.Origins = []string{"https://kms.example:443/", "https://localhost:8080"}
	})
	p := newProver(t, f, "ES256")
	for _, host := range []string{"kms.example", "evil.example"} {
		for htu, ok := range map[string]bool{
			target: true, "https://localhost:8080/service/api/v1/keys": true, "https://evil.example/service/api/v1/keys": false,
			"http://localhost:8080/service/api/v1/keys": false,
		} {
			r := request(t, "DPoP", p.token)
			r.Host = host
			r.Header.Set("DPoP", p.proof(t, p.header(t), with(p.claims(), object{"htu": htu})))
			_, err := p.Authenticate(t.Context(), r, p.token)
			assert.Equal(t, ok, err == nil, "%s at %s: %v", htu, host, err)
		}
	}
	_, err := accesstoken.New(accesstoken.Config{
		Product: "kms", Audience: audience, Issuers: []accesstoken.Issuer{{ID: blueIssuer, Tenant: "sales", Keys: federation.NewKeySet("", nil, false, time.Now)}},
		Origins: []string{"kms.example"}, Now: time.Now,
	})
	require.ErrorContains(t, err, "origin")
}

func TestDPoP_OfAnOpaqueToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := newProver(t, f, "ES256")
	p.token = "opaque"
	f.identity.says(active(with(f.program(), object{"cnf": object{"jkt": p.key.ThumbprintSHA256()}})))
	who, err := p.fresh(t, nil)
	require.NoError(t, err)
	assert.True(t, who.Confirmed)
	_, err = f.present(t, p.token)
	requireCode(t, "unauthenticated", err, "as a bearer token")
}
