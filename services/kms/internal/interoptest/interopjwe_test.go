package interoptest_test

import (
	"crypto/hmac"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

const tableEncryption = "Encryption"

// rowOf is what a spec's row is called.
func rowOf(name string, spec alg.Spec) string { return strings.TrimSpace(name + " " + kindOf(spec)) }

// encryption goes through every pair of content encryption and key management, with every size and curve.
func (o *others) encryption(t *testing.T) {
	var rows, columns []string
	pairs := 0
	for _, spec := range alg.Specs() {
		if spec.Use != alg.UseEncrypt {
			continue
		}
		pairs++
		if row := rowOf(spec.KeyManagement, spec); !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
		if !slices.Contains(columns, spec.ContentEncryption) {
			columns = append(columns, spec.ContentEncryption)
		}
		t.Run(spec.Algorithm+"_"+kindOf(spec), func(t *testing.T) {
			t.Parallel()
			o.exchange(t, o.bring(t, spec))
		})
	}
	o.expect(tableEncryption, "alg", rows, columns)
	assert.Equal(t, 6*(3+3+1+3*3+4*3), pairs, "every enc with every alg, size and curve")
}

// exchange has messages go both ways between the service and those who can read them.
func (o *others) exchange(t *testing.T, k brought) {
	row := rowOf(k.KeyManagement, k.Spec)
	bind := map[string]any{"record": "4711"}
	fromUs := o.do(t, k, "encrypt", map[string]any{"plaintext": kmstest.Encode([]byte("from us")), "context": bind}).Member(t, "ciphertext")
	again := o.do(t, k, "reencrypt", map[string]any{"ciphertext": fromUs, "context": bind, "new_context": map[string]any{}}).Member(t, "ciphertext")
	opens := func(message string) {
		t.Helper()
		opened := o.do(t, k, "decrypt", map[string]any{"ciphertext": message})
		assert.Equal(t, kmstest.Encode([]byte("from them")), opened.Member(t, "plaintext"))
	}
	if !strings.HasSuffix(k.KeyManagement, "-384") && !strings.HasSuffix(k.KeyManagement, "-512") { // which go-jose does not have
		about := map[string]any{"algorithm": k.KeyManagement, "encryption": k.ContentEncryption}
		for _, message := range []string{fromUs, again} {
			read := o.ask(t, kmstest.Merge(about, k.held(false), map[string]any{"operation": "decrypt", "text": message}))
			assert.Equal(t, "from us", string(read))
		}
		opens(string(o.ask(t, kmstest.Merge(about, k.held(true), map[string]any{"operation": "encrypt", "text": "from them"}))))
		o.note(tableEncryption, row, k.ContentEncryption, byJOSE)
	}
	gcm := !strings.Contains(k.ContentEncryption, "CBC")
	if strings.Contains(k.KeyManagement, "GCM") || gcm && k.KeyType != alg.KeyTypeRSA {
		return // openssl's commands have no GCM
	}
	assert.Equal(t, "from us", string(o.open(t, k, fromUs)))
	opens(o.seal(t, k, []byte("from them")))
	party := byOpenSSL
	if gcm {
		party = byBoth
	}
	o.note(tableEncryption, row, k.ContentEncryption, party)
}

// contentKey is the content encryption key of a message, which openssl recovers.
func (o *others) contentKey(t testing.TB, k brought, header, encrypted []byte) []byte {
	t.Helper()
	switch {
	case k.KeyManagement == "dir":
		return k.secret
	case k.KeyType == alg.KeyTypeRSA:
		return rsaDecrypt(t, o.OpenSSL, k.pkcs8, oaepHash(k.KeyManagement), encrypted)
	case k.KeyType == alg.KeyTypeEC:
		var said struct{ EPK json.RawMessage }
		require.NoError(t, json.Unmarshal(header, &said))
		agreed := o.concat(t, k, sharedSecret(t, o.OpenSSL, k.pkcs8, spkiOf(t, said.EPK)))
		if k.KeyManagement == "ECDH-ES" {
			return agreed
		}
		return unwrap(t, o.OpenSSL, agreed, encrypted, false)
	default:
		return unwrap(t, o.OpenSSL, k.secret, encrypted, false)
	}
}

// concat derives the key that encrypts or wraps from an agreed secret (RFC 7518 section 4.6.2).
func (o *others) concat(t testing.TB, k brought, shared []byte) []byte {
	t.Helper()
	name, bits := k.ContentEncryption, contentBits(k.ContentEncryption)
	if k.KeyManagement != "ECDH-ES" {
		name = k.KeyManagement
		_, err := fmt.Sscanf(k.KeyManagement, "ECDH-ES+A%dKW", &bits)
		require.NoError(t, err)
	}
	return kdf(t, o.OpenSSL, "SSKDF", "SHA256", bits/8, shared, nil, otherInfo(name, bits))
}

func oaepHash(management string) string { return "sha" + management[len(management)-3:] }

// contentBits is the length of a content encryption key.
func contentBits(encryption string) (bits int) {
	if _, hash, cbc := strings.Cut(encryption, "-HS"); cbc {
		_, _ = fmt.Sscan(hash, &bits)
	} else {
		_, _ = fmt.Sscanf(encryption, "A%dGCM", &bits)
	}
	return bits
}

// open reads a message as who has openssl does.
func (o *others) open(t testing.TB, k brought, message string) []byte {
	t.Helper()
	parts := strings.Split(message, ".")
	require.Len(t, parts, 5)
	key := o.contentKey(t, k, kmstest.Decoded(t, parts[0]), kmstest.Decoded(t, parts[1]))
	if !strings.Contains(k.ContentEncryption, "CBC") {
		return o.ask(t, map[string]any{"operation": "open", "encryption": k.ContentEncryption, "octets": key, "text": message})
	}
	iv, ciphertext, tag := kmstest.Decoded(t, parts[2]), kmstest.Decoded(t, parts[3]), kmstest.Decoded(t, parts[4])
	require.True(t, hmac.Equal(tag, o.tag(t, k, key, parts[0], iv, ciphertext)), "the tag")
	return cipher(t, o.OpenSSL, o.cbc(key), key[len(key)/2:], iv, ciphertext, "-d")
}

// tag authenticates header and ciphertext (RFC 7518 section 5.2.2.1).
func (o *others) tag(t testing.TB, k brought, key []byte, header string, iv, ciphertext []byte) []byte {
	t.Helper()
	half := len(key) / 2
	data := slices.Concat([]byte(header), iv, ciphertext)
	data = binary.BigEndian.AppendUint64(data, uint64(len(header))*8)
	return hmacOf(t, o.OpenSSL, fmt.Sprint("SHA", contentBits(k.ContentEncryption)), key[:half], data)[:half]
}

func (o *others) cbc(key []byte) string { return fmt.Sprintf("-aes-%d-cbc", len(key)*4) }

// seal makes a message as who has openssl does.
func (o *others) seal(t testing.TB, k brought, plaintext []byte) string {
	t.Helper()
	said := map[string]any{"alg": k.KeyManagement, "enc": k.ContentEncryption, "kid": k.kid}
	key := o.Run(t, "rand", fmt.Sprint(contentBits(k.ContentEncryption)/8))
	var encrypted []byte
	switch {
	case k.KeyManagement == "dir":
		key = k.secret
	case k.KeyType == alg.KeyTypeRSA:
		encrypted = rsaEncrypt(t, o.OpenSSL, k.spki, oaepHash(k.KeyManagement), key)
	case k.KeyType == alg.KeyTypeEC:
		ephemeral, public := o.Generate(t, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+k.Curve)
		said["epk"] = jwkOf(t, public)
		agreed := o.concat(t, k, sharedSecret(t, o.OpenSSL, ephemeral, k.spki))
		if k.KeyManagement == "ECDH-ES" {
			key = agreed
		} else {
			encrypted = wrap(t, o.OpenSSL, agreed, key, false)
		}
	default:
		encrypted = wrap(t, o.OpenSSL, k.secret, key, false)
	}
	text, err := json.Marshal(maps.Clone(said))
	require.NoError(t, err)
	header := kmstest.Encode(text)
	if !strings.Contains(k.ContentEncryption, "CBC") {
		return string(o.ask(t, map[string]any{
			"operation": "seal", "encryption": k.ContentEncryption, "octets": key, "aad": header, "kid": kmstest.Encode(encrypted), "bytes": plaintext,
		}))
	}
	iv := o.Run(t, "rand", "16")
	ciphertext := cipher(t, o.OpenSSL, o.cbc(key), key[len(key)/2:], iv, plaintext, "-e")
	tag := o.tag(t, k, key, header, iv, ciphertext)
	return strings.Join([]string{header, kmstest.Encode(encrypted), kmstest.Encode(iv), kmstest.Encode(ciphertext), kmstest.Encode(tag)}, ".")
}
