package jose_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const titleTokens = "JOSE: tokens and keys"

// found notes that something was read and written by somebody.
func (o *others) found(row, party string) {
	o.note(titleTokens, "what", row, "read and written", party)
}

// tokensAndKeys goes through what is made of messages.
func (o *others) tokensAndKeys(t *testing.T) {
	signer := o.bring(t, "issuer", specOf(t, "ES256"))
	old := o.bring(t, "old", specOf(t, "Ed25519"))
	box := o.bring(t, "letters", specOf(t, "A256GCM/ECDH-ES+A256KW"))
	o.s.profile(t, o.token, "plain", object{"key": "issuer"})
	o.s.profile(t, o.token, "eddsa", object{"key": "old", "eddsa": true})
	o.s.profile(t, o.token, "nested", object{"key": "issuer", "encryption_key": "letters"})
	inside := sealed{form: "compact", encryption: "A256GCM", keys: []held{box}}
	public := o.published(t)
	for _, party := range o.parties {
		for _, c := range []struct {
			profile, row string
			key          held
		}{
			{"plain", "JWT", signer}, {"eddsa", "JWT whose alg has the older name EdDSA", old}, {"nested", "JWT, signed and then encrypted", signer},
		} {
			token := o.s.post(t, o.token, "jwt/issue", object{"profile": c.profile, "subject": "ada"}).Member(t, "token")
			var err error
			if c.profile == "nested" {
				token, err = party.decrypt(token, inside)
				require.NoError(t, err, c.row)
			}
			// They verify by what anybody finds in the public key set.
			key := held{public[c.key.jwk["kid"].(string)], c.key.algorithm}
			claims, err := party.verify(token, signed{form: "compact", keys: []held{key}})
			require.NoError(t, err, c.row)
			assert.Contains(t, claims, `"sub":"ada"`)

			text := mustJSON(t, object{"iss": "https://shop.example", "aud": "api", "sub": "bob", "jti": "1", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60})
			theirs, err := party.sign(signed{form: "compact", typ: "JWT", payload: string(text), keys: []held{c.key}})
			require.NoError(t, err, c.row)
			if c.profile == "nested" {
				to := o.outside(t, inside)
				to.plaintext, to.cty = theirs, "JWT"
				theirs, err = party.encrypt(to)
				require.NoError(t, err, c.row)
			}
			o.s.post(t, o.token, "jwt/verify", object{"profile": c.profile, "token": theirs})
			o.found(c.row, party.letter())
		}
		o.found("public keys, from the key set", party.letter())
		o.encryptedKeys(t, party, inside)
	}
	var thumbprint string
	for kid, key := range public {
		require.NoError(t, o.python.value(object{"operation": "thumbprint", "keys": []object{key}}, &thumbprint))
		assert.Equal(t, o.s.post(t, o.token, "thumbprints", object{"jwk": key}).Member(t, "thumbprint"), thumbprint, kid)
	}
	var set any
	require.NoError(t, json.Unmarshal(o.s.call(t, "", http.MethodGet, "/.well-known/jwks.json", nil).Body, &set))
	var names map[string]string
	require.NoError(t, o.python.value(object{"operation": "read_set", "set": set}, &names))
	assert.Len(t, names, len(o.published(t)))
	o.found("public key sets, and thumbprints of every kind of key", o.python.letter())
	o.found("private keys of every kind, imported", o.python.letter())
	o.found("SD-JWT", "")
}

// published are the keys of the public key set by their names, without their `alg`.
func (o *others) published(t *testing.T) map[string]object {
	t.Helper()
	var set struct{ Keys []object }
	require.NoError(t, json.Unmarshal(o.s.call(t, "", http.MethodGet, "/.well-known/jwks.json", nil).Body, &set))
	keys := map[string]object{}
	for _, key := range set.Keys {
		delete(key, "alg")
		kid, _ := key["kid"].(string)
		keys[kid] = key
	}
	return keys
}

// outside is what somebody has of the key who encrypts to it.
func (o *others) outside(t *testing.T, inside sealed) sealed {
	t.Helper()
	inside.keys = []held{o.public(t, "letters", inside.keys[0])}
	return inside
}

// encryptedKeys has keys come and go (RFC 7517 section 7).
func (o *others) encryptedKeys(t *testing.T, party counterpart, inside sealed) {
	t.Helper()
	out := o.s.administer(t, http.MethodPost, "keys/issuer/export", object{"recipient": "letters"})
	require.Equal(t, http.StatusOK, out.Status, "%s", out.Body)
	text, err := party.decrypt(out.Member(t, "jwe"), inside)
	require.NoError(t, err)
	var left object
	require.NoError(t, json.Unmarshal([]byte(text), &left))
	assert.NotEmpty(t, left["d"])
	out = o.s.administer(t, http.MethodPost, "keys/export", object{"keys": []string{"issuer", "old"}, "recipient": "letters"})
	require.Equal(t, http.StatusOK, out.Status, "%s", out.Body)
	text, err = party.decrypt(out.Member(t, "jwe"), inside)
	require.NoError(t, err)
	var set struct{ Keys []object }
	require.NoError(t, json.Unmarshal([]byte(text), &set))
	assert.Len(t, set.Keys, 2)
	to := o.outside(t, inside)
	to.plaintext, to.cty = string(mustJSON(t, left)), "jwk+json"
	message, err := party.encrypt(to)
	require.NoError(t, err)
	name := "back-" + map[string]string{"J": "j", "W": "w"}[party.letter()]
	o.s.post(t, o.token, "keys/import", object{"name": name, "algorithm": "ES256", "jwe": message})
	o.found("encrypted JWK, exported and imported", party.letter())
	o.found("encrypted JWK Set, exported", party.letter())
}
