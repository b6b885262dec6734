package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func TestImport_WritesTheTokenForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	folder := t.TempDir()
	token := filepath.Join(folder, "token")
	assert.Equal(t, "-----BEGIN PUBLIC KEY-----\n", s.must(t, "", "import", "start", "payroll", "--token-file", token))
	assert.Equal(t, importToken+"\n", read(t, token))
	info, err := os.Stat(token)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())

	f.asked()
	require.ErrorContains(t, s.run(t, "", "import", "start", "payroll", "--token-file", token).err, "--token-file: ", "nothing is overwritten")
	assert.Empty(t, f.asked(), "no job is made whose token has no place")
	require.Error(t, s.run(t, "", "import", "start", "payroll", "--token-file", filepath.Join(folder, "new"), "--wrapping", "ECDH-ES+A256KW", "--output", "x").err)
	assertOnly(t, folder, "token")
	assert.Contains(t, s.must(t, "", "import", "start", "payroll", "--format", "jwk", "--token-file", filepath.Join(folder, "two")), `"kty"`)
}

func TestImport_BringsMaterial(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	token := write(t, importToken+"\n")
	assert.Equal(t, "2\n", s.must(t, "\x00wrapped\n", "import", "finish", "payroll", "--token-file", token))
	assert.Equal(t, client.EncodeBytes([]byte("\x00wrapped\n")), *f.imported.WrappedMaterial, "every byte")
	assert.Nil(t, f.imported.ExpiresAt)

	s.must(t, "a.b.c.d.e\n", "import", "finish", "payroll", "--token-file", token, "--expires-in", "365d", "--version", "2")
	assert.Equal(t, "a.b.c.d.e", *f.imported.WrappedMaterial, "a compact JWE as it is")
	assert.NotNil(t, f.imported.ExpiresAt)
	assert.EqualValues(t, 2, *f.imported.Version)

	s.must(t, "-----BEGIN PUBLIC KEY-----\n", "import", "public", "payroll")
	assert.JSONEq(t, `"-----BEGIN PUBLIC KEY-----\n"`, string(*f.imported.PublicKey))
	s.must(t, `{"kty":"EC"}`, "import", "public", "payroll")
	assert.JSONEq(t, `{"kty":"EC"}`, string(*f.imported.PublicKey))

	require.ErrorContains(t, s.run(t, "x", "import", "finish", "payroll", "--token-file", write(t, "other")).err, "begin anew with `import start`")
	require.ErrorContains(t, s.run(t, "", "import", "public", "payroll").err, "is empty")
	require.ErrorContains(t, s.run(t, strings.Repeat("x", 25<<10), "import", "public", "payroll").err, "more than 24 KiB")
	assert.Len(t, strings.Split(strings.TrimSpace(s.must(t, "", "import", "jobs", "payroll")), "\n"), 4)
}

func TestApproval_IsAskedForAndUsed(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	assert.Equal(t, "a1\n", s.must(t, "", "approval", "request", "destroyMaterialKey", "payroll", "--reason", "gone", "--parameters", `{"version":"3"}`))
	assert.Equal(t, "destroyMaterialKey", f.wanted.Operation)
	assert.JSONEq(t, `{"version":"3"}`, string(f.wanted.Parameters))
	assert.Len(t, strings.Split(strings.TrimSpace(s.must(t, "", "approval", "list", "--state", "pending")), "\n"), 4)
	out := s.must(t, "", "approval", "get", "a1")
	assert.Contains(t, out, "Approvals       1 of 2\n")
	assert.Contains(t, out, "Approver alice  approve 2026-11-02T09:30:00.000000Z\nApprover bob    nothing yet\n")
	for verb, state := range map[string]string{"approve": "approved", "reject": "rejected", "cancel": "cancelled"} {
		assert.Contains(t, s.must(t, "", "approval", verb, "a1"), "State           "+state+"\n")
	}

	assert.Equal(t, "version 1 of key payroll is destroyed and primary\n", s.must(t, "", "key", "version", "destroy", "payroll", "1", "--now", "--approval", "a1"))
	require.ErrorContains(t, s.run(t, "", "key", "delete", "payroll", "--now", "--approval", "a2").err, "`approval list` shows your requests")
	assert.Equal(t, "key payroll is deleted\n", s.must(t, "", "key", "delete", "payroll", "--now", "--approval", "a1"))
}

