package cli_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

const inline = 64 << 10

func TestEncrypt_MakesAMessageOfUpTo64KiB(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	key := f.add(t, "payroll", "A256GCM/A256KW")
	for _, size := range []int{0, 1, 100, inline} {
		plaintext := strings.Repeat("x", size)
		message := s.must(t, plaintext, "encrypt", "--key", "payroll")
		assert.Equal(t, 1, strings.Count(message, "\n"))
		assert.Equal(t, 4, strings.Count(message, "."))
		assert.Equal(t, []string{"POST /elastic-keys/payroll/encrypt"}, f.asked())

		for _, form := range []string{message, strings.TrimSpace(message), strings.TrimSpace(message) + "\r\n", message + "\n \n"} {
			assert.Equal(t, plaintext, s.must(t, form, "decrypt"))
			assert.Equal(t, []string{"POST /elastic-keys/" + key.ID + "/decrypt"}, f.asked(), "the message names its key")
		}
		assert.Equal(t, plaintext, s.must(t, message, "decrypt", "--key", "payroll"))
		assert.Equal(t, []string{"POST /elastic-keys/payroll/decrypt"}, f.asked())
	}
}

func TestEncrypt_MakesAnEnvelopeOfMore(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	for _, size := range []int{inline + 1, 2 * inline, 5*inline + 17} {
		plaintext := strings.Repeat("0123456789abcdef\n", size/17+1)[:size]
		file := s.must(t, plaintext, "encrypt", "--key", "payroll")
		require.Greater(t, len(file), size)
		assert.Equal(t, plaintext, s.must(t, file, "decrypt"))
		assert.Equal(t, plaintext, s.must(t, file, "decrypt", "--key", "payroll"))
		assert.Len(t, f.asked(), 3, "one operation for a file of any size")
	}
}

func TestEncrypt_WritesFilesThatOnlyTheOwnerReads(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	for _, size := range []int{10, 3 * inline} {
		folder := t.TempDir()
		plain, sealed, opened := filepath.Join(folder, "plain"), filepath.Join(folder, "sealed"), filepath.Join(folder, "opened")
		content := strings.Repeat("y", size)
		require.NoError(t, os.WriteFile(plain, []byte(content), 0o600))
		require.NoError(t, os.WriteFile(opened, []byte("older"), 0o644))

		assert.Empty(t, s.must(t, "", "encrypt", "--key", "payroll", "--in", plain, "--out", sealed))
		assert.Empty(t, s.must(t, "", "decrypt", "--in", sealed, "--out", opened))
		assert.Equal(t, content, read(t, opened))
		assertOnly(t, folder, "plain", "sealed", "opened")
		for _, path := range []string{sealed, opened} {
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode())
		}

		// In place, and through a link.
		link := filepath.Join(folder, "link")
		require.NoError(t, os.Symlink("plain", link))
		s.must(t, "", "encrypt", "--key", "payroll", "--in", link, "--out", link)
		assert.NotEqual(t, content, read(t, plain))
		s.must(t, "", "decrypt", "--in", plain, "--out", plain)
		assert.Equal(t, content, read(t, link))
	}
}

func TestEncrypt_BindsTheContext(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	for _, size := range []int{10, 2 * inline} {
		plaintext := strings.Repeat("z", size)
		sealed := s.must(t, plaintext, "encrypt", "--key", "payroll", "--encryption-context", "record=4711", "--encryption-context", "empty=", "--encryption-context", "eq=a=b")
		assert.Equal(t, plaintext, s.must(t, sealed, "decrypt", "--encryption-context", "eq=a=b", "--encryption-context", "empty=", "--encryption-context", "record=4711"))
		for _, other := range [][]string{nil, {"record=4711"}, {"record=4712", "empty=", "eq=a=b"}, {"record=4711", "empty=", "eq=a=b", "more=1"}} {
			args := []string{"decrypt"}
			for _, pair := range other {
				args = append(args, "--encryption-context", pair)
			}
			r := s.run(t, sealed, args...)
			require.ErrorContains(t, r.err, "decryption_failed")
			require.ErrorContains(t, r.err, "the key, the --encryption-context and the message must be those of the encryption")
			assert.Empty(t, r.out)
		}
	}
}

