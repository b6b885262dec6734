package usetest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// sampled tells whether a spec is tried: of RSA, whose keys take a while to make, one content encryption and the smallest size.
func sampled(spec alg.Spec) bool {
	return spec.KeyType != alg.KeyTypeRSA || spec.KeySize == 2048 && (spec.Use == alg.UseSign || spec.ContentEncryption == "A256GCM")
}

// Every algorithm does over HTTPS what it is for, and nothing else; what an independent library encrypts to a public key is decrypted.
func TestMatrix_EveryAlgorithmDoesWhatItIsForAndNothingElse(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		foreign := kmstest.StartPeer(t)
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
			name := "key-" + kmstest.Encode([]byte{byte(i >> 8), byte(i)})
			name = strings.ToLower(name) + "-" + strings.ToLower(strings.NewReplacer("/", "-", "+", "-").Replace(spec.Algorithm))
			ask := map[string]any{"name": name, "algorithm": spec.Algorithm}
			if spec.KeyType == alg.KeyTypeRSA {
				ask["key_size"] = spec.KeySize
			}
			if spec.Curve != "" && spec.Use != alg.UseSign {
				ask["curve"] = spec.Curve
			}
			s.Post(t, token, "elastic-keys", ask)
			do := func(verb string, body map[string]any) kmstest.Answer {
				return s.Post(t, token, "elastic-keys/"+name+"/"+verb, body)
			}
			for verb, body := range anything {
				if !slices.Contains(verbs[spec.Use], verb) {
					s.Call(t, token, http.MethodPost, "elastic-keys/"+name+"/"+verb, body).Refused(t, http.StatusConflict, "wrong_key_use", spec.Algorithm+" "+verb)
				}
			}
			switch spec.Use {
			case alg.UseEncrypt:
				bind := map[string]any{"record": "1"}
				sealed := do("encrypt", map[string]any{"plaintext": "aGVsbG8", "context": bind}).Member(t, "ciphertext")
				sealed = do("reencrypt", map[string]any{"ciphertext": sealed, "context": bind, "new_context": map[string]any{}}).Member(t, "ciphertext")
				assert.Equal(t, "aGVsbG8", do("decrypt", map[string]any{"ciphertext": sealed}).Member(t, "plaintext"), spec.Algorithm)
				data := do("generate-data-key", map[string]any{"include_plaintext": true})
				assert.Equal(t, data.Member(t, "key"), do("unwrap", map[string]any{"wrapped": data.Member(t, "wrapped")}).Member(t, "key"), spec.Algorithm)
				if spec.KeyType == alg.KeyTypeEC || spec.KeyManagement == "RSA-OAEP-256" {
					public, err := json.Marshal(s.Get(t, token, "elastic-keys/"+name+"/public-key").Object(t)["jwk"])
					require.NoError(t, err)
					opened := do("decrypt", map[string]any{"ciphertext": foreign.Encrypt(t, spec, public, "from elsewhere")})
					assert.Equal(t, kmstest.Encode([]byte("from elsewhere")), opened.Member(t, "plaintext"), spec.Algorithm)
				}
			case alg.UseSign, alg.UseMAC:
				signed := do("sign", map[string]any{"payload": "aGVsbG8"}).Member(t, "signature")
				assert.Equal(t, true, do("verify", map[string]any{"signature": signed}).Object(t)["valid"], spec.Algorithm)
				if spec.Use == alg.UseMAC {
					mac := do("mac", map[string]any{"payload": "aGVsbG8"}).Member(t, "mac")
					assert.Equal(t, true, do("verify-mac", map[string]any{"payload": "aGVsbG8", "mac": mac}).Object(t)["valid"], spec.Algorithm)
				}
			case alg.UseKEM:
				made := do("encapsulate", map[string]any{})
				assert.Equal(t, made.Member(t, "shared_key"), do("decapsulate", map[string]any{"ciphertext": made.Member(t, "ciphertext")}).Member(t, "shared_key"))
			case alg.UseDerive:
				ask := map[string]any{"length": 32, "info": "AA"}
				if spec.Derivation == "ECDH" {
					peerKey = name + "-peer"
					s.Post(t, token, "elastic-keys", map[string]any{"name": peerKey, "algorithm": "ECDH", "curve": spec.Curve})
					ask["peer"] = s.Get(t, token, "elastic-keys/"+peerKey+"/public-key").Object(t)["jwk"]
					ask["kdf"] = "hkdf-sha384"
				}
				secret := do("derive", ask).Member(t, "secret")
				assert.Equal(t, secret, do("derive", ask).Member(t, "secret"))
				if peerKey != "" && spec.Derivation == "ECDH" {
					ask["peer"] = s.Get(t, token, "elastic-keys/"+name+"/public-key").Object(t)["jwk"]
					assert.Equal(t, secret, s.Post(t, token, "elastic-keys/"+peerKey+"/derive", ask).Member(t, "secret"), "the other side has the same")
				}
			}
		}
	})
}

// The bound on what one request works on is the configuration's.
func TestLimit_OfBytesInOneRequestIsConfigured(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, "sqlite")
	cfg.Keys.InlineLimit = 1 << 20
	s := kmstest.Run(t, cfg, files)
	token := s.Operator(t)
	s.Create(t, token, "k", "A256GCM/A256KW")
	most := make([]byte, 1<<20)
	sealed := s.Post(t, token, "elastic-keys/k/encrypt", map[string]any{"plaintext": kmstest.Encode(most)}).Member(t, "ciphertext")
	assert.Equal(t, kmstest.Encode(most), s.Post(t, token, "elastic-keys/k/decrypt", map[string]any{"ciphertext": sealed}).Member(t, "plaintext"))
	s.Call(t, token, http.MethodPost, "elastic-keys/k/encrypt", map[string]any{"plaintext": kmstest.Encode(make([]byte, len(most)+1))}).
		Refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", "one byte more")
	for limit, valid := range map[int]bool{0: false, 1: true, 1 << 20: true, 1<<20 + 1: false, -1: false} {
		cfg.Keys.InlineLimit = limit
		assert.Equal(t, valid, len(cfg.Keys.Validate()) == 0, "%d", limit)
	}
}
