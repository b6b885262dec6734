package jwe_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
)

// RFC 7516 appendices A.4 and A.5; the first recipient's algorithm is refused, the second's is not.
func TestMessage_RFC7516(t *testing.T) {
	t.Parallel()
	const rest = `"protected":"eyJlbmMiOiJBMTI4Q0JDLUhTMjU2In0","unprotected":{"jku":"https://server.example.com/keys.jwks"},
		"iv":"AxY8DCtDaGlsbGljb3RoZQ","ciphertext":"KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY","tag":"Mz-VPPyU4RlcuYv1IwIvzw"}`
	const second = `"header":{"alg":"A128KW","kid":"7"},"encrypted_key":"6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ"`
	key := parseKey(t, `{"kty":"oct","k":"GawgguFyGrWKav7AX4VKUg"}`)
	for text, index := range map[string]int{
		`{"recipients":[{"header":{"alg":"RSA1_5","kid":"2011-04-29"},"encrypted_key":"AAAA"},{` + second + `}],` + rest: 1,
		`{` + second + `,` + rest: 0,
	} {
		_, err := jwe.Parse([]byte(text), jwe.Allow{})
		assertCode(t, err, "invalid_jwe") // "jku"
		allow := jwe.Allow{KeyMembers: true}
		m, err := jwe.Parse([]byte(text), allow)
		require.NoError(t, err)
		assert.Equal(t, "7", m.Headers[index].KeyID)
		plaintext, h, err := m.Decrypt(index, key, jwe.Expect{Algorithm: "A128KW", Allow: allow})
		require.NoError(t, err)
		assert.Equal(t, "Live long and prosper.", string(plaintext))
		assert.Equal(t, jwe.Header{Encryption: "A128CBC-HS256"}, h)
		_, _, err = m.Decrypt(index, key, jwe.Expect{Algorithm: "A128KW"})
		assertCode(t, err, "invalid_jwe")
		if index > 0 {
			_, _, err = m.Decrypt(0, key, jwe.Expect{Algorithm: "A128KW", Allow: allow})
			assertCode(t, err, "unsupported_algorithm")
		}
	}
}

const (
	merry     = `{"kty":"oct","kid":"81b20965-8332-43d9-a468-82160ad91ac8","use":"enc","alg":"A128KW","k":"GZy6sIZ6wl9NJOKB-jnmVQ"}`
	merryID   = "81b20965-8332-43d9-a468-82160ad91ac8"
	trustText = "You can trust us to stick with you through thick and thin\u2013to the bitter end. And you can trust us to keep any secret of yours\u2013closer than you keep it yourself. But you cannot trust us to let you face trouble alone, and go off without a word. We are your friends, Frodo."
)

