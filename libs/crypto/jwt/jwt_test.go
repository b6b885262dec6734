package jwt_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// start is when the tests take place, with a fraction of a second that no claim keeps.
var start = time.Unix(1_800_000_000, 700_000_000)

func fixed(at time.Time) func() time.Time { return func() time.Time { return at } }

func authority(t testing.TB, p jwt.Profile, at time.Time) *jwt.Authority {
	t.Helper()
	a, err := jwt.New(p, fixed(at))
	require.NoError(t, err)
	return a
}

func profile() jwt.Profile {
	return jwt.Profile{
		Name: "test", Algorithms: []string{"ES256", "Ed25519", "HS256"}, Type: "test+jwt", Issuer: "https://issuer",
		Audiences: []string{"https://a", "https://b"}, Lifetime: 5 * time.Minute, Skew: 30 * time.Second,
	}
}

func ecKey(t testing.TB) *jwk.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return wrap(t, private, jwk.Attributes{ID: "k1", Algorithm: "ES256"})
}

func wrap(t testing.TB, material any, attributes jwk.Attributes) *jwk.Key {
	t.Helper()
	key, err := jwk.FromMaterial(material, attributes)
	require.NoError(t, err)
	return key
}

func assertCode(t *testing.T, err error, code string) {
	t.Helper()
	var coded interface{ ErrorCode() string }
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, code, coded.ErrorCode(), err)
}

func assertReason(t *testing.T, err error, reason jwt.Reason, about ...any) {
	t.Helper()
	var refused *jwt.Error
	if assert.ErrorAs(t, err, &refused, about...) {
		assert.Equal(t, reason, refused.Reason, append(about, err)...)
		assert.Equal(t, "invalid_jwt", refused.ErrorCode())
		assert.Contains(t, err.Error(), string(reason))
	}
}

// token signs any payload.
func token(t *testing.T, key *jwk.Key, h jws.Header, payload string) string {
	t.Helper()
	text, err := jws.Sign(key, h, []byte(payload))
	require.NoError(t, err)
	return text
}

func TestIssue_SetsWhatTheProfileFixes(t *testing.T) {
	t.Parallel()
	key := ecKey(t)
	a := authority(t, profile(), start)
	text, issued, err := a.Issue(key, jwt.Claims{Subject: "s", Extra: map[string]any{"scope": "x", "n": 1}})
	require.NoError(t, err)
	now := time.Unix(start.Unix(), 0)
	assert.Equal(t, now, issued.IssuedAt)
	assert.Equal(t, now, issued.NotBefore)
	assert.Equal(t, now.Add(5*time.Minute), issued.Expires)
	id, err := base64.RawURLEncoding.DecodeString(issued.ID)
	require.NoError(t, err)
	assert.Len(t, id, 16)
	h, err := jws.ParseHeader(text)
	require.NoError(t, err)
	assert.Equal(t, jws.Header{Algorithm: "ES256", KeyID: "k1", Type: "test+jwt"}, h)

	got, err := a.Verify(key, text)
	require.NoError(t, err)
	issued.Extra = map[string]any{"scope": "x", "n": json.Number("1")}
	assert.Equal(t, issued, got)
	_, another, err := a.Issue(key, jwt.Claims{Audience: []string{"https://b"}})
	require.NoError(t, err)
	assert.NotEqual(t, issued.ID, another.ID)
	assert.Equal(t, profile().Name, a.Profile().Name)

	p := profile()
	p.Audiences = nil
	p.Type = ""
	p.AllowedClaims = []string{}
	a = authority(t, p, start)
	text, _, err = a.Issue(key, jwt.Claims{})
	require.NoError(t, err)
	assert.NotContains(t, payloadOf(t, text), "aud")
	h, err = jws.ParseHeader(text)
	require.NoError(t, err)
	assert.Equal(t, "JWT", h.Type)
}

func payloadOf(t *testing.T, token string) string {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	require.NoError(t, err)
	return string(payload)
}

func TestIssue_AudienceOfOneIsAText(t *testing.T) {
	t.Parallel()
	a := authority(t, profile(), start)
	for audience, want := range map[string]string{"https://b": `"aud":"https://b"`, "https://a https://b": `"aud":["https://a","https://b"]`} {
		text, _, err := a.Issue(ecKey(t), jwt.Claims{Audience: strings.Fields(audience)})
		require.NoError(t, err)
		assert.Contains(t, payloadOf(t, text), want)
	}
}

