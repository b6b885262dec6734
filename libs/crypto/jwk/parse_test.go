package jwk_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

const (
	ecPublic  = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	ecPrivate = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`
	edPrivate = `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	octSecret = `{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}`
)

// with returns the JSON text of a key with one member replaced; nil takes it away.
func with(t *testing.T, text, member string, value any) string {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &members))
	members = maps.Clone(members)
	if members[member] = value; value == nil {
		delete(members, member)
	}
	changed, err := json.Marshal(members)
	require.NoError(t, err)
	return string(changed)
}

func TestParse_Refuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `null`, `[]`, `"kty"`, `{}`, `{"kty":null}`, `{"kty":1}`, `{"kty":"AKP"}`, `{"kty":""}`, `{"kty":"rsa"}`,
		ecPublic + `x`, ecPublic + ecPublic, "\ufeff" + ecPublic, strings.Repeat(" ", jwk.MaxKeyText) + ecPublic,
		strings.Replace(ecPublic, `{`, `{"kty":"EC",`, 1),       // duplicate member
		strings.Replace(ecPublic, `{`, `{"\u006bty":"oct",`, 1), // the same, escaped
		strings.Replace(ecPublic, `{`, `{"z":{"a":1,"a":2},`, 1),
		with(t, ecPublic, "crv", "P-384"), with(t, ecPublic, "crv", "secp256k1"), with(t, ecPublic, "crv", nil), with(t, ecPublic, "crv", "P-224"),
		with(t, ecPublic, "x", nil), with(t, ecPublic, "y", nil), with(t, ecPublic, "y", ""), with(t, ecPublic, "x", 5),
		with(t, ecPublic, "x", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"), // off the curve
		with(t, ecPublic, "x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU="),
		with(t, ecPublic, "x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVE"),
		with(t, ecPublic, "x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\n"),
		with(t, ecPublic, "x", "AH_NzidwTsRdQYPL7m_bS3tYBzM1e-nvE7rPbjx70VRF"), // a leading zero too many
		with(t, ecPublic, "x", "____________________________________________"),
		with(t, ecPrivate, "d", "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LE"), // stray bits
		with(t, ecPrivate, "d", "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"), // another key's
		with(t, ecPrivate, "d", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), with(t, ecPrivate, "d", ""),
		with(t, ecPrivate, "d", "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE"), // the order of the curve
		with(t, edPrivate, "crv", "X25519"), with(t, edPrivate, "crv", "Ed448"), with(t, edPrivate, "x", nil),
		with(t, edPrivate, "d", "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"), with(t, edPrivate, "d", "AAAA"),
		with(t, octSecret, "k", nil), with(t, octSecret, "k", ""), with(t, octSecret, "k", "AAAAAAAAAAAAAAAAAAAA"), with(t, octSecret, "k", "*"),
		with(t, octSecret, "use", "both"), with(t, octSecret, "key_ops", "sign"), with(t, octSecret, "key_ops", []any{1}),
		with(t, octSecret, "key_ops", []any{"sign", "sign"}), with(t, octSecret, "kid", 7), with(t, octSecret, "alg", []any{"HS256"}),
		with(t, octSecret, "x5c", []any{}),
	} {
		_, err := jwk.Parse([]byte(text))
		require.Error(t, err, text)
		assertCode(t, err, "invalid_jwk")
	}
}

func TestParse_RefusesRSA(t *testing.T) {
	t.Parallel()
	text, err := newKey(t, rsaKey(), jwk.Attributes{}).MarshalPrivate()
	require.NoError(t, err)
	whole := string(text)
	key, err := jwk.Parse(text)
	require.NoError(t, err)
	assert.Equal(t, 2048, key.Size())
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	r := rsaKey()
	for _, member := range []string{"n", "e", "d", "p", "q", "dp", "dq", "qi"} {
		_, err := jwk.Parse([]byte(with(t, whole, member, nil)))
		require.Error(t, err, "half a private key: without %s", member)
		_, err = jwk.Parse([]byte(with(t, whole, member, number(big.NewInt(65539)))))
		require.Error(t, err, member)
	}
	for _, text := range []string{
		with(t, whole, "oth", []any{}),
		with(t, whole, "d", number(new(big.Int).Sub(r.D, big.NewInt(2)))), // the CRT values alone would be used
		with(t, whole, "p", number(r.Primes[1])),
		with(t, whole, "n", number(new(big.Int).Lsh(big.NewInt(1), 1024))),
		with(t, whole, "n", strings.Repeat("_", 40000)),
		with(t, whole, "e", "Aw"), with(t, whole, "e", "AQ"), with(t, whole, "e", "AQAA"), with(t, whole, "e", "AQAAAAAAAAAB"), with(t, whole, "e", ""),
	} {
		_, err := jwk.Parse([]byte(text))
		require.Error(t, err)
		assertCode(t, err, "invalid_jwk")
	}
	// Old writers put zeros in front; the key is the same.
	padded := base64.RawURLEncoding.EncodeToString(append([]byte{0}, r.N.Bytes()...))
	key, err = jwk.Parse([]byte(with(t, whole, "n", padded)))
	require.NoError(t, err)
	assert.Equal(t, newKey(t, r, jwk.Attributes{}).ThumbprintSHA256(), key.ThumbprintSHA256())
}

