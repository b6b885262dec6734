//go:build e2e

package cryptoutil_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestShamir_SharesOpenTheBarrierAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	dir, said := initialize(t, "--unseal", "shamir", "--shares", "3", "--threshold", "2")
	shares := make([]string, 3)
	for n := range shares {
		shares[n] = filepath.Join(dir, "shares", "share-"+string(rune('1'+n)))
		assert.Contains(t, said.stdout, shares[n])
		assertMode(t, shares[n], 0o600)
	}
	i := serve(t, dir)
	i.isSealed(t, "waiting for unseal shares")

	i.submit(t, shares[0], 1, "1 of 2")
	i.isSealed(t, "waiting for 1 more")
	got := i.kms("unseal", "--share-file", shares[0]).run(t)
	assert.Equal(t, 1, got.exit)
	assert.Contains(t, got.stderr, "share 1 of set")
	assert.Contains(t, got.stderr, "twice")
	i.submit(t, shares[1], 0, "Sealed  false")
	i.createKey(t, "payroll", "A256GCM/A256KW")
	message := i.run(t, "encrypt", "--key", "payroll", "--in", shares[2])
	assert.Equal(t, "ok\n", i.run(t, "health"))

	i.run(t, "seal", "--output", "json")
	i.isSealed(t, "sealed by an operator")
	i.submit(t, shares[2], 1, "1 of 2")
	i.submit(t, shares[0], 0, "Sealed  false")
	i.opens(t, message)

	i.stop(t)
	i = serve(t, dir)
	i.isSealed(t, "waiting for unseal shares")
	i.submit(t, shares[1], 1, "1 of 2")
	i.submit(t, shares[2], 0, "Sealed  false")
	i.opens(t, message)
}

func TestShamir_ASpoiltShareIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	dir, _ := initialize(t, "--unseal", "shamir", "--shares", "3", "--threshold", "2")
	other, _ := initialize(t, "--unseal", "shamir", "--shares", "3", "--threshold", "2")
	i := serve(t, dir)
	share := func(dir, name string) string {
		text, err := os.ReadFile(filepath.Join(dir, "shares", name))
		require.NoError(t, err)
		return strings.TrimSpace(string(text))
	}
	unseal := func(text string) outcome {
		c := i.kms("unseal")
		c.stdin = strings.NewReader(text + "\n")
		return c.run(t)
	}
	good := share(dir, "share-2")
	letter := map[bool]string{true: "B", false: "A"}
	for _, at := range []int{len("cu_share_2_"), len(good) / 2, len(good) - 1} {
		got := unseal(good[:at] + letter[good[at] == 'A'] + good[at+1:])
		assert.Equal(t, 1, got.exit, "character %d", at)
		assert.Contains(t, got.stderr, "share 2: damaged", "character %d", at)
	}
	for _, text := range []string{good[:len(good)-1], good + "A", "cu_share_3" + good[len("cu_share_2"):], "something else", "cu_share_2_"} {
		got := unseal(text)
		assert.Equal(t, 1, got.exit, text)
		assert.Regexp(t, `^Error: bad_request: [^\n]+\n$`, got.stderr, text)
		assert.NotContains(t, got.stderr, text, "a share is not shown")
	}
	got := unseal("")
	assert.Equal(t, 1, got.exit)
	assert.Contains(t, got.stderr, "--share-file")
	i.isSealed(t, "waiting for unseal shares")

	// One of another set does not count for this one.
	assert.Equal(t, 1, unseal(good).exit)
	got = unseal(share(other, "share-1"))
	assert.Equal(t, 1, got.exit)
	assert.Contains(t, got.stderr, "set")
	i.isSealed(t, "waiting for 1 more")
	assert.Zero(t, unseal(share(dir, "share-3")).exit)
	assert.Equal(t, "ok\n", i.run(t, "health"))

	// Once the data is sealed with this set, another set does not open it.
	i.stop(t)
	i = serve(t, dir)
	assert.Equal(t, 1, unseal(share(other, "share-1")).exit)
	got = unseal(share(other, "share-2"))
	assert.Equal(t, 1, got.exit, got.stdout)
	assert.Contains(t, got.stderr, "share 2 of set")
	assert.Contains(t, got.stderr, "belongs to another set")
	i.isSealed(t, "")
}

// isSealed checks that everybody is told that the service is sealed, and why.
func (i *installation) isSealed(t *testing.T, reason string) {
	t.Helper()
	got := i.kms("status").run(t)
	assert.Equal(t, 1, got.exit)
	assert.Regexp(t, `barrier +failing +true +\S+ +sealed: .*`+reason, got.stdout)
	got = i.kms("health").run(t)
	assert.Equal(t, 1, got.exit)
	assert.Contains(t, got.stdout, "sealed: ")
	assert.Zero(t, i.kms("health", "--probe", "livez").run(t).exit, "it lives")
	got = i.suite("status").run(t)
	assert.Equal(t, 1, got.exit)
	assert.Regexp(t, `kms +failing .*sealed: .*`+reason, got.stdout)

	status, body, _ := i.curl(t, "--header", secretHeader(t, "Authorization: Bearer "+i.token(t)), i.public+"/service/api/v1/self")
	assert.Equal(t, "503 application/problem+json", status)
	assert.Contains(t, body, `"code":"sealed"`)
}

// submit gives a share to the service.
func (i *installation) submit(t *testing.T, file string, exit int, says string) {
	t.Helper()
	got := i.kms("unseal", "--share-file", file).run(t)
	assert.Equal(t, exit, got.exit, got.stderr)
	assert.Contains(t, got.stdout, says)
}

// opens decrypts a message, of which only its share is known.
func (i *installation) opens(t *testing.T, message string) {
	t.Helper()
	c := i.kms("decrypt")
	c.stdin = strings.NewReader(message)
	got := c.run(t)
	assert.Zero(t, got.exit, got.stderr)
	assert.Contains(t, got.stdout, "cu_share_3")
}
