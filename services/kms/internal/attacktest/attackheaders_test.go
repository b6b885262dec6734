package attacktest_test

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/kdf"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// outsider is somebody who has a public key, and so can make messages that open, with any header.
type outsider struct {
	public    *ecdh.PublicKey
	ephemeral *ecdh.PrivateKey
}

func newOutsider(t testing.TB, publicKey json.RawMessage) outsider {
	t.Helper()
	var public struct{ X, Y string }
	require.NoError(t, json.Unmarshal(publicKey, &public))
	key, err := ecdh.P256().NewPublicKey(slices.Concat([]byte{4}, kmstest.Decoded(t, public.X), kmstest.Decoded(t, public.Y)))
	require.NoError(t, err)
	ephemeral, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	return outsider{key, ephemeral}
}

// epk is the member that names the sender's key.
func (o outsider) epk() string {
	point := o.ephemeral.PublicKey().Bytes()[1:]
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, kmstest.Encode(point[:32]), kmstest.Encode(point[32:]))
}

// seal encrypts under A128CBC-HS256/ECDH-ES with a header that says anything (RFC 7518 sections 4.6 and 5.2). What a header cannot say without
// breaking the encryption is not what it is tested for.
func (o outsider) seal(t testing.TB, header string, plaintext []byte) string {
	t.Helper()
	shared, err := o.ephemeral.ECDH(o.public)
	require.NoError(t, err)
	key := kdf.Concat(shared, "A128CBC-HS256", nil, nil, 256)
	block, err := aes.NewCipher(key[16:])
	require.NoError(t, err)
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(iv)
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	ciphertext := slices.Concat(plaintext, bytes.Repeat([]byte{byte(padding)}, padding))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(ciphertext, ciphertext)
	protectedHeader := kmstest.Encode([]byte(header))
	mac := hmac.New(sha256.New, key[:16])
	mac.Write(slices.Concat([]byte(protectedHeader), iv, ciphertext))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(protectedHeader))*8))
	return strings.Join([]string{protectedHeader, "", kmstest.Encode(iv), kmstest.Encode(ciphertext), kmstest.Encode(mac.Sum(nil)[:16])}, ".")
}

