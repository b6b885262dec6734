package jose_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

const (
	titleSignatures = "JOSE: signatures"
	titleEncryption = "JOSE: encryption"
	titleSealed     = "JOSE: encrypted messages in JSON"
)

// shape is a form of a JWS with what the API is asked for it.
type shape struct {
	name string
	what signed
	ask  object
}

func shapes() []shape {
	return []shape{
		{"compact", signed{form: "compact"}, object{}},
		{"flattened", signed{form: "flattened"}, object{"serialization": "flattened"}},
		{"general, two signatures", signed{form: "general"}, object{}},
		{"detached", signed{form: "compact", detached: true}, object{"detached": true}},
		{"b64: false, detached", signed{form: "compact", detached: true, unencoded: true}, object{"detached": true, "unencoded": true}},
	}
}

// signatures goes through every algorithm in every form.
func (o *others) signatures(t *testing.T) {
	beside := o.bring(t, "beside", specOf(t, "ES256"))
	for _, spec := range alg.Specs() {
		if spec.Use != alg.UseSign && spec.Use != alg.UseMAC || spec.KeyType == alg.KeyTypeRSA && spec.KeySize != 2048 {
			continue
		}
		name := keyName(spec)
		key := o.bring(t, name, spec)
		for _, form := range shapes() {
			o.note(titleSignatures, "algorithm", spec.Algorithm, form.name, "")
			form.what.keys = []held{key}
			names := []string{name}
			if form.what.form == "general" {
				form.what.keys, names = append(form.what.keys, beside), append(names, "beside")
			}
			for _, party := range o.parties {
				o.exchangeSigned(t, party, spec, form, names)
			}
		}
	}
}

func specOf(t testing.TB, algorithm string) alg.Spec {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	return spec
}

// exchangeSigned has messages of a form go both ways.
func (o *others) exchangeSigned(t *testing.T, party counterpart, spec alg.Spec, form shape, names []string) {
	t.Helper()
	where := party.letter() + " " + spec.Algorithm + " " + form.name
	theirs, ours := form.what, form.what
	theirs.payload, ours.payload = "from-them", "from-us"
	ours.keys = nil
	signers := make([]object, len(names))
	for i, name := range names {
		signers[i] = object{"key": name}
		ours.keys = append(ours.keys, o.public(t, name, form.what.keys[i]))
	}
	ask := maps.Clone(form.ask)
	ask["payload"], ask["signers"] = encoded(ours.payload), signers
	read, err := party.verify(o.s.post(t, o.token, "jws/sign", ask).Member(t, "message"), ours)
	fromUs := err == nil
	if spec.Algorithm == "Ed25519" { // neither knows the name that RFC 9864 gives it
		assert.Error(t, err, where)
	} else {
		require.NoError(t, err, where)
		assert.Equal(t, ours.payload, read, where)
	}

	message, err := party.sign(theirs)
	require.NoError(t, err, where)
	open := object{"message": message, "unencoded": form.what.unencoded}
	if form.what.detached {
		open["payload"] = encoded(theirs.payload)
	}
	asked := []string{""} // the message says whose it is
	if spec.Use == alg.UseMAC && party.letter() == "J" {
		asked = names // go-jose writes no `kid` for a shared secret
	}
	for _, name := range asked {
		if name != "" {
			open["key"] = name
		}
		got := o.s.call(t, o.token, http.MethodPost, "jws/verify", open)
		if !assert.Equal(t, http.StatusOK, got.Status, "%s: %s: %s", where, message, got.Body) {
			return
		}
		assert.Equal(t, encoded(theirs.payload), got.Member(t, "payload"), where)
	}
	if fromUs {
		o.note(titleSignatures, "algorithm", spec.Algorithm, form.name, party.letter())
	}
}

// lacks tells whether neither of the others has a key management algorithm.
func lacks(algorithm string) bool {
	return algorithm == "RSA-OAEP-384" || algorithm == "RSA-OAEP-512"
}

