package acmeapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

func TestReplay_ARequestChangesSomethingOnceOnAllReplicas(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		url := r.url("/new-order")
		body := flattened(t, r.key, r.header(t, url), newOrderPayload)
		assert.Equal(t, http.StatusCreated, r.send(t, url, body).status)
		for range 3 {
			again := r.send(t, url, body)
			refused(t, again, acme.BadNonce, http.StatusBadRequest)
		}
		orders := r.post(t, strings.TrimPrefix(r.kid, r.url(""))+"/orders", "", nil)
		assert.Len(t, orders.list(t, "orders"), 1)
	})
}

func TestReplay_ManyAtOnceChangeSomethingOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		url := r.url("/new-order")
		body := flattened(t, r.key, r.header(t, url), newOrderPayload)
		answers := make([]answer, 20)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = r.send(t, url, body) })
		}
		all.Wait()
		made := 0
		for _, a := range answers {
			if a.status == http.StatusCreated {
				made++
				continue
			}
			refused(t, a, acme.BadNonce, http.StatusBadRequest)
		}
		assert.Equal(t, 1, made)
	})
}

func TestNonce_MustBeFromHereAndFresh(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		other := &raw{f: f, directory: "other", key: r.key}
		foreign := other.nonce(t)
		right := r.nonce(t)
		for name, nonce := range map[string]any{
			"another directory's": foreign, "empty": "", "garbage": "AAAA", "altered": right[:20] + "A" + right[21:], "cut": right[:40], "padded": right + "=", "a number": 7,
			"with a line break": right[:20] + "\n" + right[20:],
		} {
			if nonce == right { // the altered character was an A
				continue
			}
			a := r.post(t, "/new-order", newOrderPayload, func(h map[string]any) { h["nonce"] = nonce })
			refused(t, a, acme.BadNonce, http.StatusBadRequest)
			assert.NotEqual(t, nonce, a.header.Get("Replay-Nonce"), name)
		}
		a := r.post(t, "/new-order", newOrderPayload, func(h map[string]any) { delete(h, "nonce") })
		refused(t, a, acme.BadNonce, http.StatusBadRequest)

		fresh := a.header.Get("Replay-Nonce")
		assert.Equal(t, http.StatusCreated, r.post(t, "/new-order", newOrderPayload, func(h map[string]any) { h["nonce"] = fresh }).status)
		old := r.nonce(t)
		f.clock.advance(9 * time.Minute)
		assert.Equal(t, http.StatusOK, r.postURL(t, r.kid, "", func(h map[string]any) { h["nonce"] = old }).status)
		f.clock.advance(2 * time.Minute)
		refused(t, r.post(t, "/new-order", newOrderPayload, func(h map[string]any) { h["nonce"] = old }), acme.BadNonce, http.StatusBadRequest)
	})
}

func TestURL_MustBeTheOneOfTheRequest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		for _, wrong := range []string{
			r.url("/new-account"), r.url("/new-order/"), r.url("/new-order?x=1"), strings.ToUpper(r.url("/new-order")), "/acme/main/new-order",
			"https://attacker.example/acme/main/new-order", f.url + "/acme/other/new-order", "",
		} {
			a := r.post(t, "/new-order", newOrderPayload, func(h map[string]any) { h["url"] = wrong })
			refused(t, a, acme.Unauthorized, http.StatusForbidden)
		}
		a := r.post(t, "/new-order", newOrderPayload, func(h map[string]any) { delete(h, "url") })
		refused(t, a, acme.Malformed, http.StatusBadRequest)
		h := r.header(t, r.url("/new-order"))
		refused(t, r.send(t, r.url("/new-order?x=1"), flattened(t, r.key, h, newOrderPayload)), acme.Unauthorized, http.StatusForbidden)
	})
}

func TestAlgorithm_NoneAndMACsAreRefusedAndTheListIsTold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		for _, algorithm := range []any{"none", "HS256", "HS512", "RS1", "es256", "ES256K", "A128GCM", "x"} {
			a := r.post(t, "/new-order", newOrderPayload, func(h map[string]any) { h["alg"] = algorithm })
			refused(t, a, acme.BadSignatureAlgorithm, http.StatusBadRequest)
			assert.Contains(t, a.problem.Algorithms, "ES256")
			assert.NotContains(t, a.problem.Algorithms, "HS256")
		}
		for _, algorithm := range []any{"", 7, nil} {
			a := r.post(t, "/new-order", newOrderPayload, func(h map[string]any) { h["alg"] = algorithm })
			refused(t, a, acme.Malformed, http.StatusBadRequest)
		}
		for _, algorithm := range []any{"RS256", "ES384", "EdDSA"} { // accepted ones that the key does not fit
			a := r.post(t, "/new-order", newOrderPayload, func(h map[string]any) { h["alg"] = algorithm })
			refused(t, a, acme.Malformed, http.StatusBadRequest)
		}
	})
}

