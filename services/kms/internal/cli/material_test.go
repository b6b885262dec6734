package cli_test

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// openssl runs the program on an input and returns its output.
func openssl(t *testing.T, in string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testkit.RequireTool(t, "openssl"), args...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "openssl %v: %s", args, out)
	return string(out)
}

// onlyPEM is what openssl writes without what it says before.
func onlyPEM(t *testing.T, text string) string {
	t.Helper()
	_, block, found := strings.Cut(text, "-----BEGIN")
	require.True(t, found, text)
	return "-----BEGIN" + block
}

// assertPrivate checks that nobody else reads a file.
func assertPrivate(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode(), path)
	}
}

func TestMac_IsMadeAndVerified(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "cookies", "HS256")
	for _, form := range [][]string{nil, {"--format", "raw"}, {"--format", "base64url"}} {
		mac := s.must(t, "hello", append([]string{"mac", "--key", "cookies"}, form...)...)
		verify := append([]string{"verify-mac", "--key", "cookies", "--mac", write(t, mac)}, form...)
		assert.Equal(t, "the MAC is right: key cookies\n", s.must(t, "hello", verify...))
		require.EqualError(t, s.run(t, "Hello", verify...).err,
			`the MAC is not right with the primary version of key "cookies": if an older one made it, name that with --version`)
	}
	mac := s.must(t, "hello", "mac", "--key", "cookies")
	assert.Regexp(t, `^[0-9a-f]{64}\n$`, mac)
	s.must(t, "", "key", "rotate", "cookies")
	file := write(t, mac)
	require.Error(t, s.run(t, "hello", "verify-mac", "--key", "cookies", "--mac", file).err)
	s.must(t, "hello", "verify-mac", "--key", "cookies", "--mac", file, "--version", "1")
	require.EqualError(t, s.run(t, "x", "verify-mac", "--key", "cookies", "--mac", file, "--version", "1").err, `the MAC is not right with version 1 of key "cookies"`)
	require.ErrorContains(t, s.run(t, "", "verify-mac", "--key", "cookies", "--mac", file, "--format", "raw").err, "the MAC is not right")
	require.EqualError(t, s.run(t, "", "verify-mac", "--key", "cookies", "--mac", write(t, "xyz")).err, "the MAC is not hex: say in which form it is with --format")

	f.asked()
	long := strings.Repeat("x", inline+1)
	require.ErrorContains(t, s.run(t, long, "mac", "--key", "cookies").err, "sign it with the same key")
	require.ErrorContains(t, s.run(t, long, "verify-mac", "--key", "cookies", "--mac", file).err, "sign it with the same key")
	assert.Empty(t, f.asked())
	screen := shell{kms: f, terminal: true}
	require.ErrorContains(t, screen.run(t, "x", "mac", "--key", "cookies", "--format", "raw").err, "name a file with --out")
	screen.must(t, "x", "mac", "--key", "cookies")
}

func TestGenerateDataKey_WritesItForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	folder := t.TempDir()
	wrapped, key, again := filepath.Join(folder, "wrapped"), filepath.Join(folder, "key"), filepath.Join(folder, "again")
	assert.Empty(t, s.must(t, "", "generate-data-key", "--key", "payroll", "--bits", "512", "--out", wrapped, "--plaintext-out", key))
	assert.Len(t, read(t, key), 64)
	assertPrivate(t, wrapped, key)
	assert.Empty(t, s.must(t, "", "unwrap", "--in", wrapped, "--out", again))
	assert.Equal(t, read(t, key), read(t, again))
	assertPrivate(t, again)
	assert.Equal(t, hex.EncodeToString([]byte(read(t, key)))+"\n", s.must(t, read(t, wrapped), "unwrap", "--format", "hex", "--out", "-"))
	assertOnly(t, folder, "wrapped", "key", "again")

	// Without being asked for, the key is nowhere.
	f.asked()
	silent := s.must(t, "", "generate-data-key", "--key", "payroll", "--encryption-context", "disk=7")
	assert.Equal(t, 4, strings.Count(silent, "."))
	require.ErrorContains(t, s.run(t, silent, "unwrap", "--out", "-").err, "decryption_failed")
	assert.Len(t, s.must(t, silent, "unwrap", "--out", "-", "--encryption-context", "disk=7"), 32)

	// A place that cannot be written is found before the key is made.
	f.asked()
	require.Error(t, s.run(t, "", "generate-data-key", "--key", "payroll", "--out", filepath.Join(folder, "new"), "--plaintext-out", "/none/key").err)
	assert.Empty(t, f.asked())
	assertOnly(t, folder, "wrapped", "key", "again")
}

