package sdjwt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
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
	"github.com/cryptoutil/cryptoutil/libs/crypto/sdjwt"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func ecKey(t testing.TB) *jwk.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	key, err := jwk.FromMaterial(private, jwk.Attributes{ID: "k1", Algorithm: "ES256"})
	require.NoError(t, err)
	return key
}

// plain is a profile that asks for nothing but "exp".
func plain(t testing.TB) *jwt.Authority {
	t.Helper()
	a, err := jwt.New(jwt.Profile{Algorithms: []string{"ES256"}}, func() time.Time { return rfcTime })
	require.NoError(t, err)
	return a
}

func sign(t testing.TB, key *jwk.Key, payload string) string {
	t.Helper()
	text, err := jws.Sign(key, jws.Header{}, []byte(payload))
	require.NoError(t, err)
	return text
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func digest(disclosure string) string {
	sum := sha256.Sum256([]byte(disclosure))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func assertCode(t *testing.T, err error, code string) {
	t.Helper()
	var coded interface{ ErrorCode() string }
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, code, coded.ErrorCode(), err)
}

func draft(holder *jwk.Key) *sdjwt.Draft {
	return &sdjwt.Draft{
		Header: jws.Header{Type: "JWT"},
		Holder: holder,
		Claims: map[string]any{
			"exp": rfcTime.Unix() + 60, "iss": "i",
			"name":    sdjwt.Selective{Value: "N\u00f6"},
			"nothing": sdjwt.Selective{Value: nil},
			"address": sdjwt.Selective{Value: map[string]any{"street": sdjwt.Selective{Value: "s"}, "country": "c"}},
			"open":    map[string]any{"in": sdjwt.Selective{Value: []any{1, "x"}}, "a~/b": sdjwt.Selective{Value: true}},
			"list":    []any{"first", sdjwt.Selective{Value: "second"}, sdjwt.Selective{Value: map[string]any{"deep": sdjwt.Selective{Value: 1.5}}}, []any{sdjwt.Selective{Value: "inner"}}},
		},
	}
}

func TestIssuePresentVerify(t *testing.T) {
	t.Parallel()
	issuer, holder := ecKey(t), ecKey(t)
	for _, hash := range []string{"", "sha-256", "sha-384", "sha-512"} {
		for _, decoys := range []int{0, 3} {
			d := draft(holder)
			d.Hash, d.Decoys = hash, decoys
			issued, err := d.Issue(issuer)
			require.NoError(t, err)
			token, err := sdjwt.Parse(issued.String())
			require.NoError(t, err)
			assert.Equal(t, issued, token)
			verified, err := token.Verify(issuer, sdjwt.Expect{Profile: plain(t)})
			require.NoError(t, err)
			got, err := json.Marshal(verified.Payload)
			require.NoError(t, err)
			cnf, err := holder.MarshalPublic()
			require.NoError(t, err)
			assert.JSONEq(t, fmt.Sprintf(`{"exp":%d,"iss":"i","name":"Nö","nothing":null,"address":{"street":"s","country":"c"},"open":{"in":[1,"x"],"a~/b":true},
				"list":["first","second",{"deep":1.5},["inner"]],"cnf":{"jwk":%s}}`, rfcTime.Unix()+60, cnf), string(got))

			chosen, err := token.Present(func(path string) bool {
				return path == "/open/a~0~1b" || path == "/address" || path == "/nothing"
			})
			require.NoError(t, err)
			require.Len(t, chosen.Disclosures, 3)
			bound, err := chosen.Bind(holder, "", "verifier", "nonce", rfcTime)
			require.NoError(t, err)
			assert.Empty(t, chosen.KeyBinding, "the token itself stays as it was")
			received, err := sdjwt.Parse(bound.String())
			require.NoError(t, err)
			binding := &sdjwt.Binding{Audience: "verifier", Nonce: "nonce", MaxAge: time.Minute, Now: func() time.Time { return rfcTime }}
			verified, err = received.Verify(issuer, sdjwt.Expect{Profile: plain(t), Binding: binding})
			require.NoError(t, err)
			assert.Equal(t, holder.ThumbprintSHA256(), verified.Holder.ThumbprintSHA256())
			assert.Equal(t, map[string]any{"country": "c"}, verified.Payload["address"])
			assert.Equal(t, []any{"first", []any{}}, verified.Payload["list"])
			assert.Equal(t, map[string]any{"a~/b": true}, verified.Payload["open"])
			assert.NotContains(t, verified.Payload, "name")
			assert.Contains(t, verified.Payload, "nothing")
			h, err := jws.ParseHeader(bound.KeyBinding)
			require.NoError(t, err)
			assert.Equal(t, jws.Header{Algorithm: "ES256", Type: "kb+jwt"}, h)
		}
	}
}

// Decoys look like what they hide among, and change nothing.
func TestIssue_Decoys(t *testing.T) {
	t.Parallel()
	issuer := ecKey(t)
	counts := func(decoys int) (members, elements int) {
		d := &sdjwt.Draft{Decoys: decoys, Claims: map[string]any{"a": sdjwt.Selective{Value: 1}, "plain": map[string]any{"x": 1}, "list": []any{"x", sdjwt.Selective{Value: 2}}, "open": []any{1}}}
		token, err := d.Issue(issuer)
		require.NoError(t, err)
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token.JWT, ".")[1])
		require.NoError(t, err)
		var claims struct {
			Digests []string       `json:"_sd"`
			List    []any          `json:"list"`
			Open    []any          `json:"open"`
			Plain   map[string]any `json:"plain"`
		}
		require.NoError(t, json.Unmarshal(payload, &claims))
		assert.IsIncreasing(t, claims.Digests)
		assert.Len(t, claims.Open, 1)
		assert.Len(t, claims.Plain, 1)
		for _, sum := range claims.Digests {
			assert.Len(t, sum, 43)
		}
		return len(claims.Digests), len(claims.List)
	}
	members, elements := counts(0)
	assert.Equal(t, []int{1, 2}, []int{members, elements})
	members, elements = counts(5)
	assert.Equal(t, []int{6, 7}, []int{members, elements})
}

