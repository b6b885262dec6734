package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/cli"
)

func TestKeyCreate_PrintsTheID(t *testing.T) {
	t.Parallel()
	s := shell{kms: newFakeKMS(t)}
	out := s.must(t, "", "key", "create", "--name", "payroll", "--algorithm", "A256GCM/RSA-OAEP-256", "--key-size", "4096", "--description", "salaries")
	assert.Equal(t, "018f0000-0000-7000-8000-000000000001\n", out)

	var key client.ElasticKey
	require.NoError(t, json.Unmarshal([]byte(s.must(t, "", "key", "create", "--output", "json",
		"--name", "letters", "--algorithm", "A256GCM/ECDH-ES", "--curve", "P-384")), &key))
	assert.Equal(t, "letters", key.Name)
	assert.Equal(t, "P-384", *key.Curve)

	out = s.must(t, "", "key", "get", "payroll")
	assert.Contains(t, out, "Algorithm        A256GCM/RSA-OAEP-256 4096\n")
	assert.Contains(t, out, "Description      salaries\n")
	assert.Contains(t, s.must(t, "", "key", "get", "letters"), "Name             letters\nDescription\nAlgorithm        A256GCM/ECDH-ES P-384\n",
		"an empty cell does not push the others out of line")
	assert.JSONEq(t, s.must(t, "", "key", "get", "--output=json", "payroll"), s.must(t, "", "key", "get", "--output=json", "018f0000-0000-7000-8000-000000000001"))
}

func TestKeyList_ShowsAllPages(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	assert.Equal(t, "NAME  ID  ALGORITHM  USE  STATUS  VERSION  CREATED\n", s.must(t, "", "key", "list"))
	assert.JSONEq(t, `{"items":[]}`, s.must(t, "", "key", "list", "--output", "json"))

	for i := range 5 {
		f.add(t, fmt.Sprintf("key-%d", i), []string{"A256GCM/A256KW", "ES256"}[i%2])
	}
	lines := strings.Split(strings.TrimSpace(s.must(t, "", "key", "list")), "\n")
	require.Len(t, lines, 6)
	assert.Equal(t, "NAME   ID                                    ALGORITHM       USE      STATUS  VERSION  CREATED", lines[0])
	assert.Equal(t, "key-4  018f0000-0000-7000-8000-000000000005  A256GCM/A256KW  encrypt  active  1        2026-11-02T09:30:00.000000Z", lines[5])

	names := func(args ...string) (names []string) {
		var list client.ElasticKeyPage
		require.NoError(t, json.Unmarshal([]byte(s.must(t, "", append([]string{"key", "list", "--output", "json"}, args...)...)), &list))
		for _, key := range list.Items {
			names = append(names, key.Name)
		}
		return names
	}
	assert.Equal(t, []string{"key-1", "key-3"}, names("--algorithm", "ES256"))
	assert.Equal(t, []string{"key-3"}, names("--name", "key-3"))
	assert.Empty(t, names("--status", "disabled"))
	f.asked()
	assert.Equal(t, []string{"key-0", "key-1", "key-2"}, names("--limit", "3"))
	assert.Len(t, f.asked(), 2, "no page is fetched beyond the limit")
}

func TestKeyList_DefusesControlCharacters(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	f.add(t, "evil\x1b[2Jkey\n", "ES256")
	out := shell{kms: f}.must(t, "", "key", "list")
	assert.NotContains(t, out, "\x1b")
	assert.Contains(t, out, "evil\ufffd[2Jkey\ufffd ")
}

func TestKeyRotate_PrintsTheNewVersion(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	key := f.add(t, "releases", "ES256")
	assert.Equal(t, "2\n", s.must(t, "", "key", "rotate", "releases"))
	var version client.MaterialKey
	require.NoError(t, json.Unmarshal([]byte(s.must(t, "", "key", "rotate", key.ID, "--output", "json")), &version))
	assert.Equal(t, key.ID+".3", version.KID)

	lines := strings.Split(s.must(t, "", "key", "version", "list", "releases"), "\n")
	assert.Equal(t, "VERSION  STATUS   PRIMARY  KID                                     CREATED", lines[0])
	assert.Equal(t, "3        enabled  primary  "+key.ID+".3  2026-11-02T09:30:00.000000Z", lines[1])
	assert.Equal(t, "1        enabled           "+key.ID+".1  2026-11-02T09:30:00.000000Z", lines[3])

	var versions client.MaterialKeyPage
	require.NoError(t, json.Unmarshal([]byte(s.must(t, "", "key", "version", "list", "releases", "--output", "json", "--limit", "1")), &versions))
	assert.Len(t, versions.Items, 1)
}

