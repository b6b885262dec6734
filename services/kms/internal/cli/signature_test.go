package cli_test

import (
	"encoding/base64"
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

func TestSign_MakesAFileSignature(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "releases", "ES256")
	for _, content := range []string{"", "abc", strings.Repeat("large", inline)} {
		signature := s.must(t, content, "sign", "--key", "releases")
		assert.Equal(t, 1, strings.Count(signature, "\n"))
		parts := strings.Split(signature, ".")
		require.Len(t, parts, 3)
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		require.NoError(t, err)
		assert.Contains(t, string(header), `"typ":"cu-file+jws"`)
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		require.NoError(t, err)
		assert.Regexp(t, `^{"alg":"SHA-512","digest":"[A-Za-z0-9_-]{86}","size":\d+}$`, string(payload))

		out := s.must(t, content, "verify", "--key", "releases", "--signature", write(t, signature))
		assert.Equal(t, "the signature verifies: key releases, version 1\n", out)
	}
}

func TestVerify_FindsTheVersionThatSigned(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "releases", "ES256")
	content := write(t, "content")
	folder := t.TempDir()
	older, newer := filepath.Join(folder, "older"), filepath.Join(folder, "newer")
	s.must(t, "", "sign", "--key", "releases", "--in", content, "--out", older)
	s.must(t, "", "key", "rotate", "releases")
	s.must(t, "", "sign", "--key", "releases", "--in", content, "--out", newer)
	assert.Contains(t, s.must(t, "", "verify", "--key", "releases", "--signature", older, "--in", content), "version 1")
	assert.Contains(t, s.must(t, "", "verify", "--key", "releases", "--signature", newer, "--in", content), "version 2")
	assert.Contains(t, s.must(t, read(t, newer), "verify", "--key", "releases", "--signature", "-", "--in", content), "version 2")
}

func TestVerify_FailsWithOneLine(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "releases", "ES256")
	f.add(t, "others", "ES256")
	signature := s.must(t, "content", "sign", "--key", "releases")
	foreign := s.must(t, "content", "sign", "--key", "others")
	parts := strings.Split(signature, ".")

	kms, err := f.dial(token)
	require.NoError(t, err)
	t.Cleanup(kms.Close)
	sign := func(payload string, typ *string) string {
		signed, err := kms.Sign(t.Context(), "releases", client.SignRequest{Payload: client.EncodeBytes([]byte(payload)), Typ: typ})
		require.NoError(t, err)
		return signed.Signature
	}

	for name, c := range map[string]struct{ content, signature, want string }{
		"other content":     {"Content", signature, "the signature does not verify: the file is not the signed one: same size, other content"},
		"shorter content":   {"conten", signature, "the signature does not verify: the file has 6 bytes, the signed one has 7"},
		"other key":         {"content", foreign, `the signature does not verify with key "releases"`},
		"altered signature": {"content", parts[0] + "." + parts[1] + ".AAAA", `the signature does not verify with key "releases"`},
		"other payload":     {"content", parts[0] + "." + client.EncodeBytes([]byte("{}")) + "." + parts[2], `the signature does not verify with key "releases"`},
		"not a JWS":         {"content", "text", "the signature does not verify: it is no compact JWS; a bare signature needs --format"},
		"other type":        {"content", sign(`{}`, nil), `the signature does not verify with key "releases"`},
		"other statement":   {"content", sign(`{}`, new("cu-file+jws")), "the signature does not verify: it is not of a file: statement: its members must be alg, digest and size"},
	} {
		r := s.run(t, c.content, "verify", "--key", "releases", "--signature", write(t, c.signature))
		require.EqualError(t, r.err, c.want, name)
		assert.Empty(t, r.out)
		assert.False(t, isUsageError(r.err))
	}

	require.ErrorContains(t, s.run(t, "", "verify", "--key", "releases", "--signature", write(t, "")).err, "holds no signature")
	require.ErrorContains(t, s.run(t, "", "verify", "--key", "releases", "--signature", write(t, strings.Repeat("x", 1<<20))).err, "holds no signature")
	require.ErrorContains(t, s.run(t, "", "verify", "--key", "releases", "--signature", "/none").err, `no file "/none"`)
}

func TestSign_MakesBareSignatures(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "releases", "ES256")
	folder := t.TempDir()
	for _, c := range []struct {
		name, content string
		flags         []string
	}{
		{"message", "content", nil},
		{"digest", "content", []string{"--digest"}},
		{"large", strings.Repeat("large", inline), []string{"--digest"}},
	} {
		file, signature := write(t, c.content), filepath.Join(folder, c.name)
		s.must(t, "", append([]string{"sign", "--key", "releases", "--format", "der", "--in", file, "--out", signature}, c.flags...)...)
		verify := append([]string{"verify", "--key", "releases", "--format", "der", "--signature", signature}, c.flags...)
		assert.Contains(t, s.must(t, "", append(verify, "--in", file)...), "version 1")
		require.EqualError(t, s.run(t, "other", verify...).err, `the signature does not verify with key "releases"`)
	}

	require.ErrorContains(t, s.run(t, strings.Repeat("x", inline+1), "sign", "--key", "releases", "--format", "der").err, "add --digest")
	f.add(t, "people", "Ed25519")
	require.ErrorContains(t, s.run(t, "x", "sign", "--key", "people", "--format", "raw", "--digest").err, "Ed25519 signs no digest: leave out --digest")

	s.must(t, "", "key", "rotate", "releases")
	old := []string{"verify", "--key", "releases", "--format", "der", "--signature", filepath.Join(folder, "message")}
	require.ErrorContains(t, s.run(t, "content", old...).err, "does not verify")
	assert.Contains(t, s.must(t, "content", append(old, "--version", "1")...), "version 1")
}

func TestSign_MakesWhatOpenSSLVerifies(t *testing.T) {
	t.Parallel()
	openssl := testkit.RequireTool(t, "openssl")
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "releases", "ES256")
	folder, content := t.TempDir(), write(t, strings.Repeat("large", inline))
	public, signature := filepath.Join(folder, "public.pem"), filepath.Join(folder, "signature")
	require.NoError(t, os.WriteFile(public, []byte(s.must(t, "", "key", "public", "releases")), 0o600))
	s.must(t, "", "sign", "--key", "releases", "--format", "der", "--digest", "--in", content, "--out", signature)

	out, err := exec.CommandContext(t.Context(), openssl, "dgst", "-sha256", "-verify", public, "-signature", signature, content).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "Verified OK")
}