func TestIssue_OldNameOfEd25519(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for _, attributes := range []jwk.Attributes{{Algorithm: "Ed25519"}, {}} {
		key := wrap(t, private, attributes)
		for _, algorithms := range [][]string{{"Ed25519"}, {"EdDSA", "Ed25519"}} {
			p := profile()
			p.Algorithms = algorithms
			for _, old := range []bool{false, true} {
				p.LegacyEdDSAName = old
				text, _, err := authority(t, p, start).Issue(key, jwt.Claims{})
				require.NoError(t, err)
				h, err := jws.ParseHeader(text)
				require.NoError(t, err)
				assert.Equal(t, map[bool]string{true: "EdDSA", false: "Ed25519"}[old], h.Algorithm)
				p.LegacyEdDSAName = !old
				_, err = authority(t, p, start).Verify(key, text)
				require.NoError(t, err, "both names are read")
			}
		}
	}
}

func TestIssue_Refuses(t *testing.T) {
	t.Parallel()
	key := ecKey(t)
	a := authority(t, profile(), start)
	now := time.Unix(start.Unix(), 0)
	for i, c := range []jwt.Claims{
		{ID: "mine"},
		{IssuedAt: now},
		{Issuer: "https://another"},
		{Audience: []string{"https://c"}},
		{NotBefore: now.Add(-time.Second)},
		{NotBefore: now.Add(10 * time.Minute)},
		{Expires: now},
		{Expires: now.Add(301 * time.Second)},
		{Extra: map[string]any{"exp": 1}},
		{Extra: map[string]any{"iss": "x"}},
		{Extra: map[string]any{"f": func() {}}},
		{Extra: map[string]any{"twice": json.RawMessage(`{"a":1,"a":2}`)}},
		{Extra: map[string]any{"long": strings.Repeat("x", jwt.MaxToken)}},
	} {
		_, _, err := a.Issue(key, c)
		if assert.Error(t, err, i) {
			assertCode(t, err, "invalid_input")
		}
	}
	text, issued, err := a.Issue(key, jwt.Claims{NotBefore: now.Add(time.Minute), Expires: now.Add(2 * time.Minute)})
	require.NoError(t, err, "within the lifetime")
	_, err = authority(t, profile(), now.Add(time.Minute)).Verify(key, text)
	require.NoError(t, err)
	assert.Equal(t, time.Minute, issued.Expires.Sub(issued.NotBefore))

	p := profile()
	p.RequiredClaims, p.AllowedClaims = []string{"sub", "tenant"}, []string{"scope"}
	a = authority(t, p, start)
	for _, c := range []jwt.Claims{{}, {Subject: "s"}, {Subject: "s", Extra: map[string]any{"tenant": nil}}, {Subject: "s", Extra: map[string]any{"tenant": "t", "other": 1}}} {
		_, _, err := a.Issue(key, c)
		assertCode(t, err, "invalid_input")
	}
	text, _, err = a.Issue(key, jwt.Claims{Subject: "s", Extra: map[string]any{"tenant": "t", "scope": "x"}})
	require.NoError(t, err)
	_, err = a.Verify(key, text)
	require.NoError(t, err)
	p.Lifetime = 0
	_, _, err = authority(t, p, start).Issue(key, jwt.Claims{Subject: "s", Extra: map[string]any{"tenant": "t"}})
	assertCode(t, err, "invalid_input")
}

