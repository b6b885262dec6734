package jws_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func signatureSpecs() []alg.Spec {
	var specs []alg.Spec
	for _, spec := range alg.Specs() {
		if spec.Signature != "" && (spec.KeyType != alg.KeyTypeRSA || spec.KeySize == alg.MinRSABits) {
			specs = append(specs, spec)
		}
	}
	return specs
}

// newKey makes a private or symmetric key of a spec; RSA keys are the same 2048 bits throughout.
func newKey(t testing.TB, spec alg.Spec) *jwk.Key {
	t.Helper()
	var material any
	var err error
	switch spec.KeyType {
	case alg.KeyTypeRSA:
		material = rsaKey()
	case alg.KeyTypeEC:
		curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[spec.Curve]
		material, err = ecdsa.GenerateKey(curve, rand.Reader)
	case alg.KeyTypeOKP:
		_, material, err = ed25519.GenerateKey(rand.Reader)
	default:
		secret := make([]byte, spec.KeySize/8)
		_, _ = rand.Read(secret)
		material = secret
	}
	require.NoError(t, err)
	key, err := jwk.FromMaterial(material, jwk.Attributes{ID: "k1", Algorithm: spec.KeyAlgorithm()})
	require.NoError(t, err)
	return key
}

func spec(t testing.TB, algorithm string) alg.Spec {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	return spec
}

func assertCode(t *testing.T, err error, code string) {
	t.Helper()
	var coded interface{ ErrorCode() string }
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, code, coded.ErrorCode(), err)
}

func TestSignVerify_EveryAlgorithm(t *testing.T) {
	t.Parallel()
	for _, s := range signatureSpecs() {
		t.Run(s.Algorithm, func(t *testing.T) {
			t.Parallel()
			key := newKey(t, s)
			sent := jws.Header{Type: "cu-test+jwt", ContentType: "text", Extra: map[string]any{"app": "abc", "iat": json.Number("17"), "list": []any{"a", nil, false}, "o": map[string]any{"b": "2", "a": "1"}}}
			token, err := jws.Sign(key, sent, []byte("payload"))
			require.NoError(t, err)
			verifier := key
			if !key.IsSymmetric() {
				verifier, err = key.Public()
				require.NoError(t, err)
			}
			payload, h, err := jws.Verify(verifier, token, jws.Expect{Type: "application/CU-test+jwt"})
			require.NoError(t, err)
			assert.Equal(t, "payload", string(payload))
			assert.Equal(t, jws.Header{Algorithm: s.Algorithm, KeyID: "k1", Type: sent.Type, ContentType: "text", Extra: sent.Extra}, h)
			_, _, err = jws.Verify(key, token, jws.Expect{}) // a private key stands for its public part
			require.NoError(t, err)
			_, _, err = jws.Verify(verifier, token, jws.Expect{Type: "at+jwt"})
			assertCode(t, err, "invalid_jws")

			other := newKey(t, s)
			if s.KeyType != alg.KeyTypeRSA { // the tests share one RSA key
				_, _, err = jws.Verify(other, token, jws.Expect{})
				assert.Equal(t, jws.ErrVerification, err)
			}
		})
	}
}

