package interoptest_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// wrap is AES key wrap (RFC 3394), and with padding RFC 5649; unwrap undoes it.
func wrap(t testing.TB, o *kmstest.OpenSSL, kek, key []byte, padded bool) []byte {
	t.Helper()
	return cipher(t, o, wrapCipher(kek, padded), kek, wrapIV(padded), key, "-e")
}

func unwrap(t testing.TB, o *kmstest.OpenSSL, kek, wrapped []byte, padded bool) []byte {
	t.Helper()
	return cipher(t, o, wrapCipher(kek, padded), kek, wrapIV(padded), wrapped, "-d")
}

func wrapCipher(kek []byte, padded bool) string {
	name := fmt.Sprintf("-id-aes%d-wrap", len(kek)*8)
	if padded {
		name += "-pad"
	}
	return name
}

// wrapIV is the integrity check value of RFC 3394 section 2.2.3.1 or RFC 5649 section 3.
func wrapIV(padded bool) []byte {
	if padded {
		return []byte{0xa6, 0x59, 0x59, 0xa6}
	}
	return []byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}
}

func cipher(t testing.TB, o *kmstest.OpenSSL, name string, key, iv, data []byte, direction string) []byte {
	t.Helper()
	return o.Run(t, "enc", direction, name, "-K", hex.EncodeToString(key), "-iv", hex.EncodeToString(iv), "-in", o.File(t, data))
}

func hmacOf(t testing.TB, o *kmstest.OpenSSL, hash string, key, data []byte) []byte {
	t.Helper()
	return o.Run(t, "mac", "-binary", "-digest", hash, "-macopt", "hexkey:"+hex.EncodeToString(key), "-in", o.File(t, data), "HMAC")
}

// kdf derives with SSKDF, the concatenation KDF of SP 800-56C, or with HKDF.
func kdf(t testing.TB, o *kmstest.OpenSSL, name, hash string, length int, key, salt, info []byte) []byte {
	t.Helper()
	arguments := []string{
		"kdf", "-binary", "-keylen", strconv.Itoa(length), "-kdfopt", "digest:" + hash, "-kdfopt", "hexkey:" + hex.EncodeToString(key),
	}
	for option, value := range map[string][]byte{"hexsalt:": salt, "hexinfo:": info} {
		if len(value) > 0 {
			arguments = append(arguments, "-kdfopt", option+hex.EncodeToString(value))
		}
	}
	return o.Run(t, append(arguments, name)...)
}

// sharedSecret is ECDH.
func sharedSecret(t testing.TB, o *kmstest.OpenSSL, pkcs8, spki []byte) []byte {
	t.Helper()
	return o.Run(t, "pkeyutl", "-derive", "-inkey", o.Private(t, pkcs8), "-peerkey", o.PEM(t, "PUBLIC KEY", spki))
}

func oaep(hash string) []string {
	return []string{"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:" + hash, "-pkeyopt", "rsa_mgf1_md:" + hash}
}

func rsaEncrypt(t testing.TB, o *kmstest.OpenSSL, spki []byte, hash string, data []byte) []byte {
	t.Helper()
	return o.Run(t, append([]string{"pkeyutl", "-encrypt", "-pubin", "-inkey", o.PEM(t, "PUBLIC KEY", spki), "-in", o.File(t, data)}, oaep(hash)...)...)
}

func rsaDecrypt(t testing.TB, o *kmstest.OpenSSL, pkcs8 []byte, hash string, data []byte) []byte {
	t.Helper()
	return o.Run(t, append([]string{"pkeyutl", "-decrypt", "-inkey", o.Private(t, pkcs8), "-in", o.File(t, data)}, oaep(hash)...)...)
}

// signing are the options of a signature algorithm over a message or a digest.
func signing(algorithm string, digest bool) []string {
	if algorithm == "Ed25519" {
		return []string{"-rawin"}
	}
	options := []string{"-rawin", "-digest", "sha" + algorithm[2:]}
	if digest {
		options = []string{"-pkeyopt", "digest:sha" + algorithm[2:]}
	}
	if algorithm[:2] == "PS" {
		options = append(options, "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest")
	}
	return options
}

func sign(t testing.TB, o *kmstest.OpenSSL, pkcs8 []byte, algorithm string, digest bool, data []byte) []byte {
	t.Helper()
	arguments := []string{"pkeyutl", "-sign", "-inkey", o.Private(t, pkcs8), "-in", o.File(t, data)}
	return o.Run(t, append(arguments, signing(algorithm, digest)...)...)
}

func verify(t testing.TB, o *kmstest.OpenSSL, spki []byte, algorithm string, digest bool, data, signature []byte) error {
	t.Helper()
	arguments := []string{
		"pkeyutl", "-verify", "-pubin", "-inkey", o.PEM(t, "PUBLIC KEY", spki), "-in", o.File(t, data), "-sigfile", o.File(t, signature),
	}
	_, err := o.Try(t, append(arguments, signing(algorithm, digest)...)...)
	return err
}

// spkiOf is an elliptic curve key of a JWK, as other programs have it.
func spkiOf(t testing.TB, text json.RawMessage) []byte {
	t.Helper()
	var public struct{ Crv, X, Y string }
	require.NoError(t, json.Unmarshal(text, &public))
	point := append(append([]byte{4}, kmstest.Decoded(t, public.X)...), kmstest.Decoded(t, public.Y)...)
	key, err := ecdsa.ParseUncompressedPublicKey(curveOf(public.Crv), point)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return der
}

// jwkOf is the inverse of spkiOf.
func jwkOf(t testing.TB, spki []byte) map[string]any {
	t.Helper()
	key, err := x509.ParsePKIXPublicKey(spki)
	require.NoError(t, err)
	point, err := key.(*ecdsa.PublicKey).Bytes()
	require.NoError(t, err)
	half := len(point) / 2
	return map[string]any{
		"kty": "EC", "crv": key.(*ecdsa.PublicKey).Params().Name, "x": kmstest.Encode(point[1 : 1+half]), "y": kmstest.Encode(point[1+half:]),
	}
}

// otherInfo is the FixedInfo of RFC 7518 section 4.6.2, without party information.
func otherInfo(algorithm string, bits int) []byte {
	info := binary.BigEndian.AppendUint32(nil, uint32(len(algorithm)))
	info = append(append(info, algorithm...), make([]byte, 8)...)
	return binary.BigEndian.AppendUint32(info, uint32(bits))
}
