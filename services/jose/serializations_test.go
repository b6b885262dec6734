package jose_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
)

// alone runs a service on SQLite, for tests of what needs no store.
func alone(t *testing.T) (*service, string) {
	t.Helper()
	cfg, files := prepare(t, database.EngineSQLite)
	s := run(t, cfg, files)
	token := s.Operator(t)
	return s, token
}

type object = map[string]any

func TestSigning_EverySerializationVerifiesHereAndElsewhere(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	s.create(t, token, "one", "ES256")
	s.create(t, token, "two", "Ed25519")
	s.create(t, token, "three", "ES384")
	text := apivalue.Encode([]byte(`{"hello":"world"}`))
	signers := []object{{"key": "one", "typ": "a+jws"}, {"key": "two", "header": object{"n": 9007199254740993}}, {"key": "three", "unprotected": object{"hint": "x"}}}
	for what, c := range map[string]struct {
		ask, open object
		form      jws.Serialization
		count     int
	}{
		"compact":             {object{"key": "one"}, nil, jws.Compact, 1},
		"compact detached":    {object{"key": "one", "detached": true}, object{"payload": text}, jws.Compact, 1},
		"flattened":           {object{"key": "one", "serialization": "flattened"}, nil, jws.Flattened, 1},
		"flattened by need":   {object{"key": "one", "unprotected": object{"hint": "x"}}, nil, jws.Flattened, 1},
		"general of one":      {object{"key": "one", "serialization": "general"}, nil, jws.General, 1},
		"general of three":    {object{"signers": signers}, nil, jws.General, 3},
		"general detached":    {object{"signers": signers, "detached": true}, object{"payload": text}, jws.General, 3},
		"unencoded":           {object{"key": "one", "unencoded": true, "serialization": "flattened"}, object{"unencoded": true}, jws.Flattened, 1},
		"unencoded, detached": {object{"key": "one", "unencoded": true, "detached": true}, object{"unencoded": true, "payload": text}, jws.Compact, 1},
	} {
		c.ask["payload"] = text
		made := s.post(t, token, "jws/sign", c.ask)
		message := made.Member(t, "message")
		parsed, err := jws.Parse([]byte(message), jws.Allow{Unencoded: true})
		require.NoError(t, err, what)
		assert.Equal(t, c.form, parsed.Serialization, what)
		require.Len(t, parsed.Signatures, c.count, what)
		open := object{"message": message}
		for name, value := range c.open {
			open[name] = value
		}
		opened := s.post(t, token, "jws/verify", open)
		assert.Equal(t, text, opened.Member(t, "payload"), what)
		if c.form != jws.Compact {
			assert.Len(t, opened.Object(t)["signatures"], c.count, what)
		}
		if parsed.Detached {
			require.NoError(t, parsed.Attach([]byte(`{"hello":"world"}`)))
		}
		for i, name := range []string{"one", "two", "three"}[:c.count] {
			public, err := jwk.Parse(mustJSON(t, s.get(t, token, "keys/"+name+"/public-key").Object(t)["jwk"]))
			require.NoError(t, err)
			payload, header, err := parsed.Verify(i, public, jws.Expect{Allow: jws.Allow{Unencoded: true}})
			require.NoError(t, err, "%s: %s", what, name)
			assert.JSONEq(t, `{"hello":"world"}`, string(payload), what)
			if name == "two" {
				assert.Equal(t, "9007199254740993", fmt.Sprint(header.Extra["n"]), "numbers are signed as they were written")
			}
		}
	}
}

