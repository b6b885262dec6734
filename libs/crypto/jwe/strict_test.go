package jwe_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

func assertCode(t *testing.T, err error, code string) {
	t.Helper()
	var coded interface{ ErrorCode() string }
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, code, coded.ErrorCode(), err)
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func spec(t testing.TB, algorithm string) alg.Spec {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	return spec
}

func TestDecrypt_RefusesHeaders(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "A256GCM/A256KW"))
	rest := ".AAAA.AAAA.AAAA.AAAA"
	for header, code := range map[string]string{
		`{"alg":"A256KW","enc":"A256GCM","zip":"DEF"}`:                     "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","crit":["exp"],"exp":1}`:          "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","crit":[]}`:                       "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","jwk":{}}`:                        "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","jku":"https://a"}`:               "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","x5u":"https://a"}`:               "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","x5c":[]}`:                        "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","p2c":1000000}`:                   "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","p2s":"AAAA"}`:                    "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","alg":"A256KW"}`:                  "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","ctx":{"a":1,"a":2}}`:             "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","\u0061lg":"dir"}`:                "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM"} x`:                               "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","kid":1}`:                         "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","kid":null}`:                      "invalid_jwe",
		`{"alg":["A256KW"],"enc":"A256GCM"}`:                               "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","kid":"\ud800"}`:                  "invalid_jwe",
		"{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"kid\":\"\xff\"}":        "invalid_jwe",
		`{"alg":"A256KW","enc":"A256GCM","a":` + strings.Repeat("[", 1000): "invalid_jwe",
		`{"alg":"A256KW"}`:                   "invalid_jwe",
		`{"enc":"A256GCM"}`:                  "invalid_jwe",
		`{}`:                                 "invalid_jwe",
		`[]`:                                 "invalid_jwe",
		`"A256KW"`:                           "invalid_jwe",
		`{"alg":"A128KW","enc":"A256GCM"}`:   "invalid_jwe",
		`{"alg":"dir","enc":"A256GCM"}`:      "invalid_jwe",
		`{"Alg":"A256KW","enc":"A256GCM"}`:   "invalid_jwe",
		`{"alg":"RSA1_5","enc":"A256GCM"}`:   "unsupported_algorithm",
		`{"alg":"RSA-OAEP","enc":"A256GCM"}`: "unsupported_algorithm",
		`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM"}`:      "unsupported_algorithm",
		`{"alg":"none","enc":"A256GCM"}`:                    "unsupported_algorithm",
		`{"alg":"A256KW","enc":"none"}`:                     "unsupported_algorithm",
		`{"alg":"A256KW","enc":"A256CBC"}`:                  "unsupported_algorithm",
		`{"alg":"A256KW","enc":"A256GCM"}`:                  "decryption_failed",
		`{"alg":"A256KW","enc":"A256GCM","x5t":"anything"}`: "decryption_failed",
	} {
		_, _, err := jwe.Decrypt(key, encode(header)+rest, jwe.Expect{})
		require.Error(t, err, header)
		assertCode(t, err, code)
	}
}

func TestDecrypt_RefusesForms(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "A256GCM/A256KW"))
	message, err := jwe.Encrypt(key, jwe.Header{Encryption: "A256GCM"}, []byte("text"))
	require.NoError(t, err)
	parts := strings.Split(message, ".")
	for _, text := range []string{
		"", ".", "....", ".....", "a", "a.b.c.d", message + ".", message + ".a", "." + message,
		strings.Replace(message, ".", "..", 1),
		`{"protected":"` + parts[0] + `"}`,
		"=" + message, " " + message, "\n" + message,
		strings.Repeat("A", 9000) + strings.TrimPrefix(message, parts[0]),
	} {
		_, _, err := jwe.Decrypt(key, text, jwe.Expect{})
		assertCode(t, err, "invalid_jwe")
		_, err = jwe.ParseHeader(text)
		assertCode(t, err, "invalid_jwe")
	}
	tooLong := message + strings.Repeat("A", jwe.MaxSize)
	_, _, err = jwe.Decrypt(key, tooLong, jwe.Expect{})
	assertCode(t, err, "invalid_jwe")
}

