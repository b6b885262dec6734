//go:build e2e

package cryptoutil_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// desk is a user of an installation, in a folder of his own.
type desk struct {
	*installation

	product, folder string
}

func (i *installation) desk(t *testing.T) desk { return desk{i, "kms", t.TempDir()} }

// call is a command of the product that is typed in the folder, with this on standard input.
func (d desk) call(t testing.TB, in io.Reader, args ...string) outcome {
	t.Helper()
	c := d.suite(append([]string{d.product}, args...)...)
	c.dir, c.stdin = d.folder, in
	return c.run(t)
}

// do is a command that succeeds and says nothing else than its result.
func (d desk) do(t testing.TB, in, line string) string {
	t.Helper()
	got := d.call(t, strings.NewReader(in), strings.Fields(line)...)
	require.Zero(t, got.exit, "%s: %s", line, got.stderr)
	require.Empty(t, got.stderr, line)
	return got.stdout
}

// fails is a command that ends with this status, without a result, and says so.
func (d desk) fails(t testing.TB, in, line string, exit int, says string) {
	t.Helper()
	got := d.call(t, strings.NewReader(in), strings.Fields(line)...)
	assert.Equal(t, exit, got.exit, "%s: %s", line, got.stderr)
	assert.Empty(t, got.stdout, line)
	assert.Regexp(t, `^Error: `, got.stderr, line)
	assert.Contains(t, got.stderr, says, line)
	assert.NotRegexp(t, `goroutine |panic|\.go:|%!|<nil>`, got.stderr, line)
}

// openssl runs that program in the folder.
func (d desk) openssl(t testing.TB, in, line string) string {
	t.Helper()
	got := call{path: testkit.RequireTool(t, "openssl"), args: strings.Fields(line), env: environment(d.folder), dir: d.folder, stdin: strings.NewReader(in)}.run(t)
	require.Zero(t, got.exit, "openssl %s: %s", line, got.stderr)
	return got.stdout
}

func (d desk) path(name string) string { return filepath.Join(d.folder, name) }

func (d desk) read(t testing.TB, name string) string {
	t.Helper()
	return readFile(t, d.path(name))
}

func (d desk) write(t testing.TB, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(d.path(name), []byte(content), 0o600))
}

func (d desk) private(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		assertMode(t, d.path(name), 0o600)
	}
}

func (d desk) absent(t testing.TB, name string) {
	t.Helper()
	assert.NoFileExists(t, d.path(name))
}

