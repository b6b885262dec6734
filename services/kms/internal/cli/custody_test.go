package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newRecipient makes a key pair as a user does.
func (s shell) newRecipient(t *testing.T, args ...string) (private, public string) {
	t.Helper()
	folder := t.TempDir()
	private, public = filepath.Join(folder, "private"), filepath.Join(folder, "public")
	assert.Empty(t, s.must(t, "", append([]string{"recipient", "create", "--private-key", private, "--public-key", public}, args...)...))
	return private, public
}

func TestRecipient_IsAPairThatOpenSSLReads(t *testing.T) {
	t.Parallel()
	s := shell{kms: newFakeKMS(t)}
	private, public := s.newRecipient(t)
	assertPrivate(t, private, public)
	assert.Equal(t, read(t, public), openssl(t, read(t, private), "pkey", "-pubout"))
	thumbprint := s.must(t, "", "recipient", "thumbprint", "--in", public)
	assert.Regexp(t, `^[A-Za-z0-9_-]{43}\n$`, thumbprint)
	assert.Equal(t, thumbprint, s.must(t, read(t, public), "recipient", "thumbprint"))
	before := read(t, private)
	require.ErrorContains(t, s.run(t, "", "recipient", "create", "--private-key", private, "--public-key", public).err, "is not written over")
	assert.Equal(t, before, read(t, private))
	require.ErrorContains(t, s.run(t, "", "recipient", "thumbprint", "--in", private).err, "holds a private key")
	private, _ = s.newRecipient(t, "--type", "RSA")
	assert.Contains(t, openssl(t, read(t, private), "pkey", "-noout", "-text"), "4096 bit")
	assert.Empty(t, s.kms.asked())
}

func TestExport_IsOpenedByItsRecipientAlone(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	s.must(t, "", "key", "create", "--name", "releases", "--algorithm", "ES256", "--exportable")
	f.add(t, "staying", "ES256")
	private, public := s.newRecipient(t)
	sec1 := openssl(t, "", "ecparam", "-name", "prime256v1", "-genkey", "-noout")
	certified := openssl(t, "", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072")
	certified = onlyPEM(t, certified)
	certificate := openssl(t, certified, "req", "-x509", "-key", "/dev/stdin", "-subj", "/CN=bob", "-days", "1")
	for _, pair := range [][2]string{
		{private, public},
		{write(t, sec1), write(t, openssl(t, sec1, "ec", "-pubout", "-conv_form", "uncompressed")[len("read EC key\nwriting EC key\n"):])},
		{write(t, certified), write(t, onlyPEM(t, certificate))},
	} {
		exported := s.must(t, "", "key", "export", "releases", "--recipient", pair[1])
		assert.Equal(t, 4, strings.Count(exported, "."))
		key := filepath.Join(t.TempDir(), "key")
		assert.Empty(t, s.must(t, exported, "recipient", "open", "--private-key", pair[0], "--format", "pem", "--out", key))
		assertPrivate(t, key)
		assert.Equal(t, s.must(t, "", "key", "public", "releases"), openssl(t, read(t, key), "pkey", "-pubout"))
		assert.Contains(t, s.must(t, exported, "recipient", "open", "--private-key", pair[0], "--out", "-"), `"d":`)
	}

	exported := write(t, s.must(t, "", "key", "export", "releases", "--recipient", public, "--version", "1", "--approval", "a1"))
	assert.Equal(t, "a1", f.vault.asked.Get("Approval"))
	stranger, _ := s.newRecipient(t)
	require.EqualError(t, s.run(t, "", "recipient", "open", "--private-key", stranger, "--in", exported, "--out", "-").err,
		"the exported key does not open: it is for another recipient, or damaged")
	require.ErrorContains(t, s.run(t, "", "recipient", "open", "--private-key", public, "--in", exported, "--out", "-").err, "holds no private key")
	require.ErrorContains(t, s.run(t, "hello", "recipient", "open", "--private-key", private, "--out", "-").err, "the input is no exported key")
	f.add(t, "payroll", "A256GCM/A256KW")
	require.ErrorContains(t, s.run(t, s.must(t, "x", "encrypt", "--key", "payroll"), "recipient", "open", "--private-key", private, "--out", "-").err, "no exported key is")
	require.ErrorContains(t, s.run(t, "", "key", "export", "staying", "--recipient", public).err, "`backup key` keeps the others")
	f.asked()
	require.ErrorContains(t, s.run(t, "", "key", "export", "releases", "--recipient", private).err, "holds a private key, which goes nowhere")
	assert.Empty(t, f.asked())
}

func TestApproval_IsAskedForWithWhatTheOperationIsAbout(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	_, public := s.newRecipient(t)
	thumbprint := strings.TrimSpace(s.must(t, "", "recipient", "thumbprint", "--in", public))
	ask := func(operation string, args ...string) string {
		s.must(t, "", append([]string{"approval", "request", operation, "payroll", "--reason", "r"}, args...)...)
		return string(f.wanted.Parameters)
	}
	assert.JSONEq(t, `{"version":"3"}`, ask("destroyMaterialKey", "--version", "3"))
	assert.JSONEq(t, `{"version":3,"recipient":"`+thumbprint+`"}`, ask("exportElasticKey", "--version", "3", "--recipient", public))
	assert.JSONEq(t, `{"recipients":["`+thumbprint+`"]}`, ask("backupElasticKey", "--recipient", public))
	require.Error(t, s.run(t, "", "approval", "request", "destroyMaterialKey", "payroll", "--reason", "r", "--version", "3", "--parameters", "{}").err)
}

func TestAttestation_IsVerifiedWithoutTheService(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "releases", "ES256")
	folder := t.TempDir()
	statement, keys, public := filepath.Join(folder, "statement"), filepath.Join(folder, "keys"), filepath.Join(folder, "public")
	s.must(t, "", "attestation", "get", "releases", "--out", statement)
	s.must(t, "", "attestation", "keys", "--out", keys)
	require.NoError(t, os.WriteFile(public, []byte(s.must(t, "", "key", "public", "releases")), 0o600))
	f.asked()
	out := s.must(t, "", "attestation", "verify", "--keys", keys, "--in", statement, "--public-key", public)
	assert.Contains(t, out, "Algorithm    ES256 P-256\n")
	assert.Contains(t, out, "Exportable   false\n")
	assert.Contains(t, s.must(t, read(t, statement), "attestation", "verify", "--keys", keys, "--output", "json"), `"origin": "generated"`)

	_, other := s.newRecipient(t)
	require.ErrorContains(t, s.run(t, "", "attestation", "verify", "--keys", keys, "--in", statement, "--public-key", other).err, "is about another key")
	altered := strings.TrimSpace(read(t, statement))
	require.EqualError(t, s.run(t, altered[:len(altered)-4]+"AAAA", "attestation", "verify", "--keys", keys).err, "the statement does not verify")
	require.ErrorContains(t, s.run(t, "", "attestation", "verify", "--keys", write(t, `{"keys":[]}`), "--in", statement).err, "`attestation keys` gets them")
	require.ErrorContains(t, s.run(t, "", "attestation", "verify", "--keys", write(t, "x"), "--in", statement).err, "attestation keys: ")
	assert.Empty(t, f.asked())
}