// Whatever is wrong behind the header gives the very same error.
func TestDecrypt_EveryFailureIsTheSameError(t *testing.T) {
	t.Parallel()
	for _, s := range encryptionSpecs() {
		if s.ContentEncryption != "A256GCM" && s.ContentEncryption != "A128CBC-HS256" || s.Curve == alg.CurveP521 {
			continue
		}
		t.Run(name(s), func(t *testing.T) {
			t.Parallel()
			key, other := newKey(t, s), newKey(t, s)
			message, err := jwe.Encrypt(key, jwe.Header{Encryption: s.ContentEncryption}, []byte("text"))
			require.NoError(t, err)
			parts := strings.Split(message, ".")
			var damaged []string
			for i := 1; i < len(parts); i++ {
				for _, part := range []string{"", "AAAA", parts[i] + "AAAA", strings.TrimSuffix(parts[i], parts[i][max(0, len(parts[i])-4):]), flip(parts[i]), "!", parts[i] + "\n"} {
					changed := append([]string(nil), parts...)
					if changed[i] = part; part != parts[i] {
						damaged = append(damaged, strings.Join(changed, "."))
					}
				}
			}
			for _, text := range damaged {
				_, _, err := jwe.Decrypt(key, text, jwe.Expect{})
				require.Equal(t, jwe.ErrDecryption, err, text)
			}
			if s.KeyType != alg.KeyTypeRSA { // the tests share one RSA key
				_, _, err = jwe.Decrypt(other, message, jwe.Expect{})
				require.Equal(t, jwe.ErrDecryption, err)
			}
			_, _, err = jwe.Decrypt(key, message, jwe.Expect{})
			require.NoError(t, err)
		})
	}
}

func flip(part string) string {
	if part == "" {
		return part
	}
	first := "A"
	if part[0] == 'A' {
		first = "B"
	}
	return first + part[1:]
}

func TestDecrypt_TheCallerDecidesTheAlgorithm(t *testing.T) {
	t.Parallel()
	secret := make([]byte, 32)
	key, err := jwk.FromMaterial(secret, jwk.Attributes{})
	require.NoError(t, err)
	message, err := jwe.Encrypt(key, jwe.Header{Algorithm: "dir", Encryption: "A256GCM"}, []byte("text"))
	require.NoError(t, err)

	_, _, err = jwe.Decrypt(key, message, jwe.Expect{})
	assertCode(t, err, "key_mismatch")
	_, _, err = jwe.Decrypt(key, message, jwe.Expect{Algorithm: "A256KW"})
	assertCode(t, err, "invalid_jwe")
	_, _, err = jwe.Decrypt(key, message, jwe.Expect{Algorithm: "dir", Encryption: "A128GCM"})
	assertCode(t, err, "invalid_jwe")
	_, _, err = jwe.Decrypt(key, message, jwe.Expect{Algorithm: "RSA1_5"})
	assertCode(t, err, "unsupported_algorithm")
	_, _, err = jwe.Decrypt(key, message, jwe.Expect{Algorithm: "RSA-OAEP-256"})
	assertCode(t, err, "key_mismatch")
	_, _, err = jwe.Decrypt(key, message, jwe.Expect{Algorithm: "dir", Encryption: "A256GCM"})
	require.NoError(t, err)
}

func TestUseAndOperationsAreEnforced(t *testing.T) {
	t.Parallel()
	for attributes, canEncrypt := range map[*jwk.Attributes][2]bool{
		{}:                                       {true, true},
		{Use: "enc"}:                             {true, true},
		{Use: "sig"}:                             {false, false},
		{Operations: []string{"wrapKey"}}:        {true, false},
		{Operations: []string{"unwrapKey"}}:      {false, true},
		{Operations: []string{"sign", "verify"}}: {false, false},
		{Use: "enc", Operations: []string{"wrapKey", "another"}}:  {true, false},
		{Operations: []string{"wrapKey, unwrapKey"}}:              {false, false},
		{Use: "enc", Operations: []string{"encrypt", "decrypt"}}:  {true, true},
		{Use: "enc", Operations: []string{"deriveKey", "custom"}}: {false, false},
	} {
		secret := make([]byte, 32)
		free, err := jwk.FromMaterial(secret, jwk.Attributes{Algorithm: "A256KW"})
		require.NoError(t, err)
		key, err := jwk.FromMaterial(secret, *attributes)
		require.NoError(t, err)
		h := jwe.Header{Algorithm: "A256KW", Encryption: "A256GCM"}
		_, err = jwe.Encrypt(key, h, nil)
		assert.Equal(t, canEncrypt[0], err == nil, "%v %v", attributes, err)
		message, err := jwe.Encrypt(free, h, nil)
		require.NoError(t, err)
		_, _, err = jwe.Decrypt(key, message, jwe.Expect{Algorithm: "A256KW"})
		assert.Equal(t, canEncrypt[1], err == nil, "%v %v", attributes, err)
		if err != nil {
			assertCode(t, err, "key_mismatch")
		}
	}
}