//nolint:tparallel // its parts share one folder
func TestKeyOperations_OfSecretsAndKeysThatComeAndGo(t *testing.T) {
	t.Parallel()
	d := dev(t, filepath.Join(t.TempDir(), "data")).desk(t)
	for name, algorithm := range map[string]string{
		"payroll": "A256GCM/A256KW", "archive": "A256GCM/dir", "cookies": "HS256", "tenants": "HKDF-SHA256", "meeting": "ECDH", "mailbox": "ML-KEM-768", "releases": "ES256",
	} {
		d.createKey(t, name, algorithm)
	}
	d.write(t, "text", "hello\n")

	t.Run("mac", func(t *testing.T) {
		d.write(t, "mac", d.do(t, "hello\n", "mac --key cookies"))
		assert.Equal(t, "the MAC is right: key cookies\n", d.do(t, "", "verify-mac --key cookies --mac mac --in text"))
		assert.Equal(t, "the MAC is right: key cookies\n", d.do(t, d.read(t, "mac"), "verify-mac --key cookies --mac - --in text"))
		d.fails(t, "other", "verify-mac --key cookies --mac mac", 1, "the MAC is not right")
		d.run(t, "key", "rotate", "cookies")
		d.fails(t, "", "verify-mac --key cookies --mac mac --in text", 1, "name that with --version")
		d.do(t, "", "verify-mac --key cookies --mac mac --in text --version 1")
		d.fails(t, "x", "mac --key payroll", 1, "wrong_key_use")
		d.fails(t, strings.Repeat("x", 64<<10+1), "mac --key cookies", 1, "sign it with the same key")
	})
	t.Run("data keys", func(t *testing.T) {
		assert.Empty(t, d.do(t, "", "generate-data-key --key payroll --out data.wrapped --plaintext-out data.key --encryption-context disk=7"))
		d.private(t, "data.key", "data.wrapped")
		assert.Len(t, d.read(t, "data.key"), 32)
		// The key encrypts elsewhere, and what the KMS unwraps decrypts it.
		sealed := d.openssl(t, "the plans", "enc -aes-256-cbc -iv 00000000000000000000000000000000 -a -K "+hex.EncodeToString([]byte(d.read(t, "data.key"))))
		again := strings.TrimSpace(d.do(t, d.read(t, "data.wrapped"), "unwrap --encryption-context disk=7 --format hex --out -"))
		assert.Equal(t, "the plans", d.openssl(t, sealed, "enc -d -aes-256-cbc -iv 00000000000000000000000000000000 -a -K "+again))
		d.fails(t, "", "unwrap --in data.wrapped --out other.key", 1, "decryption_failed")
		d.absent(t, "other.key")
		d.fails(t, "", "unwrap --in data.wrapped --out - --key releases", 1, "wrong_key_use")

		d.do(t, "", "generate-data-key --key payroll --key-pair P-384 --format pem --out pair.wrapped --plaintext-out pair.pem --public-out pair.pub")
		assert.Equal(t, d.read(t, "pair.pub"), d.openssl(t, "", "pkey -in pair.pem -pubout"))
		assert.Equal(t, d.read(t, "pair.pem"), d.do(t, "", "unwrap --in pair.wrapped --format pem --out -"))
		d.do(t, "", "generate --key payroll --algorithm PS256 --key-size 2048 --format pem --out made.wrapped --public-out made.pub")
		d.do(t, "", "unwrap --in made.wrapped --format pem --out made.pem")
		assert.Equal(t, d.read(t, "made.pub"), d.openssl(t, "", "pkey -in made.pem -pubout"))
	})
	t.Run("wrap", func(t *testing.T) {
		for _, algorithm := range []string{"ED25519", "EC -pkeyopt ec_paramgen_curve:P-521", "RSA -pkeyopt rsa_keygen_bits:2048"} {
			d.openssl(t, "", "genpkey -quiet -out own.pem -algorithm "+algorithm)
			d.do(t, "", "wrap --key payroll --in own.pem --out own.wrapped")
			assert.Equal(t, d.openssl(t, "", "pkey -in own.pem -pubout"), d.openssl(t, d.do(t, "", "unwrap --in own.wrapped --format pem --out -"), "pkey -pubout"))
		}
		assert.Equal(t, "\x00raw\n", d.do(t, d.do(t, "\x00raw\n", "wrap --key payroll"), "unwrap --out -"), "through a pipe")
		d.fails(t, "", "wrap --key payroll", 1, "standard input is empty")
		d.fails(t, "hello", "unwrap --out -", 1, "no wrapped key")
		d.fails(t, "", "unwrap --in own.wrapped", 2, `"out" not set`)
	})
	t.Run("derive", func(t *testing.T) {
		one := d.do(t, "", "derive --key tenants --info tenant=a --length 32 --format hex --out -")
		assert.Equal(t, one, d.do(t, "", "derive --key tenants --info tenant=a --length 32 --format hex --out -"))
		assert.NotEqual(t, one, d.do(t, "", "derive --key tenants --info tenant=b --length 32 --format hex --out -"))
		d.openssl(t, "", "genpkey -out bob.pem -algorithm EC -pkeyopt ec_paramgen_curve:P-256")
		d.openssl(t, "", "pkey -in bob.pem -pubout -out bob.pub")
		d.write(t, "meeting.pub", d.do(t, "", "key public meeting"))
		d.do(t, "", "derive --key meeting --peer bob.pub --out shared")
		d.private(t, "shared")
		assert.Equal(t, d.openssl(t, "", "pkeyutl -derive -inkey bob.pem -peerkey meeting.pub"), d.read(t, "shared"), "OpenSSL derives the same")
		d.fails(t, "", "derive --key meeting --peer bob.pem --out x", 1, "holds a private key")
		d.fails(t, "", "derive --key tenants --length 4 --out x", 2, "14 to 1024")
		d.absent(t, "x")
	})
	t.Run("ML-KEM", func(t *testing.T) {
		d.do(t, "", "encapsulate --key mailbox --out sealed.kem --secret-out sender.key")
		d.do(t, d.read(t, "sealed.kem"), "decapsulate --key mailbox --out receiver.key")
		d.private(t, "sender.key", "receiver.key")
		assert.Equal(t, d.read(t, "sender.key"), d.read(t, "receiver.key"))
		d.fails(t, "short", "decapsulate --key mailbox --out x", 1, "does not have the length")
		d.fails(t, "", "encapsulate --key mailbox --secret-out -", 2, "cannot both be standard output")
		assert.Regexp(t, `^[0-9a-f]{40}\n$`, d.do(t, "", "generate-random --bytes 20"))
		d.fails(t, "", "generate-random --bytes 1025", 2, "1 to 1024")
	})
	t.Run("reencrypt", func(t *testing.T) {
		large := strings.Repeat("large file\n", 30_000)
		for name, content := range map[string]string{"small": "hello", "large": large} {
			d.write(t, name, content)
			d.do(t, "", "encrypt --key payroll --in "+name+" --out sealed")
			d.run(t, "key", "rotate", "payroll")
			d.do(t, "", "reencrypt --in sealed --out sealed")
			assert.Equal(t, content, d.do(t, "", "decrypt --in sealed"))
			moved := d.do(t, d.read(t, "sealed"), "reencrypt --to archive --new-encryption-context year=2026")
			assert.Equal(t, content, d.do(t, moved, "decrypt --encryption-context year=2026"))
			d.fails(t, moved, "reencrypt --out cut", 1, "decryption_failed")
			d.fails(t, moved[:len(moved)*2/3], "reencrypt --encryption-context year=2026 --out cut", 1, "")
			d.absent(t, "cut")
		}
		header, _, _ := strings.Cut(d.read(t, "sealed"), ".")
		text, err := base64.RawURLEncoding.DecodeString(header)
		require.NoError(t, err)
		assert.Contains(t, string(text), `.3"`, "the third version, after two rotations")
	})
}

