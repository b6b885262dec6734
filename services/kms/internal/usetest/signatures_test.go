package usetest_test

import (
	"crypto/rand"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/testkit"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestSignatures_WithEveryAlgorithm(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		kinds := []kmstest.Kind{{Algorithm: "ES256"}, {Algorithm: "ES384"}, {Algorithm: "ES512"}, {Algorithm: "Ed25519"}, {Algorithm: "HS256"}, {Algorithm: "HS512"}}
		for _, k := range withRSA(t, s, kinds, "PS256", "RS256") {
			t.Run(k.String(), func(t *testing.T) {
				t.Parallel()
				made := s.Post(t, token, "elastic-keys", k)
				assert.Equal(t, map[bool]string{true: "mac", false: "sign"}[k.Algorithm[:2] == "HS"], made.Member(t, "use"))
				g := signer{Service: s, token: token, Kind: k, id: made.Member(t, "id"), message: []byte(rand.Text())}
				g.checkJWS(t)
				g.checkBare(t)
				g.checkOpenSSL(t)
				if rotates(k) {
					g.checkRotation(t)
				}
			})
		}
	})
}

// signer is a key that signs.
type signer struct {
	*kmstest.Service
	kmstest.Kind

	token, id string
	message   []byte
}

func (g signer) path(operation string) string { return "elastic-keys/" + g.Name + "/" + operation }

func (g signer) sign(t testing.TB, ask map[string]any) string {
	t.Helper()
	signed := g.Post(t, g.token, g.path("sign"), ask)
	assert.Equal(t, g.Algorithm, signed.Member(t, "algorithm"))
	assert.Equal(t, g.id, signed.Member(t, "elastic_key_id"))
	return signed.Member(t, "signature")
}

func (g signer) valid(t testing.TB, ask map[string]any) bool {
	t.Helper()
	return g.Post(t, g.token, g.path("verify"), ask).Object(t)["valid"].(bool)
}

func (g signer) checkJWS(t testing.TB) {
	t.Helper()
	payload := kmstest.Encode(g.message)
	token := g.sign(t, map[string]any{"payload": payload, "typ": "cu-test+jws"})
	header := kmstest.Protected(t, token)
	assert.Equal(t, map[string]any{"alg": g.Algorithm, "kid": g.id + ".1", "typ": "cu-test+jws"}, header)
	assert.NotContains(t, kmstest.Protected(t, g.sign(t, map[string]any{"payload": payload})), "typ")

	verdict := g.Post(t, g.token, g.path("verify"), map[string]any{"signature": token})
	assert.JSONEq(t, fmt.Sprintf(`{"valid":true,"version":1,"payload":%q}`, payload), string(verdict.Body))
	assert.True(t, g.valid(t, map[string]any{"signature": token, "payload": payload, "typ": "cu-test+jws", "input": "jws_payload", "format": "jws"}))
	for what, ask := range map[string]map[string]any{
		"another payload": {"signature": token, "payload": kmstest.Encode([]byte("other"))},
		"no payload":      {"signature": token, "payload": ""},
		"another typ":     {"signature": token, "typ": "JWT"},
	} {
		refused := g.Post(t, g.token, g.path("verify"), ask)
		assert.JSONEq(t, `{"valid":false,"version":1}`, string(refused.Body), "%s: a payload that is not valid is not shown", what)
	}
	for i, part := range strings.Split(token, ".") {
		for _, at := range []int{0, len(part) / 2, len(part) - 1} {
			parts := strings.Split(token, ".")
			parts[i] = part[:at] + kmstest.NextLetter(part[at]) + part[at+1:]
			assert.False(t, g.valid(t, map[string]any{"signature": strings.Join(parts, ".")}), "part %d changed at %d", i, at)
		}
	}
	parts := strings.Split(token, ".")
	for what, header := range map[string]string{
		"none":         `{"alg":"none","kid":"` + g.id + `.1"}`,
		"another alg":  `{"alg":"HS384","kid":"` + g.id + `.1"}`,
		"crit":         `{"alg":"` + g.Algorithm + `","kid":"` + g.id + `.1","crit":["b64"],"b64":false}`,
		"embedded key": `{"alg":"` + g.Algorithm + `","kid":"` + g.id + `.1","jwk":{"kty":"oct","k":"AAAA"}}`,
		"no version":   `{"alg":"` + g.Algorithm + `","kid":"` + g.id + `"}`,
		"version 2":    `{"alg":"` + g.Algorithm + `","kid":"` + g.id + `.2"}`,
		"version 01":   `{"alg":"` + g.Algorithm + `","kid":"` + g.id + `.01"}`,
		"duplicate":    `{"alg":"` + g.Algorithm + `","alg":"none","kid":"` + g.id + `.1"}`,
	} {
		for _, signature := range []string{parts[2], ""} {
			assert.False(t, g.valid(t, map[string]any{"signature": kmstest.Encode([]byte(header)) + "." + parts[1] + "." + signature}), what)
		}
	}
	if g.Algorithm[:2] == "HS" {
		g.Call(t, g.token, http.MethodGet, g.path("public-key"), nil).Refused(t, http.StatusConflict, "no_public_key", "HMAC")
		return
	}
	content, _, err := jws.Verify(publicKey(t, g.Get(t, g.token, g.path("public-key")), g.Kind), token, jws.Expect{Algorithm: g.Algorithm, Type: "cu-test+jws"})
	require.NoError(t, err, "others verify with the public key")
	assert.Equal(t, g.message, content)
}