func TestKeys_FitExactlyOneAlgorithmOfTheProfile(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	other := wrap(t, private, jwk.Attributes{})
	a := authority(t, profile(), start)
	_, _, err = a.Issue(other, jwt.Claims{})
	assertCode(t, err, "key_mismatch")
	_, err = a.Verify(other, "a.b.c")
	assertCode(t, err, "key_mismatch")

	secret := make([]byte, 64)
	free := wrap(t, secret, jwk.Attributes{})
	_, _, err = a.Issue(free, jwt.Claims{})
	require.NoError(t, err, "one algorithm of the profile fits")
	p := profile()
	p.Algorithms = []string{"HS256", "HS512"}
	_, _, err = authority(t, p, start).Issue(free, jwt.Claims{})
	assertCode(t, err, "key_mismatch")
	_, _, err = authority(t, p, start).Issue(wrap(t, secret, jwk.Attributes{Algorithm: "HS512"}), jwt.Claims{})
	require.NoError(t, err)

	verifier := wrap(t, secret, jwk.Attributes{Operations: []string{"verify"}})
	_, _, err = a.Issue(verifier, jwt.Claims{})
	assertCode(t, err, "key_mismatch")
	signer := wrap(t, secret, jwk.Attributes{Operations: []string{"sign"}})
	text, _, err := a.Issue(signer, jwt.Claims{})
	require.NoError(t, err)
	_, err = a.Verify(signer, text)
	assertCode(t, err, "key_mismatch")
	_, err = a.Verify(verifier, text)
	require.NoError(t, err)
}