func TestKeyPublic_PrintsPEMOrJWK(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "releases", "ES256")
	first := s.must(t, "", "key", "public", "releases")
	assert.True(t, strings.HasPrefix(first, "-----BEGIN PUBLIC KEY-----\n"))
	assert.True(t, strings.HasSuffix(first, "-----END PUBLIC KEY-----\n"))
	s.must(t, "", "key", "rotate", "releases")
	assert.NotEqual(t, first, s.must(t, "", "key", "public", "releases"))
	assert.Equal(t, first, s.must(t, "", "key", "public", "releases", "--version", "1"))
	assert.JSONEq(t, `{"kty":"EC","crv":"P-256"}`, s.must(t, "", "key", "public", "releases", "--format", "jwk"))

	f.add(t, "payroll", "A256GCM/A256KW")
	require.ErrorContains(t, s.run(t, "", "key", "public", "payroll").err, "`key get` shows what the key is for")
}

func TestSelf_ShowsTheCaller(t *testing.T) {
	t.Parallel()
	s := shell{kms: newFakeKMS(t)}
	assert.Equal(t, "Tenant   default\nKind     api_token\nID       t1\nName     laptop\nRoles    user\nScopes   kms:read kms:encrypt\nExpires  2027-01-01T00:00:00.000000Z\n",
		s.must(t, "", "self"))
	assert.JSONEq(t, `{"tenant":"default","realm":"file","kind":"api_token","id":"t1","name":"laptop","scopes":["kms:read","kms:encrypt"],"roles":["user"],
		"expires_at":"2027-01-01T00:00:00.000000Z","confirmed":false}`,
		s.must(t, "", "self", "--output", "json"))
}

func TestCommands_RefuseMistakenCommandLines(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	for line, want := range map[string]string{
		"key list --output yaml":                                    "it must be one of table, json",
		"key list --limit -1":                                       "--limit must be 1 or more",
		"key create --name a --algorithm b --output x":              "it must be one of table, json",
		"key get a --output x":                                      "it must be one of table, json",
		"key rotate a --output x":                                   "it must be one of table, json",
		"key version list a --output x":                             "it must be one of table, json",
		"self --output x":                                           "it must be one of table, json",
		"key public a --format der":                                 "it must be one of pem, jwk",
		"key public a --version -1":                                 "--version must be 1 or more",
		"encrypt --key a --encryption-context b":                    "is not NAME=VALUE",
		"encrypt --key a --encryption-context =b":                   "is not NAME=VALUE",
		"decrypt --encryption-context cryptoutil=file/1":            "is reserved",
		"decrypt --encryption-context a=1 --encryption-context a=2": `"a" is given twice`,
		"sign --key a --format x509":                                "it must be one of jws, der, p1363, raw",
		"sign --key a --digest":                                     "--digest goes with",
		"verify --key a --signature b --version 2":                  "--version goes with",
		"verify --key a --signature b --version -2":                 "--version must be 1 or more",
		"verify --key a --signature -":                              "cannot both be standard input",
	} {
		err := s.run(t, "", strings.Fields(line)...).err
		require.ErrorContains(t, err, want, line)
		assert.True(t, isUsageError(err), line)
	}
	for line, want := range map[string]string{
		"key create --name a":    `required flag(s) "algorithm" not set`,
		"key create a":           `unknown command "a"`,
		"key get":                "name one key, by its name or id: kms key get NAME|ID",
		"key rotate a b":         "name one key, by its name or id: kms key rotate NAME|ID",
		"encrypt":                `required flag(s) "key" not set`,
		"verify --key a":         `required flag(s) "signature" not set`,
		"key list --page-size 3": "unknown flag",
	} {
		require.ErrorContains(t, s.run(t, "", strings.Fields(line)...).err, want, line)
	}
	assert.Empty(t, f.asked())
}

func TestCommands_SayWhatToDo(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	require.ErrorContains(t, s.run(t, "", "key", "get", "nobody").err, `no elastic key "nobody" (request r-1); `+"`key list` shows the keys of your tenant")

	s.credential = "cu_at_wrong"
	require.ErrorContains(t, s.run(t, "", "self").err, "unauthenticated: the credential is not known (request r-1); the credential was refused: check the one")
	s.credential = ""

	for code, want := range map[string]string{
		"insufficient_scope":    "`self` shows the scopes",
		"sealed":                "an operator opens the service with `unseal`",
		"conflict":              "`key rotate`",
		"overloaded":            "try again later",
		"unsupported_algorithm": "ES256 signs",
	} {
		f.refusals["self"] = refusal(http.StatusForbidden, code, "no")
		require.ErrorContains(t, s.run(t, "", "self").err, want)
	}

	f.Close()
	require.ErrorContains(t, s.run(t, "", "self").err, "nothing listens there: start the service")
}

func TestCommands_PassOnWhyTheyCannotConnect(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "kms", SilenceErrors: true, SilenceUsage: true}
	connect := func(*cobra.Command) (*client.KMS, error) {
		return nil, errors.New("no context file: run `cryptoutil dev`")
	}
	root.AddCommand(cli.Commands(connect, connect)...)
	folder := t.TempDir()
	for _, line := range []string{"self", "key list", "key delete a", "encrypt --key a --out " + folder + "/out", "sign --key a --out " + folder + "/out"} {
		root.SetArgs(strings.Fields(line))
		root.SetIn(strings.NewReader(""))
		require.EqualError(t, root.ExecuteContext(t.Context()), "no context file: run `cryptoutil dev`", line)
	}
	assertOnly(t, folder)
}