func TestVerification_SaysWhichSignaturesOfAMessageMustBeRight(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	s.Tenant(t, "stranger")
	s.create(t, token, "one", "ES256")
	s.create(t, token, "two", "ES256")
	s.create(t, token, "idle", "ES256")
	made := s.post(t, token, "jws/sign", object{"payload": "aGk", "signers": []object{{"key": "one"}, {"key": "two"}}})
	var message object
	require.NoError(t, json.Unmarshal([]byte(made.Member(t, "message")), &message))
	signatures := message["signatures"].([]any)
	second := signatures[1].(object)
	second["signature"] = signatures[0].(object)["signature"]
	broken := string(mustJSON(t, message))

	verify := func(ask object) answer { return s.call(t, token, http.MethodPost, "jws/verify", ask) }
	verify(object{"message": broken}).refused(t, http.StatusBadRequest, "verification_failed", "all must verify")
	verify(object{"message": broken, "key": "two"}).refused(t, http.StatusBadRequest, "verification_failed", "this one must")
	verify(object{"message": broken, "key": "idle", "accept": "any"}).refused(t, http.StatusBadRequest, "verification_failed", "it has not signed")
	for _, ask := range []object{{"message": broken, "accept": "any"}, {"message": broken, "key": "one"}} {
		good := verify(ask)
		require.Equal(t, http.StatusOK, good.Status, "%s", good.Body)
		list := good.Object(t)["signatures"].([]any)
		require.Len(t, list, 1)
		assert.InDelta(t, 0, list[0].(object)["index"], 0)
	}
	s.call(t, s.Token(t, "stranger", "theirs", "jose:admin"), http.MethodPost, "jws/verify", object{"message": broken, "accept": "any"}).
		refused(t, http.StatusBadRequest, "verification_failed", "another tenant's keys")

	for what, c := range map[string]struct {
		ask  object
		code string
	}{
		"an unencoded payload that nobody admits": {object{"message": s.post(t, token, "jws/sign",
			object{"payload": "aGk", "key": "one", "unencoded": true}).Member(t, "message")}, "invalid_jws"},
		"a payload beside one that is there": {object{"message": broken, "payload": "aGk"}, "invalid_jws"},
		"a detached message without it": {object{"message": s.post(t, token, "jws/sign",
			object{"payload": "aGk", "key": "one", "detached": true}).Member(t, "message")}, "verification_failed"},
		"no JSON":       {object{"message": `{"payload":`}, "invalid_jws"},
		"no signatures": {object{"message": `{"payload":"aGk","signatures":[]}`}, "invalid_jws"},
		"both forms":    {object{"message": `{"payload":"aGk","signature":"AA","signatures":[` + string(mustJSON(t, second)) + `]}`}, "invalid_jws"},
	} {
		verify(c.ask).refused(t, http.StatusBadRequest, c.code, what)
	}
	many := make([]string, 17)
	for i := range many {
		many[i] = string(mustJSON(t, second))
	}
	verify(object{"message": `{"payload":"aGk","signatures":[` + strings.Join(many, ",") + `]}`}).
		refused(t, http.StatusBadRequest, "invalid_jws", "seventeen signatures")
}

func TestSigning_RefusesWhatContradictsItself(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	s.create(t, token, "one", "ES256")
	many := make([]object, 17)
	for i := range many {
		many[i] = object{"key": "one"}
	}
	for what, c := range map[string]struct {
		ask  object
		code string
	}{
		"neither key nor signers":        {object{}, "validation_failed"},
		"key and signers":                {object{"key": "one", "signers": many[:1]}, "validation_failed"},
		"a type beside signers":          {object{"typ": "x", "signers": many[:1]}, "validation_failed"},
		"seventeen signers":              {object{"signers": many}, "validation_failed"},
		"two in compact":                 {object{"signers": many[:2], "serialization": "compact"}, "invalid_input"},
		"two in flattened":               {object{"signers": many[:2], "serialization": "flattened"}, "invalid_input"},
		"unprotected in compact":         {object{"key": "one", "unprotected": object{"a": 1}, "serialization": "compact"}, "invalid_input"},
		"an algorithm of the caller's":   {object{"key": "one", "header": object{"alg": "none"}}, "invalid_input"},
		"a crit of the caller's":         {object{"key": "one", "header": object{"crit": []string{"x"}, "x": 1}}, "invalid_input"},
		"a jwk of the caller's":          {object{"key": "one", "header": object{"jwk": object{}}}, "invalid_input"},
		"an unprotected algorithm":       {object{"key": "one", "unprotected": object{"alg": "none"}}, "invalid_input"},
		"a member in both headers":       {object{"key": "one", "header": object{"a": 1}, "unprotected": object{"a": 1}}, "invalid_input"},
		"a header of 9 KiB":              {object{"key": "one", "header": object{"a": strings.Repeat("x", 9<<10)}}, "invalid_input"},
		"a payload that is not base64":   {object{"key": "one", "payload": "a="}, "validation_failed"},
		"an unencoded payload of points": {object{"key": "one", "payload": "Li4u", "unencoded": true}, "invalid_input"},
	} {
		if c.ask["payload"] == nil {
			c.ask["payload"] = "aGk"
		}
		s.call(t, token, http.MethodPost, "jws/sign", c.ask).refused(t, http.StatusBadRequest, c.code, what)
	}
}