// encryption goes through every pair of content encryption and key management, with every curve.
func (o *others) encryption(t *testing.T) {
	pairs := 0
	for _, spec := range alg.Specs() {
		if spec.Use != alg.UseEncrypt || spec.KeyType == alg.KeyTypeRSA && spec.KeySize != 2048 {
			continue
		}
		pairs++
		row := strings.TrimSpace(spec.KeyManagement + " " + kindOf(spec))
		o.note(titleEncryption, "alg", row, spec.ContentEncryption, "")
		if lacks(spec.KeyManagement) {
			continue
		}
		name := keyName(spec)
		key := o.bring(t, name, spec)
		for _, party := range o.parties {
			what := sealed{form: "compact", encryption: spec.ContentEncryption, keys: []held{key}}
			o.exchangeSealed(t, party, what, []string{name}, object{})
			o.note(titleEncryption, "alg", row, spec.ContentEncryption, party.letter())
		}
	}
	assert.Equal(t, 6*(3+3+1+3+4*3), pairs, "every enc with every alg and curve")
}

// exchangeSealed has encrypted messages go both ways. more is what the API is asked for beside the recipients.
func (o *others) exchangeSealed(t *testing.T, party counterpart, what sealed, names []string, more object) {
	t.Helper()
	where := party.letter() + " " + what.encryption + " " + what.form + " " + strings.Join(names, " ")
	ask := maps.Clone(more)
	recipients := make([]object, len(names))
	public := what
	public.plaintext, public.keys = "from them", nil
	for i, name := range names {
		recipients[i] = object{"key": name}
		public.keys = append(public.keys, o.public(t, name, what.keys[i]))
	}
	ask["plaintext"], ask["recipients"] = encoded("from us"), recipients
	if what.aad != "" {
		ask["aad"] = encoded(what.aad)
	}
	read, err := party.decrypt(o.s.post(t, o.token, "jwe/encrypt", ask).Member(t, "message"), what)
	require.NoError(t, err, where)
	assert.Equal(t, "from us", read, where)

	message, err := party.encrypt(public)
	require.NoError(t, err, where)
	for _, name := range names {
		got := o.s.call(t, o.token, http.MethodPost, "jwe/decrypt", object{"message": message, "key": name})
		require.Equal(t, http.StatusOK, got.Status, "%s: %s: %s", where, message, got.Body)
		opened := got.Object(t)
		assert.Equal(t, encoded("from them"), opened["plaintext"], where)
		if what.aad != "" {
			assert.Equal(t, encoded(what.aad), opened["aad"], where)
		}
	}
}

// sealedForms goes through the JSON serializations.
func (o *others) sealedForms(t *testing.T) {
	for _, enc := range []string{"A256GCM", "A128CBC-HS256"} {
		names, keys := []string{}, []held{}
		for _, management := range []string{"A256KW", "ECDH-ES+A256KW", "RSA-OAEP-256"} {
			spec := specOf(t, enc+"/"+management)
			if spec.KeyType == alg.KeyTypeRSA {
				var err error
				spec, err = alg.ParseSpec(spec.Algorithm, 2048, "")
				require.NoError(t, err)
			}
			name := keyName(spec) + "-form"
			names, keys = append(names, name), append(keys, o.bring(t, name, spec))
		}
		for _, form := range []struct {
			row  string
			what sealed
			ask  object
		}{
			{"flattened", sealed{form: "flattened"}, object{"serialization": "flattened"}},
			{"flattened, additional data", sealed{form: "flattened", aad: "seen by all"}, object{}},
			{"general, three recipients", sealed{form: "general"}, object{}},
			{"general, three recipients, additional data", sealed{form: "general", aad: "seen by all"}, object{}},
		} {
			form.what.encryption = enc
			for _, party := range o.parties {
				if form.what.form == "general" {
					form.what.keys = keys
					o.exchangeSealed(t, party, form.what, names, form.ask)
				} else {
					for i := range keys {
						form.what.keys = keys[i : i+1]
						o.exchangeSealed(t, party, form.what, names[i:i+1], form.ask)
					}
				}
				o.note(titleSealed, "form", form.row, enc, party.letter())
			}
		}
	}
}