func TestGenerateDataKey_OfPairsIsWhatOpenSSLReads(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	folder := t.TempDir()
	wrapped, private, public := filepath.Join(folder, "wrapped"), filepath.Join(folder, "private"), filepath.Join(folder, "public")
	s.must(t, "", "generate-data-key", "--key", "payroll", "--key-pair", "P-256", "--format", "pem", "--out", wrapped, "--plaintext-out", private, "--public-out", public)
	assert.Equal(t, read(t, public), openssl(t, read(t, private), "pkey", "-pubout"))
	assert.Equal(t, read(t, private), s.must(t, "", "unwrap", "--in", wrapped, "--format", "pem", "--out", "-"))
	assert.Contains(t, s.must(t, "", "unwrap", "--in", wrapped, "--out", "-"), `"kty":"EC"`)
	require.ErrorContains(t, s.run(t, "", "unwrap", "--in", wrapped, "--format", "hex", "--out", "-").err, "choose --format jwk or pem")

	s.must(t, "", "generate", "--key", "payroll", "--algorithm", "ES256", "--out", wrapped, "--public-out", public, "--format", "pem")
	assert.Equal(t, read(t, public), openssl(t, s.must(t, "", "unwrap", "--in", wrapped, "--format", "pem", "--out", "-"), "pkey", "-pubout"))
	require.ErrorContains(t, s.run(t, "", "generate", "--key", "payroll", "--algorithm", "HS256", "--public-out", public).err, "leave out --public-out")
	assert.Len(t, s.must(t, s.must(t, "", "generate", "--key", "payroll", "--algorithm", "HS256"), "unwrap", "--format", "raw", "--out", "-"), 32)
}

