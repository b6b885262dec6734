package kms_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// openSSL is the program as somebody uses it who has nothing of ours. It may be used by many goroutines.
type openSSL struct {
	program, folder string
	files           atomic.Int64
}

func newOpenSSL(t *testing.T) *openSSL {
	t.Helper()
	return &openSSL{program: testkit.RequireTool(t, "openssl"), folder: t.TempDir()}
}

// run returns what a command writes.
func (o *openSSL) run(t testing.TB, arguments ...string) []byte {
	t.Helper()
	out, err := o.try(t, arguments...)
	require.NoError(t, err)
	return out
}

func (o *openSSL) try(t testing.TB, arguments ...string) ([]byte, error) {
	t.Helper()
	var complaint strings.Builder
	command := exec.CommandContext(t.Context(), o.program, arguments...)
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("openssl %s: %w: %s", strings.Join(arguments, " "), err, &complaint)
	}
	return out, nil
}

// file writes what a command is to read.
func (o *openSSL) file(t testing.TB, content []byte) string {
	t.Helper()
	name := filepath.Join(o.folder, strconv.FormatInt(o.files.Add(1), 10))
	require.NoError(t, os.WriteFile(name, content, 0o600))
	return name
}

func (o *openSSL) pem(t testing.TB, kind string, der []byte) string {
	t.Helper()
	return o.file(t, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (o *openSSL) private(t testing.TB, pkcs8 []byte) string {
	t.Helper()
	return o.pem(t, "PRIVATE KEY", pkcs8)
}

// generate makes a key pair: PKCS #8 and SubjectPublicKeyInfo.
func (o *openSSL) generate(t testing.TB, arguments ...string) (pkcs8, spki []byte) {
	t.Helper()
	made := o.run(t, append([]string{"genpkey", "-quiet"}, arguments...)...)
	pkcs8 = o.run(t, "pkcs8", "-topk8", "-nocrypt", "-in", o.file(t, made), "-outform", "DER")
	return pkcs8, o.run(t, "pkey", "-in", o.private(t, pkcs8), "-pubout", "-outform", "DER")
}

// wrap is AES key wrap (RFC 3394), and with padding RFC 5649; unwrap undoes it.
func (o *openSSL) wrap(t testing.TB, kek, key []byte, padded bool) []byte {
	t.Helper()
	return o.cipher(t, wrapCipher(kek, padded), kek, wrapIV(padded), key, "-e")
}

func (o *openSSL) unwrap(t testing.TB, kek, wrapped []byte, padded bool) []byte {
	t.Helper()
	return o.cipher(t, wrapCipher(kek, padded), kek, wrapIV(padded), wrapped, "-d")
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

func (o *openSSL) cipher(t testing.TB, name string, key, iv, data []byte, direction string) []byte {
	t.Helper()
	return o.run(t, "enc", direction, name, "-K", hex.EncodeToString(key), "-iv", hex.EncodeToString(iv), "-in", o.file(t, data))
}

func (o *openSSL) hmac(t testing.TB, hash string, key, data []byte) []byte {
	t.Helper()
	return o.run(t, "mac", "-binary", "-digest", hash, "-macopt", "hexkey:"+hex.EncodeToString(key), "-in", o.file(t, data), "HMAC")
}

// kdf derives with SSKDF, the concatenation KDF of SP 800-56C, or with HKDF.
func (o *openSSL) kdf(t testing.TB, name, hash string, length int, key, salt, info []byte) []byte {
	t.Helper()
	arguments := []string{
		"kdf", "-binary", "-keylen", strconv.Itoa(length), "-kdfopt", "digest:" + hash, "-kdfopt", "hexkey:" + hex.EncodeToString(key),
	}
	for option, value := range map[string][]byte{"hexsalt:": salt, "hexinfo:": info} {
		if len(value) > 0 {
			arguments = append(arguments, "-kdfopt", option+hex.EncodeToString(value))
		}
	}
	return o.run(t, append(arguments, name)...)
}

// agree is ECDH.
func (o *openSSL) agree(t testing.TB, pkcs8, spki []byte) []byte {
	t.Helper()
	return o.run(t, "pkeyutl", "-derive", "-inkey", o.private(t, pkcs8), "-peerkey", o.pem(t, "PUBLIC KEY", spki))
}

func oaep(hash string) []string {
	return []string{"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:" + hash, "-pkeyopt", "rsa_mgf1_md:" + hash}
}

func (o *openSSL) rsaEncrypt(t testing.TB, spki []byte, hash string, data []byte) []byte {
	t.Helper()
	return o.run(t, append([]string{"pkeyutl", "-encrypt", "-pubin", "-inkey", o.pem(t, "PUBLIC KEY", spki), "-in", o.file(t, data)}, oaep(hash)...)...)
}

func (o *openSSL) rsaDecrypt(t testing.TB, pkcs8 []byte, hash string, data []byte) []byte {
	t.Helper()
	return o.run(t, append([]string{"pkeyutl", "-decrypt", "-inkey", o.private(t, pkcs8), "-in", o.file(t, data)}, oaep(hash)...)...)
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

func (o *openSSL) sign(t testing.TB, pkcs8 []byte, algorithm string, digest bool, data []byte) []byte {
	t.Helper()
	arguments := []string{"pkeyutl", "-sign", "-inkey", o.private(t, pkcs8), "-in", o.file(t, data)}
	return o.run(t, append(arguments, signing(algorithm, digest)...)...)
}

func (o *openSSL) verify(t testing.TB, spki []byte, algorithm string, digest bool, data, signature []byte) error {
	t.Helper()
	arguments := []string{
		"pkeyutl", "-verify", "-pubin", "-inkey", o.pem(t, "PUBLIC KEY", spki), "-in", o.file(t, data), "-sigfile", o.file(t, signature),
	}
	_, err := o.try(t, append(arguments, signing(algorithm, digest)...)...)
	return err
}

// spkiOf is an elliptic curve key of a JWK, as other programs have it.
func spkiOf(t testing.TB, text json.RawMessage) []byte {
	t.Helper()
	var public struct{ Crv, X, Y string }
	require.NoError(t, json.Unmarshal(text, &public))
	point := append(append([]byte{4}, decoded(t, public.X)...), decoded(t, public.Y)...)
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
		"kty": "EC", "crv": key.(*ecdsa.PublicKey).Params().Name, "x": encode(point[1 : 1+half]), "y": encode(point[1+half:]),
	}
}

// otherInfo is the FixedInfo of RFC 7518 section 4.6.2, without party information.
func otherInfo(algorithm string, bits int) []byte {
	info := binary.BigEndian.AppendUint32(nil, uint32(len(algorithm)))
	info = append(append(info, algorithm...), make([]byte, 8)...)
	return binary.BigEndian.AppendUint32(info, uint32(bits))
}
