//go:build e2e

package cryptoutil_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// The canaries are what a caller entrusts to the service.
const (
	canary        = "canary: the plans are under the third stone"
	canaryContext = "canary-of-the-context"
)

func TestRest_NothingSecretIsOnDiskOrInTheLog(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	i := dev(t, dir)
	i.stop(t)
	replaceInFile(t, i.file("kms.yaml"), regexp.MustCompile(`log_level: warn\n(  log_format: text)`),
		"log_level: debug\n$1\nkey_pools: {RSA-2048: 0, RSA-3072: 0, RSA-4096: 0}") // the test needs no keys made ahead
	i = dev(t, dir)
	count := useEveryAlgorithm(t, i)
	t.Logf("%d keys", count)

	i.checkModes(t)
	i.kill() // the write-ahead log is still there
	assert.FileExists(t, i.file("kms", "kms.sqlite-wal"))
	i.searchForSecrets(t)

	i = dev(t, dir)
	assert.Equal(t, count, strings.Count(i.run(t, "key", "list"), " active "), "they are all there")
	i.checkModes(t)
	i.stop(t)
	i.checkModes(t)
	i.searchForSecrets(t)
}

// useEveryAlgorithm makes a key of every algorithm, in its smallest size, and uses it on the canaries. Of the content encryptions each is
// there, not each with each.
func useEveryAlgorithm(t *testing.T, i *installation) (count int) {
	t.Helper()
	a := i.api(t)
	seen := map[string]bool{}
	for _, spec := range alg.Specs() {
		if spec.Use == alg.UseKEM || spec.Use == alg.UseDerive {
			continue // no operation uses them
		}
		if enc, management, isEncryption := strings.Cut(spec.Algorithm, "/"); isEncryption {
			if seen[enc] && seen[management] {
				continue
			}
			seen[enc], seen[management] = true, true
		} else if seen[spec.Algorithm] {
			continue
		}
		seen[spec.Algorithm] = true
		count++
		body := map[string]any{"name": fmt.Sprintf("canary-key-%d", count), "algorithm": spec.Algorithm, "description": "visible"}
		if spec.KeyType == alg.KeyTypeRSA {
			body["key_size"] = spec.KeySize
		}
		path := "elastic-keys/" + body["name"].(string)
		send := func(path string, body any, out any, header ...string) {
			answer, err := a.do(t.Context(), http.MethodPost, path, body, out, header...)
			require.NoError(t, err)
			require.Equal(t, 2, answer.status/100, "%s: %s", spec.Algorithm, answer.body)
		}
		send("elastic-keys", body, nil, "Idempotency-Key", spec.Algorithm)
		send(path+"/rotate", nil, nil)
		secret := base64.RawURLEncoding.EncodeToString([]byte(canary))
		if spec.Use == alg.UseEncrypt {
			var sealed struct{ Ciphertext string }
			additional := map[string]string{"record": canaryContext}
			send(path+"/encrypt", map[string]any{"plaintext": secret, "context": additional}, &sealed)
			send(path+"/decrypt", map[string]any{"ciphertext": sealed.Ciphertext, "context": additional}, nil)
			// A refusal repeats nothing of what it refuses.
			answer, err := a.do(t.Context(), http.MethodPost, path+"/encrypt", map[string]any{"plaintext": secret, "plain": canary}, nil)
			require.NoError(t, err)
			assert.Equal(t, http.StatusBadRequest, answer.status)
			assert.NotContains(t, string(answer.body), "canary:")
			continue
		}
		var signed struct{ Signature string }
		send(path+"/sign", map[string]any{"payload": secret}, &signed)
		send(path+"/verify", map[string]any{"signature": signed.Signature}, nil)
	}
	return count
}

