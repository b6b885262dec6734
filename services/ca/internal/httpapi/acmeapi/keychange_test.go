package acmeapi_test

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

func TestKeyChange_IsSignedByBothKeysForThisAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r, stranger := newRaw(t, f, "main"), newRaw(t, f, "main")
		fresh := newKey(t)
		url := r.url("/key-change")
		own := fmt.Sprintf(`{"account":%q,"oldKey":%s}`, r.kid, publicJWK(t, r.key))
		inner := func(signer *ecdsa.PrivateKey, payload string, change func(map[string]any)) string {
			h := map[string]any{"alg": "ES256", "jwk": publicJWK(t, fresh), "url": url}
			if change != nil {
				change(h)
			}
			return string(flattened(t, signer, h, payload))
		}
		for name, test := range map[string]struct {
			payload string
			kind    string
			status  int
		}{
			"signed by another key":    {inner(newKey(t), own, nil), acme.Unauthorized, 401},
			"another's account":        {inner(fresh, fmt.Sprintf(`{"account":%q,"oldKey":%s}`, stranger.kid, publicJWK(t, r.key)), nil), acme.Malformed, 400},
			"another's old key":        {inner(fresh, fmt.Sprintf(`{"account":%q,"oldKey":%s}`, r.kid, publicJWK(t, stranger.key)), nil), acme.Malformed, 400},
			"no old key":               {inner(fresh, fmt.Sprintf(`{"account":%q}`, r.kid), nil), acme.Malformed, 400},
			"another URL":              {inner(fresh, own, func(h map[string]any) { h["url"] = r.url("/new-order") }), acme.Unauthorized, 403},
			"a nonce inside":           {inner(fresh, own, func(h map[string]any) { h["nonce"] = r.nonce(t) }), acme.Malformed, 400},
			"an account inside":        {inner(fresh, own, func(h map[string]any) { delete(h, "jwk"); h["kid"] = r.kid }), acme.Malformed, 400},
			"a MAC inside":             {inner(fresh, own, func(h map[string]any) { h["alg"] = "HS256" }), acme.BadSignatureAlgorithm, 400},
			"the same key":             {string(flattened(t, r.key, map[string]any{"alg": "ES256", "jwk": publicJWK(t, r.key), "url": url}, own)), acme.Malformed, 400},
			"nothing inside":           {"{}", acme.Malformed, 400},
			"the inner payload itself": {own, acme.Malformed, 400},
		} {
			a := r.post(t, "/key-change", test.payload, nil)
			assert.Equal(t, test.kind, a.problem.Type, name)
			refused(t, a, test.kind, test.status)
		}
		taken := string(flattened(t, stranger.key, map[string]any{"alg": "ES256", "jwk": publicJWK(t, stranger.key), "url": url}, own))
		conflict := r.post(t, "/key-change", taken, nil)
		refused(t, conflict, acme.Malformed, http.StatusConflict)
		assert.Equal(t, stranger.kid, conflict.header.Get("Location"))

		assert.Equal(t, http.StatusOK, r.postURL(t, r.kid, "", nil).status, "the key is still the old one")
		assert.Equal(t, http.StatusOK, r.post(t, "/key-change", inner(fresh, own, nil), nil).status)
		refused(t, r.postURL(t, r.kid, "", nil), acme.Unauthorized, http.StatusUnauthorized)
		r.key = fresh
		assert.Equal(t, http.StatusOK, r.postURL(t, r.kid, "", nil).status)
	})
}

// binding makes an external account binding; change makes its header wrong.
func binding(t *testing.T, kid string, secret []byte, url, payload string, change func(map[string]any)) json.RawMessage {
	t.Helper()
	h := map[string]any{"alg": "HS256", "kid": kid, "url": url}
	if change != nil {
		change(h)
	}
	text, err := json.Marshal(h)
	require.NoError(t, err)
	input := encode(text) + "." + encode([]byte(payload))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	out, err := json.Marshal(map[string]string{"protected": encode(text), "payload": encode([]byte(payload)), "signature": encode(mac.Sum(nil))})
	require.NoError(t, err)
	return out
}

