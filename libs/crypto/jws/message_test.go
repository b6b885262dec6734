package jws_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// signers returns one signer of every algorithm, each with members in both headers.
func signers(t *testing.T) []jws.Signer {
	t.Helper()
	var list []jws.Signer
	for i, s := range signatureSpecs() {
		list = append(list, jws.Signer{
			Key:         newKey(t, s),
			Protected:   jws.Header{Type: "a+json", Extra: map[string]any{"n": json.Number(fmt.Sprint(i))}},
			Unprotected: map[string]any{"kid": s.Algorithm, "hint": []any{"x", nil}},
		})
	}
	return list
}

func TestDraft_EveryAlgorithmInOneMessage(t *testing.T) {
	t.Parallel()
	list := signers(t)
	require.LessOrEqual(t, len(list), jws.MaxSignatures)
	for _, detached := range []bool{false, true} {
		draft := jws.Draft{Serialization: jws.General, Payload: []byte("payload"), Detached: detached, Signers: list}
		text, err := draft.Sign()
		require.NoError(t, err)
		m, err := jws.Parse(text, jws.Allow{})
		require.NoError(t, err)
		require.Equal(t, detached, m.Detached)
		if detached {
			require.NoError(t, m.Attach([]byte("payload")))
		} else {
			assertCode(t, m.Attach(nil), "invalid_jws")
		}
		for i, s := range list {
			payload, h, err := m.Verify(i, s.Key, jws.Expect{Type: "application/a+json"})
			require.NoError(t, err)
			assert.Equal(t, "payload", string(payload))
			assert.Equal(t, s.Protected.Extra, h.Extra)
			assert.Equal(t, s.Unprotected, m.Signatures[i].Unprotected)
			assert.Equal(t, s.Key.Algorithm, m.Signatures[i].KeyID())
			assert.Equal(t, s.Key.Algorithm, m.Signatures[i].Algorithm())
			_, _, err = m.Verify(i, s.Key, jws.Expect{Type: "b+json"})
			assertCode(t, err, "invalid_jws")
		}
		for _, index := range []int{-1, len(list)} {
			_, _, err := m.Verify(index, list[0].Key, jws.Expect{})
			assertCode(t, err, "invalid_input")
		}
		_, _, err = m.Verify(0, list[0].Key, jws.Expect{Algorithm: "none"})
		assertCode(t, err, "unsupported_algorithm")
	}
}

// Each change of a message is noticed: the payload, a protected header, a signature under another's header.
func TestMessage_TamperedParts(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "ES256"))
	draft := jws.Draft{Serialization: jws.General, Payload: []byte("payload"), Signers: []jws.Signer{{Key: key, Protected: jws.Header{Type: "a"}}, {Key: key, Protected: jws.Header{Type: "b"}}}}
	text, err := draft.Sign()
	require.NoError(t, err)
	var m struct {
		Payload    string              `json:"payload"`
		Signatures []map[string]string `json:"signatures"`
	}
	require.NoError(t, json.Unmarshal(text, &m))
	verify := func() error {
		changed, err := json.Marshal(m)
		require.NoError(t, err)
		_, _, err = parse(t, string(changed)).Verify(0, key, jws.Expect{})
		return err
	}
	require.NoError(t, verify())
	m.Signatures[0]["signature"], m.Signatures[1]["signature"] = m.Signatures[1]["signature"], m.Signatures[0]["signature"]
	require.Equal(t, jws.ErrVerification, verify())
	m.Signatures[0]["signature"], m.Signatures[1]["signature"] = m.Signatures[1]["signature"], m.Signatures[0]["signature"]
	m.Payload = encode("massage")
	require.Equal(t, jws.ErrVerification, verify())
	m.Payload = "!"
	require.Equal(t, jws.ErrVerification, verify())
	m.Payload = encode("payload")
	m.Signatures[0]["protected"] = encode(`{"alg":"ES256","typ":"a","kid":"k2"}`)
	require.Equal(t, jws.ErrVerification, verify())
}