// Comparing each operation with all others takes a time that grows with the square of their number.
func TestParse_RefusesManyOperations(t *testing.T) {
	t.Parallel()
	operations := []any{"sign", "verify"}
	_, err := jwk.Parse([]byte(with(t, octSecret, "key_ops", operations)))
	require.NoError(t, err)
	for i := range 5_000 {
		operations = append(operations, fmt.Sprintf("%04x", i))
	}
	_, err = jwk.Parse([]byte(with(t, octSecret, "key_ops", operations)))
	require.ErrorContains(t, err, "more than 32 operations")
	assertCode(t, err, "invalid_jwk")
}

// A modulus whose primes are k*M + 65537^a mod M, as the flawed library made them, is recognised; the
// fingerprint looks at the modulus alone, so the numbers here need not be prime.
func TestParse_RefusesFactorableModuli(t *testing.T) {
	t.Parallel()
	m := big.NewInt(1)
	for _, p := range []int64{2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167} {
		m.Mul(m, big.NewInt(p))
	}
	flawed := func(a int64) *big.Int {
		power := new(big.Int).Exp(big.NewInt(65537), big.NewInt(a), m)
		k := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(3), 1022), m)
		return power.Add(power, k.Mul(k, m))
	}
	n := new(big.Int).Mul(flawed(17), flawed(4711))
	require.Equal(t, 2048, n.BitLen())
	text := fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":%q}`, base64.RawURLEncoding.EncodeToString(n.Bytes()))
	_, err := jwk.Parse([]byte(text))
	require.ErrorContains(t, err, "CVE-2017-15361")
}

func TestParse_IgnoresUnknownMembers(t *testing.T) {
	t.Parallel()
	key, err := jwk.Parse([]byte(with(t, ecPublic, "ext", map[string]any{"a": []any{1.5, nil, true}})))
	require.NoError(t, err)
	assert.False(t, key.IsPrivate())
	_, err = jwk.Parse([]byte(with(t, ecPublic, "x5u", "https://example.com/chain")))
	require.NoError(t, err)
}

func certify(t *testing.T, public, signer any) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, signer)
	require.NoError(t, err)
	return der
}

func TestParse_Certificates(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	issuer, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	leaf, root := certify(t, &private.PublicKey, issuer), certify(t, &issuer.PublicKey, issuer)
	key := newKey(t, private, jwk.Attributes{Certificates: [][]byte{leaf, root}})
	public, err := key.MarshalPublic()
	require.NoError(t, err)
	sum := sha256.Sum256(leaf)
	assert.Contains(t, string(public), `"x5t#S256":"`+base64.RawURLEncoding.EncodeToString(sum[:])+`"`)
	parsed, err := jwk.Parse(public)
	require.NoError(t, err)
	assert.Equal(t, [][]byte{leaf, root}, parsed.Certificates)

	text, standard := string(public), base64.StdEncoding.EncodeToString
	withThumbprint := with(t, text, "x5t", "anything")
	parsed, err = jwk.Parse([]byte(withThumbprint))
	require.NoError(t, err, "a SHA-1 thumbprint is neither computed nor kept")
	again, err := parsed.MarshalPublic()
	require.NoError(t, err)
	assert.NotContains(t, string(again), `"x5t":`)
	_, err = jwk.Parse([]byte(with(t, text, "x5c", nil)))
	require.NoError(t, err, "a hash without its certificate says nothing")

	for reason, bad := range map[string]string{
		"another key's certificate": with(t, text, "x5c", []any{standard(root)}),
		"wrong hash":                with(t, text, "x5t#S256", base64.RawURLEncoding.EncodeToString(make([]byte, 32))),
		"hash not a string":         with(t, text, "x5t#S256", 1),
		"damaged":                   with(t, text, "x5c", []any{standard(leaf[:len(leaf)-1])}),
		"trailing data":             with(t, text, "x5c", []any{standard(append(bytes.Clone(leaf), 0))}),
		"damaged issuer":            with(t, text, "x5c", []any{standard(leaf), standard(root[1:])}),
		"base64url":                 with(t, text, "x5c", []any{base64.RawURLEncoding.EncodeToString(leaf)}),
		"line breaks":               with(t, text, "x5c", []any{standard(leaf)[:40] + "\n" + standard(leaf)[40:]}),
		"empty":                     with(t, text, "x5c", []any{""}),
		"no certificate":            with(t, text, "x5c", []any{}),
		"too many":                  with(t, text, "x5c", slicesRepeat(standard(leaf), 11)),
		"not an array":              with(t, text, "x5c", standard(leaf)),
	} {
		_, err := jwk.Parse([]byte(bad))
		require.Error(t, err, reason)
		assertCode(t, err, "invalid_jwk")
	}
}