// searchForSecrets reads every file and the log, whatever they are.
func (i *installation) searchForSecrets(t *testing.T) {
	t.Helper()
	files := readTree(t, i.dir)
	files["the log"] = i.stderr.String() + i.stdout.String()
	within := func(needle string) (where []string) {
		for name, content := range files {
			if strings.Contains(content, needle) {
				where = append(where, name)
			}
		}
		return where
	}
	require.Contains(t, files["the log"], "/service/api/v1/elastic-keys")
	require.NotEmpty(t, within("canary-key-1"), "names are not secret: the search must find them")

	for _, member := range []string{"d", "k", "p", "q", "dp", "dq", "qi"} {
		assert.Empty(t, within(`"`+member+`":`), "a private member of a JWK")
		assert.Empty(t, within(`\"`+member+`\":`), "a private member of a JWK")
	}
	for _, begin := range []string{`"kty":"oct"`, `"kty":"RSA"`, `"kty":"EC"`, `"kty":"OKP"`} {
		for _, needle := range encodings(begin) {
			assert.Empty(t, within(needle), "a JWK: %s", begin)
		}
	}
	for _, text := range []string{canary, canaryContext} {
		for _, needle := range encodings(text) {
			assert.Empty(t, within(needle), "a canary")
		}
	}
	assert.ElementsMatch(t, []string{"tls/issuer.pem", "credentials/admin.key"}, within("PRIVATE KEY"), "those of the certificates")

	// What opens something stands in its own file, and there alone.
	token := i.token(t)
	owners := map[string]string{
		"credentials/kms.token": token, "admin.token": strings.TrimSpace(readFile(t, i.file("admin.token"))),
		"secrets/unseal": readFile(t, i.file("secrets", "unseal")), "secrets/pepper": readFile(t, i.file("secrets", "pepper")),
	}
	for owner, secret := range owners {
		assert.Equal(t, []string{owner}, within(secret))
		for _, needle := range encodings(secret)[1:] {
			assert.Empty(t, within(needle), owner)
		}
	}
	const secretLength = 43 // 256 bits
	secret, whole := strings.CutPrefix(token, "cu_at_default_operator_")
	require.True(t, whole && len(secret) > secretLength)
	raw, err := base64.RawURLEncoding.DecodeString(secret[:secretLength])
	require.NoError(t, err)
	assert.Equal(t, []string{"credentials/kms.token"}, within(secret[:secretLength]))
	for _, needle := range encodings(string(raw)) {
		assert.Subset(t, []string{"credentials/kms.token"}, within(needle), "the token's secret")
	}
}

// checkModes requires that nobody but the owner may do anything.
func (i *installation) checkModes(t *testing.T) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(i.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			assertMode(t, path, 0o700)
		case strings.HasPrefix(entry.Name(), "kms.sqlite.migrating"): // a lock, without content, which SQLite makes as it likes
		default:
			assertMode(t, path, 0o600)
			assert.True(t, info.Mode().IsRegular(), path)
		}
		return nil
	}))
}

// encodings are the forms in which a text could be written: itself first, in hexadecimal, and in base64 wherever it may stand in a larger
// text.
func encodings(text string) []string {
	forms := []string{text, hex.EncodeToString([]byte(text)), strings.ToUpper(hex.EncodeToString([]byte(text)))}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			encoded := encoding.EncodeToString(append(make([]byte, shift), text...))
			forms = append(forms, encoded[(shift*8+5)/6:(shift+len(text))*8/6])
		}
	}
	return forms
}

func TestRest_TheSearchFindsWhatItLooksFor(t *testing.T) {
	t.Parallel()
	for n := range 7 {
		around := func(encode func([]byte) string) string {
			return encode(bytes.Join([][]byte{bytes.Repeat([]byte("x"), n), []byte(canary), bytes.Repeat([]byte("y"), n)}, nil))
		}
		for name, haystack := range map[string]string{
			"hexadecimal": around(hex.EncodeToString), "base64": around(base64.StdEncoding.EncodeToString),
			"base64url": around(base64.RawURLEncoding.EncodeToString), "text": around(func(b []byte) string { return string(b) }),
		} {
			found := false
			for _, needle := range encodings(canary) {
				found = found || strings.Contains(haystack, needle)
			}
			assert.True(t, found, "%s, shifted by %d", name, n)
		}
	}
}

// readTree reads the files below a folder, by their path in it.
func readTree(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		files[filepath.ToSlash(name)] = string(text)
		return err
	}))
	return files
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