func TestWrap_TakesKeysInEveryForm(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	back := func(wrapped string, args ...string) string {
		return s.must(t, wrapped, append([]string{"unwrap", "--out", "-"}, args...)...)
	}
	octets := "\x00\x01\n\xffbytes as they are\n"
	assert.Equal(t, octets, back(s.must(t, octets, "wrap", "--key", "payroll")))
	assert.Equal(t, "\x01\xff", back(s.must(t, "01ff\n", "wrap", "--key", "payroll", "--format", "hex")))
	assert.Equal(t, "\x01\xff", back(s.must(t, "Af8", "wrap", "--key", "payroll", "--format", "base64url")))
	require.ErrorContains(t, s.run(t, "xyz", "wrap", "--key", "payroll", "--format", "hex").err, "the key is not hex")
	for _, args := range [][]string{{"-algorithm", "ED25519"}, {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"}, {"-algorithm", "RSA"}} {
		pem := openssl(t, "", append([]string{"genpkey", "-quiet"}, args...)...)
		pem = onlyPEM(t, pem)
		wrapped := s.must(t, pem, "wrap", "--key", "payroll")
		assert.Equal(t, openssl(t, pem, "pkey", "-pubout"), openssl(t, back(wrapped, "--format", "pem"), "pkey", "-pubout"))
		text := back(wrapped)
		assert.Equal(t, text, back(s.must(t, text, "wrap", "--key", "payroll")), "a JWK")
		require.ErrorContains(t, s.run(t, openssl(t, pem, "pkey", "-pubout"), "wrap", "--key", "payroll").err, "needs no wrapping")
		locked := openssl(t, pem, "pkey", "-aes256", "-passout", "pass:long enough")
		require.ErrorContains(t, s.run(t, locked, "wrap", "--key", "payroll").err, "has a password")
	}
	require.ErrorContains(t, s.run(t, "-----BEGIN X-----\n-----END X-----\n", "wrap", "--key", "payroll").err, "no key")
	require.ErrorContains(t, s.run(t, "", "wrap", "--key", "payroll").err, "standard input is empty")
	require.ErrorContains(t, s.run(t, "hello", "unwrap", "--out", "-").err, "the input is no wrapped key")
	require.ErrorContains(t, s.run(t, back(s.must(t, "x", "wrap", "--key", "payroll")), "unwrap", "--out", "-").err, "the input is no wrapped key")
}

func TestDerive_SendsWhatTheFlagsSay(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "tenants", "HKDF-SHA256")
	out := filepath.Join(t.TempDir(), "secret")
	s.must(t, "", "derive", "--key", "tenants", "--info", "tenant=acme", "--salt-file", write(t, "salt"), "--length", "48", "--version", "1", "--out", out)
	assert.Len(t, read(t, out), 48)
	assertPrivate(t, out)
	asked := f.vault.derivation
	assert.Equal(t, client.EncodeBytes([]byte("tenant=acme")), *asked.Info)
	assert.Equal(t, client.EncodeBytes([]byte("salt")), *asked.Salt)
	assert.Equal(t, 48, *asked.Length)
	assert.EqualValues(t, 1, *asked.Version)

	private := openssl(t, "", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
	public := write(t, openssl(t, private, "pkey", "-pubout"))
	s.must(t, "\x01info", "derive", "--key", "tenants", "--peer", public, "--kdf", "hkdf-sha384", "--info-file", "-", "--format", "hex", "--out", "-")
	asked = f.vault.derivation
	assert.Contains(t, string(*asked.Peer), `"crv":"P-256"`)
	assert.NotContains(t, string(*asked.Peer), `"d"`)
	assert.Equal(t, client.EncodeBytes([]byte("\x01info")), *asked.Info)
	f.asked()
	require.ErrorContains(t, s.run(t, "", "derive", "--key", "tenants", "--peer", write(t, private), "--out", "-").err, "holds a private key")
	require.ErrorContains(t, s.run(t, "", "derive", "--key", "tenants", "--peer", write(t, "x"), "--out", "-").err, "neither a JWK nor one PEM block")
	assert.Empty(t, f.asked())
}

func TestEncapsulate_SharesASecret(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "mailbox", "ML-KEM-768")
	folder := t.TempDir()
	sealed, secret, opened := filepath.Join(folder, "sealed"), filepath.Join(folder, "secret"), filepath.Join(folder, "opened")
	for _, form := range []string{"raw", "hex", "base64url"} {
		s.must(t, "", "encapsulate", "--key", "mailbox", "--format", form, "--out", sealed, "--secret-out", secret)
		s.must(t, "", "decapsulate", "--key", "mailbox", "--format", form, "--in", sealed, "--out", opened)
		assert.Equal(t, read(t, secret), read(t, opened))
	}
	assertPrivate(t, secret, opened)
	assert.NotEqual(t, read(t, secret), s.must(t, "AAAA", "decapsulate", "--key", "mailbox", "--format", "base64url", "--out", "-"))
	assert.Regexp(t, `^[0-9a-f]{64}\n$`, s.must(t, "", "generate-random", "--bytes", "32"))
}