func TestIssue_SaltsDiffer(t *testing.T) {
	t.Parallel()
	d := &sdjwt.Draft{Claims: map[string]any{"a": sdjwt.Selective{Value: 1}}}
	seen := map[string]bool{}
	for range 20 {
		token, err := d.Issue(ecKey(t))
		require.NoError(t, err)
		seen[token.String()] = true
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(token.String(), "~")[1])
		require.NoError(t, err)
		assert.Regexp(t, `^\["[A-Za-z0-9_-]{22}","a",1\]$`, string(text))
	}
	assert.Len(t, seen, 20)
}

func TestIssue_Refuses(t *testing.T) {
	t.Parallel()
	issuer, holder := ecKey(t), ecKey(t)
	hide := func(value any) sdjwt.Selective { return sdjwt.Selective{Value: value} }
	deep := any("x")
	for range 20 {
		deep = []any{hide(deep)}
	}
	deepMap := any("x")
	for range 20 {
		deepMap = map[string]any{"a": hide(deepMap)}
	}
	var many []any
	for range sdjwt.MaxDisclosures + 1 {
		many = append(many, hide(1))
	}
	for i, d := range []sdjwt.Draft{
		{Hash: "sha-1"},
		{Hash: "SHA-256"},
		{Decoys: -1},
		{Decoys: 101},
		{Header: jws.Header{Unencoded: true}},
		{Claims: map[string]any{"iss": hide("x")}},
		{Claims: map[string]any{"exp": hide(1)}},
		{Claims: map[string]any{"nbf": hide(1)}},
		{Claims: map[string]any{"aud": hide("x")}},
		{Claims: map[string]any{"cnf": hide("x")}},
		{Claims: map[string]any{"_sd": "x"}},
		{Claims: map[string]any{"...": "x"}},
		{Claims: map[string]any{"_sd_alg": "x"}},
		{Claims: map[string]any{"a": map[string]any{"_sd": hide("x")}}},
		{Claims: map[string]any{"a": []any{map[string]any{"...": hide("x")}}}},
		{Claims: map[string]any{"a": hide(map[string]any{"...": "x"})}},
		{Claims: map[string]any{"a": json.RawMessage(`{"_sd":1}`)}},
		{Claims: map[string]any{"a": hide(json.RawMessage(`{"...":"x"}`))}},
		{Claims: map[string]any{"a": hide(json.RawMessage(`{"b":1,"b":2}`))}},
		{Claims: map[string]any{"a": hide(hide("x"))}},
		{Claims: map[string]any{"a": hide(func() {})}},
		{Claims: map[string]any{"a": []any{hide(func() {})}}},
		{Claims: map[string]any{"a": []any{hide([]any{hide(func() {})})}}},
		{Claims: map[string]any{"a": func() {}}},
		{Claims: map[string]any{"a": deep}},
		{Claims: map[string]any{"a": deepMap}},
		{Claims: map[string]any{"a": many}},
		{Claims: map[string]any{"cnf": "x"}, Holder: holder},
		{Header: jws.Header{Extra: map[string]any{"alg": 1}}},
	} {
		_, err := d.Issue(issuer)
		if assert.Error(t, err, i) {
			assertCode(t, err, "invalid_input")
		}
	}
	secret, err := jwk.FromMaterial(make([]byte, 32), jwk.Attributes{Algorithm: "HS256"})
	require.NoError(t, err)
	_, err = (&sdjwt.Draft{}).Issue(secret)
	assertCode(t, err, "key_mismatch")
	_, err = (&sdjwt.Draft{Holder: secret}).Issue(issuer)
	assertCode(t, err, "invalid_input")
}

