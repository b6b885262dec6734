package jwe_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe/internal/content"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// recipients returns one recipient of every key management algorithm that can have company.
func recipients(t *testing.T) []jwe.Recipient {
	t.Helper()
	var list []jwe.Recipient
	seen := map[string]bool{"dir": true, "ECDH-ES": true}
	for _, s := range encryptionSpecs() {
		if seen[s.KeyManagement] {
			continue
		}
		seen[s.KeyManagement] = true
		r := jwe.Recipient{Key: newKey(t, s), KeyID: s.KeyManagement, Unprotected: map[string]any{"hint": "h"}}
		if s.KeyType == "EC" {
			r.PartyUInfo, r.PartyVInfo = []byte("Alice"), []byte("Bob")
		}
		list = append(list, r)
	}
	return list
}

func TestDraft_EveryKeyManagementInOneMessage(t *testing.T) {
	t.Parallel()
	list := recipients(t)
	require.Greater(t, len(list), 8)
	for _, encryption := range []string{"A256GCM", "A128CBC-HS256", "A192GCM"} {
		draft := jwe.Draft{
			Serialization: jwe.General, AAD: []byte("in the clear"), Plaintext: []byte("text"), Recipients: list,
			Protected: jwe.Header{Encryption: encryption, Type: "t", Extra: map[string]any{"n": json.Number("1")}}, Unprotected: map[string]any{"shared": true},
		}
		text, err := draft.Encrypt()
		require.NoError(t, err)
		m, err := jwe.Parse(text, jwe.Allow{})
		require.NoError(t, err)
		assert.Equal(t, jwe.General, m.Serialization)
		assert.Equal(t, "in the clear", string(m.AAD))
		for i, r := range list {
			plaintext, h, err := m.Decrypt(i, r.Key, jwe.Expect{Encryption: encryption})
			require.NoError(t, err, r.KeyID)
			assert.Equal(t, "text", string(plaintext))
			assert.Equal(t, jwe.Header{Encryption: encryption, Type: "t", Extra: draft.Protected.Extra}, h)
			assert.Equal(t, r.KeyID, m.Headers[i].KeyID)
			assert.Equal(t, "h", m.Headers[i].Extra["hint"])
			assert.Equal(t, true, m.Headers[i].Extra["shared"])
			_, _, err = m.Decrypt((i+1)%len(list), r.Key, jwe.Expect{})
			assert.Error(t, err, "another's copy of the key")
			_, _, err = m.Decrypt(i, r.Key, jwe.Expect{Encryption: "A192CBC-HS384"})
			assertCode(t, err, "invalid_jwe")
		}
		for _, index := range []int{-1, len(list)} {
			_, _, err := m.Decrypt(index, list[0].Key, jwe.Expect{})
			assertCode(t, err, "invalid_input")
		}
		_, _, err = m.Decrypt(0, list[0].Key, jwe.Expect{Algorithm: "RSA1_5"})
		assertCode(t, err, "key_mismatch")
	}
}

// One recipient, in every serialization and of every algorithm, those that bear no company among them.
func TestDraft_OneRecipient(t *testing.T) {
	t.Parallel()
	for _, s := range encryptionSpecs() {
		if s.ContentEncryption != "A256GCM" && s.ContentEncryption != "A128CBC-HS256" {
			continue
		}
		t.Run(name(s), func(t *testing.T) {
			t.Parallel()
			key := newKey(t, s)
			for _, form := range []jwe.Serialization{jwe.Compact, jwe.Flattened, jwe.General} {
				draft := jwe.Draft{Serialization: form, Plaintext: []byte("text"), Protected: jwe.Header{Encryption: s.ContentEncryption, ContentType: "c", Compressed: true}, Recipients: []jwe.Recipient{{Key: key}}}
				if form != jwe.Compact {
					draft.AAD = []byte("aad")
				}
				text, err := draft.Encrypt()
				require.NoError(t, err)
				expect := jwe.Expect{Allow: jwe.Allow{MaxInflated: 4}}
				m, err := jwe.Parse(text, expect.Allow)
				require.NoError(t, err)
				assert.Equal(t, form, m.Serialization)
				assert.Equal(t, s.KeyManagement, m.Headers[0].Algorithm)
				assert.Equal(t, "k1", m.Headers[0].KeyID)
				plaintext, h, err := m.Decrypt(0, key, expect)
				require.NoError(t, err)
				assert.Equal(t, "text", string(plaintext))
				assert.Equal(t, form != jwe.General, h.KeyID == "k1", "protected unless the header is the recipient's own")
				_, _, err = m.Decrypt(0, key, jwe.Expect{})
				assertCode(t, err, "invalid_jwe")
			}
		})
	}
}