func TestEncryption_EverySerializationOpensForEachRecipient(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	for name, algorithm := range map[string]string{
		"wrap": "A256GCM/A256KW", "agree": "A256GCM/ECDH-ES+A256KW", "alone": "A256GCM/ECDH-ES", "direct": "A256GCM/dir", "cbc": "A128CBC-HS256/A128KW",
	} {
		s.create(t, token, name, algorithm)
	}
	text, aad := apivalue.Encode([]byte("hello")), apivalue.Encode([]byte("seen by all"))
	both := []object{{"key": "wrap"}, {"key": "agree", "unprotected": object{"hint": "x"}}}
	for what, ask := range map[string]object{
		"compact":                {"key": "wrap"},
		"flattened":              {"key": "agree", "serialization": "flattened", "header": object{"n": 1}},
		"flattened by need":      {"key": "direct", "aad": aad},
		"general of one, direct": {"key": "alone", "serialization": "general"},
		"general of two":         {"recipients": both, "aad": aad, "unprotected": object{"note": "y"}},
	} {
		ask["plaintext"], ask["typ"] = text, "note"
		made := s.post(t, token, "jwe/encrypt", ask)
		names := []string{""}
		if ask["recipients"] != nil {
			names = []string{"", "wrap", "agree"}
			assert.Len(t, made.Object(t)["keys"], 2, what)
		}
		for _, name := range names {
			open := object{"message": made.Member(t, "message")}
			if name != "" {
				open["key"] = name
			}
			opened := s.post(t, token, "jwe/decrypt", open).Object(t)
			assert.Equal(t, text, opened["plaintext"], what)
			assert.Equal(t, ask["aad"], opened["aad"], what)
			assert.Equal(t, "note", opened["typ"], what)
		}
		touched := strings.Replace(made.Member(t, "message"), `"aad":"c`, `"aad":"d`, 1)
		if ask["aad"] != nil {
			s.call(t, token, http.MethodPost, "jwe/decrypt", object{"message": touched}).refused(t, http.StatusBadRequest, "decryption_failed", what)
		}
	}
	for what, c := range map[string]struct {
		ask  object
		code string
	}{
		"neither key nor recipients":    {object{}, "validation_failed"},
		"both":                          {object{"key": "wrap", "recipients": both}, "validation_failed"},
		"two content encryptions":       {object{"recipients": []object{{"key": "wrap"}, {"key": "cbc"}}}, "key_mismatch"},
		"a direct key beside another":   {object{"recipients": []object{{"key": "wrap"}, {"key": "direct"}}}, "invalid_input"},
		"an agreed key beside another":  {object{"recipients": []object{{"key": "wrap"}, {"key": "alone"}}}, "invalid_input"},
		"additional data in compact":    {object{"key": "wrap", "aad": aad, "serialization": "compact"}, "invalid_input"},
		"an algorithm of the caller's":  {object{"key": "wrap", "header": object{"alg": "RSA1_5"}}, "invalid_input"},
		"a zip of the caller's":         {object{"key": "wrap", "header": object{"zip": "DEF"}}, "invalid_input"},
		"an unprotected epk":            {object{"key": "wrap", "unprotected": object{"epk": object{}}}, "invalid_input"},
		"the same member in two places": {object{"key": "wrap", "header": object{"a": 1}, "unprotected": object{"a": 1}}, "invalid_input"},
	} {
		c.ask["plaintext"] = text
		s.call(t, token, http.MethodPost, "jwe/encrypt", c.ask).refused(t, http.StatusBadRequest, c.code, what)
	}
}

// Whatever is wrong with a ciphertext, a key or a tag, the answer is the same to the byte, but for the request's id.
func TestDecryption_EveryFailureIsOneError(t *testing.T) {
	t.Parallel()
	s, token := alone(t)
	s.create(t, token, "wrap", "A256GCM/A256KW")
	s.create(t, token, "other", "A256GCM/A256KW")
	s.post(t, token, "keys", object{"name": "rsa", "algorithm": "A256GCM/RSA-OAEP-256", "key_size": 2048})
	message := s.post(t, token, "jwe/encrypt", object{"key": "wrap", "plaintext": "aGk"}).Member(t, "message")
	rsa := s.post(t, token, "jwe/encrypt", object{"key": "rsa", "plaintext": "aGk"}).Member(t, "message")
	other := s.post(t, token, "jwe/encrypt", object{"key": "other", "plaintext": "aGk"}).Member(t, "message")
	part := func(message string, i int, change func([]byte) []byte) string {
		parts := strings.Split(message, ".")
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		parts[i] = apivalue.Encode(change(raw))
		return strings.Join(parts, ".")
	}
	flip := func(raw []byte) []byte { raw[0] ^= 1; return raw }
	short := func(raw []byte) []byte { return raw[:len(raw)-1] }
	swapped := strings.Split(message, ".")
	swapped[1] = strings.Split(other, ".")[1]
	var bodies []string
	for what, text := range map[string]string{
		"encrypted key": part(message, 1, flip), "RSA encrypted key": part(rsa, 1, flip), "another's encrypted key": strings.Join(swapped, "."),
		"vector": part(message, 2, flip), "ciphertext": part(message, 3, flip), "tag": part(message, 4, flip), "short tag": part(message, 4, short),
		"short vector": part(message, 2, short), "empty ciphertext": part(message, 3, func([]byte) []byte { return nil }),
		"short RSA encrypted key": part(rsa, 1, short),
		"header":                  withHeader(t, message, func(h map[string]any) { h["x"] = 1 }),
		"a kid of nobody":         withHeader(t, message, func(h map[string]any) { h["kid"] = "0190a0b0-0000-7000-8000-000000000000.1" }),
		"a kid of another form":   withHeader(t, message, func(h map[string]any) { h["kid"] = "me" }),
	} {
		got := s.call(t, token, http.MethodPost, "jwe/decrypt", object{"message": text})
		got.refused(t, http.StatusBadRequest, "decryption_failed", what)
		body := got.Object(t)
		delete(body, "request_id")
		bodies = append(bodies, string(mustJSON(t, body)))
	}
	for _, body := range bodies {
		assert.Equal(t, bodies[0], body)
	}
}