func TestKeyOperations_InBatchesThroughPipes(t *testing.T) {
	t.Parallel()
	d := dev(t, filepath.Join(t.TempDir(), "data")).desk(t)
	d.createKey(t, "payroll", "A256GCM/A256KW")
	d.createKey(t, "releases", "ES256")
	const count = 2500
	var items strings.Builder
	for n := range count {
		fmt.Fprintf(&items, "{\"plaintext\":%q}\n", base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "item %d", n)))
	}
	d.do(t, items.String(), "batch encrypt --key payroll --out sealed.jsonl")
	d.private(t, "sealed.jsonl")
	var open strings.Builder
	for line := range strings.Lines(d.read(t, "sealed.jsonl")) {
		var result struct{ Ciphertext string }
		require.NoError(t, json.Unmarshal([]byte(line), &result))
		fmt.Fprintf(&open, "{\"ciphertext\":%q}\n", result.Ciphertext)
	}
	opened := d.do(t, open.String(), "batch decrypt --key payroll")
	n := 0
	for line := range strings.Lines(opened) {
		assert.Contains(t, line, `"`+base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "item %d", n))+`"`)
		n++
	}
	assert.Equal(t, count, n)

	// An item that is wrong fails alone, and the exit status says so.
	got := d.call(t, strings.NewReader("{\"plaintext\":\"aGVsbG8\"}\n{\"plaintext\":7}\nnonsense\n"), "batch", "encrypt", "--key", "payroll")
	assert.Equal(t, 1, got.exit)
	assert.Equal(t, 3, strings.Count(got.stdout, "\n"))
	assert.Regexp(t, `^{"status":200,.*\n{"status":400,.*\n{"status":400,`, got.stdout)
	assert.Contains(t, got.stderr, "2 of 3 items failed, the first on line 2: validation_failed")
	for operation, item := range map[string]string{
		"generate-data-key": `{"bits":128,"include_plaintext":true}`, "wrap": `{"key":"AAAA"}`, "generate": `{"algorithm":"ES256"}`,
	} {
		assert.Contains(t, d.do(t, item, "batch "+operation+" --key payroll --out -"), `"wrapped":"ey`)
	}
	signed := d.do(t, `{"payload":"aGVsbG8"}`, "batch sign --key releases")
	var signature struct{ Signature string }
	require.NoError(t, json.Unmarshal([]byte(signed), &signature))
	verdicts := d.do(t, fmt.Sprintf("{\"signature\":%q}\n{\"signature\":\"a.b.c\"}", signature.Signature), "batch verify --key releases")
	assert.Regexp(t, `^{"status":200,"valid":true.*\n{"status":200,"valid":false`, verdicts)
	d.fails(t, "{}", "batch encrypt --key releases --out x", 1, "the items from line 1 on: ")
	d.absent(t, "x")
	d.fails(t, "{}", "batch encrypt --key nobody", 1, "`key list` shows the keys")
	d.fails(t, "{}", "batch unwrap --key payroll", 2, "name a file with --out")
	d.fails(t, "{}", "batch export --key payroll", 2, "name one operation")
}

