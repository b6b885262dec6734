package cli_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// lines are the objects of a text, one on each line.
func lines(t *testing.T, text string) (objects []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var object map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &object))
		objects = append(objects, object)
	}
	return objects
}

func TestBatch_KeepsTheOrderOfAnyNumber(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	var items, open strings.Builder
	const count = 2300
	for n := range count {
		fmt.Fprintf(&items, "{\"plaintext\":%q}\n", client.EncodeBytes(fmt.Appendf(nil, "item %d", n)))
		if n%500 == 0 {
			items.WriteString("\n  \n")
		}
	}
	sealed := filepath.Join(t.TempDir(), "sealed")
	s.must(t, items.String(), "batch", "encrypt", "--key", "payroll", "--out", sealed)
	assertPrivate(t, sealed)
	assert.Equal(t, []string{"POST /elastic-keys/payroll/encrypt-batch", "POST /elastic-keys/payroll/encrypt-batch", "POST /elastic-keys/payroll/encrypt-batch"}, f.asked())
	for _, result := range lines(t, read(t, sealed)) {
		assert.EqualValues(t, 200, result["status"])
		fmt.Fprintf(&open, "{\"ciphertext\":%q}\n", result["ciphertext"])
	}
	opened := lines(t, s.must(t, open.String(), "batch", "decrypt", "--key", "payroll", "--size", "999"))
	require.Len(t, opened, count)
	for n, result := range opened {
		assert.Equal(t, client.EncodeBytes(fmt.Appendf(nil, "item %d", n)), result["plaintext"])
	}
	assert.Empty(t, s.must(t, "\n \n", "batch", "encrypt", "--key", "payroll"))
}

func TestBatch_TellsWhatFailedAndDoesTheRest(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	items := "{\"plaintext\":\"aGVsbG8\"}\n\n{\"plain\":\"x\"}\n{\"plaintext\n{\"plaintext\":\"aGVsbG8\"}"
	out := filepath.Join(t.TempDir(), "out")
	r := s.run(t, items, "batch", "encrypt", "--key", "payroll", "--out", out)
	require.ErrorContains(t, r.err, "2 of 4 items failed, the first on line 3: bad_request")
	assert.False(t, isUsageError(r.err))
	var statuses []any
	for _, result := range lines(t, read(t, out)) {
		statuses = append(statuses, result["status"])
	}
	assert.Equal(t, []any{200.0, 400.0, 400.0, 200.0}, statuses)

	folder := t.TempDir()
	r = s.run(t, items, "batch", "encrypt", "--key", "nobody", "--out", filepath.Join(folder, "out"))
	require.ErrorContains(t, r.err, "the items from line 1 on: ")
	require.ErrorContains(t, r.err, "`key list` shows the keys of your tenant")
	assertOnly(t, folder)
	r = s.run(t, "{}\n"+strings.Repeat("x", 9<<20), "batch", "encrypt", "--key", "payroll")
	require.ErrorContains(t, r.err, "line 2 is longer than 8 MiB")
}

func TestBatch_OfEveryOperation(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "any", "HS256")
	for operation, item := range map[string]string{
		"mac": `{"payload":"aGVsbG8"}`, "verify-mac": `{"payload":"aGVsbG8","mac":"AAAA"}`, "generate-data-key": `{}`, "wrap": `{"key":"AAAA"}`,
		"generate": `{"algorithm":"ES256"}`, "derive": `{"length":32}`, "encapsulate": `{}`, "decapsulate": `{"ciphertext":"AAAA"}`,
	} {
		results := lines(t, s.must(t, item+"\n"+item, "batch", operation, "--key", "any", "--out", "-"))
		require.Len(t, results, 2, operation)
	}
	wrapped := lines(t, s.must(t, `{"key":"AAAA"}`, "batch", "wrap", "--key", "any"))[0]["wrapped"]
	assert.Equal(t, "AAAA", lines(t, s.must(t, fmt.Sprintf(`{"wrapped":%q}`, wrapped), "batch", "unwrap", "--key", "any", "--out", "-"))[0]["key"])
	assert.Len(t, lines(t, s.must(t, `{"bytes":3}`, "batch", "generate-random"))[0]["random"], 4)
}
