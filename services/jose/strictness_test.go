package jose_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// setting replaces one member of the protected header of a compact message.
func setting(t testing.TB, message, name string, value any) string {
	t.Helper()
	return withHeader(t, message, func(h map[string]any) { h[name] = value })
}

// part replaces one part of a compact message.
func part(message string, i int, text string) string {
	parts := strings.Split(message, ".")
	parts[i] = text
	return strings.Join(parts, ".")
}

// RFC 8725 and what came to light before it, one by one, over HTTP.
func TestStrictness_EachAttackOnASignatureHasItsCode(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	s.create(t, token, "signer", "ES256")
	s.create(t, token, "p384", "ES384")
	s.create(t, token, "edwards", "Ed25519")
	s.create(t, token, "mac", "HS256")
	sign := func(key string) string {
		return s.post(t, token, "jws/sign", object{"key": key, "payload": "aGk"}).Member(t, "message")
	}
	message, mac := sign("signer"), sign("mac")
	public := s.get(t, token, "keys/signer/public-key").Object(t)
	spki := []byte(public["pem"].(string))
	forge := func(secret []byte) string {
		key, err := jwk.FromMaterial(secret, jwk.Attributes{Algorithm: "HS256", ID: public["kid"].(string)})
		require.NoError(t, err)
		forged, err := jws.Sign(key, jws.Header{}, []byte("hi"))
		require.NoError(t, err)
		return forged
	}
	own, err := jwk.Parse(mustJSON(t, public["jwk"]))
	require.NoError(t, err)
	attacker := named(t, "ES256", own.ID)
	brought, err := jws.Sign(attacker, jws.Header{Key: attacker}, []byte("hi"))
	require.NoError(t, err)
	der, err := base64.StdEncoding.DecodeString("MAA=")
	require.NoError(t, err)
	rest := message[strings.IndexByte(message, '.'):]
	header := func(text string) string { return encoded(text) + rest }
	kid := `"kid":"` + own.ID + `"`
	for what, c := range map[string]struct{ message, code string }{
		"none":                                {setting(t, message, "alg", "none"), "unsupported_algorithm"},
		"None":                                {setting(t, message, "alg", "None"), "unsupported_algorithm"},
		"none without a signature":            {part(setting(t, message, "alg", "none"), 2, ""), "unsupported_algorithm"},
		"no algorithm":                        {header(`{` + kid + `}`), "invalid_jws"},
		"an algorithm that is no text":        {header(`{"alg":7,` + kid + `}`), "invalid_jws"},
		"HS256 with the public key in PEM":    {forge(spki), "invalid_jws"},
		"HS256 with the public key's JWK":     {forge(mustJSON(t, public["jwk"])), "invalid_jws"},
		"HS256's name on ES256":               {setting(t, message, "alg", "HS256"), "invalid_jws"},
		"ES256's name on HS256":               {setting(t, mac, "alg", "ES256"), "invalid_jws"},
		"another curve's algorithm":           {setting(t, message, "alg", "ES384"), "invalid_jws"},
		"a key of another curve":              {setting(t, message, "kid", s.get(t, token, "keys/p384/public-key").Member(t, "kid")), "invalid_jws"},
		"a key of another kind":               {setting(t, message, "kid", s.get(t, token, "keys/edwards/public-key").Member(t, "kid")), "invalid_jws"},
		"RS256 with SHA-1":                    {setting(t, message, "alg", "RS1"), "unsupported_algorithm"},
		"an empty signature":                  {part(message, 2, ""), "verification_failed"},
		"a signature of zeros":                {part(message, 2, strings.Repeat("A", 86)), "verification_failed"},
		"a signature in DER":                  {part(message, 2, encoded(string(der))), "verification_failed"},
		"a signature that is too long":        {part(message, 2, strings.Repeat("A", 8<<10)), "verification_failed"},
		"another payload":                     {part(message, 1, "aGo"), "verification_failed"},
		"an extension that is not known":      {header(`{"alg":"ES256",` + kid + `,"crit":["exp"],"exp":1}`), "invalid_jws"},
		"an empty crit":                       {setting(t, message, "crit", []string{}), "invalid_jws"},
		"a crit of a registered member":       {setting(t, message, "crit", []string{"alg"}), "invalid_jws"},
		"b64 that is not critical":            {setting(t, message, "b64", false), "invalid_jws"},
		"b64 that is critical":                {header(`{"alg":"ES256",` + kid + `,"b64":false,"crit":["b64"]}`), "invalid_jws"},
		"an embedded key":                     {setting(t, message, "jwk", public["jwk"]), "invalid_jws"},
		"an attacker's embedded key":          {brought, "invalid_jws"},
		"a link to keys":                      {setting(t, message, "jku", "https://evil.example/jwks"), "invalid_jws"},
		"a link to certificates":              {setting(t, message, "x5u", "https://evil.example/x"), "invalid_jws"},
		"embedded certificates":               {setting(t, message, "x5c", []string{"MAA="}), "invalid_jws"},
		"a kid of nobody":                     {setting(t, message, "kid", "0190a0b0-0000-7000-8000-000000000000.1"), "verification_failed"},
		"a version of nobody":                 {setting(t, message, "kid", strings.TrimSuffix(own.ID, ".1")+".9"), "verification_failed"},
		"a kid that leads elsewhere":          {setting(t, message, "kid", "../../etc/passwd"), "verification_failed"},
		"a kid of SQL":                        {setting(t, message, "kid", "' OR '1'='1"), "verification_failed"},
		"no kid":                              {header(`{"alg":"ES256"}`), "verification_failed"},
		"a header that was touched":           {setting(t, message, "typ", "other"), "verification_failed"},
		"a header of 9 KiB":                   {setting(t, message, "pad", strings.Repeat("x", 9<<10)), "invalid_jws"},
		"two members of one name":             {header(`{"alg":"ES256",` + kid + `,"alg":"ES256"}`), "invalid_jws"},
		"two names that are one when escaped": {header(`{"alg":"ES256",` + kid + `,"\u0061lg":"none"}`), "invalid_jws"},
		"a name in another case":              {header(`{"Alg":"ES256",` + kid + `}`), "invalid_jws"},
		"a header that is no object":          {header(`[]`), "invalid_jws"},
		"a header with something behind it":   {header(`{"alg":"ES256"}{}`), "invalid_jws"},
		"a deep header":                       {header(`{"alg":"ES256","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`), "invalid_jws"},
		"a half surrogate":                    {header(`{"alg":"ES256","x":"\ud800"}`), "invalid_jws"},
		"no message":                          {"x", "invalid_jws"},
		"two parts":                           {"e30.e30", "invalid_jws"},
		"four parts":                          {message + ".", "invalid_jws"},
		"padding":                             {message + "=", "verification_failed"},
		"a line end":                          {message + "\n", "verification_failed"},
		"the other alphabet":                  {part(message, 0, "+/"+strings.Split(message, ".")[0]), "invalid_jws"},
	} {
		s.call(t, token, http.MethodPost, "jws/verify", object{"message": c.message}).refused(t, http.StatusBadRequest, c.code, what)
	}
	assert.Equal(t, http.StatusOK, s.call(t, token, http.MethodPost, "jws/verify", object{"message": message}).Status)
}

