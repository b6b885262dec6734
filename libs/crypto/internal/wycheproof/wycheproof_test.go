package wycheproof_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/wycheproof"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// recorder stands in for a test and records what became of it.
type recorder struct{ skipped, fatal, errors, logs []string }

type stop struct{}

func (r *recorder) Helper() {}
func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = append(r.skipped, fmt.Sprintf(format, args...))
	panic(stop{})
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = append(r.fatal, fmt.Sprintf(format, args...))
	panic(stop{})
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Logf(format string, args ...any) {
	r.logs = append(r.logs, fmt.Sprintf(format, args...))
}

type group struct {
	Tests []wycheproof.Test `json:"tests"`
}

func load(r *recorder, name string) (file wycheproof.File[group]) {
	defer func() {
		if v := recover(); v != nil && v != any(stop{}) {
			panic(v)
		}
	}()
	return wycheproof.Load[group](r, name)
}

func TestLoad_SkipsOnlyWhereItMay(t *testing.T) {
	t.Setenv(wycheproof.Folder, "")
	t.Setenv("CRYPTOUTIL_TEST_REQUIRED", "")
	var r recorder
	load(&r, "a.json")
	assert.Len(t, r.skipped, 1)
	assert.Empty(t, r.fatal)

	t.Setenv("CRYPTOUTIL_TEST_REQUIRED", "1")
	r = recorder{}
	load(&r, "a.json")
	assert.Empty(t, r.skipped)
	assert.Len(t, r.fatal, 1)

	folder := t.TempDir()
	t.Setenv(wycheproof.Folder, folder)
	r = recorder{}
	load(&r, "a.json")
	assert.Len(t, r.fatal, 1, "a missing file is no reason to skip")

	require.NoError(t, os.Mkdir(filepath.Join(folder, "wycheproof"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "wycheproof", "a.json"), []byte(`{"numberOfTests":1,"testGroups":[{"tests":[{"tcId":1,"result":"valid"}]}]}`), 0o600))
	r = recorder{}
	file := load(&r, "a.json")
	assert.Empty(t, r.fatal)
	assert.Equal(t, 1, file.NumberOfTests)
	assert.Equal(t, "valid", file.Groups[0].Tests[0].Result)
}

func TestTally(t *testing.T) {
	t.Parallel()
	failure := errors.New("refused")
	policy := wycheproof.Policy{Reason: "why", Is: failure}
	for _, c := range []struct {
		result string
		err    error
		policy wycheproof.Policy
		passes bool
	}{
		{"valid", nil, wycheproof.Policy{}, true},
		{"valid", failure, wycheproof.Policy{}, false},
		{"valid", failure, policy, true},
		{"valid", nil, policy, false},
		{"valid", errors.New("another"), policy, false},
		{"valid", failure, wycheproof.Policy{Reason: "why", Code: "code"}, false},
		{"acceptable", failure, wycheproof.Policy{}, false},
		{"acceptable", failure, policy, true},
		{"invalid", failure, wycheproof.Policy{}, true},
		{"invalid", nil, wycheproof.Policy{}, false},
		{"invalid", nil, policy, false},
	} {
		var r recorder
		tally := wycheproof.File[group]{Name: "f", NumberOfTests: 1}.Start(&r)
		tally.Check(wycheproof.Test{ID: 1, Result: c.result}, c.err, c.policy)
		tally.Finish()
		assert.Equal(t, c.passes, len(r.errors) == 0, "%+v: %v", c, r.errors)
		assert.Len(t, r.logs, 1)
	}
	var r recorder
	wycheproof.File[group]{Name: "f", NumberOfTests: 1}.Start(&r).Finish()
	assert.Len(t, r.errors, 1, "a vector that was not run is missed")
}