func TestParse_RefusesForms(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "a.b.c", "~", "~~", "a.b.c~~", "a.b.c~!~", "a.b.c~" + encode(`{}`) + "~", "a.b.c~" + encode(`[]`) + "~", "a.b.c~" + encode(`["s"]`) + "~",
		"a.b.c~" + encode(`["s","n",1,2]`) + "~", "a.b.c~" + encode(`[1,"v"]`) + "~", "a.b.c~" + encode(`["s",1,"v"]`) + "~", "a.b.c~" + encode(`["s","n",1`) + "~",
		"a.b.c~" + encode(`["s","_sd",1]`) + "~", "a.b.c~" + encode(`["s","...",1]`) + "~", "a.b.c~" + encode(`["s","_sd_alg","x"]`) + "~", "a.b.c~" + encode(`["s",{"a":1,"a":1}]`) + "~",
		"a.b.c~" + encode(`["s","n","\ud800"]`) + "~", "a.b.c~" + encode(`["s","n",1]`) + "=~",
		"a.b.c~" + strings.Repeat(encode(`["s","n",1]`)+"~", sdjwt.MaxDisclosures+1),
		strings.Repeat("a", sdjwt.MaxSize) + "~",
	} {
		_, err := sdjwt.Parse(text)
		if assert.Error(t, err, "%.100s", text) {
			assertCode(t, err, "invalid_sd_jwt")
		}
	}
}

