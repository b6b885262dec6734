package accesstoken_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/accesstoken"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

func TestToken_OfAPersonAndOfAProgram(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := f.token(t, f.person())
	assert.True(t, f.Recognizes(token))
	for range 2 { // verified, and remembered
		p, err := f.present(t, token)
		require.NoError(t, err)
		now := f.clock.Now().UTC()
		assert.Equal(t, &server.Principal{
			Tenant: "sales", Realm: accesstoken.Realm, Kind: server.KindUser, ID: "alice", Scopes: []string{"kms:read", "kms:encrypt"},
			Methods: []string{"pwd", "otp"}, AuthenticatedAt: now.Add(-time.Minute), ExpiresAt: now.Add(5 * time.Minute),
		}, p)
	}
	p, err := f.present(t, f.token(t, f.program()))
	require.NoError(t, err)
	now := f.clock.Now().UTC()
	assert.Equal(t, &server.Principal{
		Tenant: "sales", Realm: accesstoken.Realm, Kind: server.KindClient, ID: "billing", Scopes: []string{"kms:read", "kms:encrypt"},
		AuthenticatedAt: now, ExpiresAt: now.Add(5 * time.Minute),
	}, p)
	fetched, asked := f.identity.counts()
	assert.Equal(t, 1, fetched)
	assert.Zero(t, asked, "short-lived and without administrative scopes")
}

func TestToken_EveryWrongClaimRefusesIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	now := f.clock.Now().Unix()
	cases := map[string]object{
		"another issuer":        {"iss": "https://id.example/t/green"},
		"issuer with a slash":   {"iss": blueIssuer + "/"},
		"issuer in upper case":  {"iss": "https://ID.example/t/blue"},
		"issuer is a list":      {"iss": []string{blueIssuer}},
		"another audience":      {"aud": "https://ca.example"},
		"audience as prefix":    {"aud": audience + "/"},
		"audience of numbers":   {"aud": []any{1}},
		"empty audience":        {"aud": []string{}},
		"null audience":         {"aud": json.RawMessage("null")},
		"expired":               {"exp": now - 10, "iat": now - 100, "auth_time": now - 100},
		"expiry as text":        {"exp": "9999999999"},
		"expiry out of range":   {"exp": 1e18},
		"negative expiry":       {"exp": -1},
		"expires before issued": {"exp": now + 3, "iat": now + 4},
		"not yet valid":         {"nbf": now + 11},
		"issued in the future":  {"iat": now + 11},
		"future authentication": {"auth_time": now + 11},
		"empty subject":         {"sub": ""},
		"long subject":          {"sub": strings.Repeat("a", 256)},
		"subject with newline":  {"sub": "alice\nroot"},
		"subject is a number":   {"sub": 7},
		"person is the client":  {"sub": "portal"},
		"null token id":         {"jti": json.RawMessage("null")},
		"scope as list":         {"scope": []string{"kms:read"}},
		"methods as text":       {"amr": "pwd"},
		"unknown confirmation":  {"cnf": object{"kid": "1"}},
		"known and unknown":     {"cnf": object{"jkt": strings.Repeat("a", 43), "jwk": object{}}},
		"empty confirmation":    {"cnf": object{}},
		"short thumbprint":      {"cnf": object{"jkt": ""}},
		"confirmation as text":  {"cnf": "jkt"},
	}
	for _, name := range []string{"iss", "sub", "client_id", "aud", "exp", "iat", "jti"} {
		cases["without "+name] = object{name: nil}
	}
	for name, change := range cases {
		_, err := f.present(t, f.token(t, with(f.person(), change)))
		requireCode(t, "unauthenticated", err, name)
		assert.Contains(t, challenge(t, err)["Www-Authenticate"][0], `error="invalid_token"`, name)
	}
	for name, change := range map[string]object{
		"several audiences": {"aud": []string{"https://ca.example", audience}},
		"in the leeway":     {"iat": now + 9, "nbf": now + 9, "exp": now + 60},
		"just over":         {"iat": now - 60, "exp": now - 9},
		"a fraction":        {"exp": float64(now) + 60.5},
		"without scope":     {"scope": nil},
		"unknown claims":    {"act": object{"sub": "x"}, "roles": []string{"admin"}, "tenant": "research"},
	} {
		p, err := f.present(t, f.token(t, with(f.person(), change)))
		require.NoError(t, err, name)
		assert.Equal(t, "sales", p.Tenant, name)
		assert.Empty(t, p.Roles, name)
	}
}

func TestToken_EveryWrongHeaderRefusesIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	right := header(f.blue)
	_, err := f.present(t, compact(t, f.blue, "ES256", with(right, object{"typ": "application/AT+JWT"}), f.person()))
	require.NoError(t, err)
	public, err := f.blue.MarshalPublic()
	require.NoError(t, err)
	for name, change := range map[string]object{
		"an ID token":         {"typ": "JWT"},
		"a logout token":      {"typ": "logout+jwt"},
		"no type":             {"typ": nil},
		"no key id":           {"kid": nil},
		"an unknown key id":   {"kid": "blue-2"},
		"another tenant's":    {"kid": "red-1"},
		"none":                {"alg": "none"},
		"None":                {"alg": "nOnE"},
		"a MAC":               {"alg": "HS256"},
		"another curve":       {"alg": "ES384"},
		"another family":      {"alg": "RS256"},
		"unknown extension":   {"crit": []string{"exp"}, "exp": 1},
		"known extension":     {"crit": []string{"b64"}, "b64": false},
		"an embedded key":     {"jwk": json.RawMessage(public)},
		"a key elsewhere":     {"jku": "https://id.example/keys"},
		"certificates inside": {"x5c": []string{"AAAA"}},
		"compressed":          {"zip": "DEF"},
	} {
		token := compact(t, f.blue, "ES256", with(right, change), f.person())
		_, err := f.present(t, token)
		requireCode(t, "unauthenticated", err, name)
	}
}

func TestToken_AlteredOrUnsignedIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := f.token(t, f.person())
	parts := strings.Split(token, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt","kid":"blue-1"}`))
	other := strings.Split(f.token(t, with(f.person(), object{"sub": "mallory"})), ".")
	twice := strings.Replace(mustDecode(t, parts[1]), `{`, `{"sub":"mallory",`, 1)
	for name, text := range map[string]string{
		"no signature":        parts[0] + "." + parts[1] + ".",
		"two parts":           parts[0] + "." + parts[1],
		"none":                none + "." + parts[1] + ".",
		"none, signed":        none + "." + parts[1] + "." + parts[2],
		"other claims":        parts[0] + "." + other[1] + "." + parts[2],
		"padded":              token + "=",
		"in the query's form": token + "%3D",
		"five parts":          token + ".a.b",
		"too long":            parts[0] + "." + strings.Repeat("A", 17<<10) + "." + parts[2],
		"duplicate member":    parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(twice)) + "." + parts[2],
		"empty":               "",
		"an API token":        "cu_at_default_x_y",
	} {
		_, err := f.present(t, text)
		requireCode(t, "unauthenticated", err, name)
	}
	flipped := []byte(token)
	for _, i := range []int{len(parts[0]) + 10, len(token) - 20} {
		flipped[i] ^= 1
		_, err := f.present(t, string(flipped))
		requireCode(t, "unauthenticated", err)
		flipped[i] ^= 1
	}
	_, err := f.present(t, token)
	require.NoError(t, err)
}

func TestToken_WithDuplicateClaimsIsRefusedAlthoughItsIssuerSignedIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	signedTwice := json.RawMessage(`"alice","sub":"mallory"`)
	text := strings.Replace(mustDecode(t, strings.Split(f.token(t, f.person()), ".")[1]), `"alice"`, string(signedTwice), 1)
	_, err := f.present(t, f.signText(t, text))
	requireCode(t, "unauthenticated", err)
	_, err = f.present(t, f.signText(t, strings.Replace(text, `,"sub":"mallory"`, `,"SUB":"mallory"`, 1)))
	require.NoError(t, err, "names are compared as they are")
}

func TestToken_OfEveryAcceptedAlgorithm(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, algorithm := range []string{"ES256", "ES384", "ES512", "Ed25519", "PS256", "RS256"} {
		key := newKey(t, algorithm, "of-"+algorithm)
		f.identity.set(func(i *identity) { i.keys["blue"] = []*jwk.Key{key} })
		f.clock.Add(time.Minute)
		_, err := f.present(t, compact(t, key, algorithm, header(key), f.person()))
		require.NoError(t, err, algorithm)
	}
	old := newKey(t, "Ed25519", "ed")
	f.identity.set(func(i *identity) { i.keys["blue"] = []*jwk.Key{old} })
	f.clock.Add(time.Minute)
	_, err := f.present(t, compact(t, old, "Ed25519", with(header(old), object{"alg": "EdDSA"}), f.person()))
	require.NoError(t, err)
	// A key that names no algorithm takes those that fit it, and no others.
	free := newKey(t, "RS256", "free")
	free.Algorithm = ""
	f.identity.set(func(i *identity) { i.keys["blue"] = []*jwk.Key{free} })
	f.clock.Add(time.Minute)
	for _, algorithm := range []string{"RS256", "PS384"} {
		_, err := f.present(t, compact(t, free, algorithm, object{"typ": "at+jwt", "alg": algorithm, "kid": "free"}, f.person()))
		require.NoError(t, err, algorithm)
	}
	_, err = f.present(t, compact(t, free, "RS256", object{"typ": "at+jwt", "alg": "PS256", "kid": "free"}, f.person()))
	requireCode(t, "unauthenticated", err)
}