// RFC 7520 sections 5.9 (compressed), 5.10 (additional authenticated data), 5.11 and 5.12 (less and less
// protected), each in every serialization that has it.
func TestMessage_RFC7520(t *testing.T) {
	t.Parallel()
	const both = "eyJhbGciOiJBMTI4S1ciLCJraWQiOiI4MWIyMDk2NS04MzMyLTQzZDktYTQ2OC04MjE2MGFkOTFhYzgiLCJlbmMiOiJBMTI4R0NNIn0"
	for name, c := range map[string]struct {
		headers, encryptedKey, rest string
		expect                      jwe.Expect
		authentic                   jwe.Header
	}{
		"5.9": {
			`"protected":"eyJhbGciOiJBMTI4S1ciLCJraWQiOiI4MWIyMDk2NS04MzMyLTQzZDktYTQ2OC04MjE2MGFkOTFhYzgiLCJlbmMiOiJBMTI4R0NNIiwiemlwIjoiREVGIn0"`,
			"5vUT2WOtQxKWcekM_IzVQwkGgzlFDwPi",
			`"iv":"p9pUq6XHY0jfEZIl","ciphertext":"HbDtOsdai1oYziSx25KEeTxmwnh8L8jKMFNc1k3zmMI6VB8hry57tDZ61jXyezSPt0fdLVfe6Jf5y5-JaCap_JQBcb5opbmT60uWGml8blyiMQmOn9J--XhhlYg0m-BHaqfDO5iTOWxPxFMUedx7WCy8mxgDHj0aBMG6152PsM-w5E_o2B3jDbrYBKhpYA7qi3AyijnCJ7BP9rr3U8kxExCpG3mK420TjOw","tag":"VILuUwuIxaLVmh5X-T7kmA"`,
			jwe.Expect{Allow: jwe.Allow{MaxInflated: len(trustText)}},
			jwe.Header{Algorithm: "A128KW", Encryption: "A128GCM", KeyID: merryID, Compressed: true},
		},
		"5.10": {
			`"protected":"` + both + `"`,
			"4YiiQ_ZzH76TaIkJmYfRFgOV9MIpnx4X",
			`"iv":"veCx9ece2orS7c_N","aad":"WyJ2Y2FyZCIsW1sidmVyc2lvbiIse30sInRleHQiLCI0LjAiXSxbImZuIix7fSwidGV4dCIsIk1lcmlhZG9jIEJyYW5keWJ1Y2siXSxbIm4iLHt9LCJ0ZXh0IixbIkJyYW5keWJ1Y2siLCJNZXJpYWRvYyIsIk1yLiIsIiJdXSxbImJkYXkiLHt9LCJ0ZXh0IiwiVEEgMjk4MiJdLFsiZ2VuZGVyIix7fSwidGV4dCIsIk0iXV1d","ciphertext":"Z_3cbr0k3bVM6N3oSNmHz7Lyf3iPppGf3Pj17wNZqteJ0Ui8p74SchQP8xygM1oFRWCNzeIa6s6BcEtp8qEFiqTUEyiNkOWDNoF14T_4NFqF-p2Mx8zkbKxI7oPK8KNarFbyxIDvICNqBLba-v3uzXBdB89fzOI-Lv4PjOFAQGHrgv1rjXAmKbgkft9cB4WeyZw8MldbBhc-V_KWZslrsLNygon_JJWd_ek6LQn5NRehvApqf9ZrxB4aq3FXBxOxCys35PhCdaggy2kfUfl2OkwKnWUbgXVD1C6HxLIlqHhCwXDG59weHrRDQeHyMRoBljoV3X_bUTJDnKBFOod7nLz-cj48JMx3SnCZTpbQAkFV","tag":"vOaH_Rajnpy_3hOtqvZHRA"`,
			jwe.Expect{},
			jwe.Header{Algorithm: "A128KW", Encryption: "A128GCM", KeyID: merryID},
		},
		"5.11": {
			`"protected":"eyJlbmMiOiJBMTI4R0NNIn0","unprotected":{"alg":"A128KW","kid":"81b20965-8332-43d9-a468-82160ad91ac8"}`,
			"jJIcM9J-hbx3wnqhf5FlkEYos0sHsF0H",
			`"iv":"WgEJsDS9bkoXQ3nR","ciphertext":"lIbCyRmRJxnB2yLQOTqjCDKV3H30ossOw3uD9DPsqLL2DM3swKkjOwQyZtWsFLYMj5YeLht_StAn21tHmQJuuNt64T8D4t6C7kC9OCCJ1IHAolUv4MyOt80MoPb8fZYbNKqplzYJgIL58g8N2v46OgyG637d6uuKPwhAnTGm_zWhqc_srOvgiLkzyFXPq1hBAURbc3-8BqeRb48iR1-_5g5UjWVD3lgiLCN_P7AW8mIiFvUNXBPJK3nOWL4teUPS8yHLbWeL83olU4UAgL48x-8dDkH23JykibVSQju-f7e-1xreHWXzWLHs1NqBbre0dEwK3HX_xM0LjUz77Krppgegoutpf5qaKg3l-_xMINmf","tag":"fNYLqpUe84KD45lvDiaBAQ"`,
			jwe.Expect{},
			jwe.Header{Encryption: "A128GCM"},
		},
		"5.12": {
			`"unprotected":{"alg":"A128KW","kid":"81b20965-8332-43d9-a468-82160ad91ac8","enc":"A128GCM"}`,
			"244YHfO_W7RMpQW81UjQrZcq5LSyqiPv",
			`"iv":"YihBoVOGsR1l7jCD","ciphertext":"qtPIMMaOBRgASL10dNQhOa7Gqrk7Eal1vwht7R4TT1uq-arsVCPaIeFwQfzrSS6oEUWbBtxEasE0vC6r7sphyVziMCVJEuRJyoAHFSP3eqQPb4Ic1SDSqyXjw_L3svybhHYUGyQuTmUQEDjgjJfBOifwHIsDsRPeBz1NomqeifVPq5GTCWFo5k_MNIQURR2Wj0AHC2k7JZfu2iWjUHLF8ExFZLZ4nlmsvJu_mvifMYiikfNfsZAudISOa6O73yPZtL04k_1FI7WDfrb2w7OqKLWDXzlpcxohPVOLQwpA3mFNRKdY-bQz4Z4KX9lfz1cne31N4-8BKmojpw-OdQjKdLOGkC445Fb_K1tlDQXw2sBF","tag":"e2m0Vm7JvjK2VpCKXS-kyg"`,
			jwe.Expect{Encryption: "A128GCM"},
			jwe.Header{},
		},
	} {
		for _, text := range []string{
			fmt.Sprintf(`{"recipients":[{"encrypted_key":%q}],%s,%s}`, c.encryptedKey, c.headers, c.rest),
			fmt.Sprintf(`{%s,"encrypted_key":%q,%s}`, c.headers, c.encryptedKey, c.rest),
		} {
			m, err := jwe.Parse([]byte(text), c.expect.Allow)
			require.NoError(t, err, name)
			assert.Equal(t, merryID, m.Headers[0].KeyID, name)
			plaintext, h, err := m.Decrypt(0, parseKey(t, merry), c.expect)
			require.NoError(t, err, name)
			assert.Equal(t, trustText, string(plaintext), name)
			assert.Equal(t, c.authentic, h, name)
			assert.Equal(t, name == "5.10", m.AAD != nil)
			if name == "5.12" {
				_, _, err = m.Decrypt(0, parseKey(t, merry), jwe.Expect{})
				assertCode(t, err, "invalid_jwe") // nobody says which "enc"
			}
			if name == "5.9" {
				_, _, err = m.Decrypt(0, parseKey(t, merry), jwe.Expect{})
				assertCode(t, err, "invalid_jwe")
				_, err = jwe.Parse([]byte(text), jwe.Allow{})
				assertCode(t, err, "invalid_jwe")
				_, _, err = m.Decrypt(0, parseKey(t, merry), jwe.Expect{Allow: jwe.Allow{MaxInflated: len(trustText) - 1}})
				assertCode(t, err, "invalid_jwe")
			}
		}
	}
}

