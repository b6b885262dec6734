package kms_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// peer is an independent library outside of enforcement: the helper program of package jwe's own tests.
type peer struct {
	in  *json.Encoder
	out *json.Decoder
}

func startPeer(t *testing.T) *peer {
	t.Helper()
	if testing.Short() {
		t.Skip("the peer program takes seconds to build: skipped under -short")
	}
	program := filepath.Join(t.TempDir(), "peer")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/peer")
	build.Dir = filepath.Join("..", "..", "libs", "crypto", "jwe")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	run := exec.CommandContext(context.WithoutCancel(t.Context()), program) // its end comes with that of its input
	run.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GODEBUG=") }), "GODEBUG=fips140=off")
	in, err := run.StdinPipe()
	require.NoError(t, err)
	out, err := run.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, run.Start())
	t.Cleanup(func() {
		_ = in.Close() // ends it
		assert.NoError(t, run.Wait())
	})
	return &peer{json.NewEncoder(in), json.NewDecoder(bufio.NewReader(out))}
}

// encrypt encrypts to a public key.
func (p *peer) encrypt(t *testing.T, spec alg.Spec, key json.RawMessage, text string) string {
	t.Helper()
	require.NoError(t, p.in.Encode(map[string]any{
		"operation": "encrypt", "algorithm": spec.KeyManagement, "encryption": spec.ContentEncryption, "key": key, "text": text,
	}))
	var answer struct{ Text, Error string }
	require.NoError(t, p.out.Decode(&answer))
	require.Empty(t, answer.Error, spec.Algorithm)
	return answer.Text
}

// sampled tells whether a spec is tried: of RSA, whose keys take a while to make, one content encryption and the smallest size.
func sampled(spec alg.Spec) bool {
	return spec.KeyType != alg.KeyTypeRSA || spec.KeySize == 2048 && (spec.Use == alg.UseSign || spec.ContentEncryption == "A256GCM")
}