func TestBackup_IsRehearsedAndRestored(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	private, public := s.newRecipient(t)
	deputy, second := s.newRecipient(t)
	file := filepath.Join(t.TempDir(), "backup")
	assert.Empty(t, s.must(t, "", "backup", "tenant", "--recipient", public, "--recipient", second, "--out", file))
	assertPrivate(t, file)
	for _, key := range []string{private, deputy} {
		out := s.must(t, "", "backup", "check", "--in", file, "--private-key", key)
		assert.Contains(t, out, "Whole     yes\n")
		assert.Contains(t, out, "Keys      2\n")
	}
	assert.Contains(t, s.must(t, read(t, file), "backup", "check", "--private-key", private, "--output", "json"), `"records": 2`)

	out := s.must(t, "", "backup", "rehearse", "--in", file, "--private-key", private)
	assert.Contains(t, out, "To restore      2\n")
	assert.Contains(t, out, "Done            nothing: this was a rehearsal\n")
	assert.Empty(t, f.vault.restored)
	assert.Contains(t, s.must(t, "", "backup", "restore", "--in", file, "--private-key", private), "Restored        2\n")
	assert.Len(t, f.vault.restored, 2)

	r := s.run(t, "", "backup", "rehearse", "--in", file, "--private-key", private)
	require.EqualError(t, r.err, "the restore would be refused: 2 keys are in its way; --on-conflict skip leaves them out")
	assert.Contains(t, r.out, "In the way      payroll")
	require.ErrorContains(t, s.run(t, "", "backup", "restore", "--in", file, "--private-key", private).err, "`backup rehearse` lists them")
	assert.Contains(t, s.must(t, "", "backup", "restore", "--in", file, "--private-key", private, "--on-conflict", "skip"), "Skipped         2\n")

	stranger, _ := s.newRecipient(t)
	for verb, args := range map[string][]string{"check": nil, "restore": nil, "rehearse": nil} {
		f.asked()
		arguments := append([]string{"backup", verb, "--in", file, "--private-key", stranger}, args...)
		require.ErrorContains(t, s.run(t, "", arguments...).err, "take the private key of a recipient that the backup was made for", verb)
		cut := write(t, read(t, file)[:len(read(t, file))-1])
		require.Error(t, s.run(t, "", "backup", verb, "--in", cut, "--private-key", private).err)
		assert.Empty(t, f.asked(), "nothing is asked for what does not open")
	}
	require.ErrorContains(t, s.run(t, "", "backup", "restore", "--in", file+".none", "--private-key", private).err, "no file")
	require.ErrorContains(t, s.run(t, "", "backup", "restore", "--in", filepath.Dir(file), "--private-key", private).err, "no regular file")

	single := filepath.Join(filepath.Dir(file), "single")
	s.must(t, "", "backup", "key", "payroll", "--recipient", public, "--approval", "a1", "--out", single)
	assert.Equal(t, "a1", f.vault.asked.Get("Approval"))
	edwards := openssl(t, openssl(t, "", "genpkey", "-algorithm", "ED25519"), "pkey", "-pubout")
	f.asked()
	require.ErrorContains(t, s.run(t, "", "backup", "tenant", "--recipient", write(t, edwards), "--out", single).err, "recipients are public EC keys")
	assert.Empty(t, f.asked())
}