func TestVerify_Reasons(t *testing.T) {
	t.Parallel()
	key, other := ecKey(t), ecKey(t)
	p := profile()
	p.MaxAge = time.Hour
	p.RequiredClaims = []string{"sub", "tenant"}
	p.AllowedClaims = []string{"scope"}
	a := authority(t, p, start)
	h := jws.Header{Type: "test+jwt"}
	s := start.Unix()
	good := fmt.Sprintf(`{"iss":"https://issuer","sub":"s","aud":["x","https://b"],"exp":%d,"nbf":%d,"iat":%d,"jti":"j","tenant":"t","scope":[]}`, s+60, s, s)
	_, err := a.Verify(key, token(t, key, h, good))
	require.NoError(t, err)
	with := func(from, to string) string {
		require.Contains(t, good, from)
		return strings.Replace(good, from, to, 1)
	}
	exp, nbf, iat := fmt.Sprintf(`"exp":%d`, s+60), fmt.Sprintf(`"nbf":%d`, s), fmt.Sprintf(`"iat":%d`, s)
	for payload, reason := range map[string]jwt.Reason{
		with("https://issuer", "https://Issuer"):               jwt.WrongIssuer,
		with(`"iss":"https://issuer",`, ""):                    jwt.MissingClaim,
		with(`"https://b"`, `"https://c"`):                     jwt.WrongAudience,
		with(`["x","https://b"]`, `"https://b/"`):              jwt.WrongAudience,
		with(`"aud":["x","https://b"],`, ""):                   jwt.MissingClaim,
		with(exp, fmt.Sprintf(`"exp":%d`, s-30)):               jwt.Expired,
		with(exp, `"exp":0`):                                   jwt.Expired,
		with(nbf, fmt.Sprintf(`"nbf":%d`, s+31)):               jwt.NotYetValid,
		with(iat, fmt.Sprintf(`"iat":%d`, s+31)):               jwt.NotYetValid,
		with(iat, fmt.Sprintf(`"iat":%d`, s-3631)):             jwt.TooOld,
		with(","+iat, ""):                                      jwt.MissingClaim,
		with(`"sub":"s",`, ""):                                 jwt.MissingClaim,
		with(`"sub":"s"`, `"sub":""`):                          jwt.MissingClaim,
		with(`"tenant":"t"`, `"tenant":null`):                  jwt.MissingClaim,
		with(`"scope":[]`, `"Scope":[]`):                       jwt.UnexpectedClaim,
		with(`"sub":"s"`, `"sub":"s","sub":"s"`):               jwt.Malformed,
		with(`"sub":"s"`, `"sub":1`):                           jwt.Malformed,
		with(`"jti":"j"`, `"jti":null`):                        jwt.Malformed,
		with(`"https://issuer"`, `["https://issuer"]`):         jwt.Malformed,
		with(`["x","https://b"]`, `[]`):                        jwt.Malformed,
		with(`["x","https://b"]`, `["https://b",1]`):           jwt.Malformed,
		with(`["x","https://b"]`, `{}`):                        jwt.Malformed,
		with(`["x","https://b"]`, `null`):                      jwt.Malformed,
		with(`["x",`, `["x",`+strings.Repeat(`"y",`, 63)):      jwt.Malformed,
		with(exp, fmt.Sprintf(`"exp":"%d"`, s+60)):             jwt.Malformed,
		with(exp, fmt.Sprintf(`"exp":-%d`, s)):                 jwt.Malformed,
		with(exp, `"exp":1.9e9`):                               jwt.Malformed,
		with(exp, `"exp":1e400`):                               jwt.Malformed,
		with(exp, `"exp":253402300800`):                        jwt.Malformed,
		with(exp, `"exp":9999999999999999999999`):              jwt.Malformed,
		with(exp, fmt.Sprintf(`"exp":%d.0123456789`, s+60)):    jwt.Malformed,
		with(exp, `"exp":null`):                                jwt.Malformed,
		with(`"scope":[]`, `"scope":`+strings.Repeat("[", 99)): jwt.Malformed,
		`[]`: jwt.Malformed, ``: jwt.Malformed, good + `{}`: jwt.Malformed, `"x"`: jwt.Malformed,
	} {
		_, err := a.Verify(key, token(t, key, h, payload))
		assertReason(t, err, reason, payload)
	}
	for _, payload := range []string{
		with(exp, fmt.Sprintf(`"exp":%d.999999999`, s-30)), // the fraction counts
		with(","+exp, ""), // MaxAge bounds the age
		with(nbf, fmt.Sprintf(`"nbf":%d`, s+30)),
		with(iat, fmt.Sprintf(`"iat":%d.5`, s-3629)),
		with(`["x","https://b"]`, `"https://a"`),
	} {
		_, err := a.Verify(key, token(t, key, h, payload))
		require.NoError(t, err, payload)
	}

	genuine := token(t, key, h, good)
	cut := strings.LastIndexByte(genuine, '.')
	for text, reason := range map[string]jwt.Reason{
		token(t, other, h, good):                                                                             jwt.BadSignature,
		genuine[:cut+1]:                                                                                      jwt.BadSignature,
		strings.Replace(genuine, ".", ".e30", 1):                                                             jwt.BadSignature,
		token(t, key, jws.Header{}, good):                                                                    jwt.WrongType,
		token(t, key, jws.Header{Type: "JWT"}, good):                                                         jwt.WrongType,
		token(t, key, jws.Header{Type: "at+jwt"}, good):                                                      jwt.WrongType,
		token(t, key, jws.Header{Type: "test+jwt", ContentType: "jwt"}, good):                                jwt.WrongType,
		encode(`{"alg":"HS256","typ":"test+jwt"}`) + genuine[strings.IndexByte(genuine, '.'):]:               jwt.WrongAlgorithm,
		encode(`{"alg":"none","typ":"test+jwt"}`) + "." + encode(good) + ".":                                 jwt.WrongAlgorithm,
		encode(`{"alg":"ES256","typ":"test+jwt","crit":["b64"],"b64":false}`) + "." + encode(good) + ".AAAA": jwt.Malformed,
		encode(`{"alg":"ES256","jku":"https://a"}`) + "." + encode(good) + ".AAAA":                           jwt.Malformed,
		genuine[:cut]:                       jwt.Malformed,
		"":                                  jwt.Malformed,
		"a.b.c.d.e":                         jwt.Malformed,
		strings.Repeat("a", jwt.MaxToken+1): jwt.Malformed,
	} {
		_, err := a.Verify(key, text)
		assertReason(t, err, reason, text[:min(len(text), 200)])
	}
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestError_KeepsItsCause(t *testing.T) {
	t.Parallel()
	key, other := ecKey(t), ecKey(t)
	a := authority(t, profile(), start)
	text, issued, err := a.Issue(key, jwt.Claims{})
	require.NoError(t, err)
	_, err = a.Verify(other, text)
	require.ErrorIs(t, err, jws.ErrVerification)
	for _, name := range []string{"iss", "aud", "exp", "nbf", "iat", "jti"} {
		assert.True(t, issued.Has(name), name)
	}
	assert.False(t, issued.Has("sub"))
	assert.False(t, issued.Has("other"))
}

// A profile without an audience is not meant by a token that names one (RFC 7519 section 4.1.3).
func TestVerify_AudienceNobodyExpects(t *testing.T) {
	t.Parallel()
	key := ecKey(t)
	p := jwt.Profile{Algorithms: []string{"ES256"}}
	a := authority(t, p, start)
	payload := fmt.Sprintf(`{"exp":%d}`, start.Unix()+1)
	_, err := a.Verify(key, token(t, key, jws.Header{}, payload))
	require.NoError(t, err)
	_, err = a.Verify(key, token(t, key, jws.Header{Type: "application/jwt"}, payload))
	require.NoError(t, err)
	_, err = a.Verify(key, token(t, key, jws.Header{Type: "at+jwt"}, payload))
	assertReason(t, err, jwt.WrongType)
	_, err = a.Verify(key, token(t, key, jws.Header{}, payload[:len(payload)-1]+`,"aud":"x"}`))
	assertReason(t, err, jwt.WrongAudience)
	_, err = a.Verify(key, token(t, key, jws.Header{}, `{"iat":1}`))
	assertReason(t, err, jwt.MissingClaim)
}

func TestNew_Refuses(t *testing.T) {
	t.Parallel()
	for i, change := range []func(*jwt.Profile){
		func(p *jwt.Profile) { p.Form = "plain" },
		func(p *jwt.Profile) { p.Algorithms = nil },
		func(p *jwt.Profile) { p.KeyManagement = []string{"A256KW"} },
		func(p *jwt.Profile) { p.Encryptions = []string{"A256GCM"} },
		func(p *jwt.Profile) { p.Form = jwt.Nested },
		func(p *jwt.Profile) { p.Form, p.KeyManagement = jwt.Nested, []string{"A256KW"} },
		func(p *jwt.Profile) {
			p.Form, p.KeyManagement, p.Encryptions = jwt.Encrypted, []string{"A256KW"}, []string{"A256GCM"}
		},
		func(p *jwt.Profile) { p.Lifetime = -1 },
		func(p *jwt.Profile) { p.Lifetime = time.Millisecond },
		func(p *jwt.Profile) { p.MaxAge = -1 },
		func(p *jwt.Profile) { p.Skew = -1 },
		func(p *jwt.Profile) { p.Skew = jwt.MaxSkew + 1 },
		func(p *jwt.Profile) { p.Audiences = []string{""} },
	} {
		p := profile()
		change(&p)
		_, err := jwt.New(p, fixed(start))
		if assert.Error(t, err, i) {
			assertCode(t, err, "invalid_input")
		}
	}
	_, err := jwt.New(profile(), nil)
	assertCode(t, err, "invalid_input")
	for _, p := range []jwt.Profile{
		{Algorithms: []string{"none"}},
		{Form: jwt.Encrypted, KeyManagement: []string{"RSA1_5"}, Encryptions: []string{"A256GCM"}},
		{Form: jwt.Encrypted, KeyManagement: []string{"A256KW"}, Encryptions: []string{"A256"}},
	} {
		_, err := jwt.New(p, fixed(start))
		assertCode(t, err, "unsupported_algorithm")
	}
}

func TestComplete_IsWhatIssueSigns(t *testing.T) {
	t.Parallel()
	authority, err := jwt.New(jwt.Profile{
		Name: "card", Algorithms: []string{"Ed25519"}, Issuer: "https://a.example", Audiences: []string{"b"}, Lifetime: time.Minute,
		RequiredClaims: []string{"name"}, LegacyEdDSAName: true,
	}, func() time.Time { return time.Unix(1_700_000_000, 0) })
	require.NoError(t, err)
	claims, err := authority.Complete(jwt.Claims{Subject: "ada", Extra: map[string]any{"name": "Ada"}})
	require.NoError(t, err)
	assert.Equal(t, []any{"https://a.example", []string{"b"}, "ada"}, []any{claims.Issuer, claims.Audience, claims.Subject})
	assert.Equal(t, time.Unix(1_700_000_060, 0), claims.Expires)
	assert.Len(t, claims.ID, 22)
	_, err = authority.Complete(jwt.Claims{Subject: "ada"})
	assert.ErrorContains(t, err, `claim "name" is missing`)
	_, err = authority.Complete(jwt.Claims{ID: "mine", Extra: map[string]any{"name": "Ada"}})
	assert.ErrorContains(t, err, "not the caller's")
	assert.Equal(t, []string{"EdDSA", "ES256"}, []string{authority.AlgorithmName("Ed25519"), authority.AlgorithmName("ES256")})
}
