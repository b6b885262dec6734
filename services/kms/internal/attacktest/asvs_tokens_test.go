package attacktest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// part is one part of a compact JWS.
func part(t testing.TB, members map[string]any) string {
	t.Helper()
	text, err := json.Marshal(members)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(text)
}

func members(t testing.TB, encoded string) (all map[string]any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &all))
	return all
}

// with is a copy that has further members; nil removes one.
func with(all, changes map[string]any) map[string]any {
	out := maps.Clone(all)
	for name, value := range changes {
		if out[name] = value; value == nil {
			delete(out, name)
		}
	}
	return out
}

// ASVS 9.1.1 to 9.2.3: a session token is taken with its own signature, algorithm, key, type, audience and time, or not at all, and every
// forgery is answered alike.
func TestASVS_9_SessionTokensCannotBeForged(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	token := s.Call(t, s.Operator(t), http.MethodPost, "sessions", map[string]any{}).Member(t, "session_token")
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3, "programs have signed sessions by default")
	head, body := members(t, parts[0]), members(t, parts[1])
	s.Get(t, token, "self")

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	own := map[string]any{
		"kty": "EC", "crv": "P-256", "x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}
	signed := func(changes map[string]any) string {
		input := part(t, with(head, changes)) + "." + parts[1]
		sum := sha256.Sum256([]byte(input))
		r, v, err := ecdsa.Sign(rand.Reader, key, sum[:])
		require.NoError(t, err)
		return input + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...))
	}
	maced := func(secret []byte) string {
		input := part(t, with(head, map[string]any{"alg": "HS256"})) + "." + parts[1]
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	forged := map[string]string{
		"no algorithm":              part(t, with(head, map[string]any{"alg": "none"})) + "." + parts[1] + ".",
		"no algorithm, in capitals": part(t, with(head, map[string]any{"alg": "NONE"})) + "." + parts[1] + ".",
		"no algorithm, signed":      part(t, with(head, map[string]any{"alg": "none"})) + "." + parts[1] + "." + parts[2],
		"no signature":              parts[0] + "." + parts[1] + ".",
		"a MAC by the key's name":   maced([]byte("a secret of sixteen bytes " + head["kid"].(string))),
		"a MAC by nothing":          maced(make([]byte, 32)),
		"a key of its own":          signed(map[string]any{"alg": "ES256", "jwk": own}),
		"a key from elsewhere":      signed(map[string]any{"alg": "ES256", "jku": "https://attacker.invalid/keys", "kid": "theirs"}),
		"a certificate":             signed(map[string]any{"alg": "ES256", "x5u": "https://attacker.invalid/c.pem"}),
		"another's key, same name":  signed(nil),
		"a key by path":             signed(map[string]any{"kid": "../../../../dev/null"}),
		"a key by statement":        signed(map[string]any{"kid": "x' OR '1'='1"}),
		"another type":              part(t, with(head, map[string]any{"typ": "at+jwt"})) + "." + parts[1] + "." + parts[2],
		"critical":                  part(t, with(head, map[string]any{"crit": []string{"exp"}})) + "." + parts[1] + "." + parts[2],
		"not encoded":               part(t, with(head, map[string]any{"b64": false, "crit": []string{"b64"}})) + "." + parts[1] + "." + parts[2],
		"another end":               parts[0] + "." + part(t, with(body, map[string]any{"exp": 4102444800})) + "." + parts[2],
		"another tenant":            parts[0] + "." + part(t, with(body, map[string]any{"tenant": "stranger", "tid": "stranger"})) + "." + parts[2],
		"another audience":          parts[0] + "." + part(t, with(body, map[string]any{"aud": "jose"})) + "." + parts[2],
		"the signature of another":  parts[0] + "." + parts[1] + "." + parts[1],
		"padded":                    token + "=",
		"four parts":                token + ".x",
		"five parts":                token + ".x.y",
		"a space inside":            parts[0] + ". " + parts[1] + "." + parts[2],
		"the last bit":              token[:len(token)-1] + kmstest.NextLetter(token[len(token)-1]),
	}
	first := ""
	for what, text := range forged {
		got := s.Call(t, text, http.MethodGet, "self", nil)
		got.Refused(t, http.StatusUnauthorized, "unauthenticated", what)
		if first == "" {
			first = got.Member(t, "detail")
		}
		assert.Contains(t, []string{first, got.Member(t, "detail")}, got.Member(t, "detail"))
		for _, word := range []string{"signature", "alg", "kid", "expired", "audience"} {
			assert.NotContains(t, got.Member(t, "detail"), word, what)
		}
	}
	s.Get(t, token, "self")
}

// ASVS 14.2.1 and 7.2.1: credentials are taken from the Authorization header and from nowhere else.
func TestASVS_14_2_1_CredentialsElsewhereCountForNothing(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	token := s.Operator(t)
	session := s.Call(t, token, http.MethodPost, "sessions", map[string]any{}).Member(t, "session_token")
	for _, secret := range []string{token, session} {
		for _, name := range []string{"access_token", "token", "api_key", "session", "authorization"} {
			s.Call(t, "", http.MethodGet, kmstest.Query("self", name, secret), nil).Refused(t, http.StatusUnauthorized, "unauthenticated", name)
			s.Call(t, "", http.MethodPost, "elastic-keys", map[string]any{name: secret, "name": "x", "algorithm": "ES256"}).
				Refused(t, http.StatusUnauthorized, "unauthenticated", name+" in the body")
		}
		for _, header := range []string{"X-Api-Key", "X-Auth-Token", "X-Authorization", "Proxy-Authorization", "Client-Cert", "X-Client-Cert", "X-Ssl-Client-Cert", "X-Forwarded-Client-Cert"} {
			s.Call(t, "", http.MethodGet, "self", nil, header, "Bearer "+secret).Refused(t, http.StatusUnauthorized, "unauthenticated", header)
		}
		s.Call(t, "", http.MethodGet, "self", nil, "Cookie", "access_token="+secret).Refused(t, http.StatusUnauthorized, "unauthenticated", "a cookie")
		s.Call(t, "", http.MethodGet, "self", nil, "Cookie", "__Host-cu-kms-default="+secret).Refused(t, http.StatusForbidden, "wrong_client_type", "the session's cookie")
	}
	s.Call(t, "", http.MethodGet, kmstest.Self, nil, "Cookie", kmstest.SessionCookie+"="+token).Refused(t, http.StatusUnauthorized, "session_required", "a token as a session")
	s.Call(t, "", http.MethodGet, kmstest.Self, nil, "Cookie", kmstest.SessionCookie+"="+session).Refused(t, http.StatusForbidden, "wrong_client_type", "a program's session")
	s.Call(t, session, http.MethodPost, "sessions", map[string]any{}).Refused(t, http.StatusForbidden, "forbidden", "a session prolongs itself")
	assert.NotContains(t, s.Logs.String(), session)
	assert.NotContains(t, s.Logs.String(), token)
}