func TestExternalAccount_BindsOneAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		key, secret, err := f.replicas[0].server.CreateExternalKey(t.Context(), "default", "bound", "team payments", time.Hour)
		require.NoError(t, err)
		c := f.client(t, "bound")
		_, err = c.Register(t.Context(), &xacme.Account{}, xacme.AcceptTOS)
		assert.Equal(t, acme.ExternalAccountRequired, typeOf(t, err))
		bind := &xacme.Account{ExternalAccountBinding: &xacme.ExternalAccountBinding{KID: key.ID, Key: secret}}
		_, err = c.Register(t.Context(), bind, xacme.AcceptTOS)
		require.NoError(t, err)
		_, err = f.client(t, "bound").Register(t.Context(), bind, xacme.AcceptTOS)
		assert.Equal(t, acme.Unauthorized, typeOf(t, err), "a key binds one account")

		stored, err := f.replicas[1].server.ExternalKey(t.Context(), "default", key.ID)
		require.NoError(t, err)
		assert.NotEmpty(t, stored.Account)
		assert.Empty(t, stored.Wrapped, "the secret is gone")
		assert.Equal(t, "team payments", stored.Label)
		listed, err := f.replicas[1].server.ExternalKeys(t.Context(), "default", "", 10)
		require.NoError(t, err)
		assert.Len(t, listed, 1)
	})
}

func TestExternalAccount_RefusesWhatIsNotBound(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		create := func(directory string, lifetime time.Duration) (string, []byte) {
			key, secret, err := f.replicas[0].server.CreateExternalKey(t.Context(), "default", directory, "", lifetime)
			require.NoError(t, err)
			return key.ID, secret
		}
		id, secret := create("bound", time.Hour)
		elsewhere, elsewhereSecret := create("main", 0)
		revoked, revokedSecret := create("", 0)
		require.NoError(t, f.replicas[1].server.RevokeExternalKey(t.Context(), "default", revoked))
		assert.ErrorIs(t, f.replicas[1].server.RevokeExternalKey(t.Context(), "default", revoked), acme.ErrStale)
		assert.ErrorIs(t, f.replicas[1].server.RevokeExternalKey(t.Context(), "default", uuid.NewString()), acme.ErrNotFound)

		r := &raw{f: f, directory: "bound", key: newKey(t)}
		own, url := string(publicJWK(t, r.key)), r.url("/new-account")
		for name, test := range map[string]struct {
			binding json.RawMessage
			kind    string
			status  int
		}{
			"wrong secret":          {binding(t, id, elsewhereSecret, url, own, nil), acme.Unauthorized, 403},
			"unknown key":           {binding(t, uuid.NewString(), secret, url, own, nil), acme.Unauthorized, 403},
			"no id":                 {binding(t, "x", secret, url, own, nil), acme.Unauthorized, 403},
			"another directory's":   {binding(t, elsewhere, elsewhereSecret, url, own, nil), acme.Unauthorized, 403},
			"revoked":               {binding(t, revoked, revokedSecret, url, own, nil), acme.Unauthorized, 403},
			"another URL":           {binding(t, id, secret, r.url("/new-order"), own, nil), acme.Unauthorized, 403},
			"another account's key": {binding(t, id, secret, url, string(publicJWK(t, newKey(t))), nil), acme.Malformed, 400},
			"no key":                {binding(t, id, secret, url, "{}", nil), acme.Malformed, 400},
			"a nonce":               {binding(t, id, secret, url, own, func(h map[string]any) { h["nonce"] = r.nonce(t) }), acme.Malformed, 400},
			"no MAC":                {binding(t, id, secret, url, own, func(h map[string]any) { h["alg"] = "none" }), acme.BadSignatureAlgorithm, 400},
			"a signature":           {flattened(t, r.key, map[string]any{"alg": "ES256", "kid": id, "url": url}, own), acme.BadSignatureAlgorithm, 400},
			"no object":             {json.RawMessage(`"x"`), acme.Malformed, 400},
		} {
			a := r.post(t, "/new-account", fmt.Sprintf(`{"externalAccountBinding":%s}`, test.binding), nil)
			assert.Equal(t, test.kind, a.problem.Type, name)
			refused(t, a, test.kind, test.status)
		}
		right := fmt.Sprintf(`{"externalAccountBinding":%s}`, binding(t, id, secret, url, own, nil))
		f.clock.advance(2 * time.Hour)
		refused(t, r.post(t, "/new-account", right, nil), acme.Unauthorized, http.StatusForbidden)
	})
}