func TestKey_IsNamedInOneWayAndIsTheSigners(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r, stranger := newRaw(t, f, "main"), newRaw(t, f, "main")
		own := publicJWK(t, r.key)
		for name, test := range map[string]struct {
			change func(map[string]any)
			kind   string
			status int
		}{
			"both":                {func(h map[string]any) { h["jwk"] = own }, acme.Malformed, 400},
			"neither":             {func(h map[string]any) { delete(h, "kid") }, acme.Malformed, 400},
			"a key, no account":   {func(h map[string]any) { delete(h, "kid"); h["jwk"] = own }, acme.Malformed, 400},
			"another's account":   {func(h map[string]any) { h["kid"] = stranger.kid }, acme.Unauthorized, 401},
			"no account's":        {func(h map[string]any) { h["kid"] = r.kid + "0" }, acme.AccountDoesNotExist, 400},
			"only the id":         {func(h map[string]any) { h["kid"] = strings.TrimPrefix(r.kid, r.url("/account/")) }, acme.AccountDoesNotExist, 400},
			"another directory's": {func(h map[string]any) { h["kid"] = strings.Replace(r.kid, "/main/", "/other/", 1) }, acme.AccountDoesNotExist, 400},
			"another host's":      {func(h map[string]any) { h["kid"] = "https://attacker.example/acme/main/account/1" }, acme.AccountDoesNotExist, 400},
			"a key by URL":        {func(h map[string]any) { h["jku"] = "https://attacker.example/jwks" }, acme.Malformed, 400},
			"an extension":        {func(h map[string]any) { h["crit"] = []string{"exp"}; h["exp"] = 1 }, acme.Malformed, 400},
			"unencoded":           {func(h map[string]any) { h["crit"] = []string{"b64"}; h["b64"] = false }, acme.Malformed, 400},
		} {
			a := r.post(t, "/new-order", newOrderPayload, test.change)
			assert.Equal(t, test.kind, a.problem.Type, name)
			refused(t, a, test.kind, test.status)
		}
		elsewhere := &raw{f: f, directory: "other", key: r.key, kid: r.kid}
		refused(t, elsewhere.post(t, "/new-order", newOrderPayload, nil), acme.AccountDoesNotExist, http.StatusBadRequest)
	})
}

func TestKey_WeakAndSecretKeysMakeNoAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := &raw{f: f, directory: "main", key: newKey(t)}
		short := encode([]byte("\xc1" + strings.Repeat("\x5b", 126) + "\x11"))
		for name, test := range map[string]struct{ key, kind string }{
			"RSA of 1024 bits": {fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB"}`, short), acme.BadPublicKey},
			"a secret":         {`{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}`, acme.Malformed},
			"no point":         {`{"kty":"EC","crv":"P-256","x":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","y":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}`, acme.Malformed},
			"nothing":          {`{}`, acme.Malformed},
			"no object":        {`"key"`, acme.Malformed},
		} {
			a := r.post(t, "/new-account", `{"termsOfServiceAgreed":true}`, func(h map[string]any) { h["jwk"] = json.RawMessage(test.key) })
			assert.Equal(t, test.kind, a.problem.Type, "%s: %s", name, a.body)
		}
	})
}

func TestMessage_HasOneForm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		url := r.url("/new-order")
		var parts struct{ Protected, Payload, Signature string }
		require.NoError(t, json.Unmarshal(flattened(t, r.key, r.header(t, url), newOrderPayload), &parts))
		for name, body := range map[string]string{
			"empty": "", "null": "null", "text": "hello", "a list": "[]", "cut": `{"protected":"`, "trailing": `{} {}`,
			"compact":        parts.Protected + "." + parts.Payload + "." + parts.Signature,
			"general":        fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, parts.Payload, parts.Protected, parts.Signature),
			"two signatures": fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%[2]q,"signature":%[3]q},{"protected":%[2]q,"signature":%[3]q}]}`, parts.Payload, parts.Protected, parts.Signature),
			"unprotected":    fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q,"header":{"x":"y"}}`, parts.Payload, parts.Protected, parts.Signature),
			"no payload":     fmt.Sprintf(`{"protected":%q,"signature":%q}`, parts.Protected, parts.Signature),
			"no signature":   fmt.Sprintf(`{"payload":%q,"protected":%q}`, parts.Payload, parts.Protected),
			"padding":        fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts.Payload, parts.Protected+"=", parts.Signature),
			"payload twice":  fmt.Sprintf(`{"payload":%q,"payload":%[1]q,"protected":%q,"signature":%q}`, parts.Payload, parts.Protected, parts.Signature),
			"deep":           strings.Repeat("[", 10_000),
		} {
			a := r.send(t, url, []byte(body))
			assert.Equal(t, acme.Malformed, a.problem.Type, name)
			refused(t, a, acme.Malformed, http.StatusBadRequest)
		}
		wrong := fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, encode([]byte(`{"identifiers":[]}`)), parts.Protected, parts.Signature)
		refused(t, r.send(t, url, []byte(wrong)), acme.Unauthorized, http.StatusUnauthorized)
		right := fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts.Payload, parts.Protected, parts.Signature)
		refused(t, r.sendAs(t, url, "application/json", []byte(right)), acme.Malformed, http.StatusUnsupportedMediaType)
		refused(t, r.sendAs(t, url, "", []byte(right)), acme.Malformed, http.StatusUnsupportedMediaType)
		refused(t, r.send(t, url, []byte(strings.Repeat(" ", 1<<20)+right)), acme.Malformed, http.StatusRequestEntityTooLarge)
		assert.Equal(t, http.StatusCreated, r.send(t, url, []byte(right)).status, "what was refused has not used the nonce up")
	})
}

func TestPayload_IsAnObjectWithoutDuplicates(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		r := newRaw(t, f, "main")
		for _, payload := range []string{
			"", "null", "[]", `"x"`, "{", `{"identifiers":1}`, `{"identifiers":[{"type":"dns","value":7}]}`, newOrderPayload + "x", "\xff",
			`{"identifiers":[{"type":"dns","value":"a.example.com"}],"identifiers":[{"type":"dns","value":"b.example.com"}]}`,
			`{"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
		} {
			refused(t, r.post(t, "/new-order", payload, nil), acme.Malformed, http.StatusBadRequest)
		}
		assert.Equal(t, http.StatusCreated, r.post(t, "/new-order", `{"unknown":1,"identifiers":[{"type":"dns","value":"a.example.com","x":1}]}`, nil).status)
	})
}