// RFC 7520 section 5.13: three recipients, of whom the first has an algorithm that is refused.
func TestMessage_RFC7520Recipients(t *testing.T) {
	t.Parallel()
	text := `{"recipients":[
		{"encrypted_key":"AAAA","header":{"alg":"RSA1_5","kid":"frodo.baggins@hobbiton.example"}},
		{"encrypted_key":"ExInT0io9BqBMYF6-maw5tZlgoZXThD1zWKsHixJuw_elY4gSSId_w","header":{"alg":"ECDH-ES+A256KW","kid":"peregrin.took@tuckborough.example","epk":{"kty":"EC","crv":"P-384",
			"x":"Uzdvk3pi5wKCRc1izp5_r0OjeqT-I68i8g2b8mva8diRhsE2xAn2DtMRb25Ma2CX","y":"VDrRyFJh-Kwd1EjAgmj5Eo-CTHAZ53MC7PjjpLioy3ylEjI1pOMbw91fzZ84pbfm"}}},
		{"encrypted_key":"a7CclAejo_7JSuPB8zeagxXRam8dwCfmkt9-WyTpS1E","header":{"alg":"A256GCMKW","kid":"18ec08e1-bfa9-4d95-b205-2b4dd1d4321d","tag":"59Nqh1LlYtVIhfD3pgRGvw","iv":"AvpeoPZ9Ncn9mkBn"}}],
		"unprotected":{"cty":"text/plain"},"protected":"eyJlbmMiOiJBMTI4Q0JDLUhTMjU2In0","iv":"VgEIHY20EnzUtZFl2RpB1g",
		"ciphertext":"ajm2Q-OpPXCr7-MHXicknb1lsxLdXxK_yLds0KuhJzfWK04SjdxQeSw2L9mu3a_k1C55kCQ_3xlkcVKC5yr__Is48VOoK0k63_QRM9tBURMFqLByJ8vOYQX0oJW4VUHJLmGhF-tVQWB7Kz8mr8zeE7txF0MSaP6ga7-siYxStR7_G07Thd1jh-zGT0wxM5g-VRORtq0K6AXpLlwEqRp7pkt2zRM0ZAXqSpe1O6FJ7FHLDyEFnD-zDIZukLpCbzhzMDLLw2-8I14FQrgi-iEuzHgIJFIJn2wh9Tj0cg_kOZy9BqMRZbmYXMY9YQjorZ_P_JYG3ARAIF3OjDNqpdYe-K_5Q5crGJSDNyij_ygEiItR5jssQVH2ofDQdLChtazE",
		"tag":"BESYyFN7T09KY7i8zKs5_g"}`
	m, err := jwe.Parse([]byte(text), jwe.Allow{})
	require.NoError(t, err)
	require.Len(t, m.Headers, 3)
	for i, key := range map[int]string{
		1: `{"kty":"EC","kid":"peregrin.took@tuckborough.example","use":"enc","crv":"P-384","x":"YU4rRUzdmVqmRtWOs2OpDE_T5fsNIodcG8G5FWPrTPMyxpzsSOGaQLpe2FpxBmu2","y":"A8-yxCHxkfBz3hKZfI1jUYMjUhsEveZ9THuwFjH2sCNdtksRJU7D5-SkgaFL1ETP","d":"iTx2pk7wW-GqJkHcEkFQb2EFyYcO7RugmaW3mRrQVAOUiPommT0IdnYK2xDlZh-j"}`,
		2: `{"kty":"oct","kid":"18ec08e1-bfa9-4d95-b205-2b4dd1d4321d","use":"enc","alg":"A256GCMKW","k":"qC57l_uxcm7Nm3K-ct4GFjx8tM1U8CZ0NLBvdQstiS8"}`,
	} {
		recipient := parseKey(t, key)
		assert.Equal(t, recipient.ID, m.Headers[i].KeyID)
		plaintext, h, err := m.Decrypt(i, recipient, jwe.Expect{Algorithm: m.Headers[i].Algorithm})
		require.NoError(t, err)
		assert.Equal(t, trustText, string(plaintext))
		assert.Empty(t, h.ContentType, "what is not protected is not vouched for")
		assert.Equal(t, "text/plain", m.Headers[i].ContentType)
	}
}