// Each change of a message is noticed, and every failure is the same error.
func TestMessage_TamperedParts(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "A256GCM/A256KW"))
	draft := jwe.Draft{Serialization: jwe.General, AAD: []byte("aad"), Plaintext: []byte("text"), Protected: jwe.Header{Encryption: "A256GCM"}, Recipients: []jwe.Recipient{{Key: key}, {Key: newKey(t, spec(t, "A256GCM/A128KW"))}}}
	text, err := draft.Encrypt()
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(text, &m))
	decrypt := func(changed any) error {
		text, err := json.Marshal(changed)
		require.NoError(t, err)
		parsed, err := jwe.Parse(text, jwe.Allow{})
		require.NoError(t, err)
		_, _, err = parsed.Decrypt(0, key, jwe.Expect{})
		return err
	}
	require.NoError(t, decrypt(m))
	for member, value := range map[string]string{
		"aad": encode("add"), "protected": encode(`{"enc":"A256GCM","typ":"x"}`), "iv": "AAAAAAAAAAAAAAAA", "ciphertext": encode("texx"), "tag": "AAAAAAAAAAAAAAAAAAAAAA",
	} {
		before := m[member]
		m[member] = value
		require.Equal(t, jwe.ErrDecryption, decrypt(m), member)
		m[member] = before
	}
	delete(m, "aad")
	require.Equal(t, jwe.ErrDecryption, decrypt(m))
	m["aad"] = encode("aad")
	list, ok := m["recipients"].([]any)
	require.True(t, ok)
	for _, other := range []string{"", "AAAA", "!"} {
		first, ok := list[0].(map[string]any)
		require.True(t, ok)
		first["encrypted_key"] = other
		if other == "" {
			delete(first, "encrypted_key")
		}
		require.Equal(t, jwe.ErrDecryption, decrypt(m), other)
	}
}