// The rules of RFC 9901 section 7.1, each broken once.
func TestVerify_RefusesDisclosures(t *testing.T) {
	t.Parallel()
	key := ecKey(t)
	member, element, other := encode(`["s","n","v"]`), encode(`["s","v"]`), encode(`["t","n","w"]`)
	nested := encode(`["s","m",{"n":1,"_sd":["` + digest(member) + `"]}]`)
	for name, c := range map[string]struct {
		payload     string
		disclosures []string
	}{
		"no digest":                   {`"a":1`, []string{member}},
		"no digest for the second":    {`"_sd":["` + digest(member) + `"]`, []string{member, other}},
		"the same twice":              {`"_sd":["` + digest(member) + `"]`, []string{member, member}},
		"digest twice":                {`"_sd":["` + digest(member) + `","` + digest(member) + `"]`, []string{member}},
		"digest twice, hidden":        {`"_sd":["` + digest(member) + `","` + digest(member) + `"]`, nil},
		"digest twice, elsewhere":     {`"_sd":["` + digest(element) + `"],"l":[{"...":"` + digest(element) + `"}]`, nil},
		"digest twice, inside":        {`"_sd":["` + digest(member) + `","` + digest(nested) + `"]`, []string{nested}},
		"element for a claim":         {`"_sd":["` + digest(element) + `"]`, []string{element}},
		"claim for an element":        {`"l":[{"...":"` + digest(member) + `"}]`, []string{member}},
		"name taken":                  {`"n":1,"_sd":["` + digest(member) + `"]`, []string{member}},
		"name taken by another":       {`"_sd":["` + digest(member) + `","` + digest(other) + `"]`, []string{member, other}},
		"name taken inside":           {`"_sd":["` + digest(nested) + `"]`, []string{nested, member}},
		"digests no array":            {`"_sd":"` + digest(member) + `"`, nil},
		"digest no string":            {`"_sd":[1]`, nil},
		"digest of element no string": {`"l":[{"...":1}]`, nil},
		"digest of element not alone": {`"l":[{"...":"` + digest(element) + `","x":1}]`, nil},
		"dots outside a list":         {`"o":{"...":"` + digest(element) + `"}`, nil},
		"dots on top":                 {`"...":"` + digest(element) + `"`, nil},
		"algorithm inside":            {`"o":{"_sd_alg":"sha-256"}`, nil},
		"algorithm unknown":           {`"_sd_alg":"sha3-256"`, nil},
		"algorithm weak":              {`"_sd_alg":"sha-1"`, nil},
		"algorithm no string":         {`"_sd_alg":null`, nil},
		"algorithm of others":         {`"_sd_alg":"sha-512","_sd":["` + digest(member) + `"]`, []string{member}},
	} {
		token, err := sdjwt.Parse(strings.Join(append([]string{sign(t, key, `{"exp":1883000000,`+c.payload+`}`)}, c.disclosures...), "~") + "~")
		require.NoError(t, err, name)
		_, err = token.Verify(key, sdjwt.Expect{Profile: plain(t)})
		if assert.Error(t, err, name) {
			assertCode(t, err, "invalid_sd_jwt")
		}
		_, err = token.Paths()
		assertCode(t, err, "invalid_sd_jwt")
	}
}

// A claim that decides about validity counts also where a disclosure brings it.
func TestVerify_ProfileSeesDisclosedClaims(t *testing.T) {
	t.Parallel()
	key := ecKey(t)
	expired := encode(`["s","exp",1]`)
	token, err := sdjwt.Parse(sign(t, key, `{"_sd":["`+digest(expired)+`"]}`) + "~" + expired + "~")
	require.NoError(t, err)
	_, err = token.Verify(key, sdjwt.Expect{Profile: plain(t)})
	var refused *jwt.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, jwt.Expired, refused.Reason)
	hidden, err := token.Present(func(string) bool { return false })
	require.NoError(t, err)
	_, err = hidden.Verify(key, sdjwt.Expect{Profile: plain(t)})
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, jwt.MissingClaim, refused.Reason)
}

func TestVerify_RefusesTheJWT(t *testing.T) {
	t.Parallel()
	key, other := ecKey(t), ecKey(t)
	issued, err := draft(nil).Issue(key)
	require.NoError(t, err)
	_, err = issued.Verify(other, sdjwt.Expect{Profile: plain(t)})
	var refused *jwt.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, jwt.BadSignature, refused.Reason)
	_, err = issued.Verify(key, sdjwt.Expect{})
	assertCode(t, err, "invalid_input")
	secret, err := jwk.FromMaterial(make([]byte, 32), jwk.Attributes{Algorithm: "HS256"})
	require.NoError(t, err)
	_, err = issued.Verify(secret, sdjwt.Expect{Profile: plain(t)})
	assertCode(t, err, "key_mismatch")
	for _, payload := range []string{`[]`, `{`, `{"a":1,"a":1}`} {
		token := &sdjwt.Token{JWT: sign(t, key, payload)}
		_, err := token.Verify(key, sdjwt.Expect{Profile: plain(t)})
		assertCode(t, err, "invalid_sd_jwt")
		_, err = token.Bind(key, "", "a", "n", rfcTime)
		assertCode(t, err, "invalid_sd_jwt")
	}
	for _, text := range []string{"a", "a.b", "a.!.c"} {
		token := &sdjwt.Token{JWT: text}
		_, err := token.Paths()
		assertCode(t, err, "invalid_sd_jwt")
		_, err = token.Present(func(string) bool { return true })
		assertCode(t, err, "invalid_sd_jwt")
		_, err = token.Bind(key, "", "a", "n", rfcTime)
		assertCode(t, err, "invalid_sd_jwt")
	}
}