// checkBare goes through every input with every format.
func (g signer) checkBare(t testing.TB) {
	t.Helper()
	inputs, formats := kmstest.Shapes(g.Algorithm)
	for _, input := range []string{"message", "digest", "jws_payload"} {
		for _, format := range []string{"p1363", "der", "raw", "jws"} {
			what := input + " " + format
			data := g.message
			if input == "digest" {
				data = kmstest.DigestOf(g.Algorithm, g.message)
			}
			ask := map[string]any{"payload": kmstest.Encode(data), "input": input, "format": format}
			switch {
			case input == "jws_payload" && format == "jws":
				continue
			case input == "jws_payload" || format == "jws":
				g.refuse(t, ask, "validation_failed", what)
				continue
			case !slices.Contains(inputs, input) || !slices.Contains(formats, format):
				g.refuse(t, ask, "invalid_input", what)
				continue
			}
			signature := g.sign(t, ask)
			good := kmstest.Merge(ask, map[string]any{"signature": signature})
			assert.True(t, g.valid(t, good), what)
			assert.True(t, g.valid(t, kmstest.Merge(good, map[string]any{"version": 1})), what)
			for _, at := range []int{0, len(signature) / 2, len(signature) - 1} {
				spoilt := signature[:at] + kmstest.NextLetter(signature[at]) + signature[at+1:]
				assert.False(t, g.valid(t, kmstest.Merge(good, map[string]any{"signature": spoilt})), "%s: changed at %d", what, at)
			}
			assert.False(t, g.valid(t, kmstest.Merge(good, map[string]any{"payload": kmstest.Encode(kmstest.DigestOf(g.Algorithm, []byte("other")))})), what)
			for _, other := range formats {
				if other != format {
					assert.False(t, g.valid(t, kmstest.Merge(good, map[string]any{"format": other})), "%s as %s", what, other)
				}
			}
			g.refuse(t, kmstest.Merge(ask, map[string]any{"typ": "x"}), "validation_failed", what+" with a typ")
			g.Call(t, g.token, http.MethodPost, g.path("verify"), kmstest.Merge(good, map[string]any{"version": 2})).
				Refused(t, http.StatusNotFound, "not_found", what+" by a version that is not there")
			if input == "digest" {
				for _, short := range [][]byte{{}, data[1:], append([]byte{0}, data...)} {
					g.refuse(t, kmstest.Merge(ask, map[string]any{"payload": kmstest.Encode(short)}), "invalid_input", what+" of another length")
				}
				asMessage := map[string]any{"payload": kmstest.Encode(g.message), "input": "message"}
				assert.True(t, g.valid(t, kmstest.Merge(good, asMessage)), "a digest signed is its message signed")
			}
		}
	}
	g.Call(t, g.token, http.MethodPost, g.path("verify"), map[string]any{"signature": "", "input": "message", "format": formats[0]}).
		Refused(t, http.StatusBadRequest, "validation_failed", "a bare signature without a payload")
	g.refuse(t, map[string]any{"payload": "", "input": "file"}, "validation_failed", "an unknown input")
	g.refuse(t, map[string]any{"payload": "", "format": "pem"}, "validation_failed", "an unknown format")
	g.Call(t, g.token, http.MethodPost, g.path("encrypt"), map[string]any{"plaintext": ""}).Refused(t, http.StatusConflict, "wrong_key_use", "encrypt")
	g.Call(t, g.token, http.MethodPost, g.path("decrypt"), map[string]any{"ciphertext": ""}).Refused(t, http.StatusConflict, "wrong_key_use", "decrypt")
}

