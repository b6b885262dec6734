package jwt_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
)

// RFC 7519 section 3.1, and the inner token of RFC 7520 section 6.
func TestVerify_RFCExamples(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ algorithm, issuer, key, token string }{
		"RFC 7519 3.1": {
			"HS256", "joe",
			`{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}`,
			"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
		},
		"RFC 7520 6": {
			"PS256", "hobbiton.example",
			`{"kty":"RSA","kid":"hobbiton.example","use":"sig","e":"AQAB","n":"kNrPIBDXMU6fcyv5i-QHQAQ-K8gsC3HJb7FYhYaw8hXbNJa-t8q0lDKwLZgQXYV-ffWxXJv5GGrlZE4GU52lfMEegTDzYTrRQ3tepgKFjMGg6Iy6fkl1ZNsx2gEonsnlShfzA9GJwRTmtKPbk1s-hwx1IU5AT-AIelNqBgcF2vE5W25_SGGBoaROVdUYxqETDggM1z5cKV4ZjDZ8-lh4oVB07bkac6LQdHpJUUySH_Er20DXx30Kyi97PciXKTS-QKXnmm8ivyRCmux22ZoPUind2BKC5OiG4MwALhaL2Z2k8CsRdfy-7dg7z41Rp6D0ZeEvtaUp4bX4aKraL4rTfw"}`,
			"eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJob2JiaXRvbi5leGFtcGxlIiwiZXhwIjoxMzAwODE5MzgwLCJodHRwOi8vZXhhbXBsZS5jb20vaXNfcm9vdCI6dHJ1ZX0.dPpMqwRZxFYi1UfcDAaf8M99o7kwUWtiXZ-ByvVuJih4MhJ_aZqciprz0OWaIAkIvn1qskChirjKvY9ESZNUCP4JjvfyPS-nqjJxYoA5ztWOyFk2cZNIPXjcJXSQwXPO9tEe-v4VSqgD0aKHqPxYog4N6Cz1lKph1U1sYDSI67_bLL7elg_vkjfMp5_W5l5LuUYGMeh6hxQIaIUXf9EwV2JmvTMuZ-vBOWy0Sniy1EFo72CRTvmtrIf5AROo5MNliY3KtUxeP-SOmD-LEYwW9SlkohYzMVAZDDOrVbv7KVRHpeYNaK75KEQqdCEEkS_rskZS-Qtt_nlegTWh1mEYaA",
		},
	} {
		key, err := jwk.Parse([]byte(c.key))
		require.NoError(t, err)
		p := jwt.Profile{Algorithms: []string{c.algorithm}, Issuer: c.issuer}
		end := time.Unix(1300819380, 0)
		claims, err := authority(t, p, end.Add(-time.Second)).Verify(key, c.token)
		require.NoError(t, err, name)
		assert.Equal(t, jwt.Claims{Issuer: c.issuer, Expires: end, Extra: map[string]any{"http://example.com/is_root": true}}, claims)
		_, err = authority(t, p, end).Verify(key, c.token)
		assertReason(t, err, jwt.Expired)
	}
}

// RFC 7519 section 6.1 (RFC 7515 appendix A.5) is unsecured, and RFC 7519 appendix A.1 encrypted by RSA1_5: both are refused, whatever the profile.
func TestVerify_RFCExamplesThatAreRefused(t *testing.T) {
	t.Parallel()
	const unsecured = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
	key := ecKey(t)
	_, err := authority(t, jwt.Profile{Algorithms: []string{"ES256"}, Issuer: "joe"}, time.Unix(1300819379, 0)).Verify(key, unsecured)
	assertReason(t, err, jwt.WrongAlgorithm)
	_, err = jwt.New(jwt.Profile{Algorithms: []string{"none"}}, fixed(start))
	assertCode(t, err, "unsupported_algorithm")

	nested := jwt.Profile{Form: jwt.Nested, Algorithms: []string{"RS256"}, KeyManagement: []string{"A128KW"}, Encryptions: []string{"A128CBC-HS256"}}
	wrapping := wrap(t, make([]byte, 16), jwk.Attributes{})
	// {"alg":"RSA1_5","enc":"A128CBC-HS256","cty":"JWT"}
	_, err = authority(t, nested, start).Open(wrapping, "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2IiwiY3R5IjoiSldUIn0.AAAA.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGSw.U0m_YmjN04DJvceFICbCVQ")
	assertReason(t, err, jwt.WrongAlgorithm)
}