func TestReencrypt_MovesMessagesAndFiles(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	archive := f.add(t, "archive", "A256GCM/A256KW")
	for _, size := range []int{10, 3 * inline} {
		plaintext := strings.Repeat("x", size)
		file := filepath.Join(t.TempDir(), "file")
		s.must(t, plaintext, "encrypt", "--key", "payroll", "--encryption-context", "a=1", "--out", file)
		before := read(t, file)
		s.must(t, "", "reencrypt", "--in", file, "--out", file, "--encryption-context", "a=1")
		assert.NotEqual(t, before, read(t, file))
		assert.Equal(t, plaintext, s.must(t, "", "decrypt", "--in", file, "--encryption-context", "a=1", "--key", "payroll"))

		moved := s.must(t, "", "reencrypt", "--in", file, "--key", "payroll", "--to", "archive", "--encryption-context", "a=1", "--new-encryption-context", "b=2")
		assert.Equal(t, plaintext, s.must(t, moved, "decrypt", "--key", archive.ID, "--encryption-context", "b=2"))
		freed := s.must(t, moved, "reencrypt", "--encryption-context", "b=2", "--new-encryption-context", "")
		assert.Equal(t, plaintext, s.must(t, freed, "decrypt", "--key", "archive"))

		require.ErrorContains(t, s.run(t, moved, "reencrypt").err, "decryption_failed")
		require.ErrorContains(t, s.run(t, freed, "reencrypt", "--to", "nobody").err, "not_found")
		cut := freed[:len(freed)-20]
		kept := read(t, file)
		require.Error(t, s.run(t, cut, "reencrypt", "--out", file).err)
		assert.Equal(t, kept, read(t, file))
	}
	require.ErrorContains(t, s.run(t, "hello", "reencrypt").err, "neither a message nor a file")
}

func TestMaterial_RefusesMistakenCommandLines(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	for line, want := range map[string]string{
		"mac --key a --format jwk":                                      "--format is",
		"verify-mac --key a --mac -":                                    "cannot both be standard input",
		"verify-mac --key a --mac x --version -1":                       "--version must be",
		"generate-data-key --key a --format der":                        "--format is",
		"generate-data-key --key a --format pem":                        "for key pairs",
		"generate-data-key --key a --key-pair P-256 --format hex":       "for octets",
		"generate-data-key --key a --public-out x":                      "goes with --key-pair",
		"generate-data-key --key a --plaintext-out -":                   "cannot both be standard output",
		"generate-data-key --key a --encryption-context x":              "is not NAME=VALUE",
		"generate --key a --algorithm ES256 --format raw":               "--format is",
		"wrap --key a --format der":                                     "--format is",
		"unwrap --out - --format der":                                   "--format is",
		"derive --key a --out - --kdf sha":                              "--kdf is",
		"derive --key a --out - --version -2":                           "--version must be",
		"derive --key a --out - --length 0":                             "--length must be",
		"encapsulate --key a --secret-out - --format pem":               "--format is",
		"encapsulate --key a --secret-out -":                            "cannot both be standard output",
		"decapsulate --key a --out - --version -2":                      "--version must be",
		"generate-random --bytes 0":                                     "--bytes must be",
		"generate-random --bytes 1025":                                  "--bytes must be",
		"reencrypt --new-encryption-context a":                          "is not NAME=VALUE",
		"batch":                                                         "name one operation",
		"batch export --key a":                                          "name one operation",
		"batch encrypt":                                                 "--key is missing",
		"batch generate-random --key a":                                 "takes no --key",
		"batch encrypt --key a --size 1001":                             "--size must be",
		"batch unwrap --key a":                                          "gives out keys or secrets",
		"key export a --recipient x --version -1":                       "--version must be",
		"key export --recipient x":                                      "name one key",
		"recipient create --private-key a --public-key b --type DH":     "--type is",
		"recipient open --private-key - --out -":                        "cannot both be standard input",
		"attestation verify --keys -":                                   "cannot both be standard input",
		"backup check --private-key -":                                  "cannot both be standard input",
		"backup restore --in - --private-key x":                         "--in must be a file",
		"backup restore --in x --private-key x --on-conflict drop":      "--on-conflict is",
		"approval request exportElasticKey a --reason r --version 1":    "takes no such",
		"approval request deleteElasticKey a --reason r --version 1":    "takes no such",
		"approval request destroyMaterialKey a --reason r --version -1": "--version must be",
		"import job a --format pem --output json":                       "name the key and the job",
		"key alias get a b --output json --help=false":                  "name one alias",
	} {
		err := s.run(t, "", strings.Fields(line)...).err
		require.ErrorContains(t, err, want, line)
		assert.True(t, isUsageError(err), line)
	}
	assert.Empty(t, f.asked())
}
