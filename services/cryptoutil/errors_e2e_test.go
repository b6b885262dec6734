//go:build e2e

package cryptoutil_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mistake is a command line that fails, and what it must say: what is wrong, and what to do.
type mistake struct {
	line string // words for cryptoutil
	exit int
	says string // a regular expression
}

// check runs the mistakes as a user of the installation, some environment variables changed.
func (i *installation) check(t *testing.T, mistakes []mistake, env ...string) {
	t.Helper()
	for _, m := range mistakes {
		c := i.suite(strings.Fields(m.line)...)
		c.dir = i.dir
		c.env = append(c.env, env...)
		got := c.run(t)
		assert.Equal(t, m.exit, got.exit, "%s: %s", m.line, got.stderr)
		assert.Regexp(t, `^Error: `, got.stderr, m.line)
		assert.Regexp(t, m.says, got.stderr, m.line)
		assert.Empty(t, got.stdout, m.line)
		assert.NotRegexp(t, `goroutine |panic|\.go:|%!|<nil>`, got.stderr, m.line)
		if m.exit == 2 {
			assert.Regexp(t, `Run "cryptoutil.* --help" for usage\.\n$`, got.stderr, m.line)
		}
	}
}

func TestErrors_OfTheCommandLine(t *testing.T) {
	t.Parallel()
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	i.check(t, []mistake{
		{"kmss", 2, `unknown command "kmss" for "cryptoutil"`},
		{"kms kee", 2, `unknown command "kee" for "cryptoutil kms"`},
		{"kms key lost", 2, `unknown command "lost" for "cryptoutil kms key"`},
		{"kms key get", 2, `name one key, by its name or id: cryptoutil kms key get NAME\|ID`},
		{"kms key rotate a b", 2, `name one key`},
		{"kms key create --name a", 2, `"algorithm" not set`},
		{"kms key create --name a --algorithm ES256 --size 4", 2, `unknown flag: --size`},
		{"kms key list --output xml", 2, `one of table, json`},
		{"kms key list --limit -1", 2, `--limit must be 1 or more`},
		{"kms key list extra", 2, `unknown command "extra"`},
		{"kms encrypt", 2, `"key" not set`},
		{"kms encrypt --key a --encryption-context b", 2, `not NAME=VALUE`},
		{"kms sign --key a --digest", 2, `--digest goes with --format`},
		{"kms verify --key a", 2, `"signature" not set`},
		{"kms start", 2, `--config FILE`},
		{"kms validate", 2, `--config FILE`},
		{"kms migrate", 2, `--config FILE`},
		{"kms health --probe zombiez", 2, `livez, readyz or healthz`},
		{"kms status --config kms.yaml --context context.yaml", 2, `config context`},
		{"kms init", 2, `--data DIR`},
		{"kms credential add --config kms.yaml --scopes kms:read", 2, `--id ID`},
		{"kms credential add --config kms.yaml --id x", 2, `--scopes`},
		{"kms credential add --config kms.yaml --id x --scopes kms:reed", 2, `no scope "kms:reed"; there are .*kms:read`},
		{"dev extra", 2, `unknown command "extra"`},
	})
}

func TestErrors_OfTheService(t *testing.T) {
	t.Parallel()
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	i.createKey(t, "aes", "A256GCM/A256KW")
	i.createKey(t, "ec", "ES256")
	const uuid = "018f0000-0000-7000-8000-000000000001"
	i.check(t, []mistake{
		{"kms key get nobody", 1, "^Error: get key \"nobody\": not_found: .*`key list` shows the keys"},
		{"kms key rotate " + uuid, 1, "not_found: .*`key list`"},
		{"kms encrypt --key nobody --in DEV", 1, "not_found: .*`key list`"},
		{"kms key create --name aes --algorithm ES256", 1, "conflict: .*name.*; choose another name.*`key rotate`"},
		{"kms key create --name b --algorithm RSA1_5", 1, `unsupported_algorithm: .*refused.*A256GCM/A256KW encrypts`},
		{"kms key create --name b --algorithm none", 1, `unsupported_algorithm: .*ES256 signs`},
		{"kms key create --name b --algorithm RS256 --key-size 1024", 1, `validation_failed: .*2048, 3072, 4096`},
		{"kms key create --name B --algorithm ES256", 1, `validation_failed: .*/name`},
		{"kms key public aes", 1, "no_public_key: .*symmetric.*`key get`"},
		{"kms encrypt --key ec --in DEV", 1, "wrong_key_use: .*signatures.*`key get`"},
		{"kms sign --key aes --in DEV", 1, "wrong_key_use: .*encryption.*`key get`"},
		{"kms encrypt --key aes --in absent", 1, `no file "absent"`},
		{"kms encrypt --key aes --in tls", 1, `"tls" is a directory`},
		{"kms encrypt --key aes --in DEV --out absent/x", 1, `the folder "absent" does not exist`},
		{"kms decrypt --in DEV", 1, `neither a message nor a file that encrypt made`},
		{"kms verify --key ec --in DEV --signature credentials/kms.token", 1, `the signature does not verify: .*--format`},
		{"kms credential remove --config kms.yaml --id nobody", 1, `does not exist; --kind and --tenant`},
		{"kms credential add --config kms.yaml --id operator --scopes kms:read", 1, `exists already`},
		{"kms init --data . ", 1, `exists already; nothing was changed; start it, or name another directory`},
		{"kms start --config kms.yaml", 1, `made by dev mode.*use another directory`},
	})
}