func TestBinding_Refuses(t *testing.T) {
	t.Parallel()
	issuer, holder, other := ecKey(t), ecKey(t), ecKey(t)
	issued, err := draft(holder).Issue(issuer)
	require.NoError(t, err)
	_, err = issued.Bind(other, "", "verifier", "nonce", rfcTime)
	assertCode(t, err, "key_mismatch")
	_, err = issued.Bind(holder, "ES384", "verifier", "nonce", rfcTime)
	assertCode(t, err, "key_mismatch")
	for _, missing := range [][2]string{{"", "nonce"}, {"verifier", ""}} {
		_, err = issued.Bind(holder, "", missing[0], missing[1], rfcTime)
		assertCode(t, err, "invalid_input")
	}
	for _, b := range []sdjwt.Binding{{Nonce: "n", MaxAge: 1}, {Audience: "a", MaxAge: 1}, {Audience: "a", Nonce: "n"}, {Audience: "a", Nonce: "n", MaxAge: 1}} {
		bound, err := issued.Bind(holder, "", "verifier", "nonce", rfcTime)
		require.NoError(t, err)
		_, err = bound.Verify(issuer, sdjwt.Expect{Profile: plain(t), Binding: &b})
		assertCode(t, err, "invalid_input")
	}

	private, err := holder.MarshalPrivate()
	require.NoError(t, err)
	for _, cnf := range []string{`null`, `{}`, `{"jwk":1}`, `{"jwk":{"kty":"EC"}}`, `{"jwk":` + string(private) + `}`, `{"kid":"a"}`} {
		token := &sdjwt.Token{JWT: sign(t, issuer, `{"exp":1883000000,"cnf":`+cnf+`}`), KeyBinding: "a.b.c"}
		_, err := token.Bind(holder, "", "verifier", "nonce", rfcTime)
		assertCode(t, err, "invalid_sd_jwt")
		_, err = token.Verify(issuer, sdjwt.Expect{Profile: plain(t), Binding: rfcBinding()})
		assertCode(t, err, "invalid_sd_jwt")
	}
	public, err := holder.MarshalPublic()
	require.NoError(t, err)
	token := &sdjwt.Token{JWT: sign(t, issuer, `{"exp":1883000000,"_sd_alg":"md5","cnf":{"jwk":`+string(public)+`}}`)}
	_, err = token.Bind(holder, "", "verifier", "nonce", rfcTime)
	assertCode(t, err, "invalid_sd_jwt")

	token = &sdjwt.Token{JWT: sign(t, issuer, `{"exp":1883000000,"cnf":{"jwk":`+string(public)+`}}`)}
	hash := digest(token.JWT + "~")
	now := fmt.Sprint(rfcTime.Unix())
	good := `{"iat":` + now + `,"aud":"https://verifier.example.org","nonce":"1234567890","sd_hash":"` + hash + `"}`
	for payload, ok := range map[string]bool{
		good: true,
		strings.Replace(good, `"aud":"https://verifier.example.org",`, "", 1):                              false,
		strings.Replace(good, `"https://verifier.example.org"`, `["https://verifier.example.org","b"]`, 1): false,
		strings.Replace(good, `"https://verifier.example.org"`, `["https://verifier.example.org"]`, 1):     false,
		strings.Replace(good, `"iat":`+now+`,`, "", 1):                                                     false,
		strings.Replace(good, `"nonce":"1234567890",`, "", 1):                                              false,
		strings.Replace(good, `"1234567890"`, `1234567890`, 1):                                             false,
		strings.Replace(good, `,"sd_hash":"`+hash+`"`, "", 1):                                              false,
		strings.Replace(good, hash, digest(token.JWT), 1):                                                  false,
		strings.Replace(good, `{`, `{"exp":1,`, 1):                                                         false,
	} {
		for typ, right := range map[string]bool{"kb+jwt": true, "application/kb+jwt": true, "JWT": false, "": false} {
			token.KeyBinding, err = jws.Sign(holder, jws.Header{Type: typ}, []byte(payload))
			require.NoError(t, err)
			_, err := token.Verify(issuer, sdjwt.Expect{Profile: plain(t), Binding: rfcBinding()})
			assert.Equal(t, ok && right, err == nil, "%s %s: %v", typ, payload, err)
			if err != nil {
				assertCode(t, err, "invalid_sd_jwt")
			}
		}
	}
}