func TestKeyOperations_LeaveAndComeByTheirOwners(t *testing.T) {
	t.Parallel()
	d := dev(t, filepath.Join(t.TempDir(), "data")).desk(t)
	d.run(t, "key", "create", "--name", "releases", "--algorithm", "ES256", "--exportable")
	d.createKey(t, "staying", "ES256")
	d.write(t, "app.tar", "content")
	d.do(t, "", "sign --key releases --format der --digest --in app.tar --out app.sig")
	d.do(t, "", "recipient create --private-key custody.pem --public-key custody.pub")
	d.private(t, "custody.pem")

	// OpenSSL signs with the exported key what the KMS verifies, and the other way round.
	d.do(t, "", "key export releases --recipient custody.pub --out releases.jwe")
	d.do(t, "", "recipient open --private-key custody.pem --in releases.jwe --format pem --out releases.pem")
	d.private(t, "releases.pem")
	d.openssl(t, "", "pkey -in releases.pem -pubout -out releases.pub")
	assert.Equal(t, d.read(t, "releases.pub"), d.do(t, "", "key public releases"))
	d.openssl(t, "", "dgst -sha256 -sign releases.pem -out own.sig app.tar")
	assert.Contains(t, d.do(t, "", "verify --key releases --format der --digest --signature own.sig --in app.tar"), "the signature verifies")
	assert.Contains(t, d.openssl(t, "", "dgst -sha256 -verify releases.pub -signature app.sig app.tar"), "Verified OK")
	d.fails(t, "", "key export staying --recipient custody.pub --out x", 1, "not_exportable")
	d.fails(t, "", "key export releases --recipient custody.pem --out x", 1, "holds a private key, which goes nowhere")
	d.openssl(t, "", "genpkey -out weak.pem -algorithm RSA -pkeyopt rsa_keygen_bits:2048")
	d.openssl(t, "", "pkey -in weak.pem -pubout -out weak.pub")
	d.fails(t, "", "key export releases --recipient weak.pub --out x", 1, "invalid_recipient")
	d.fails(t, "", "recipient open --private-key weak.pem --in releases.jwe --out x", 1, "for another recipient, or damaged")
	d.fails(t, "", "recipient create --private-key custody.pem --public-key x", 1, "is not written over")
	d.absent(t, "x")

	// It goes back under another name, and works like the one that left.
	d.run(t, "key", "create", "--name", "returned", "--algorithm", "ES256", "--origin", "imported")
	assert.Equal(t, "1\n", d.do(t, d.read(t, "releases.pem"), "import material returned"))
	assert.Contains(t, d.do(t, "", "verify --key returned --format der --digest --signature app.sig --in app.tar"), "the signature verifies")
	d.run(t, "key", "create", "--name", "boxes", "--algorithm", "A256GCM/A256KW", "--origin", "imported")
	d.fails(t, "too short", "import material boxes", 1, "import_")
	d.openssl(t, "", "rand -out box.key 32")
	d.do(t, "", "import material boxes --in box.key --expires-in 365d")
	assert.Equal(t, "hello", d.do(t, d.do(t, "hello", "encrypt --key boxes"), "decrypt"))
	assert.Contains(t, d.do(t, "", "import jobs boxes"), "used")
	d.fails(t, d.read(t, "releases.pub"), "import material returned", 1, "`import public` brings those")

	// What the service states about it is verified without the service.
	d.do(t, "", "attestation get releases --out releases.att")
	d.do(t, "", "attestation get returned --out returned.att")
	d.do(t, "", "attestation keys --out attestation.json")
	d.stop(t)
	assert.Contains(t, d.do(t, "", "attestation verify --keys attestation.json --in releases.att --public-key releases.pub"), "Exportable   true\n")
	assert.Contains(t, d.do(t, d.read(t, "returned.att"), "attestation verify --keys attestation.json"), "Origin       imported\n")
	d.fails(t, strings.TrimSpace(d.read(t, "releases.att"))[:300]+"A", "attestation verify --keys attestation.json", 1, "does not verify")
	d.fails(t, "", "attestation verify --keys attestation.json --in releases.att --public-key custody.pub", 1, "about another key")
	d.fails(t, "", "attestation get releases", 1, "nothing listens there")
}