func TestParse_RefusesForms(t *testing.T) {
	t.Parallel()
	const parts = `"iv":"AAAA","ciphertext":"AAAA","tag":"AAAA"`
	p := encode(`{"alg":"A256KW","enc":"A256GCM"}`)
	protected := `"protected":"` + p + `"`
	enc := `"protected":"` + encode(`{"enc":"A256GCM"}`) + `"`
	const one = `{"header":{"alg":"A256KW"},"encrypted_key":"AAAA"}`
	for _, text := range []string{
		`{}`, `{` + protected + `}`, `{` + protected + `,"ciphertext":"AAAA","tag":"AAAA"}`, `{` + protected + `,"iv":"AAAA","tag":"AAAA"}`, `{` + protected + `,"iv":"AAAA","ciphertext":"AAAA"}`,
		`{` + parts + `}`, `{` + protected + `,` + parts + `,"iv":"AAAA"}`, `{` + protected + `,` + parts + `,"aad":""}`, `{` + protected + `,` + parts + `,"aad":"!"}`, `{` + protected + `,` + parts + `,"aad":1}`,
		`{` + protected + `,` + parts + `,"encrypted_key":""}`, `{` + protected + `,` + parts + `,"encrypted_key":null}`,
		`{"protected":"",` + parts + `}`, `{"protected":{},` + parts + `}`, `{"protected":"!",` + parts + `}`, `{"protected":"` + strings.Repeat("A", 9000) + `",` + parts + `}`,
		`{"protected":"` + encode(`[]`) + `",` + parts + `}`,
		`{` + protected + `,` + parts + `,"unprotected":{"alg":"A256KW"}}`, `{` + protected + `,` + parts + `,"unprotected":{"\u0061lg":"A256KW"}}`, `{` + protected + `,` + parts + `,"header":{"enc":"A256GCM"}}`,
		`{` + protected + `,` + parts + `,"unprotected":{"x":1},"header":{"x":1}}`, `{` + protected + `,` + parts + `,"unprotected":{"x":1,"x":1}}`, `{` + protected + `,` + parts + `,"unprotected":[]}`, `{` + protected + `,` + parts + `,"header":1}`,
		`{` + protected + `,` + parts + `,"unprotected":{"zip":"DEF"}}`, `{` + protected + `,` + parts + `,"header":{"zip":"DEF"}}`, `{` + protected + `,` + parts + `,"header":{"crit":["x"],"x":1}}`,
		`{` + protected + `,` + parts + `,"header":{"p2c":1000}}`, `{` + protected + `,` + parts + `,"unprotected":{"p2s":"AAAA"}}`, `{` + protected + `,` + parts + `,"header":{"kid":1}}`,
		`{` + protected + `,` + parts + `,"header":{"x":"` + strings.Repeat("A", 9000) + `"}}`,
		`{` + protected + `,` + parts + `,"header":{"jwk":{}}}`, `{` + protected + `,` + parts + `,"unprotected":{"jku":"https://a"}}`, `{` + protected + `,` + parts + `,"header":{"x5c":[]}}`, `{` + protected + `,` + parts + `,"header":{"x5u":"https://a"}}`,
		`{` + enc + `,` + parts + `,"recipients":[]}`, `{` + enc + `,` + parts + `,"recipients":{}}`, `{` + enc + `,` + parts + `,"recipients":[1]}`, `{` + enc + `,` + parts + `,"recipients":[{}]}`,
		`{` + enc + `,` + parts + `,"recipients":[` + one + `],"header":{}}`, `{` + enc + `,` + parts + `,"recipients":[` + one + `],"encrypted_key":"AAAB"}`, `{` + enc + `,` + parts + `,"recipients":[` + one + `],"encrypted_key":1}`,
		`{` + enc + `,` + parts + `,"recipients":[` + strings.TrimSuffix(strings.Repeat(one+",", jwe.MaxRecipients+1), ",") + `]}`,
		`{` + enc + `,` + parts + `,"recipients":[` + one + `,{"header":{"alg":"dir"}}]}`, `{` + enc + `,` + parts + `,"recipients":[{"header":{"alg":"ECDH-ES"}},` + one + `]}`,
		`{` + enc + `,` + parts + `,"recipients":[` + one + `,{"header":{"alg":"A256KW","alg":"A256KW"}}]}`,
		`{` + parts + `,"recipients":[{"header":{"alg":"A256KW","enc":"A256GCM"}},{"header":{"alg":"A256KW","enc":"A128CBC-HS256"}}]}`,
		`{` + protected + `,` + parts + `}x`, strings.Repeat(" ", jwe.MaxSize) + `{}`, "", "a.b.c.d.e.f", "[]", "!.a.a.a.a",
	} {
		_, err := jwe.Parse([]byte(text), jwe.Allow{MaxInflated: 1, Critical: []string{"x"}})
		if assert.Error(t, err, "%.300s", text) {
			assertCode(t, err, "invalid_jwe")
		}
	}
	repeated, err := jwe.Parse([]byte(`{`+enc+`,`+parts+`,"recipients":[`+one+`],"encrypted_key":"AAAA"}`), jwe.Allow{})
	require.NoError(t, err, "what another library writes")
	assert.Equal(t, jwe.General, repeated.Serialization)
	for _, text := range []string{
		` {` + protected + `,` + parts + `,"unknown":{"a":1}}`, // RFC 7516 section 7.2.1
		`{"unprotected":{ },"header":{ "alg":"A256KW" },` + enc + `,` + parts + `}`,
	} {
		m, err := jwe.Parse([]byte(text), jwe.Allow{})
		require.NoError(t, err)
		assert.Equal(t, jwe.Flattened, m.Serialization)
		assert.Equal(t, "A256KW", m.Headers[0].Algorithm)
	}
}

