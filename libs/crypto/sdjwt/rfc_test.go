package sdjwt_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
	"github.com/cryptoutil/cryptoutil/libs/crypto/sdjwt"
)

// The example of RFC 9901 section 5, and the keys of its appendix.
const (
	rfcIssuer = `{"kty":"EC","crv":"P-256","x":"b28d4MwZMjw8-00CG4xfnn9SLMVMM19SlqZpVb_uNtQ","y":"Xv5zWwuoaTgdS6hV43yI6gBwTnjukmFQQnJ_kCxzqk8"}`
	rfcJWT    = "eyJhbGciOiAiRVMyNTYiLCAidHlwIjogImV4YW1wbGUrc2Qtand0In0.eyJfc2QiOiBbIkNyUWU3UzVrcUJBSHQtbk1ZWGdjNmJkdDJTSDVhVFkxc1VfTS1QZ2tqUEkiLCAiSnpZakg0c3ZsaUgwUjNQeUVNZmVadTZKdDY5dTVxZWhabzdGN0VQWWxTRSIsICJQb3JGYnBLdVZ1Nnh5bUphZ3ZrRnNGWEFiUm9jMkpHbEFVQTJCQTRvN2NJIiwgIlRHZjRvTGJnd2Q1SlFhSHlLVlFaVTlVZEdFMHc1cnREc3JaemZVYW9tTG8iLCAiWFFfM2tQS3QxWHlYN0tBTmtxVlI2eVoyVmE1TnJQSXZQWWJ5TXZSS0JNTSIsICJYekZyendzY002R242Q0pEYzZ2Vks4QmtNbmZHOHZPU0tmcFBJWmRBZmRFIiwgImdiT3NJNEVkcTJ4Mkt3LXc1d1BFemFrb2I5aFYxY1JEMEFUTjNvUUw5Sk0iLCAianN1OXlWdWx3UVFsaEZsTV8zSmx6TWFTRnpnbGhRRzBEcGZheVF3TFVLNCJdLCAiaXNzIjogImh0dHBzOi8vaXNzdWVyLmV4YW1wbGUuY29tIiwgImlhdCI6IDE2ODMwMDAwMDAsICJleHAiOiAxODgzMDAwMDAwLCAic3ViIjogInVzZXJfNDIiLCAibmF0aW9uYWxpdGllcyI6IFt7Ii4uLiI6ICJwRm5kamtaX1ZDem15VGE2VWpsWm8zZGgta284YUlLUWM5RGxHemhhVllvIn0sIHsiLi4uIjogIjdDZjZKa1B1ZHJ5M2xjYndIZ2VaOGtoQXYxVTFPU2xlclAwVmtCSnJXWjAifV0sICJfc2RfYWxnIjogInNoYS0yNTYiLCAiY25mIjogeyJqd2siOiB7Imt0eSI6ICJFQyIsICJjcnYiOiAiUC0yNTYiLCAieCI6ICJUQ0FFUjE5WnZ1M09IRjRqNFc0dmZTVm9ISVAxSUxpbERsczd2Q2VHZW1jIiwgInkiOiAiWnhqaVdXYlpNUUdIVldLVlE0aGJTSWlyc1ZmdWVjQ0U2dDRqVDlGMkhaUSJ9fX0.zjhXTlVnC9cFuDlL7JuR2TK7DCo0XtlMpbuNVNZJhWOkCPsRHn9oHNQkI02D6YziRYsapgbA_tV4-0LmAfA53Q"

	rfcGivenName  = "WyIyR0xDNDJzS1F2ZUNmR2ZyeU5STjl3IiwgImdpdmVuX25hbWUiLCAiSm9obiJd"
	rfcFamilyName = "WyJlbHVWNU9nM2dTTklJOEVZbnN4QV9BIiwgImZhbWlseV9uYW1lIiwgIkRvZSJd"
	rfcEmail      = "WyI2SWo3dE0tYTVpVlBHYm9TNXRtdlZBIiwgImVtYWlsIiwgImpvaG5kb2VAZXhhbXBsZS5jb20iXQ"
	rfcPhone      = "WyJlSThaV205UW5LUHBOUGVOZW5IZGhRIiwgInBob25lX251bWJlciIsICIrMS0yMDItNTU1LTAxMDEiXQ"
	rfcVerified   = "WyJRZ19PNjR6cUF4ZTQxMmExMDhpcm9BIiwgInBob25lX251bWJlcl92ZXJpZmllZCIsIHRydWVd"
	rfcAddress    = "WyJBSngtMDk1VlBycFR0TjRRTU9xUk9BIiwgImFkZHJlc3MiLCB7InN0cmVldF9hZGRyZXNzIjogIjEyMyBNYWluIFN0IiwgImxvY2FsaXR5IjogIkFueXRvd24iLCAicmVnaW9uIjogIkFueXN0YXRlIiwgImNvdW50cnkiOiAiVVMifV0"
	rfcBirthdate  = "WyJQYzMzSk0yTGNoY1VfbEhnZ3ZfdWZRIiwgImJpcnRoZGF0ZSIsICIxOTQwLTAxLTAxIl0"
	rfcUpdated    = "WyJHMDJOU3JRZmpGWFE3SW8wOXN5YWpBIiwgInVwZGF0ZWRfYXQiLCAxNTcwMDAwMDAwXQ"
	rfcUS         = "WyJsa2x4RjVqTVlsR1RQVW92TU5JdkNBIiwgIlVTIl0"
	rfcDE         = "WyJuUHVvUW5rUkZxM0JJZUFtN0FuWEZBIiwgIkRFIl0"

	rfcKeyBinding = "eyJhbGciOiAiRVMyNTYiLCAidHlwIjogImtiK2p3dCJ9.eyJub25jZSI6ICIxMjM0NTY3ODkwIiwgImF1ZCI6ICJodHRwczovL3ZlcmlmaWVyLmV4YW1wbGUub3JnIiwgImlhdCI6IDE3NDgzNjE5NDEsICJzZF9oYXNoIjogIjEtTGNmNkNpQm1QNzJKREZ1QkYwYnZhbFMtRnpJbFh5aUNrSlhwN3BKbWMifQ.4OCivqequv7GMn45GWWEBceEwvByv9wY61HvxbOKY0pOxyto9-HG2coh1D3frjl1AhF-vDnB1CD0SXL32P-toA"
)