func TestKeyOperations_BackUpIntoAnotherInstallation(t *testing.T) {
	t.Parallel()
	d := dev(t, filepath.Join(t.TempDir(), "data")).desk(t)
	there := dev(t, filepath.Join(t.TempDir(), "other")).desk(t)
	there.folder = d.folder
	id := d.createKey(t, "payroll", "A256GCM/A256KW")
	d.createKey(t, "releases", "Ed25519")
	d.run(t, "key", "alias", "put", "current", "payroll")
	d.write(t, "text", "hello\n")
	d.do(t, "", "encrypt --key payroll --in text --out text.enc")
	d.run(t, "key", "rotate", "payroll")
	d.do(t, "", "sign --key releases --in text --out text.jws")
	d.do(t, "", "recipient create --private-key custody.pem --public-key custody.pub")
	d.openssl(t, "", "genpkey -out deputy.pem -algorithm EC -pkeyopt ec_paramgen_curve:P-256")
	d.openssl(t, "", "pkey -in deputy.pem -pubout -out deputy.pub")

	d.do(t, "", "backup tenant --recipient custody.pub --recipient deputy.pub --out keys.backup")
	d.do(t, "", "backup key payroll --recipient custody.pub --out payroll.backup")
	d.private(t, "keys.backup", "payroll.backup")
	assert.Regexp(t, `(?m)^Keys +2$`, d.do(t, "", "backup check --in keys.backup --private-key deputy.pem"))
	assert.Regexp(t, `(?m)^Keys +1$`, d.do(t, d.read(t, "payroll.backup"), "backup check --private-key custody.pem"))
	d.fails(t, "", "backup check --in payroll.backup --private-key deputy.pem", 1, "take the private key of a recipient")
	d.fails(t, d.read(t, "keys.backup")[:3000], "backup check --private-key custody.pem", 1, "altered or truncated")
	d.fails(t, "", "backup tenant --recipient custody.pem --out x", 1, "holds a private key")
	d.absent(t, "x")

	assert.Regexp(t, `(?m)^To restore +2$`, there.do(t, "", "backup rehearse --in keys.backup --private-key custody.pem"))
	there.fails(t, "", "key get payroll", 1, "not_found")
	assert.Regexp(t, `(?m)^Restored +2$`, there.do(t, "", "backup restore --in keys.backup --private-key custody.pem"))
	assert.Equal(t, "hello\n", there.do(t, "", "decrypt --in text.enc"))
	assert.Contains(t, there.do(t, "", "verify --key releases --signature text.jws --in text"), "the signature verifies")
	assert.Contains(t, there.do(t, "", "key get current"), id)
	assert.Regexp(t, `(?m)^Here already +2$`, there.do(t, "", "backup restore --in keys.backup --private-key deputy.pem"), "the same again harms nothing")

	// Where the keys are, nothing is overwritten.
	got := d.call(t, nil, "backup", "rehearse", "--in", "keys.backup", "--private-key", "custody.pem")
	assert.Equal(t, 1, got.exit)
	assert.Contains(t, got.stdout, "In the way")
	assert.Contains(t, got.stderr, "the restore would be refused: 2 keys are in its way")
	d.fails(t, "", "backup restore --in keys.backup --private-key custody.pem", 1, "`backup rehearse` lists them")
	assert.Regexp(t, `(?m)^Skipped +2$`, d.do(t, "", "backup restore --in keys.backup --private-key custody.pem --on-conflict skip"))
	d.fails(t, "", "backup restore --in - --private-key custody.pem", 2, "--in must be a file")
	d.fails(t, "", "backup restore --in none --private-key custody.pem", 1, `no file "none"`)

	// Without a certificate in the context file no key leaves, and the error says what is missing.
	bare := strings.Split(readFile(t, d.context()), "\n")
	var kept []string
	for _, line := range bare {
		if !strings.Contains(line, "certificate") || strings.Contains(line, "root_certificate") {
			kept = append(kept, line)
		}
	}
	d.write(t, "bare.yaml", strings.Join(kept, "\n"))
	for _, line := range []string{"backup tenant --recipient custody.pub --out x", "backup rehearse --in keys.backup --private-key custody.pem"} {
		d.fails(t, "", line+" --context bare.yaml", 1, "step_up_required")
	}
	d.absent(t, "x")
}