// refuse checks that neither sign nor verify takes what is asked.
func (g signer) refuse(t testing.TB, ask map[string]any, code, what string) {
	t.Helper()
	g.Call(t, g.token, http.MethodPost, g.path("sign"), ask).Refused(t, http.StatusBadRequest, code, "sign: "+what)
	g.Call(t, g.token, http.MethodPost, g.path("verify"), kmstest.Merge(ask, map[string]any{"signature": "AAAA"})).
		Refused(t, http.StatusBadRequest, code, "verify: "+what)
}

// checkOpenSSL has another implementation verify bare signatures with the PEM of the public key.
func (g signer) checkOpenSSL(t testing.TB) {
	t.Helper()
	if g.Algorithm[:2] == "HS" {
		return
	}
	openssl, folder := testkit.RequireTool(t, "openssl"), t.TempDir()
	write := func(name string, content []byte) string {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, content, 0o600))
		return file
	}
	pem := write("public.pem", []byte(g.Get(t, g.token, g.path("public-key")).Member(t, "pem")))
	verify := func(signature, data []byte, arguments ...string) error {
		arguments = append(arguments, "-pubin", "-inkey", pem, "-in", write("data", data), "-sigfile", write("signature", signature))
		output, err := exec.CommandContext(t.Context(), openssl, append([]string{"pkeyutl", "-verify"}, arguments...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	}
	inputs, formats := kmstest.Shapes(g.Algorithm)
	for _, input := range inputs {
		for _, format := range formats {
			data := g.message
			options := []string{"-rawin"}
			if g.Algorithm != "Ed25519" {
				options = append(options, "-digest", "sha"+g.Algorithm[2:])
			}
			if input == "digest" {
				data = kmstest.DigestOf(g.Algorithm, g.message)
				options = []string{"-pkeyopt", "digest:sha" + g.Algorithm[2:]}
			}
			if g.Algorithm[:2] == "PS" {
				options = append(options, "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest")
			}
			signature, err := base64.RawURLEncoding.DecodeString(g.sign(t, map[string]any{"payload": kmstest.Encode(data), "input": input, "format": format}))
			require.NoError(t, err)
			if format == "p1363" {
				half := len(signature) / 2
				signature, err = asn1.Marshal([]*big.Int{new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])})
				require.NoError(t, err)
			}
			require.NoError(t, verify(signature, data, options...), "%s %s", input, format)
			data = slices.Clone(data)
			data[0] ^= 1
			require.Error(t, verify(signature, data, options...), "%s %s: of other data", input, format)
		}
	}
}

func (g signer) checkRotation(t testing.TB) {
	t.Helper()
	_, formats := kmstest.Shapes(g.Algorithm)
	bare := map[string]any{"payload": kmstest.Encode(g.message), "input": "message", "format": formats[0]}
	old := map[string]any{"signature": g.sign(t, map[string]any{"payload": kmstest.Encode(g.message)})}
	oldBare := kmstest.Merge(bare, map[string]any{"signature": g.sign(t, bare)})
	g.Post(t, g.token, g.path("rotate"), nil)
	assert.Equal(t, g.id+".2", kmstest.Protected(t, g.sign(t, map[string]any{"payload": ""}))["kid"])
	assert.True(t, g.valid(t, old), "a JWS names its version")
	assert.False(t, g.valid(t, oldBare), "the primary version is another one by now")
	assert.True(t, g.valid(t, kmstest.Merge(oldBare, map[string]any{"version": 1})))
	assert.False(t, g.valid(t, kmstest.Merge(oldBare, map[string]any{"version": 2})))
	g.Call(t, g.token, http.MethodPost, g.path("verify"), kmstest.Merge(old, map[string]any{"version": 1})).
		Refused(t, http.StatusBadRequest, "validation_failed", "a JWS with a version beside it")
	if g.Algorithm[:2] != "HS" {
		first, second := g.Get(t, g.token, g.path("public-key?version=1")), g.Get(t, g.token, g.path("public-key"))
		assert.NotEqual(t, first.Member(t, "pem"), second.Member(t, "pem"))
		assert.Equal(t, g.id+".1", first.Member(t, "kid"))
		assert.Equal(t, g.id+".2", second.Member(t, "kid"))
	}
}