// Every single changed bit of the signature, and every other length, gives the very same error.
func TestVerify_EveryFailureIsTheSameError(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"ES256", "ES512", "Ed25519", "HS256", "PS256", "RS256"} {
		key := newKey(t, spec(t, algorithm))
		token, err := jws.Sign(key, jws.Header{}, []byte("payload"))
		require.NoError(t, err)
		at := strings.LastIndexByte(token, '.') + 1
		signature, err := base64.RawURLEncoding.DecodeString(token[at:])
		require.NoError(t, err)
		for i := range signature {
			signature[i] ^= 1
			_, _, err := jws.Verify(key, token[:at]+base64.RawURLEncoding.EncodeToString(signature), jws.Expect{})
			require.Equal(t, jws.ErrVerification, err)
			signature[i] ^= 1
		}
		for _, damaged := range []string{"", "AAAA", token[at:] + "AAAA", token[at : len(token)-4], token[at:] + "=", token[at:] + "\n", "!" + token[at:]} {
			_, _, err := jws.Verify(key, token[:at]+damaged, jws.Expect{})
			require.Equal(t, jws.ErrVerification, err)
		}
		_, _, err = jws.Verify(key, strings.Replace(token, ".", ".AAAA", 1), jws.Expect{})
		require.Equal(t, jws.ErrVerification, err)
	}
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestVerify_RefusesHeaders(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "ES256"))
	for header, code := range map[string]string{
		`{"alg":"ES256","crit":["b64"],"b64":false}`: "invalid_jws",
		`{"alg":"ES256","crit":["exp"]}`:             "invalid_jws",
		`{"alg":"ES256","b64":true}`:                 "invalid_jws",
		`{"alg":"ES256","jwk":{"kty":"EC"}}`:         "invalid_jws",
		`{"alg":"ES256","jku":"https://a"}`:          "invalid_jws",
		`{"alg":"ES256","x5u":"https://a"}`:          "invalid_jws",
		`{"alg":"ES256","x5c":["AAAA"]}`:             "invalid_jws",
		`{"alg":"ES256","zip":"DEF"}`:                "invalid_jws",
		`{"alg":"ES256","alg":"ES256"}`:              "invalid_jws",
		`{"alg":"ES256","kid":"a","k\u0069d":"b"}`:   "invalid_jws",
		`{"alg":"ES256","x":{"a":{"b":1,"b":2}}}`:    "invalid_jws",
		`{"alg":"ES256","typ":1}`:                    "invalid_jws",
		`{"kid":"a"}`:                                "invalid_jws",
		`{"alg":"ES256"}{}`:                          "invalid_jws",
		`{"alg":"ES384"}`:                            "invalid_jws",
		`{"alg":"HS256"}`:                            "invalid_jws",
		`{"alg":"none"}`:                             "unsupported_algorithm",
		`{"alg":"NONE"}`:                             "unsupported_algorithm",
		`{"alg":"es256"}`:                            "unsupported_algorithm",
		`{"alg":"RS1"}`:                              "unsupported_algorithm",
		`{"alg":"A256KW"}`:                           "unsupported_algorithm",
		`{"alg":"ES256"}`:                            "verification_failed",
	} {
		_, _, err := jws.Verify(key, encode(header)+".AAAA.AAAA", jws.Expect{})
		require.Error(t, err, header)
		assertCode(t, err, code)
	}
	for _, token := range []string{"", ".", "..", "...", "a", "a.b", "a.b.c.d", ".a.b", strings.Repeat("A", 9000) + ".a.b", strings.Repeat("A", jws.MaxSize+1)} {
		_, _, err := jws.Verify(key, token, jws.Expect{})
		assertCode(t, err, "invalid_jws")
		_, err = jws.ParseHeader(token)
		assertCode(t, err, "invalid_jws")
	}
}

// The public key of a signer must not serve as the secret of an HMAC (RFC 8725 section 2.1).
// A token that nobody could verify is not written.
func TestSign_RefusesHeadersThatVerifyRefuses(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "HS256"))
	for _, h := range []jws.Header{
		{KeyID: strings.Repeat("k", 7000)},
		{Extra: map[string]any{"twice": json.RawMessage(`{"a":1,"a":2}`)}},
	} {
		_, err := jws.Sign(key, h, nil)
		if assert.Error(t, err) {
			assertCode(t, err, "invalid_input")
		}
	}
}