func TestDecrypt_KeepsNoFileThatDoesNotAuthenticate(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	message := s.must(t, "small", "encrypt", "--key", "payroll")
	file := s.must(t, strings.Repeat("large", inline), "encrypt", "--key", "payroll")
	headerEnd := strings.IndexByte(file, '\n') + 1
	flipped := []byte(file)
	flipped[headerEnd+3*(inline+28)+50] ^= 1

	for name, c := range map[string]struct{ in, want string }{
		"altered message":   {"e" + message[1:8] + "Z" + message[9:], "the input is neither a message nor a file"},
		"other message":     {message[:len(message)-3] + "AA\n", "decryption_failed"},
		"cut message":       {message[:len(message)/2], "the input is neither a message nor a file"},
		"text":              {"hello world\n", "the input is neither a message nor a file"},
		"nothing":           {"", "the input is neither a message nor a file"},
		"binary":            {strings.Repeat("\x00\xff", 100_000), "the input is neither a message nor a file"},
		"altered file":      {string(flipped), "chunk 3 does not authenticate: the file was altered"},
		"header line alone": {file[:headerEnd], "file is truncated"},
		"header and noise":  {file[:headerEnd] + "x", "file is truncated: nothing follows its header line"},
		"cut in a chunk":    {file[:headerEnd+inline+28+5], "file is truncated: it ends within chunk 1"},
		"cut between":       {file[:headerEnd+2*(inline+28)], "file is truncated: it ends after chunk 1"},
		"continued":         {file + "x", "file has data after its last chunk"},
		"chunks on message": {message + file[headerEnd:], "decryption_failed"},
	} {
		folder := t.TempDir()
		out := filepath.Join(folder, "out")
		require.NoError(t, os.WriteFile(out, []byte("older"), 0o600))
		r := s.run(t, c.in, "decrypt", "--out", out)
		require.ErrorContains(t, r.err, c.want, name)
		assert.Equal(t, "older", read(t, out), name)
		assertOnly(t, folder, "out")

		require.Error(t, s.run(t, c.in, "decrypt", "--out", filepath.Join(folder, "new")).err)
		assertOnly(t, folder, "out")
	}
}

func TestDecrypt_WantsAKeyWhereTheMessageNamesNone(t *testing.T) {
	t.Parallel()
	s := shell{kms: newFakeKMS(t)}
	for _, header := range []string{`{"alg":"dir"}`, `{"kid":"other"}`, `{"kid":".1"}`} {
		r := s.run(t, client.EncodeBytes([]byte(header))+".a.b.c.d\n", "decrypt")
		require.ErrorContains(t, r.err, "the message does not name its key: add --key", header)
	}
}

func TestDecrypt_RefusesAnotherKeyThanTheRequiredOne(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	f.add(t, "letters", "A256GCM/A256KW")
	message := s.must(t, "secret", "encrypt", "--key", "letters")
	require.ErrorContains(t, s.run(t, message, "decrypt", "--key", "payroll").err, "decryption_failed")
}

func TestEncrypt_LeavesNothingWhenTheServiceRefuses(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "releases", "ES256")
	for _, in := range []string{"small", strings.Repeat("x", 2*inline)} {
		folder := t.TempDir()
		r := s.run(t, in, "encrypt", "--key", "releases", "--out", filepath.Join(folder, "out"))
		require.ErrorContains(t, r.err, "`key get` shows what the key is for")
		assertOnly(t, folder)
	}
}

func TestEncrypt_TakesABrokenInputForNoEnd(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	for _, head := range []int{10, 3 * inline} {
		folder := t.TempDir()
		in := io.MultiReader(strings.NewReader(strings.Repeat("x", head)), iotest.ErrReader(errors.New("the disk is gone")))
		err := s.stream(t, in, io.Discard, io.Discard, "encrypt", "--key", "payroll", "--out", filepath.Join(folder, "out"))
		require.ErrorContains(t, err, "the disk is gone")
		assertOnly(t, folder)
	}
}