func TestErrors_OfTheContextFile(t *testing.T) {
	t.Parallel()
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	other := dev(t, filepath.Join(t.TempDir(), "data"))
	i.check(t, []mistake{
		{"kms key list", 1, "context file .*/.local/share/cryptoutil/context.yaml does not exist; name one with --context or CRYPTOUTIL_CONTEXT, or .*`cryptoutil dev`"},
		{"status", 1, "does not exist; name one with --context"},
		{"kms status", 2, "--config FILE, or a context file with --context FILE"},
		{"kms shutdown", 2, "--config FILE, or a context file with --context FILE"},
	}, "CRYPTOUTIL_CONTEXT=")
	i.check(t, []mistake{
		{"kms key list --context absent.yaml", 1, "context file absent.yaml does not exist; name one"},
		{"kms status --context absent.yaml", 1, "context file absent.yaml does not exist; name one"},
	})

	original := readFile(t, i.context())
	for _, c := range []struct {
		pattern, replacement string
		mistakes             []mistake
	}{
		{`root_certificate: .*`, "root_certificate: " + other.root(), []mistake{
			{"kms key list", 1, `certificate signed by unknown authority; the root certificate in the context file is not that of this server`},
			{"kms status", 1, `is not this service: its certificate is not from the root`},
		}},
		{`root_certificate: .*`, "root_certificate: absent.pem", []mistake{
			{"kms key list", 1, `absent.pem: no such file.*; the context file must name the root certificate that the service wrote`},
			{"kms health", 1, `absent.pem.*the service writes it when it starts`},
		}},
		{`credential: .*`, "credential: file://" + other.file("credentials", "kms.token"), []mistake{
			{"kms key list", 1, `unauthenticated: .*the credential was refused: check the one that the context file names`},
		}},
		{`credential: .*`, "credential: file:///absent.token", []mistake{
			{"kms key list", 1, `/absent.token: no such file or directory; the context file must name a file that holds your credential`},
		}},
		{`credential: .*`, "credential: cu_at_x", []mistake{
			{"kms key list", 1, `credential in the context file: .*file:///path`},
		}},
		{`admin_token: .*`, "admin_token: file://" + other.file("admin.token"), []mistake{
			{"kms seal", 1, `unauthenticated: .*the token file is not this service's: correct`},
		}},
		{` url: https:`, " url: http:", []mistake{{"kms key list", 1, `only https:// is spoken`}}},
		{` url: .*`, " url: https://localhost:1", []mistake{
			{"kms key list", 1, `connection refused; nothing listens there: start the service, or correct its URL`},
		}},
		{`(?s)services:.*`, "services: {}", []mistake{{"kms key list", 1, `no service "kms"; add services.kms.url`}, {"status", 1, `no service`}}},
		{`services:`, "serivces:", []mistake{{"kms key list", 78, `(?s)context.yaml:2  serivces .*services`}}},
	} {
		replaceInFile(t, i.context(), regexp.MustCompile(c.pattern), c.replacement)
		i.check(t, c.mistakes)
		require.NoError(t, os.WriteFile(i.context(), []byte(original), 0o600))
	}

	require.NoError(t, os.Chmod(i.file("credentials", "kms.token"), 0o644))
	i.check(t, []mistake{{"kms key list", 1, `can be read by everybody .*; the context file must name a file .* that you alone can read`}})
	require.NoError(t, os.Chmod(i.file("credentials", "kms.token"), 0o600))
	assert.Zero(t, i.kms("key", "list").run(t).exit, "all is well again")

	i.stop(t)
	i.check(t, []mistake{
		{"kms key list", 1, `connection refused; nothing listens there: start the service`},
		{"kms status", 1, `nothing answers at https://127.0.0.1:\d+; start the service`},
		{"kms health", 1, `nothing answers at`},
		{"kms shutdown", 1, `nothing answers at`},
	})
	got := i.suite("status").run(t)
	assert.Equal(t, 1, got.exit)
	assert.Regexp(t, `kms +failing .*nothing answers at https://127.0.0.1:\d+; start the service`, got.stdout)
}