func TestStrictness_EachAttackOnAnEncryptionHasItsCode(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	for name, algorithm := range map[string]string{"ec": "A256GCM/ECDH-ES+A256KW", "kw": "A256GCM/A256KW", "direct": "A256GCM/dir"} {
		s.create(t, token, name, algorithm)
	}
	s.post(t, token, "keys", object{"name": "rsa", "algorithm": "A256GCM/RSA-OAEP-256", "key_size": 2048})
	seal := func(key string) string {
		return s.post(t, token, "jwe/encrypt", object{"key": key, "plaintext": "aGk"}).Member(t, "message")
	}
	rsa, ec, kw, direct := seal("rsa"), seal("ec"), seal("kw"), seal("direct")
	epk := func(change object) string {
		return withHeader(t, ec, func(h map[string]any) {
			point := h["epk"].(map[string]any)
			for name, value := range change {
				if point[name] = value; value == nil {
					delete(point, name)
				}
			}
		})
	}
	zeros := strings.Repeat("A", 43)
	for what, c := range map[string]struct{ message, code string }{
		"RSA1_5":                        {setting(t, rsa, "alg", "RSA1_5"), "unsupported_algorithm"},
		"RSA-OAEP with SHA-1":           {setting(t, rsa, "alg", "RSA-OAEP"), "unsupported_algorithm"},
		"another OAEP":                  {setting(t, rsa, "alg", "RSA-OAEP-512"), "invalid_jwe"},
		"a password":                    {setting(t, kw, "alg", "PBES2-HS256+A128KW"), "unsupported_algorithm"},
		"a password's million rounds":   {setting(t, setting(t, kw, "p2s", "c2FsdHNhbHQ"), "p2c", 1<<30), "invalid_jwe"},
		"none":                          {setting(t, kw, "alg", "none"), "unsupported_algorithm"},
		"direct where a key is wrapped": {setting(t, kw, "alg", "dir"), "invalid_jwe"},
		"another content encryption":    {setting(t, kw, "enc", "A128CBC-HS256"), "invalid_jwe"},
		"one that nobody knows":         {setting(t, kw, "enc", "A256CTR"), "unsupported_algorithm"},
		"compression":                   {setting(t, kw, "zip", "DEF"), "invalid_jwe"},
		"an extension":                  {setting(t, kw, "crit", []string{"x"}), "invalid_jwe"},
		"an embedded key":               {setting(t, kw, "jwk", object{"kty": "oct", "k": "AA"}), "invalid_jwe"},
		"a link to keys":                {setting(t, kw, "jku", "https://evil.example/jwks"), "invalid_jwe"},
		"a link to certificates":        {setting(t, kw, "x5u", "https://evil.example/x"), "invalid_jwe"},
		"an empty encrypted key":        {part(kw, 1, ""), "decryption_failed"},
		"an empty RSA encrypted key":    {part(rsa, 1, ""), "decryption_failed"},
		"a key beside a direct one":     {part(direct, 1, "AAAA"), "decryption_failed"},
		"an empty vector":               {part(kw, 2, ""), "decryption_failed"},
		"an empty tag":                  {part(kw, 4, ""), "decryption_failed"},
		"no ephemeral key":              {withHeader(t, ec, func(h map[string]any) { delete(h, "epk") }), "invalid_jwe"},
		"a point off the curve":         {epk(object{"x": zeros, "y": zeros}), "invalid_jwe"},
		"a point of another curve":      {epk(object{"crv": "P-384"}), "invalid_jwe"},
		"half a point":                  {epk(object{"y": nil}), "invalid_jwe"},
		"a point of another kind":       {epk(object{"kty": "OKP", "crv": "X25519"}), "invalid_jwe"},
		"a header of 9 KiB":             {setting(t, kw, "pad", strings.Repeat("x", 9<<10)), "invalid_jwe"},
		"two members of one name":       {part(kw, 0, encoded(`{"alg":"A256KW","enc":"A256GCM","enc":"A256GCM"}`)), "invalid_jwe"},
		"no kid":                        {part(kw, 0, encoded(`{"alg":"A256KW","enc":"A256GCM"}`)), "decryption_failed"},
		"four parts":                    {"a.b.c.d", "invalid_jwe"},
		"six parts":                     {kw + ".", "invalid_jwe"},
	} {
		s.call(t, token, http.MethodPost, "jwe/decrypt", object{"message": c.message}).refused(t, http.StatusBadRequest, c.code, what)
	}
	general := s.post(t, token, "jwe/encrypt", object{"recipients": []object{{"key": "kw"}}, "serialization": "general", "plaintext": "aGk"}).Member(t, "message")
	var message object
	require.NoError(t, json.Unmarshal([]byte(general), &message))
	one := message["recipients"].([]any)[0]
	many := make([]any, 17)
	for i := range many {
		many[i] = one
	}
	for what, list := range map[string][]any{"no recipient": {}, "seventeen recipients": many} {
		message["recipients"] = list
		s.call(t, token, http.MethodPost, "jwe/decrypt", object{"message": string(mustJSON(t, message))}).refused(t, http.StatusBadRequest, "invalid_jwe", what)
	}
}