// rfcTime is when the holder made his proof.
var rfcTime = time.Unix(1748361941, 0)

func rfcProfile(t testing.TB) *jwt.Authority {
	t.Helper()
	a, err := jwt.New(jwt.Profile{Algorithms: []string{"ES256"}, Type: "example+sd-jwt", Issuer: "https://issuer.example.com"}, func() time.Time { return rfcTime })
	require.NoError(t, err)
	return a
}

func rfcBinding() *sdjwt.Binding {
	return &sdjwt.Binding{Audience: "https://verifier.example.org", Nonce: "1234567890", MaxAge: time.Minute, Now: func() time.Time { return rfcTime }}
}

func parseKey(t testing.TB, text string) *jwk.Key {
	t.Helper()
	key, err := jwk.Parse([]byte(text))
	require.NoError(t, err)
	return key
}

// Section 5.1, and the digests of sections 4.2, 5.1 and 6.
func TestRFC9901_Digests(t *testing.T) {
	t.Parallel()
	for disclosure, digest := range map[string]string{
		"WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0": "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0",
		rfcGivenName:  "jsu9yVulwQQlhFlM_3JlzMaSFzglhQG0DpfayQwLUK4",
		rfcFamilyName: "TGf4oLbgwd5JQaHyKVQZU9UdGE0w5rtDsrZzfUaomLo",
		rfcEmail:      "JzYjH4svliH0R3PyEMfeZu6Jt69u5qehZo7F7EPYlSE",
		rfcPhone:      "PorFbpKuVu6xymJagvkFsFXAbRoc2JGlAUA2BA4o7cI",
		rfcVerified:   "XQ_3kPKt1XyX7KANkqVR6yZ2Va5NrPIvPYbyMvRKBMM",
		rfcAddress:    "XzFrzwscM6Gn6CJDc6vVK8BkMnfG8vOSKfpPIZdAfdE",
		rfcBirthdate:  "gbOsI4Edq2x2Kw-w5wPEzakob9hV1cRD0ATN3oQL9JM",
		rfcUpdated:    "CrQe7S5kqBAHt-nMYXgc6bdt2SH5aTY1sU_M-PgkjPI",
		rfcUS:         "pFndjkZ_VCzmyTa6UjlZo3dh-ko8aIKQc9DlGzhaVYo",
		rfcDE:         "7Cf6JkPudry3lcbwHgeZ8khAv1U1OSlerP0VkBJrWZ0",
	} {
		sum := sha256.Sum256([]byte(disclosure))
		assert.Equal(t, digest, base64.RawURLEncoding.EncodeToString(sum[:]), disclosure)
	}
}