// No signature is longer than an RSA modulus: what is, is neither decoded nor kept for the next message.
func TestVerify_LongSignatureCostsNothing(t *testing.T) { //nolint:paralleltest // counts what the whole process allocates
	key := newKey(t, spec(t, "HS256"))
	token, err := jws.Sign(key, jws.Header{}, nil)
	require.NoError(t, err)
	token = token[:strings.LastIndexByte(token, '.')+1] + strings.Repeat("A", 8<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err = jws.Verify(key, token, jws.Expect{})
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, jws.ErrVerification)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestVerify_NoHMACWithAPublicKey(t *testing.T) {
	t.Parallel()
	public, err := newKey(t, spec(t, "RS256")).Public()
	require.NoError(t, err)
	text, err := public.MarshalPublic()
	require.NoError(t, err)
	forger, err := jwk.FromMaterial(text, jwk.Attributes{})
	require.NoError(t, err)
	token, err := jws.Sign(forger, jws.Header{Algorithm: "HS256"}, []byte("payload"))
	require.NoError(t, err)
	_, _, err = jws.Verify(public, token, jws.Expect{})
	assertCode(t, err, "invalid_jws")
	_, _, err = jws.Verify(public, token, jws.Expect{Algorithm: "HS256"})
	assertCode(t, err, "key_mismatch")
	public.Algorithm = ""
	_, _, err = jws.Verify(public, token, jws.Expect{Algorithm: "HS256"})
	assertCode(t, err, "key_mismatch")
}

func TestKeysServeTheirPurposeAlone(t *testing.T) {
	t.Parallel()
	token, err := jws.Sign(parseKey(t, ecSigner), jws.Header{Algorithm: "ES256"}, []byte("payload"))
	require.NoError(t, err)
	for _, c := range []struct {
		attributes   string
		sign, verify bool
	}{
		{``, true, true},
		{`,"use":"sig"`, true, true},
		{`,"alg":"ES256"`, true, true},
		{`,"use":"enc"`, false, false},
		{`,"alg":"ECDH-ES"`, false, false},
		{`,"key_ops":["sign"]`, true, true}, // the public part of a signer verifies
		{`,"key_ops":["verify"]`, false, true},
		{`,"key_ops":["deriveKey"]`, false, false},
		{`,"key_ops":["sign, verify"]`, false, false},
	} {
		key := parseKey(t, strings.TrimSuffix(ecSigner, "}")+c.attributes+"}")
		_, err := jws.Sign(key, jws.Header{Algorithm: "ES256"}, []byte("payload"))
		assert.Equal(t, c.sign, err == nil, "%s: %v", c.attributes, err)
		_, _, err = jws.Verify(key, token, jws.Expect{Algorithm: "ES256"})
		assert.Equal(t, c.verify, err == nil, "%s: %v", c.attributes, err)
		if err != nil {
			assertCode(t, err, "key_mismatch")
		}
	}
	public, err := parseKey(t, ecSigner).Public()
	require.NoError(t, err)
	_, err = jws.Sign(public, jws.Header{Algorithm: "ES256"}, nil)
	assertCode(t, err, "key_mismatch")
	_, err = jws.Sign(parseKey(t, ecSigner), jws.Header{}, nil)
	assertCode(t, err, "key_mismatch") // nobody names the algorithm
	_, err = jws.Sign(parseKey(t, ecSigner), jws.Header{Algorithm: "ES256", Extra: map[string]any{"b64": false}}, nil)
	assertCode(t, err, "invalid_input")
}

const ecSigner = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`

func TestHMAC_KeyAtLeastAsLongAsTheHash(t *testing.T) {
	t.Parallel()
	for algorithm, length := range map[string]int{"HS256": 32, "HS384": 48, "HS512": 64} {
		for _, n := range []int{16, length - 1, length, 200} {
			key, err := jwk.FromMaterial(make([]byte, n), jwk.Attributes{})
			require.NoError(t, err)
			_, err = jws.Sign(key, jws.Header{Algorithm: algorithm}, nil)
			if n < length {
				assertCode(t, err, "key_mismatch")
				continue
			}
			require.NoError(t, err)
		}
	}
}

func TestRaw_EveryAlgorithmInputAndFormat(t *testing.T) {
	t.Parallel()
	message := []byte("message")
	for _, s := range signatureSpecs() {
		t.Run(s.Algorithm, func(t *testing.T) {
			t.Parallel()
			key := newKey(t, s)
			sig, err := alg.LookupSignature(s.Signature)
			require.NoError(t, err)
			for _, input := range []jws.Input{jws.InputMessage, jws.InputDigest, "other"} {
				for _, format := range []jws.Format{jws.FormatP1363, jws.FormatDER, jws.FormatRaw, "jws"} {
					data := message
					if input == jws.InputDigest && sig.Hash != 0 {
						h := sig.Hash.New()
						h.Write(message)
						data = h.Sum(nil)
					}
					isECDSA := sig.Family == alg.ECDSA
					wantFormat := isECDSA && (format == jws.FormatP1363 || format == jws.FormatDER) || !isECDSA && format == jws.FormatRaw
					wantInput := input == jws.InputMessage || input == jws.InputDigest && sig.Family != alg.HMAC && sig.Family != alg.EdDSA
					signature, err := jws.SignRaw(key, "", input, data, format)
					if !wantFormat || !wantInput {
						assertCode(t, err, "invalid_input")
						assertCode(t, jws.VerifyRaw(key, "", input, data, nil, format), "invalid_input")
						continue
					}
					require.NoError(t, err)
					require.NoError(t, jws.VerifyRaw(key, s.Signature, input, data, signature, format))
					require.NoError(t, jws.VerifyRaw(key, "", jws.InputMessage, message, signature, format), "digest and message agree")
					require.Equal(t, jws.ErrVerification, jws.VerifyRaw(key, "", jws.InputMessage, []byte("massage"), signature, format))
					if format == jws.FormatP1363 {
						assert.Len(t, signature, sig.Size)
					}
					if input == jws.InputDigest {
						_, err = jws.SignRaw(key, "", input, data[1:], format)
						assertCode(t, err, "invalid_input")
						assertCode(t, jws.VerifyRaw(key, "", input, append(data, 0), signature, format), "invalid_input")
					}
				}
			}
		})
	}
}

// The two formats of ECDSA are exact: what the standard library signs verifies here in DER, and DER
// that is not canonical does not.
func TestRaw_DERIsWhatOthersRead(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	key, err := jwk.FromMaterial(private, jwk.Attributes{Algorithm: "ES256"})
	require.NoError(t, err)
	digest := sha256.Sum256([]byte("message"))
	for range 50 {
		der, err := jws.SignRaw(key, "", jws.InputDigest, digest[:], jws.FormatDER)
		require.NoError(t, err)
		require.True(t, ecdsa.VerifyASN1(&private.PublicKey, digest[:], der))
		der, err = ecdsa.SignASN1(rand.Reader, private, digest[:])
		require.NoError(t, err)
		require.NoError(t, jws.VerifyRaw(key, "", jws.InputDigest, digest[:], der, jws.FormatDER))
		require.Equal(t, jws.ErrVerification, jws.VerifyRaw(key, "", jws.InputDigest, digest[:], append(der, 0), jws.FormatDER))
		require.Equal(t, jws.ErrVerification, jws.VerifyRaw(key, "", jws.InputDigest, digest[:], der, jws.FormatP1363))
	}
}