func TestDraft_Refuses(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "A256GCM/A256KW"))
	one := []jwe.Recipient{{Key: key}}
	gcm := jwe.Header{Encryption: "A256GCM"}
	unprotected := func(members map[string]any) []jwe.Recipient { return []jwe.Recipient{{Key: key, Unprotected: members}} }
	for i, d := range []jwe.Draft{
		{Recipients: one, Protected: gcm},
		{Serialization: "xml", Recipients: one, Protected: gcm},
		{Serialization: jwe.General, Protected: gcm},
		{Serialization: jwe.General, Protected: gcm, Recipients: make([]jwe.Recipient, jwe.MaxRecipients+1)},
		{Serialization: jwe.Flattened, Protected: gcm, Recipients: []jwe.Recipient{{Key: key}, {Key: key}}},
		{Serialization: jwe.Compact, Protected: gcm, Recipients: []jwe.Recipient{{Key: key}, {Key: key}}},
		{Serialization: jwe.General, Protected: jwe.Header{Encryption: "A256GCM", Algorithm: "A256KW"}, Recipients: one},
		{Serialization: jwe.General, Protected: jwe.Header{Encryption: "A256GCM", KeyID: "k"}, Recipients: one},
		{Serialization: jwe.Compact, Protected: gcm, Recipients: one, AAD: []byte("x")},
		{Serialization: jwe.Compact, Protected: gcm, Recipients: one, Unprotected: map[string]any{"x": 1}},
		{Serialization: jwe.Compact, Protected: gcm, Recipients: unprotected(map[string]any{"x": 1})},
		{Serialization: jwe.Flattened, Protected: gcm, Recipients: one, AAD: []byte{}},
		{Serialization: jwe.Flattened, Protected: gcm, Recipients: one, Plaintext: make([]byte, jwe.MaxSize)},
		{Serialization: jwe.Flattened, Protected: gcm, Recipients: one, Plaintext: make([]byte, jwe.MaxSize/4*3)},
		{Serialization: jwe.Flattened, Protected: gcm, Recipients: unprotected(map[string]any{"alg": "dir"})},
		{Serialization: jwe.Flattened, Protected: gcm, Recipients: unprotected(map[string]any{"zip": "DEF"})},
		{Serialization: jwe.Flattened, Protected: gcm, Recipients: one, Unprotected: map[string]any{"crit": []string{"x"}}},
		{Serialization: jwe.Flattened, Protected: gcm, Recipients: one, Unprotected: map[string]any{"f": func() {}}},
		{Serialization: jwe.Flattened, Protected: gcm, Recipients: unprotected(map[string]any{"f": func() {}})},
		{Serialization: jwe.Flattened, Protected: gcm, Recipients: one, Unprotected: map[string]any{"x": strings.Repeat("x", 9000)}},
		{Serialization: jwe.Flattened, Protected: gcm, Recipients: unprotected(map[string]any{"x": strings.Repeat("x", 8180)})},
		{Serialization: jwe.General, Protected: gcm, Unprotected: map[string]any{"x": 1}, Recipients: unprotected(map[string]any{"x": 1})},
		{Serialization: jwe.General, Protected: jwe.Header{Encryption: "A256GCM", Extra: map[string]any{"x": 1}}, Recipients: unprotected(map[string]any{"x": 1})},
		{Serialization: jwe.Flattened, Protected: jwe.Header{Encryption: "A256GCM", Extra: map[string]any{"x": 1}}, Unprotected: map[string]any{"x": 1}, Recipients: one},
		{Serialization: jwe.Flattened, Protected: jwe.Header{Encryption: "A256GCM", Extra: map[string]any{"alg": 1}}, Recipients: one},
		{Serialization: jwe.General, Protected: jwe.Header{Encryption: "A256GCM", Extra: map[string]any{"alg": 1}}, Recipients: one},
		{Serialization: jwe.Flattened, Protected: jwe.Header{Encryption: "A256GCM", Critical: []string{"x"}}, Recipients: one},
		{Serialization: jwe.General, Protected: gcm, Recipients: []jwe.Recipient{{Key: key}, {Key: newKey(t, spec(t, "A256GCM/ECDH-ES"))}}},
		{Serialization: jwe.General, Protected: gcm, Recipients: []jwe.Recipient{{Key: newKey(t, spec(t, "A256GCM/dir"))}, {Key: key}}},
	} {
		_, err := d.Encrypt()
		if assert.Error(t, err, i) {
			assertCode(t, err, "invalid_input")
		}
	}
	secret, err := jwk.FromMaterial(make([]byte, 32), jwk.Attributes{Use: "sig"})
	require.NoError(t, err)
	short, err := jwk.FromMaterial(make([]byte, 32), jwk.Attributes{})
	require.NoError(t, err)
	for i, c := range []struct {
		h    jwe.Header
		r    jwe.Recipient
		code string
	}{
		{gcm, jwe.Recipient{Key: secret, Algorithm: "A256KW"}, "key_mismatch"},
		{gcm, jwe.Recipient{Key: short}, "key_mismatch"},
		{jwe.Header{}, jwe.Recipient{Key: key}, "unsupported_algorithm"},
		{jwe.Header{Encryption: "A128GCM"}, jwe.Recipient{Key: short, Algorithm: "dir"}, "key_mismatch"},
	} {
		for _, form := range []jwe.Serialization{jwe.Flattened, jwe.General} {
			d := jwe.Draft{Serialization: form, Protected: c.h, Recipients: []jwe.Recipient{c.r}}
			_, err := d.Encrypt()
			if assert.Error(t, err, i) {
				assertCode(t, err, c.code)
			}
		}
	}
}