func TestImportAndApproval_RefuseMistakenCommandLines(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	for line, want := range map[string]string{
		"import start a --token-file t --wrapping RSA":      "--wrapping is",
		"import start a --token-file t --format der":        "--format is",
		"import finish a --token-file t --expires-in never": "is no duration",
		"import finish a --token-file t --expires-in 0d":    "is no duration",
		"import finish a --token-file t --version -1":       "--version must be 1 or more",
		"import public": "name one key",
		"approval request a b --reason r --parameters [1]":  "no JSON object",
		"approval request a b --reason r --parameters null": "no JSON object",
		"approval request a --reason r":                     "name the operation and the key",
		"approval get":                                      "name one request",
		"approval list --state open":                        "--state is",
	} {
		err := s.run(t, "", strings.Fields(line)...).err
		require.ErrorContains(t, err, want, line)
		assert.True(t, isUsageError(err), line)
	}
	for _, line := range []string{"key delete a --now", "key delete a --approval x", "key delete a --now --approval x --dry-run", "key version destroy a 1 --now --approval x --wait-days 7"} {
		require.Error(t, s.run(t, "", strings.Fields(line)...).err, line)
	}
	assert.Empty(t, f.asked())
}

func TestImport_WrapsMaterialItself(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "brought", "ES256")
	opened := func() []byte {
		text, _, err := jwe.Decrypt(f.vault.recipient, *f.imported.WrappedMaterial, jwe.Expect{Algorithm: "ECDH-ES+A256KW", Encryption: "A256GCM"})
		require.NoError(t, err)
		return text
	}
	pem := openssl(t, "", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
	assert.Equal(t, "2\n", s.must(t, pem, "import", "material", "brought", "--expires-in", "30d", "--version", "1"))
	assert.Equal(t, importToken, *f.imported.Job)
	assert.NotNil(t, f.imported.ExpiresAt)
	assert.EqualValues(t, 1, *f.imported.Version)
	assert.Equal(t, openssl(t, pem, "pkey", "-pubout"), openssl(t, string(opened()), "pkey", "-inform", "DER", "-pubout"), "PKCS #8 in DER")
	s.must(t, "\x00\xffoctets\n", "import", "material", "brought")
	assert.Equal(t, "\x00\xffoctets\n", string(opened()))
	s.must(t, "00ff", "import", "material", "brought", "--format", "hex")
	assert.Equal(t, "\x00\xff", string(opened()))
	s.must(t, `{"kty":"oct","k":"AAAA"}`, "import", "material", "brought")
	assert.JSONEq(t, `{"kty":"oct","k":"AAAA"}`, string(opened()))

	f.asked()
	require.ErrorContains(t, s.run(t, openssl(t, pem, "pkey", "-pubout"), "import", "material", "brought").err, "`import public` brings those")
	require.ErrorContains(t, s.run(t, "xyz", "import", "material", "brought", "--format", "base64url").err, "is not base64url")
	require.ErrorContains(t, s.run(t, "", "import", "material", "brought").err, "standard input is empty")
	assert.Empty(t, f.asked(), "no job is made for what cannot be read")
}

func TestImport_ShowsAJobAgain(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	assert.Contains(t, s.must(t, "", "import", "job", "payroll", "j1"), "Status    open\n")
	assert.Contains(t, s.must(t, "", "import", "job", "payroll", "j1", "--format", "pem"), "-----BEGIN PUBLIC KEY-----")
	assert.Contains(t, s.must(t, "", "import", "job", "payroll", "j1", "--format", "jwk"), `"kty"`)
	require.ErrorContains(t, s.run(t, "", "import", "job", "payroll", "j0", "--format", "pem").err, "begin anew with `import start`")
}