func TestParse_RefusesForms(t *testing.T) {
	t.Parallel()
	p := encode(`{"alg":"ES256"}`)
	signature := fmt.Sprintf(`{"protected":%q,"signature":"AAAA"}`, p)
	for _, text := range []string{
		`{}`, `{"payload":"AAAA"}`, `{"payload":"AAAA","signatures":[]}`, `{"payload":"AAAA","signatures":{}}`, `{"payload":"AAAA","signatures":null}`,
		`{"payload":"AAAA","signatures":[1]}`, `{"payload":"AAAA","signatures":[{}]}`, `{"payload":1,` + signature[1:], `{"payload":null,` + signature[1:],
		`{"payload":"AAAA","payload":"AAAA",` + signature[1:],
		`{"payload":"AAAA","signatures":[` + signature + `],` + signature[1:],
		`{"payload":"AAAA","signatures":[` + signature + `],"header":{}}`,
		`{"payload":"AAAA","signatures":[` + signature + `],"signature":"AAAA"}`,
		`{"payload":"AAAA","signatures":[` + signature + `,{"protected":"` + p + `","protected":"` + p + `","signature":"AAAA"}]}`,
		`{"payload":"AAAA","signatures":[` + strings.TrimSuffix(strings.Repeat(signature+",", jws.MaxSignatures+1), ",") + `]}`,
		`{"payload":"AAAA","protected":"","signature":"AAAA"}`,
		`{"payload":"AAAA","protected":{},"signature":"AAAA"}`,
		`{"payload":"AAAA","protected":"!","signature":"AAAA"}`,
		`{"payload":"AAAA","protected":"` + strings.Repeat("A", 9000) + `","signature":"AAAA"}`,
		`{"payload":"AAAA","protected":"` + p + `","signature":1}`,
		`{"payload":"AAAA","protected":"` + p + `"}`,
		`{"payload":"AAAA","signature":"AAAA"}`,
		`{"payload":"AAAA","header":{"kid":"a"},"signature":"AAAA"}`,
		`{"payload":"AAAA","protected":"` + encode(`{"kid":"a"}`) + `","signature":"AAAA"}`,
		`{"payload":"AAAA","header":[],` + signature[1:],
		`{"payload":"AAAA","header":{"alg":"ES256"},` + signature[1:],
		`{"payload":"AAAA","header":{"\u0061lg":"ES256"},` + signature[1:],
		`{"payload":"AAAA","header":{"x":1,"x":2},` + signature[1:],
		`{"payload":"AAAA","header":{"kid":1},` + signature[1:],
		`{"payload":"AAAA","header":{"alg":["ES256"]},"signature":"AAAA"}`,
		`{"payload":"AAAA","header":{"x":"` + strings.Repeat("A", 9000) + `"},` + signature[1:],
		`{"payload":"AAAA","header":{"crit":["exp"],"exp":1},` + signature[1:],
		`{"payload":"AAAA","header":{"b64":false},` + signature[1:],
		`{"payload":"AAAA","header":{"jwk":{}},` + signature[1:],
		`{"payload":"AAAA","header":{"x5c":[]},` + signature[1:],
		`{"payload":"AAAA","header":{"jku":"https://a"},` + signature[1:],
		`{"payload":"AAAA",` + signature[1:] + `x`,
		strings.Repeat(" ", jws.MaxSize) + `{}`, "", "a.b", "[]",
	} {
		_, err := jws.Parse([]byte(text), jws.Allow{Unencoded: true, Critical: []string{"exp"}, EmbeddedKey: true, EmbeddedChain: true, KeyURLs: true})
		if assert.Error(t, err, "%.200s", text) {
			assertCode(t, err, "invalid_jws")
		}
	}
	m := parse(t, ` {"payload":"AAAA","unknown":{"a":1},`+signature[1:]) // RFC 7515 section 7.2.1
	assert.Equal(t, jws.Flattened, m.Serialization)
}

func TestParse_SignaturesAgreeAboutTheFormOfThePayload(t *testing.T) {
	t.Parallel()
	text := fmt.Sprintf(`{"payload":"AAAA","signatures":[{"protected":%q,"signature":"AAAA"},{"protected":%q,"signature":"AAAA"}]}`,
		encode(`{"alg":"ES256","b64":false,"crit":["b64"]}`), encode(`{"alg":"ES256"}`))
	_, err := jws.Parse([]byte(text), jws.Allow{Unencoded: true})
	assertCode(t, err, "invalid_jws")
	key := newKey(t, spec(t, "HS256"))
	draft := jws.Draft{Serialization: jws.General, Signers: []jws.Signer{{Key: key, Protected: jws.Header{Unencoded: true}}, {Key: key}}}
	_, err = draft.Sign()
	assertCode(t, err, "invalid_input")
}