// Every algorithm does over HTTPS what it is for, and nothing else; what an independent library encrypts to a public key is decrypted.
func TestMatrix_EveryAlgorithmDoesWhatItIsForAndNothingElse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		foreign := startPeer(t)
		verbs := map[alg.Use][]string{
			alg.UseEncrypt: {"encrypt", "decrypt", "reencrypt", "wrap", "unwrap", "generate", "generate-data-key"},
			alg.UseSign:    {"sign", "verify"},
			alg.UseMAC:     {"sign", "verify", "mac", "verify-mac"},
			alg.UseKEM:     {"encapsulate", "decapsulate"},
			alg.UseDerive:  {"derive"},
		}
		anything := map[string]map[string]any{
			"encrypt": {"plaintext": ""}, "decrypt": {"ciphertext": ""}, "reencrypt": {"ciphertext": ""}, "wrap": {"key": "AA"}, "unwrap": {"wrapped": ""},
			"generate": {"algorithm": "ES256"}, "generate-data-key": {}, "sign": {"payload": ""}, "verify": {"signature": ""}, "mac": {"payload": ""},
			"verify-mac": {"payload": "", "mac": ""}, "encapsulate": {}, "decapsulate": {"ciphertext": ""}, "derive": {"length": 32},
		}
		peerKey := ""
		for i, spec := range alg.Specs() {
			if !sampled(spec) {
				continue
			}
			name := "key-" + encode([]byte{byte(i >> 8), byte(i)})
			name = strings.ToLower(name) + "-" + strings.ToLower(strings.NewReplacer("/", "-", "+", "-").Replace(spec.Algorithm))
			ask := map[string]any{"name": name, "algorithm": spec.Algorithm}
			if spec.KeyType == alg.KeyTypeRSA {
				ask["key_size"] = spec.KeySize
			}
			if spec.Curve != "" && spec.Use != alg.UseSign {
				ask["curve"] = spec.Curve
			}
			s.post(t, token, "elastic-keys", ask)
			do := func(verb string, body map[string]any) answer {
				return s.post(t, token, "elastic-keys/"+name+"/"+verb, body)
			}
			for verb, body := range anything {
				if !slices.Contains(verbs[spec.Use], verb) {
					s.call(t, token, http.MethodPost, "elastic-keys/"+name+"/"+verb, body).refused(t, http.StatusConflict, "wrong_key_use", spec.Algorithm+" "+verb)
				}
			}
			switch spec.Use {
			case alg.UseEncrypt:
				bind := map[string]any{"record": "1"}
				sealed := do("encrypt", map[string]any{"plaintext": "aGVsbG8", "context": bind}).member(t, "ciphertext")
				sealed = do("reencrypt", map[string]any{"ciphertext": sealed, "context": bind, "new_context": map[string]any{}}).member(t, "ciphertext")
				assert.Equal(t, "aGVsbG8", do("decrypt", map[string]any{"ciphertext": sealed}).member(t, "plaintext"), spec.Algorithm)
				data := do("generate-data-key", map[string]any{"include_plaintext": true})
				assert.Equal(t, data.member(t, "key"), do("unwrap", map[string]any{"wrapped": data.member(t, "wrapped")}).member(t, "key"), spec.Algorithm)
				if spec.KeyType == alg.KeyTypeEC || spec.KeyManagement == "RSA-OAEP-256" {
					public, err := json.Marshal(s.get(t, token, "elastic-keys/"+name+"/public-key").object(t)["jwk"])
					require.NoError(t, err)
					opened := do("decrypt", map[string]any{"ciphertext": foreign.encrypt(t, spec, public, "from elsewhere")})
					assert.Equal(t, encode([]byte("from elsewhere")), opened.member(t, "plaintext"), spec.Algorithm)
				}
			case alg.UseSign, alg.UseMAC:
				signed := do("sign", map[string]any{"payload": "aGVsbG8"}).member(t, "signature")
				assert.Equal(t, true, do("verify", map[string]any{"signature": signed}).object(t)["valid"], spec.Algorithm)
				if spec.Use == alg.UseMAC {
					mac := do("mac", map[string]any{"payload": "aGVsbG8"}).member(t, "mac")
					assert.Equal(t, true, do("verify-mac", map[string]any{"payload": "aGVsbG8", "mac": mac}).object(t)["valid"], spec.Algorithm)
				}
			case alg.UseKEM:
				made := do("encapsulate", map[string]any{})
				assert.Equal(t, made.member(t, "shared_key"), do("decapsulate", map[string]any{"ciphertext": made.member(t, "ciphertext")}).member(t, "shared_key"))
			case alg.UseDerive:
				ask := map[string]any{"length": 32, "info": "AA"}
				if spec.Derivation == "ECDH" {
					peerKey = name + "-peer"
					s.post(t, token, "elastic-keys", map[string]any{"name": peerKey, "algorithm": "ECDH", "curve": spec.Curve})
					ask["peer"] = s.get(t, token, "elastic-keys/"+peerKey+"/public-key").object(t)["jwk"]
					ask["kdf"] = "hkdf-sha384"
				}
				secret := do("derive", ask).member(t, "secret")
				assert.Equal(t, secret, do("derive", ask).member(t, "secret"))
				if peerKey != "" && spec.Derivation == "ECDH" {
					ask["peer"] = s.get(t, token, "elastic-keys/"+name+"/public-key").object(t)["jwk"]
					assert.Equal(t, secret, s.post(t, token, "elastic-keys/"+peerKey+"/derive", ask).member(t, "secret"), "the other side has the same")
				}
			}
		}
	})
}

// The bound on what one request works on is the configuration's.
func TestLimit_OfBytesInOneRequestIsConfigured(t *testing.T) {
	t.Parallel()
	cfg, files := prepare(t, "sqlite")
	cfg.Keys.InlineLimit = 1 << 20
	s := run(t, cfg, files)
	token := s.operator(t)
	s.create(t, token, "k", "A256GCM/A256KW")
	most := make([]byte, 1<<20)
	sealed := s.post(t, token, "elastic-keys/k/encrypt", map[string]any{"plaintext": encode(most)}).member(t, "ciphertext")
	assert.Equal(t, encode(most), s.post(t, token, "elastic-keys/k/decrypt", map[string]any{"ciphertext": sealed}).member(t, "plaintext"))
	s.call(t, token, http.MethodPost, "elastic-keys/k/encrypt", map[string]any{"plaintext": encode(make([]byte, len(most)+1))}).
		refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", "one byte more")
	for limit, valid := range map[int]bool{0: false, 1: true, 1 << 20: true, 1<<20 + 1: false, -1: false} {
		cfg.Keys.InlineLimit = limit
		assert.Equal(t, valid, len(cfg.Keys.Validate()) == 0, "%d", limit)
	}
}