func TestCritical(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "A256GCM/A256KW"))
	message, err := jwe.Encrypt(key, jwe.Header{Encryption: "A256GCM", Critical: []string{"ext"}, Extra: map[string]any{"ext": "1"}}, nil)
	require.NoError(t, err)
	_, h, err := jwe.Decrypt(key, message, jwe.Expect{Allow: jwe.Allow{Critical: []string{"ext"}}})
	require.NoError(t, err)
	assert.Equal(t, []string{"ext"}, h.Critical)
	for _, allow := range []jwe.Allow{{}, {Critical: []string{"other"}}} {
		_, _, err = jwe.Decrypt(key, message, jwe.Expect{Allow: allow})
		assertCode(t, err, "invalid_jwe")
	}
	for _, member := range []string{`"crit":[]`, `"crit":"ext","ext":1`, `"crit":["ext"]`, `"crit":["ext","ext"],"ext":1`, `"crit":["enc"]`, `"crit":[1]`} {
		_, _, err := jwe.Decrypt(key, encode(`{"alg":"A256KW","enc":"A256GCM",`+member+`}`)+".AAAA.AAAA.AAAA.AAAA", jwe.Expect{Allow: jwe.Allow{Critical: []string{"ext"}}})
		assertCode(t, err, "invalid_jwe")
	}
}

// What inflates beyond the cap, and what is no compressed text although it is authentic.
func TestCompressed(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "A256GCM/A256KW"))
	bomb, err := jwe.Encrypt(key, jwe.Header{Encryption: "A256GCM", Compressed: true}, make([]byte, 10<<20))
	require.NoError(t, err)
	assert.Less(t, len(bomb), 20<<10)
	_, _, err = jwe.Decrypt(key, bomb, jwe.Expect{Allow: jwe.Allow{MaxInflated: 512 << 10}})
	assertCode(t, err, "invalid_jwe")
	require.ErrorContains(t, err, "524288 bytes")
	_, _, err = jwe.Decrypt(key, bomb, jwe.Expect{Allow: jwe.Allow{MaxInflated: 10 << 20}})
	assertCode(t, err, "invalid_jwe")
	require.ErrorContains(t, err, "100 times", "however much is accepted")
	for _, zip := range []string{`"GZ"`, `1`, `null`, `"def"`, `["DEF"]`} {
		_, _, err = jwe.Decrypt(key, encode(`{"alg":"A256KW","enc":"A256GCM","zip":`+zip+`}`)+".AAAA.AAAA.AAAA.AAAA", jwe.Expect{Allow: jwe.Allow{MaxInflated: 1}})
		assertCode(t, err, "invalid_jwe")
	}
}

// A plaintext may be as long as is accepted and not a byte longer, and short ones may be as even as they like.
func TestCompressed_UpToTheCap(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "A256GCM/A256KW"))
	uneven := make([]byte, 64<<10)
	for i := range uneven {
		uneven[i] = byte(i * i >> 7)
	}
	for what, plaintext := range map[string][]byte{"even": make([]byte, 4<<10), "uneven": uneven, "one byte": {0}} {
		message, err := jwe.Encrypt(key, jwe.Header{Encryption: "A256GCM", Compressed: true}, plaintext)
		require.NoError(t, err, what)
		got, h, err := jwe.Decrypt(key, message, jwe.Expect{Allow: jwe.Allow{MaxInflated: len(plaintext)}})
		require.NoError(t, err, what)
		assert.Equal(t, plaintext, got, what)
		assert.True(t, h.Compressed, what)
		if len(plaintext) > 1 {
			_, _, err = jwe.Decrypt(key, message, jwe.Expect{Allow: jwe.Allow{MaxInflated: len(plaintext) - 1}})
			assertCode(t, err, "invalid_jwe")
		}
		_, _, err = jwe.Decrypt(key, message, jwe.Expect{})
		assertCode(t, err, "invalid_jwe")
	}
	even, err := jwe.Encrypt(key, jwe.Header{Encryption: "A256GCM", Compressed: true}, make([]byte, 64<<10))
	require.NoError(t, err)
	_, _, err = jwe.Decrypt(key, even, jwe.Expect{Allow: jwe.Allow{MaxInflated: 64 << 10}})
	require.ErrorContains(t, err, "100 times")
}