func TestDraft_Refuses(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "HS256"))
	one := []jws.Signer{{Key: key}}
	public, err := newKey(t, spec(t, "ES256")).Public()
	require.NoError(t, err)
	unprotected := func(members map[string]any) []jws.Signer { return []jws.Signer{{Key: key, Unprotected: members}} }
	for _, d := range []jws.Draft{
		{Signers: one},
		{Serialization: "yaml", Signers: one},
		{Serialization: jws.General},
		{Serialization: jws.General, Signers: make([]jws.Signer, jws.MaxSignatures+1)},
		{Serialization: jws.Compact, Signers: []jws.Signer{{Key: key}, {Key: key}}},
		{Serialization: jws.Flattened, Signers: []jws.Signer{{Key: key}, {Key: key}}},
		{Serialization: jws.Flattened, Payload: make([]byte, jws.MaxSize), Signers: one},
		{Serialization: jws.Flattened, Payload: make([]byte, jws.MaxSize/4*3), Signers: one},
		{Serialization: jws.Compact, Signers: unprotected(map[string]any{"x": "y"})},
		{Serialization: jws.Flattened, Signers: unprotected(map[string]any{"alg": "HS256"})},
		{Serialization: jws.Flattened, Signers: unprotected(map[string]any{"typ": "x"})},
		{Serialization: jws.Flattened, Signers: unprotected(map[string]any{"crit": []string{"x"}, "x": 1})},
		{Serialization: jws.Flattened, Signers: unprotected(map[string]any{"jwk": map[string]any{}})},
		{Serialization: jws.Flattened, Signers: unprotected(map[string]any{"kid": 1})},
		{Serialization: jws.Flattened, Signers: unprotected(map[string]any{"f": func() {}})},
		{Serialization: jws.Flattened, Signers: unprotected(map[string]any{"x": strings.Repeat("x", 9000)})},
		{Serialization: jws.Flattened, Signers: unprotected(map[string]any{"x": json.RawMessage(`{"a":1,"a":2}`)})},
		{Serialization: jws.Flattened, Signers: []jws.Signer{{Key: key, Protected: jws.Header{KeyID: "a"}, Unprotected: map[string]any{"kid": "b"}}}},
		{Serialization: jws.Flattened, Signers: []jws.Signer{{Key: key, Protected: jws.Header{Extra: map[string]any{"x": 1}}, Unprotected: map[string]any{"x": 2}}}},
		{Serialization: jws.Flattened, Signers: []jws.Signer{{Key: key, Protected: jws.Header{Extra: map[string]any{"alg": 1}}}}},
		{Serialization: jws.General, Signers: []jws.Signer{{Key: key, Protected: jws.Header{Extra: map[string]any{"alg": 1}}}}},
		{Serialization: jws.Flattened, Payload: []byte("\xff"), Signers: []jws.Signer{{Key: key, Protected: jws.Header{Unencoded: true}}}},
		{Serialization: jws.Compact, Payload: []byte("a.b"), Signers: []jws.Signer{{Key: key, Protected: jws.Header{Unencoded: true}}}},
		{Serialization: jws.Compact, Payload: []byte("a\nb"), Signers: []jws.Signer{{Key: key, Protected: jws.Header{Unencoded: true}}}},
	} {
		_, err := d.Sign()
		if assert.Error(t, err) {
			assertCode(t, err, "invalid_input")
		}
	}
	d := jws.Draft{Serialization: jws.General, Signers: []jws.Signer{{Key: key}, {Key: public}}}
	_, err = d.Sign()
	assertCode(t, err, "key_mismatch")
}