func TestRFC9901_IssuedToken(t *testing.T) {
	t.Parallel()
	all := []string{rfcGivenName, rfcFamilyName, rfcEmail, rfcPhone, rfcVerified, rfcAddress, rfcBirthdate, rfcUpdated, rfcUS, rfcDE}
	text := rfcJWT + "~" + strings.Join(all, "~") + "~"
	token, err := sdjwt.Parse(text)
	require.NoError(t, err)
	assert.Equal(t, text, token.String())
	paths, err := token.Paths()
	require.NoError(t, err)
	assert.Equal(t, []string{
		"/given_name", "/family_name", "/email", "/phone_number", "/phone_number_verified", "/address", "/birthdate", "/updated_at", "/nationalities/0", "/nationalities/1",
	}, paths)
	verified, err := token.Verify(parseKey(t, rfcIssuer), sdjwt.Expect{Profile: rfcProfile(t)})
	require.NoError(t, err)
	assert.Equal(t, "user_42", verified.Claims.Subject)
	assert.Equal(t, json.Number("1570000000"), verified.Payload["updated_at"])
	assert.Equal(t, []any{"US", "DE"}, verified.Payload["nationalities"])

	presented, err := token.Present(func(path string) bool { return path == "/family_name" || path == "/nationalities/0" })
	require.NoError(t, err)
	assert.Equal(t, rfcJWT+"~"+rfcFamilyName+"~"+rfcUS+"~", presented.String())
}

// Section 5.2: the presentation with key binding.
func TestRFC9901_Presentation(t *testing.T) {
	t.Parallel()
	text := strings.Join([]string{rfcJWT, rfcFamilyName, rfcAddress, rfcGivenName, rfcUS, rfcKeyBinding}, "~")
	token, err := sdjwt.Parse(text)
	require.NoError(t, err)
	verified, err := token.Verify(parseKey(t, rfcIssuer), sdjwt.Expect{Profile: rfcProfile(t), Binding: rfcBinding()})
	require.NoError(t, err)
	got, err := json.Marshal(verified.Payload)
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"iss": "https://issuer.example.com", "iat": 1683000000, "exp": 1883000000, "sub": "user_42", "nationalities": ["US"],
		"cnf": {"jwk": {"kty": "EC", "crv": "P-256", "x": "TCAER19Zvu3OHF4j4W4vfSVoHIP1ILilDls7vCeGemc", "y": "ZxjiWWbZMQGHVWKVQ4hbSIirsVfuecCE6t4jT9F2HZQ"}},
		"family_name": "Doe", "given_name": "John",
		"address": {"street_address": "123 Main St", "locality": "Anytown", "region": "Anystate", "country": "US"}
	}`, string(got))
	assert.Equal(t, "ZxjiWWbZMQGHVWKVQ4hbSIirsVfuecCE6t4jT9F2HZQ", between(verified.Holder, `"y":"`))
	_, err = token.Verify(parseKey(t, rfcIssuer), sdjwt.Expect{Profile: rfcProfile(t)})
	require.NoError(t, err, "a proof that nobody asked for")
	_, err = token.Present(func(string) bool { return true })
	assertCode(t, err, "invalid_sd_jwt") // section 7.2

	for _, change := range []func(*sdjwt.Binding){
		func(b *sdjwt.Binding) { b.Nonce = "1234567891" },
		func(b *sdjwt.Binding) { b.Audience = "https://another.example.org" },
		func(b *sdjwt.Binding) { b.Algorithms = []string{"ES384"} },
		func(b *sdjwt.Binding) { b.Now = func() time.Time { return rfcTime.Add(61 * time.Second) } },
		func(b *sdjwt.Binding) { b.Now = func() time.Time { return rfcTime.Add(-time.Second) } },
	} {
		b := rfcBinding()
		change(b)
		_, err := token.Verify(parseKey(t, rfcIssuer), sdjwt.Expect{Profile: rfcProfile(t), Binding: b})
		assertCode(t, err, "invalid_sd_jwt")
	}
	for _, fewer := range [][]string{
		{rfcJWT, rfcFamilyName, rfcAddress, rfcGivenName, rfcKeyBinding},
		{rfcJWT, rfcAddress, rfcFamilyName, rfcGivenName, rfcUS, rfcKeyBinding},
		{rfcJWT, rfcFamilyName, rfcAddress, rfcGivenName, rfcUS, rfcDE, rfcKeyBinding},
		{rfcJWT, rfcFamilyName, rfcAddress, rfcGivenName, rfcUS, ""},
		{rfcJWT, rfcFamilyName, rfcAddress, rfcGivenName, rfcUS, rfcJWT},
		{rfcJWT, rfcFamilyName, rfcAddress, rfcGivenName, rfcUS, rfcKeyBinding[:len(rfcKeyBinding)-4] + "AAAA"},
	} {
		token, err := sdjwt.Parse(strings.Join(fewer, "~"))
		require.NoError(t, err)
		_, err = token.Verify(parseKey(t, rfcIssuer), sdjwt.Expect{Profile: rfcProfile(t), Binding: rfcBinding()})
		assertCode(t, err, "invalid_sd_jwt")
	}
}