func deflated(t testing.TB, plaintext []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	require.NoError(t, err)
	_, err = w.Write(plaintext)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// A message that opens, were it not for what its header says, is answered like one that does not open, to the last byte.
func TestAttack_HeadersThatLie(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	id := s.Create(t, h.Token, "target", "A128CBC-HS256/ECDH-ES")
	other := s.Create(t, h.Token, "other", "A128CBC-HS256/ECDH-ES")
	s.Tenant(t, "acme")
	acme := s.Token(t, "acme", "token", "kms:admin")
	foreign := s.Create(t, acme, "foreign", "A128CBC-HS256/ECDH-ES")
	o := newOutsider(t, s.Get(t, h.Token, "elastic-keys/"+id+"/public-key").Raw(t, "jwk"))
	const opening = `"alg":"ECDH-ES","enc":"A128CBC-HS256"`
	kid, epk := `"kid":"`+id+`.1"`, `"epk":`+o.epk()
	digest := sha256.Sum256([]byte(`{"a":"1"}`))
	ctx := kmstest.Encode(digest[:])
	path := "elastic-keys/" + id + "/decrypt"
	ask := func(message string, context map[string]string) kmstest.Answer {
		return s.Call(t, h.Token, http.MethodPost, path, map[string]any{"ciphertext": message, "context": context})
	}
	header := func(members ...string) string { return "{" + strings.Join(members, ",") + "}" }
	for what, good := range map[string]struct {
		header  string
		context map[string]string
	}{
		"no lie":                  {header(opening, kid, epk), kmstest.Unbound()},
		"without a kid":           {header(opening, epk), kmstest.Unbound()},
		"with unknown members":    {header(opening, kid, epk, `"x":{"y":[1,"z"]}`, `"typ":"JOSE"`), kmstest.Unbound()},
		"with a context that is":  {header(opening, kid, epk, `"ctx":"`+ctx+`"`), map[string]string{"a": "1"}},
		"in another order":        {header(epk, kid, `"enc":"A128CBC-HS256"`, `"alg":"ECDH-ES"`), kmstest.Unbound()},
		"with blanks and escapes": {header(" \"\\u0061lg\" : \"ECDH-ES\" ", `"enc":"A128CBC-HS256"`, kid, epk), kmstest.Unbound()},
	} {
		opened := ask(o.seal(t, good.header, []byte("hello")), good.context)
		require.Equal(t, http.StatusOK, opened.Status, "%s: %s", what, opened.Body)
		assert.Equal(t, "aGVsbG8", opened.Member(t, "plaintext"), what)
	}
	reference := ask(s.Post(t, h.Token, "elastic-keys/other/encrypt", map[string]any{"plaintext": ""}).Member(t, "ciphertext"), kmstest.Unbound())
	reference.Refused(t, http.StatusBadRequest, "decryption_failed", "another key's message")
	point := o.ephemeral.PublicKey().Bytes()[1:]
	off := slices.Clone(point)
	off[63] ^= 1
	epkOf := func(crv, x, y, more string) string {
		return fmt.Sprintf(`"epk":{"kty":"EC","crv":%q,"x":%q,"y":%q%s}`, crv, x, y, more)
	}
	x, y := kmstest.Encode(point[:32]), kmstest.Encode(point[32:])
	deep := strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000)
	lies := map[string]string{
		"alg of another family":     header(`"alg":"A256KW","enc":"A128CBC-HS256"`, kid, epk),
		"alg with key wrap":         header(`"alg":"ECDH-ES+A256KW","enc":"A128CBC-HS256"`, kid, epk),
		"alg dir":                   header(`"alg":"dir","enc":"A128CBC-HS256"`, kid, epk),
		"alg none":                  header(`"alg":"none","enc":"A128CBC-HS256"`, kid, epk),
		"alg RSA1_5":                header(`"alg":"RSA1_5","enc":"A128CBC-HS256"`, kid, epk),
		"alg in lower case":         header(`"alg":"ecdh-es","enc":"A128CBC-HS256"`, kid, epk),
		"alg that is no text":       header(`"alg":["ECDH-ES"],"enc":"A128CBC-HS256"`, kid, epk),
		"no alg":                    header(`"enc":"A128CBC-HS256"`, kid, epk),
		"enc of GCM":                header(`"alg":"ECDH-ES","enc":"A128GCM"`, kid, epk),
		"enc with a longer key":     header(`"alg":"ECDH-ES","enc":"A256CBC-HS512"`, kid, epk),
		"enc that nobody knows":     header(`"alg":"ECDH-ES","enc":"none"`, kid, epk),
		"no enc":                    header(`"alg":"ECDH-ES"`, kid, epk),
		"kid of another key":        header(opening, `"kid":"`+other+`.1"`, epk),
		"kid of another tenant":     header(opening, `"kid":"`+foreign+`.1"`, epk),
		"kid of nobody":             header(opening, `"kid":"`+uuid.NewString()+`.1"`, epk),
		"kid of a version to come":  header(opening, `"kid":"`+id+`.2"`, epk),
		"kid of version 0":          header(opening, `"kid":"`+id+`.0"`, epk),
		"kid of a negative version": header(opening, `"kid":"`+id+`.-1"`, epk),
		"kid of a huge version":     header(opening, `"kid":"`+id+`.9223372036854775808"`, epk),
		"kid with a plus":           header(opening, `"kid":"`+id+`.+1"`, epk),
		"kid by name":               header(opening, `"kid":"target.1"`, epk),
		"kid that is no text":       header(opening, `"kid":1`, epk),
		"kid that is null":          header(opening, `"kid":null`, epk),
		"kid with an end of text":   header(opening, `"kid":"`+id+`.1\u0000"`, epk),
		"crit":                      header(opening, kid, epk, `"crit":["exp"],"exp":1`),
		"crit of ctx":               header(opening, kid, epk, `"crit":["ctx"],"ctx":"x"`),
		"crit of nothing":           header(opening, kid, epk, `"crit":[]`),
		"crit that is no list":      header(opening, kid, epk, `"crit":"exp"`),
		"crit of alg":               header(opening, kid, epk, `"crit":["alg"]`),
		"zip":                       header(opening, kid, epk, `"zip":"DEF"`),
		"zip that nobody knows":     header(opening, kid, epk, `"zip":"GZ"`),
		"zip that is null":          header(opening, kid, epk, `"zip":null`),
		"ctx where there is none":   header(opening, kid, epk, `"ctx":"`+ctx+`"`),
		"ctx that is empty":         header(opening, kid, epk, `"ctx":""`),
		"ctx that is null":          header(opening, kid, epk, `"ctx":null`),
		"ctx that is no text":       header(opening, kid, epk, `"ctx":{}`),
		"two algs":                  header(opening, kid, epk, `"alg":"ECDH-ES"`),
		"two encs":                  header(opening, kid, epk, `"enc":"A128CBC-HS256"`),
		"two kids":                  header(opening, kid, kid, epk),
		"two ctxs":                  header(opening, kid, epk, `"ctx":"x","ctx":"x"`),
		"two of another member":     header(opening, kid, epk, `"x":1,"x":1`),
		"two members in the epk":    header(opening, kid, epkOf("P-256", x, y, `,"x":"`+x+`"`)),
		"two by an escape":          header(opening, kid, epk, `"\u0061lg":"ECDH-ES"`),
		"no epk":                    header(opening, kid),
		"an epk off the curve":      header(opening, kid, epkOf("P-256", x, kmstest.Encode(off[32:]), "")),
		"an epk of zeros":           header(opening, kid, epkOf("P-256", kmstest.Encode(make([]byte, 32)), kmstest.Encode(make([]byte, 32)), "")),
		"an epk of another curve":   header(opening, kid, epkOf("P-384", x, y, "")),
		"an epk that is longer":     header(opening, kid, epkOf("P-256", kmstest.Encode(slices.Concat([]byte{0}, point[:32])), y, "")),
		"an epk with padding":       header(opening, kid, epkOf("P-256", x+"=", y, "")),
		"an epk that is null":       header(opening, kid, `"epk":null`),
		"an epk that is a list":     header(opening, kid, `"epk":[]`),
		"apu that is no base64url":  header(opening, kid, epk, `"apu":"+"`),
		"apu that was not agreed":   header(opening, kid, epk, `"apu":"QWxpY2U"`),
		"a mark before it":          "\ufeff" + header(opening, kid, epk),
		"something after it":        header(opening, kid, epk) + "{}",
		"a list":                    "[" + header(opening, kid, epk) + "]",
		"nothing":                   "",
		"null":                      "null",
		"not UTF-8":                 header(opening, kid, epk, "\"x\":\"\xff\""),
		"nested deeply":             header(opening, kid, epk, `"x":`+deep),
		"a comma too many":          header(opening, kid, epk, ""),
	}
	for what, lie := range lies {
		plaintext := []byte("hello")
		if strings.HasPrefix(what, "zip") {
			plaintext = deflated(t, plaintext)
		}
		got := ask(o.seal(t, lie, plaintext), kmstest.Unbound())
		got.Refused(t, http.StatusBadRequest, "decryption_failed", what)
		assert.Equal(t, reference.Essence(t), got.Essence(t), what)
		raw := s.Octets(t, h.Token, path, kmstest.JOSE, []byte(o.seal(t, lie, plaintext)))
		assert.Equal(t, reference.Essence(t), raw.Essence(t), "%s, as octets", what)
	}
	long := header(opening, kid, epk, `"x":"`+strings.Repeat("x", 128<<10)+`"`)
	ask(o.seal(t, long, []byte("hello")), kmstest.Unbound()).RefusedOneOf(t, "decryption_failed", "payload_too_large")
	ask(o.seal(t, header(opening, kid, epk), make([]byte, kmstest.Inline+64<<10)), kmstest.Unbound()).Refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", "oversized")
	good := ask(o.seal(t, header(opening, kid, epk), bytes.Repeat([]byte{7}, kmstest.Inline)), kmstest.Unbound())
	assert.Equal(t, kmstest.Encode(bytes.Repeat([]byte{7}, kmstest.Inline)), good.Member(t, "plaintext"))

	// In a batch each lie fails alone, in the same words; no other key's or tenant's message opens.
	items, want := []any{}, []string{}
	for what, lie := range lies {
		if what != "zip" {
			items, want = append(items, map[string]any{"ciphertext": o.seal(t, lie, []byte("hello"))}), append(want, what)
		}
	}
	theirs := s.Post(t, acme, "elastic-keys/foreign/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
	own := s.Post(t, h.Token, path[:len(path)-len("decrypt")]+"encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
	items = append(items, map[string]any{"ciphertext": theirs}, map[string]any{"ciphertext": kmstest.Readdress(t, own, foreign+".1")}, map[string]any{"ciphertext": own})
	results := s.Post(t, h.Token, path+"-batch", map[string]any{"items": items}).Results(t)
	for i, result := range results[:len(results)-1] {
		what := "another tenant's"
		if i < len(want) {
			what = want[i]
		}
		kmstest.RefusedItem(t, result, http.StatusBadRequest, "decryption_failed", what)
		assert.Equal(t, reference.Object(t)["detail"], result["problem"].(map[string]any)["detail"], what)
	}
	assert.Equal(t, "aGVsbG8", results[len(results)-1]["plaintext"])
}

// Whatever is wrong with a ciphertext, the key or the context, there is one answer.
func TestAttack_DecryptionIsNoOracle(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	for i, k := range []kmstest.Kind{
		{Algorithm: "A256GCM/A256KW"},
		{Algorithm: "A256CBC-HS512/A256KW"},
		{Algorithm: "A128CBC-HS256/dir"},
		{Algorithm: "A256GCM/dir"},
		{Algorithm: "A192GCM/A256GCMKW"},
		{Algorithm: "A256CBC-HS512/ECDH-ES+A256KW"},
		{Algorithm: "A256GCM/ECDH-ES"},
		{Algorithm: "A256CBC-HS512/RSA-OAEP-256", KeySize: 2048},
	} {
		k.Name = fmt.Sprintf("oracle-%d", i)
		s.Post(t, h.Token, "elastic-keys", k)
		for _, verb := range []string{"decrypt", "unwrap", "reencrypt"} {
			makes, member := map[string]string{"decrypt": "encrypt", "unwrap": "wrap", "reencrypt": "encrypt"}[verb], "ciphertext"
			body := map[string]any{"plaintext": "aGVsbG8", "context": map[string]string{"a": "1"}}
			if verb == "unwrap" {
				member, body = "wrapped", map[string]any{"key": "aGVsbG8", "context": map[string]string{"a": "1"}}
			}
			good := s.Post(t, h.Token, kmstest.PathOf(k.Name, makes), body).Member(t, member)
			ask := func(message string, context map[string]string) kmstest.Answer {
				return s.Call(t, h.Token, http.MethodPost, kmstest.PathOf(k.Name, verb), map[string]any{member: message, "context": context})
			}
			bound := map[string]string{"a": "1"}
			require.Equal(t, http.StatusOK, ask(good, bound).Status)
			var first string
			check := func(message string, context map[string]string, what string) {
				t.Helper()
				got := ask(message, context)
				got.Refused(t, http.StatusBadRequest, "decryption_failed", what)
				if first == "" {
					first = got.Essence(t)
				}
				assert.Equal(t, first, got.Essence(t), "%s: %s", k.Algorithm, what)
			}
			check(good, map[string]string{"a": "2"}, "another context")
			check(good, kmstest.Unbound(), "no context")
			parts := strings.Split(good, ".")
			for j, part := range parts[1:] {
				spoilt := slices.Clone(parts)
				for what, changed := range map[string]func(content []byte) []byte{
					"flipped at the start": func(b []byte) []byte { return append([]byte{b[0] ^ 1}, b[1:]...) },
					"flipped at the end":   func(b []byte) []byte { return append(b[:len(b)-1:len(b)-1], b[len(b)-1]^1) },
					"cut":                  func(b []byte) []byte { return b[:len(b)-1] },
					"longer":               func(b []byte) []byte { return append(b[:len(b):len(b)], 0) },
					"empty":                func([]byte) []byte { return nil },
					"zeros":                func(b []byte) []byte { return make([]byte, len(b)) },
				} {
					content, err := base64.RawURLEncoding.DecodeString(part)
					require.NoError(t, err)
					if len(content) == 0 {
						content = []byte{1} // of a message without an encrypted key
					}
					spoilt[j+1] = kmstest.Encode(changed(content))
					if spoilt[j+1] != part {
						check(strings.Join(spoilt, "."), bound, fmt.Sprintf("part %d %s", j+1, what))
					}
				}
			}
		}
	}
}