func TestCommands_NameTheFileThatIsWrong(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	folder := t.TempDir()
	require.EqualError(t, s.run(t, "", "encrypt", "--key", "payroll", "--in", folder+"/none").err, `no file "`+folder+`/none"`)
	require.EqualError(t, s.run(t, "", "encrypt", "--key", "payroll", "--in", folder).err, `"`+folder+`" is a directory`)
	require.EqualError(t, s.run(t, "", "encrypt", "--key", "payroll", "--out", folder).err, `--out "`+folder+`" is a directory`)
	require.ErrorContains(t, s.run(t, "", "encrypt", "--key", "payroll", "--out", folder+"/none/file").err, "--out: ")
	assert.Empty(t, f.asked())
}

func TestEncrypt_WritesIntoADeviceInPlace(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	f.add(t, "payroll", "A256GCM/A256KW")
	assert.Empty(t, shell{kms: f}.must(t, "small", "encrypt", "--key", "payroll", "--out", os.DevNull))
	info, err := os.Stat(os.DevNull)
	require.NoError(t, err)
	assert.False(t, info.Mode().IsRegular())
}

func TestTerminal_GetsTextOnly(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s, screen := shell{kms: f}, shell{kms: f, terminal: true}
	f.add(t, "payroll", "A256GCM/A256KW")
	f.add(t, "releases", "ES256")
	large := strings.Repeat("größer — ", 3*inline)

	message := screen.must(t, "Grüße\t…\r\n", "encrypt", "--key", "payroll")
	assert.Equal(t, "Grüße\t…\r\n", screen.must(t, message, "decrypt"))
	assert.Equal(t, large, screen.must(t, s.must(t, large, "encrypt", "--key", "payroll"), "decrypt"))

	for _, binary := range []string{"\x00", "\x1b[2J", "a\x07", "\u009b2J", "text\xff\xfe\xfdtext", "\x7f"} {
		sealed := s.must(t, binary, "encrypt", "--key", "payroll")
		r := screen.run(t, sealed, "decrypt")
		require.ErrorContains(t, r.err, "the result is binary and standard output is a terminal", "%q", binary)
		assert.Empty(t, r.out)
		assert.Equal(t, binary, screen.must(t, sealed, "decrypt", "--out", "-"))
	}
	r := screen.run(t, large, "encrypt", "--key", "payroll")
	require.ErrorContains(t, r.err, "name a file with --out")
	assert.Empty(t, r.out)
	require.ErrorContains(t, screen.run(t, "x", "sign", "--key", "releases", "--format", "der").err, "name a file with --out")
}

// zeros is an endless source.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

//nolint:paralleltest // it measures the memory of the whole process
func TestCommands_TakeConstantMemory(t *testing.T) {
	const size = 96 << 20
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	f.add(t, "releases", "ES256")
	folder := t.TempDir()
	sealed, signature := filepath.Join(folder, "sealed"), filepath.Join(folder, "signature")

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, s.stream(t, io.LimitReader(zeros{}, size), io.Discard, io.Discard, "encrypt", "--key", "payroll", "--out", sealed))
	require.NoError(t, s.stream(t, bytes.NewReader(nil), io.Discard, io.Discard, "decrypt", "--in", sealed))
	require.NoError(t, s.stream(t, io.LimitReader(zeros{}, size), io.Discard, io.Discard, "sign", "--key", "releases", "--out", signature))
	require.NoError(t, s.stream(t, io.LimitReader(zeros{}, size), io.Discard, io.Discard, "verify", "--key", "releases", "--signature", signature))
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20), "bytes allocated, ever, for four times 96 MiB, the double included")
}

func TestEncrypt_NamesTheFolderThatIsMissing(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "absent")
	err := shell{kms: newFakeKMS(t)}.run(t, "x", "encrypt", "--key", "payroll", "--out", filepath.Join(folder, "file")).err
	require.EqualError(t, err, "--out: the folder "+strconv.Quote(folder)+" does not exist")
}