func TestToken_OfASharedSecretIsRefusedWhoeverPublishesIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	secret, err := jwk.FromMaterial(make([]byte, 32), jwk.Attributes{ID: "blue-1"})
	require.NoError(t, err)
	token := compact(t, secret, "HS256", object{"typ": "at+jwt", "alg": "HS256", "kid": "blue-1"}, f.person())
	_, err = f.present(t, token)
	requireCode(t, "unauthenticated", err)
	v, err := accesstoken.New(accesstoken.Config{
		Product: "kms", Audience: audience, Issuers: []accesstoken.Issuer{{ID: blueIssuer, Tenant: "sales", Keys: &kept{key: secret}}}, Now: f.clock.Now,
	})
	require.NoError(t, err)
	_, err = v.Authenticate(t.Context(), request(t, "Bearer", token), token)
	requireCode(t, "unauthenticated", err)
}

func TestToken_ThatNobodyCanBeAskedAboutIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	v, err := accesstoken.New(accesstoken.Config{
		Product: "kms", Audience: audience, Issuers: []accesstoken.Issuer{{ID: blueIssuer, Tenant: "sales", Keys: &kept{key: f.blue}}}, Now: f.clock.Now,
	})
	require.NoError(t, err)
	for text, ok := range map[string]bool{f.token(t, f.person()): true, f.token(t, f.administrator()): false, "opaque": false} {
		_, err = v.Authenticate(t.Context(), request(t, "Bearer", text), text)
		if ok {
			require.NoError(t, err)
			continue
		}
		requireCode(t, "unauthenticated", err)
	}
}

func TestToken_OfOneTenantIsNeverAnothers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p, err := f.present(t, compact(t, f.red, "ES256", header(f.red), with(f.person(), object{"iss": redIssuer})))
	require.NoError(t, err)
	assert.Equal(t, "research", p.Tenant)
	for name, token := range map[string]string{
		"red's key, blue's name":       compact(t, f.red, "ES256", header(f.red), f.person()),
		"red's key under blue's id":    compact(t, f.red, "ES256", header(f.blue), f.person()),
		"blue's key, red's name":       compact(t, f.blue, "ES256", header(f.blue), with(f.person(), object{"iss": redIssuer})),
		"blue's key under red's id":    compact(t, f.blue, "ES256", header(f.red), with(f.person(), object{"iss": redIssuer})),
		"tenant of the token's choice": compact(t, f.red, "ES256", header(f.red), with(f.person(), object{"iss": blueIssuer, "tenant": "sales"})),
	} {
		_, err := f.present(t, token)
		requireCode(t, "unauthenticated", err, name)
	}
	// One key id in both: each issuer's own key counts.
	same := newKey(t, "ES256", f.blue.ID)
	f.identity.set(func(i *identity) { i.keys["red"] = []*jwk.Key{same} })
	f.clock.Add(time.Minute)
	_, err = f.present(t, f.token(t, with(f.person(), object{"iss": redIssuer})))
	requireCode(t, "unauthenticated", err)
	p, err = f.present(t, compact(t, same, "ES256", header(same), with(f.person(), object{"iss": redIssuer})))
	require.NoError(t, err)
	assert.Equal(t, "research", p.Tenant)
}

func TestToken_EndsInMemoryToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := f.token(t, with(f.person(), object{"exp": f.clock.Now().Unix() + 30}))
	_, err := f.present(t, token)
	require.NoError(t, err)
	f.clock.Add(39 * time.Second)
	_, err = f.present(t, token)
	require.NoError(t, err, "in the leeway")
	f.clock.Add(time.Second)
	_, err = f.present(t, token)
	requireCode(t, "unauthenticated", err)
}

func TestRecognizes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	idToken := compact(t, f.blue, "ES256", with(header(f.blue), object{"typ": "JWT"}), f.person())
	session := compact(t, f.blue, "ES256", with(header(f.blue), object{"typ": "cu-session+jwt"}), f.person())
	for text, want := range map[string]bool{
		f.token(t, f.person()): true, "opaque-token_1.2~+/==": true,
		idToken: false, session: false, "": false, "==": false, "cu_st_default_x": false, "cu_at_x": false, "a b": false, "ä": false,
		"eyJhbGciOiJub25lIn0.e30.": false, strings.Repeat("a", 20_000): false, "a=b": false,
	} {
		assert.Equal(t, want, f.Recognizes(text), "%.60s", text)
	}
}