func slicesRepeat(text string, n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = text
	}
	return list
}

func TestParseSet_OneBadKeyDoesNotSpoilIt(t *testing.T) {
	t.Parallel()
	a, b := with(t, ecPublic, "kid", "a"), with(t, edPrivate, "kid", "b")
	set, err := jwk.ParseSet([]byte(`{"x":1,"keys":[` + a + `,{"kty":"AKP"},7,` + with(t, a, "alg", "RSA1_5") + `,` + b + `,` + ecPublic + `]}`))
	require.NoError(t, err)
	require.Len(t, set.Keys, 2) // "a" stands in the set twice
	key, found := set.Find("b")
	require.True(t, found)
	assert.Equal(t, "b", key.ID)
	for _, id := range []string{"a", "", "c"} {
		_, found := set.Find(id)
		assert.False(t, found, id)
	}
	places := make([]int, 0, len(set.Refused))
	for _, refusal := range set.Refused {
		require.Error(t, refusal.Err)
		places = append(places, refusal.Index)
	}
	assert.Equal(t, []int{0, 1, 2, 3}, places)

	for _, text := range []string{
		``, `[]`, `{}`, `{"keys":{}}`, `{"keys":null}`, `{"keys":[],"keys":[]}`, `{"keys":[` + a + `]`,
		`{"keys":[` + a + `,` + octSecret + `]}`,
		`{"keys":[` + strings.Repeat(`{},`, jwk.MaxSetKeys) + `{}]}`,
		`{"keys":[` + strings.Repeat(" ", jwk.MaxSetText) + `]}`,
	} {
		_, err := jwk.ParseSet([]byte(text))
		require.Error(t, err)
		assertCode(t, err, "invalid_jwk")
	}
	set, err = jwk.ParseSet([]byte(`{"keys":[]}`))
	require.NoError(t, err)
	assert.Empty(t, set.Keys)
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		ecPublic, ecPrivate, edPrivate, octSecret, `{"keys":[` + ecPublic + `]}`,
		`{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAk"}`,
		`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","x5c":["MIIB"],"x5t":"AAAA","x5t#S256":"AA"}`,
		`{"kty":"AKP","alg":"ML-KEM-768","pub":"AAAA"}`, `{"kty":"AKP","alg":"ML-KEM-1024","pub":"AAAA","priv":"AAAA"}`, decapsulationKey(f, "ML-KEM-768"), decapsulationKey(f, "ML-KEM-1024"),
		`{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAA","alg":"A128KW","key_ops":["wrapKey","\u0061"],"use":"enc","kid":"\ud83d\ude00"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if set, err := jwk.ParseSet(text); err == nil {
			for _, key := range set.Keys {
				_, _ = key.MarshalPublic()
			}
		}
		key, err := jwk.Parse(text)
		if err != nil {
			return
		}
		// What was accepted survives being written and read again.
		write := key.MarshalPublic
		if key.IsPrivate() {
			write = key.MarshalPrivate
		}
		written, err := write()
		require.NoError(t, err)
		again, err := jwk.Parse(written)
		require.NoError(t, err)
		require.Equal(t, key.ThumbprintSHA256(), again.ThumbprintSHA256())
		require.Equal(t, key.Attributes, again.Attributes)
		_ = key.String()
		key.Zero()
	})
}