func TestErrors_OfScopes(t *testing.T) {
	t.Parallel()
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	require.NoError(t, os.WriteFile(i.file("reader.token"),
		[]byte(i.run(t, "credential", "add", "--config", i.file("kms.yaml"), "--id", "reader", "--scopes", "kms:read")), 0o600))
	replaceInFile(t, i.context(), regexp.MustCompile(`credential: .*`), "credential: file://"+i.file("reader.token"))
	eventually(t, "the new token is known", func() bool { return i.kms("key", "list").run(t).exit == 0 })
	i.check(t, []mistake{
		{"kms key create --name a --algorithm ES256", 1, "insufficient_scope: .*kms:write or kms:admin.*`self` shows the scopes"},
		{"kms encrypt --key a --in DEV", 1, "insufficient_scope: .*kms:encrypt"},
	})
	assert.Regexp(t, `Scopes +kms:read\n`, i.run(t, "self"))
	i.run(t, "credential", "remove", "--config", i.file("kms.yaml"), "--id", "reader")
	eventually(t, "the removed token is refused", func() bool { return i.kms("self").run(t).exit == 1 })
}

func TestErrors_OfTheConfiguration(t *testing.T) {
	t.Parallel()
	dir, _ := initialize(t)
	i := &installation{dir: dir}
	for _, c := range []struct{ pattern, replacement, says string }{
		{`admin:\n  address: \S+`, "admin:\n  address: 0.0.0.0:9090", `(?s)kms.yaml:8 +admin.address .*loopback.*127.0.0.1`},
		{`engine: sqlite`, "engine: mysql", `(?s)database.engine .*"mysql".*sqlite or postgres`},
		{`log_level: info`, "log_level: loud", `telemetry.log_level`},
		{`mode: derive`, "mode: magic", `(?s)unseal.mode .*shamir`},
		{`mode: derive\n  secret: .*`, "mode: derive", `(?s)unseal.secret .*missing.*file:///`},
		{`secret: .*`, `secret: "file:///absent"`, `/absent`},
		{`data_dir: \.`, "data_dir: .\ndata_dri: .", `(?s)kms.yaml:4 +data_dri +unknown key.*data_dir`},
		{`public:`, "public: [", `kms.yaml`},
	} {
		original := readFile(t, i.file("kms.yaml"))
		replaceInFile(t, i.file("kms.yaml"), regexp.MustCompile(c.pattern), c.replacement)
		for _, command := range []string{"start", "validate", "migrate"} {
			i.check(t, []mistake{{"kms " + command + " --config kms.yaml", 78, `^Error: configuration refused\n`}, {"kms " + command + " --config kms.yaml", 78, c.says}})
		}
		require.NoError(t, os.WriteFile(i.file("kms.yaml"), []byte(original), 0o600))
	}
	i.check(t, []mistake{
		{"kms start --config absent.yaml", 78, `absent.yaml +cannot be read: no such file`},
		{"kms start --config kms.yaml --public-address nonsense", 78, `public.address .*not an IP address`},
		{"kms start --config kms.yaml --data absent", 1, `open data directory: .*absent`},
	})
	require.NoError(t, os.Chmod(i.file("secrets", "unseal"), 0o666))
	i.check(t, []mistake{{"kms start --config kms.yaml", 78, `(?s)unseal.secret .*written by others`}})
	require.NoError(t, os.Chmod(i.file("secrets", "unseal"), 0o600))
	got := i.kms("validate", "--config", i.file("kms.yaml")).run(t)
	assert.Zero(t, got.exit, got.stderr)
	assert.Contains(t, got.stdout, "is valid")
}