func between(key *jwk.Key, prefix string) string {
	text, _ := key.MarshalPublic()
	_, rest, _ := strings.Cut(string(text), prefix)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// Sections 6.2 and 6.3: digests inside a member, and inside a disclosure.
func TestRFC9901_StructuredAndRecursive(t *testing.T) {
	t.Parallel()
	const (
		street   = "WyIyR0xDNDJzS1F2ZUNmR2ZyeU5STjl3IiwgInN0cmVldF9hZGRyZXNzIiwgIlNjaHVsc3RyLiAxMiJd"
		locality = "WyJlbHVWNU9nM2dTTklJOEVZbnN4QV9BIiwgImxvY2FsaXR5IiwgIlNjaHVscGZvcnRhIl0"
		region   = "WyI2SWo3dE0tYTVpVlBHYm9TNXRtdlZBIiwgInJlZ2lvbiIsICJTYWNoc2VuLUFuaGFsdCJd"
		country  = "WyJlSThaV205UW5LUHBOUGVOZW5IZGhRIiwgImNvdW50cnkiLCAiREUiXQ"
		address  = "WyJRZ19PNjR6cUF4ZTQxMmExMDhpcm9BIiwgImFkZHJlc3MiLCB7Il9zZCI6IFsiNnZoOWJxLXpTNEdLTV83R3BnZ1ZiWXp6dTZvT0dYcm1OVkdQSFA3NVVkMCIsICI5Z2pWdVh0ZEZST0NnUnJ0TmNHVVhtRjY1cmRlemlfNkVyX2o3NmttWXlNIiwgIktVUkRQaDRaQzE5LTN0aXotRGYzOVY4ZWlkeTFvVjNhM0gxRGEyTjBnODgiLCAiV045cjlkQ0JKOEhUQ3NTMmpLQVN4VGpFeVc1bTV4NjVfWl8ycm8yamZYTSJdfV0"
	)
	key := ecKey(t)
	structured := sign(t, key, `{"iss":"i","exp":1883000000,"address":{"_sd":["6vh9bq-zS4GKM_7GpggVbYzzu6oOGXrmNVGPHP75Ud0","9gjVuXtdFROCgRrtNcGUXmF65rdezi_6Er_j76kmYyM","KURDPh4ZC19-3tiz-Df39V8eidy1oV3a3H1Da2N0g88","WN9r9dCBJ8HTCsS2jKASxTjEyW5m5x65_Z_2ro2jfXM"]},"_sd_alg":"sha-256"}`)
	recursive := sign(t, key, `{"_sd":["HvrKX6fPV0v9K_yCVFBiLFHsMaxcD_114Em6VT8x1lg"],"iss":"i","exp":1883000000,"_sd_alg":"sha-256"}`)
	for text, want := range map[string]any{
		structured + "~": map[string]any{},
		structured + "~" + region + "~" + country + "~": map[string]any{"region": "Sachsen-Anhalt", "country": "DE"},
		recursive + "~":                 nil,
		recursive + "~" + address + "~": map[string]any{},
		recursive + "~" + street + "~" + address + "~" + locality + "~": map[string]any{"street_address": "Schulstr. 12", "locality": "Schulpforta"},
	} {
		token, err := sdjwt.Parse(text)
		require.NoError(t, err)
		verified, err := token.Verify(key, sdjwt.Expect{Profile: plain(t)})
		require.NoError(t, err, text)
		assert.Equal(t, want, verified.Payload["address"])
	}
	alone, err := sdjwt.Parse(recursive + "~" + street + "~")
	require.NoError(t, err)
	_, err = alone.Verify(key, sdjwt.Expect{Profile: plain(t)})
	assertCode(t, err, "invalid_sd_jwt")

	token, err := sdjwt.Parse(recursive + "~" + street + "~" + address + "~" + locality + "~")
	require.NoError(t, err)
	_, err = token.Present(func(path string) bool { return path == "/address/street_address" })
	assertCode(t, err, "invalid_input")
	presented, err := token.Present(func(path string) bool { return path != "/address/locality" })
	require.NoError(t, err)
	assert.Equal(t, recursive+"~"+street+"~"+address+"~", presented.String())
}