// What is signed as it stands comes back as it stood, in every serialization that can carry it.
func TestUnencoded_EveryForm(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "ES256"))
	expect := jws.Expect{Allow: jws.Allow{Unencoded: true}}
	for payload, fits := range map[string]struct{ compact, json bool }{
		"":                       {true, true},
		"plain text":             {true, true},
		"a.b":                    {false, true},
		"\"q\\\" \n\u20ac\u0001": {false, true},
		"\xff\x00":               {false, false},
	} {
		for _, form := range []jws.Serialization{jws.Compact, jws.Flattened, jws.General} {
			for _, detached := range []bool{true, false} {
				draft := jws.Draft{Serialization: form, Payload: []byte(payload), Detached: detached, Signers: []jws.Signer{{Key: key, Protected: jws.Header{Unencoded: true}}}}
				text, err := draft.Sign()
				if !detached && (form == jws.Compact && !fits.compact || form != jws.Compact && !fits.json) {
					assertCode(t, err, "invalid_input")
					continue
				}
				require.NoError(t, err)
				m, err := jws.Parse(text, expect.Allow)
				require.NoError(t, err)
				if m.Detached {
					require.NoError(t, m.Attach([]byte(payload)))
				}
				got, h, err := m.Verify(0, key, expect)
				require.NoError(t, err)
				assert.Equal(t, payload, string(got))
				assert.True(t, h.Unencoded)
			}
		}
	}
}

// A payload that no writer may put into a compact serialization is refused although its signature is right.
func TestUnencoded_CompactRefusesControlCharacters(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "HS256"))
	token, err := jws.SignDetached(key, jws.Header{Unencoded: true}, []byte("a\nb"))
	require.NoError(t, err)
	_, _, err = jws.Verify(key, strings.Replace(token, "..", ".a\nb.", 1), jws.Expect{Allow: jws.Allow{Unencoded: true}})
	assertCode(t, err, "invalid_jws")
}

func TestCritical(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "HS256"))
	allow := jws.Allow{Critical: []string{"ext", "other"}, Unencoded: true}
	token, err := jws.Sign(key, jws.Header{Critical: []string{"ext"}, Extra: map[string]any{"ext": "1"}}, nil)
	require.NoError(t, err)
	_, h, err := jws.Verify(key, token, jws.Expect{Allow: allow})
	require.NoError(t, err)
	assert.Equal(t, []string{"ext"}, h.Critical)
	_, _, err = jws.Verify(key, token, jws.Expect{})
	assertCode(t, err, "invalid_jws")
	_, _, err = jws.Verify(key, token, jws.Expect{Allow: jws.Allow{Critical: []string{"other"}}})
	assertCode(t, err, "invalid_jws")

	for _, header := range []string{
		`{"alg":"HS256","crit":[]}`, `{"alg":"HS256","crit":"ext","ext":1}`, `{"alg":"HS256","crit":["ext"]}`, `{"alg":"HS256","crit":["ext","ext"],"ext":1}`,
		`{"alg":"HS256","crit":["alg"]}`, `{"alg":"HS256","crit":["ext","kid"],"ext":1,"kid":"a"}`, `{"alg":"HS256","crit":[1]}`, `{"alg":"HS256","crit":["b64"]}`,
		`{"alg":"HS256","b64":false}`, `{"alg":"HS256","b64":0,"crit":["b64"]}`, `{"alg":"HS256","b64":"false","crit":["b64"]}`, `{"alg":"HS256","crit":["unknown"],"unknown":1}`,
		`{"alg":"HS256","b64":false,"crit":["ext"],"ext":1}`,
	} {
		_, _, err := jws.Verify(key, encode(header)+".AAAA.AAAA", jws.Expect{Allow: allow})
		if assert.Error(t, err, header) {
			assertCode(t, err, "invalid_jws")
		}
	}
	for _, header := range []string{`{"alg":"HS256","b64":true}`, `{"alg":"HS256","b64":true,"crit":["b64"]}`} {
		_, _, err := jws.Verify(key, encode(header)+".AAAA.AAAA", jws.Expect{Allow: allow})
		assert.Equal(t, jws.ErrVerification, err, "RFC 7797 section 7 permits it")
	}
	for _, h := range []jws.Header{{Critical: []string{"ext"}}, {Critical: []string{"b64"}}, {Critical: []string{"kid"}}, {Critical: []string{"e", "e"}, Extra: map[string]any{"e": 1}}} {
		_, err := jws.Sign(key, h, nil)
		assertCode(t, err, "invalid_input")
	}
}