func TestEncryptedKeys(t *testing.T) {
	t.Parallel()
	recipient := newKey(t, spec(t, "A256GCM/ECDH-ES+A256KW"))
	key, other := newKey(t, spec(t, "A256GCM/ECDH-ES")), newKey(t, spec(t, "A256GCM/A256KW"))
	other.ID = "k2"
	h := jwe.Header{Encryption: "A256GCM"}
	message, err := jwe.EncryptKey(recipient, h, key)
	require.NoError(t, err)
	got, header, err := jwe.DecryptKey(recipient, message, jwe.Expect{})
	require.NoError(t, err)
	assert.Equal(t, "jwk+json", header.ContentType)
	assert.Equal(t, key.ThumbprintURI(), got.ThumbprintURI())
	assert.True(t, got.IsPrivate())
	assert.Equal(t, key.Attributes, got.Attributes)
	_, _, err = jwe.DecryptKeySet(recipient, message, jwe.Expect{})
	assertCode(t, err, "invalid_jwe")

	third := newKey(t, spec(t, "A256GCM/A128KW"))
	third.ID = "k3"
	set, err := jwe.EncryptKeySet(recipient, h, []*jwk.Key{third, other})
	require.NoError(t, err)
	keys, header, err := jwe.DecryptKeySet(recipient, set, jwe.Expect{})
	require.NoError(t, err)
	assert.Equal(t, "jwk-set+json", header.ContentType)
	require.Len(t, keys.Keys, 2)
	assert.Equal(t, other.Secret(), keys.Keys[0].Secret())
	_, _, err = jwe.DecryptKey(recipient, set, jwe.Expect{})
	assertCode(t, err, "invalid_jwe")

	_, err = jwe.EncryptKey(recipient, h, recipient)
	assertCode(t, err, "key_mismatch")
	_, err = jwe.EncryptKeySet(recipient, h, []*jwk.Key{key, recipient})
	assertCode(t, err, "key_mismatch")
	_, err = jwe.EncryptKeySet(recipient, h, []*jwk.Key{key, other})
	assertCode(t, err, "invalid_jwk")
	public, err := key.Public()
	require.NoError(t, err)
	_, err = jwe.EncryptKey(recipient, h, public)
	assertCode(t, err, "key_mismatch")
	stranger := newKey(t, spec(t, "A256GCM/ECDH-ES+A256KW"))
	_, _, err = jwe.DecryptKey(stranger, message, jwe.Expect{})
	assert.Equal(t, jwe.ErrDecryption, err)
	for typ, decrypt := range map[string]func(string) error{
		"application/JWK+json": func(m string) error { _, _, err := jwe.DecryptKey(recipient, m, jwe.Expect{}); return err },
		"jwk-set+json":         func(m string) error { _, _, err := jwe.DecryptKeySet(recipient, m, jwe.Expect{}); return err },
	} {
		text, err := jwe.Encrypt(recipient, jwe.Header{Encryption: "A256GCM", ContentType: typ}, []byte(fmt.Sprintf(`{"kty":"oct","k":%q}`, "AA")))
		require.NoError(t, err)
		assertCode(t, decrypt(text), "invalid_jwk")
	}
}

// What is authentic and yet no compressed text, or one with something behind it, fails like a wrong tag.
func TestCompressed_NotDeflate(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "A128CBC-HS256/dir"))
	enc, err := alg.LookupContentEncryption("A128CBC-HS256")
	require.NoError(t, err)
	header := encode(`{"alg":"dir","enc":"A128CBC-HS256","zip":"DEF"}`)
	for text, ok := range map[string]bool{"\x01\x01\x00\xfe\xffa": true, "\x01\x01\x00\xfe\xffaa": false, "\x01\x01\x00\xfe\xff": false, "text": false, "": false} {
		sealed, err := content.AppendSeal(nil, enc, key.Secret(), []byte(text), []byte(header))
		require.NoError(t, err)
		end := len(sealed) - enc.TagSize
		message := strings.Join([]string{header, "", encode(string(sealed[:enc.IVSize])), encode(string(sealed[enc.IVSize:end])), encode(string(sealed[end:]))}, ".")
		plaintext, _, err := jwe.Decrypt(key, message, jwe.Expect{Allow: jwe.Allow{MaxInflated: 10}})
		if ok {
			require.NoError(t, err)
			assert.Equal(t, "a", string(plaintext))
			continue
		}
		assert.Equal(t, jwe.ErrDecryption, err, "%q", text)
	}
}