func TestPublicKeysEncryptAndDoNotDecrypt(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"A256GCM/RSA-OAEP-256", "A256GCM/ECDH-ES", "A256GCM/ECDH-ES+A256KW"} {
		s, err := alg.ParseSpec(algorithm, 0, "")
		require.NoError(t, err)
		private := newKey(t, s)
		public, err := private.Public()
		require.NoError(t, err)
		message, err := jwe.Encrypt(public, jwe.Header{Encryption: "A256GCM"}, []byte("text"))
		require.NoError(t, err)
		_, _, err = jwe.Decrypt(public, message, jwe.Expect{})
		assertCode(t, err, "key_mismatch")
		plaintext, _, err := jwe.Decrypt(private, message, jwe.Expect{})
		require.NoError(t, err)
		assert.Equal(t, "text", string(plaintext))
	}
}

func TestEncrypt_RefusesExtraMembersWithAMeaning(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "A256GCM/A256KW"))
	for _, member := range []string{"alg", "enc", "kid", "typ", "cty", "zip", "crit", "epk", "apu", "apv", "iv", "tag", "jwk", "jku", "x5c", "x5u", "x5t", "p2s", "p2c", "b64"} {
		_, err := jwe.Encrypt(key, jwe.Header{Encryption: "A256GCM", Extra: map[string]any{member: "x"}}, nil)
		assertCode(t, err, "invalid_input")
	}
	_, err := jwe.Encrypt(key, jwe.Header{Encryption: "A256GCM", Extra: map[string]any{"f": func() {}}}, nil)
	assertCode(t, err, "invalid_input")
	_, err = jwe.Encrypt(key, jwe.Header{}, nil)
	assertCode(t, err, "unsupported_algorithm")
}

// A message that nobody could read again is not written.
func TestEncrypt_RefusesHeadersThatDecryptRefuses(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "A256GCM/A256KW"))
	deep := any("x")
	for range 20 {
		deep = []any{deep}
	}
	for _, h := range []jwe.Header{
		{KeyID: strings.Repeat("k", 7000)},
		{PartyUInfo: make([]byte, 7000)},
		{Extra: map[string]any{"deep": deep}},
		{Extra: map[string]any{"twice": json.RawMessage(`{"a":1,"a":2}`)}},
		{Extra: map[string]any{"surrogate": json.RawMessage(`"\ud800"`)}},
	} {
		h.Encryption = "A256GCM"
		_, err := jwe.Encrypt(key, h, nil)
		if assert.Error(t, err) {
			assertCode(t, err, "invalid_input")
		}
	}
	longest := jwe.Header{Encryption: "A256GCM", Extra: map[string]any{"x": strings.Repeat("x", 6000), "n": 1}}
	message, err := jwe.Encrypt(key, longest, nil)
	require.NoError(t, err)
	_, _, err = jwe.Decrypt(key, message, jwe.Expect{})
	require.NoError(t, err)
}

// Points that are not on the recipient's curve, and keys that are none, are refused before any key
// agreement.
func TestDecrypt_RefusesEphemeralKeys(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "A256GCM/ECDH-ES"))
	const x, y = "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ", "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"
	for epk, code := range map[string]string{
		`{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `"}`:          "decryption_failed",
		`{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + x + `"}`:          "invalid_jwe",
		`{"kty":"EC","crv":"P-384","x":"` + x + `","y":"` + y + `"}`:          "invalid_jwe",
		`{"kty":"OKP","crv":"X25519","x":"` + x + `"}`:                        "invalid_jwe",
		`{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `","d":"AA"}`: "invalid_jwe",
		`{"kty":"EC","crv":"P-256","x":"` + x + `"}`:                          "invalid_jwe",
		`{"kty":"EC","crv":"P-256","x":"","y":""}`:                            "invalid_jwe",
		`{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`:                        "invalid_jwe",
		`"P-256"`: "invalid_jwe",
		`null`:    "invalid_jwe",
	} {
		header := fmt.Sprintf(`{"alg":"ECDH-ES","enc":"A256GCM","epk":%s}`, epk)
		_, _, err := jwe.Decrypt(key, encode(header)+"..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", jwe.Expect{})
		require.Error(t, err, epk)
		assertCode(t, err, code)
	}
	_, _, err := jwe.Decrypt(key, encode(`{"alg":"ECDH-ES","enc":"A256GCM"}`)+"..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", jwe.Expect{})
	assertCode(t, err, "invalid_jwe")
	assert.NotErrorIs(t, err, jwe.ErrDecryption)
}