func TestEmbeddedKeys(t *testing.T) {
	t.Parallel()
	key, other := newKey(t, spec(t, "ES256")), newKey(t, spec(t, "ES256"))
	chain := [][]byte{certificate(t, key)}
	h := jws.Header{Key: key, Chain: chain, KeySetURL: "https://a/jwks", ChainURL: "https://a/x5u"}
	token, err := jws.Sign(key, h, nil)
	require.NoError(t, err)
	allow := jws.Allow{EmbeddedKey: true, EmbeddedChain: true, KeyURLs: true}
	_, got, err := jws.Verify(key, token, jws.Expect{Allow: allow})
	require.NoError(t, err)
	assert.Equal(t, key.ThumbprintSHA256(), got.Key.ThumbprintSHA256())
	assert.False(t, got.Key.IsPrivate())
	assert.Equal(t, chain, got.Chain)
	assert.Equal(t, h.KeySetURL, got.KeySetURL)
	assert.Equal(t, h.ChainURL, got.ChainURL)

	m, err := jws.Parse([]byte(token), allow)
	require.NoError(t, err)
	_, _, err = jws.Verify(m.Signatures[0].Protected.Key, token, jws.Expect{Algorithm: "ES256", Allow: allow})
	require.NoError(t, err, "a caller who trusts the message uses its key himself")
	_, _, err = jws.Verify(other, token, jws.Expect{Allow: allow})
	assertCode(t, err, "invalid_jws")
	for _, a := range []jws.Allow{{}, {EmbeddedChain: true, KeyURLs: true}, {EmbeddedKey: true, KeyURLs: true}, {EmbeddedKey: true, EmbeddedChain: true}} {
		_, _, err = jws.Verify(key, token, jws.Expect{Allow: a})
		assertCode(t, err, "invalid_jws")
		_, err = jws.Parse([]byte(token), a)
		assertCode(t, err, "invalid_jws")
	}

	secret := newKey(t, spec(t, "HS256"))
	for _, c := range []struct {
		key *jwk.Key
		h   jws.Header
	}{{key, jws.Header{Key: other}}, {key, jws.Header{Chain: [][]byte{certificate(t, other)}}}, {key, jws.Header{Chain: [][]byte{{1}}}}, {secret, jws.Header{Key: key}}, {secret, jws.Header{Chain: chain}}, {key, jws.Header{Key: secret}}} {
		_, err := jws.Sign(c.key, c.h, nil)
		assertCode(t, err, "invalid_input")
	}
	private, err := key.MarshalPrivate()
	require.NoError(t, err)
	for _, member := range []string{`"jwk":` + string(private), `"jwk":{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}`, `"jwk":1`, `"x5c":[]`, `"x5c":["A"]`, `"x5c":1`, `"jku":1`, `"x5u":null`} {
		_, _, err := jws.Verify(key, encode(`{"alg":"ES256",`+member+`}`)+".AAAA.AAAA", jws.Expect{Allow: allow})
		if assert.Error(t, err, member) {
			assertCode(t, err, "invalid_jws")
		}
	}
	_, _, err = jws.Verify(secret, encode(`{"alg":"HS256","x5c":["AAAA"]}`)+".AAAA.AAAA", jws.Expect{Allow: allow})
	assertCode(t, err, "invalid_jws")
}

// A right signature over what no writer may write does not make it readable.
func TestVerify_PayloadThatIsNoEncoding(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "HS256"))
	for _, payload := range []string{"!", "A", "AB", "AAAA=", "AA\nAA"} {
		signed := encode(`{"alg":"HS256"}`) + "." + payload
		signature, err := jws.SignRaw(key, "", jws.InputMessage, []byte(signed), jws.FormatRaw)
		require.NoError(t, err)
		_, _, err = jws.Verify(key, signed+"."+encode(string(signature)), jws.Expect{})
		assertCode(t, err, "invalid_jws")
	}
	for _, header := range []string{`{"kid":"a"}`, `{"alg":""}`, `{"alg":1}`} {
		_, err := jws.ParseHeader(encode(header) + ".AAAA.AAAA")
		assertCode(t, err, "invalid_jws")
	}
	_, err := jws.ParseHeader("!.AAAA.AAAA")
	assertCode(t, err, "invalid_jws")
	_, err = jws.Sign(key, jws.Header{Extra: map[string]any{"f": func() {}}}, nil)
	assertCode(t, err, "invalid_input")
	_, err = jws.Sign(key, jws.Header{}, make([]byte, jws.MaxSize))
	assertCode(t, err, "invalid_input")
}
