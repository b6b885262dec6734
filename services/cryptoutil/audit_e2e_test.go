//go:build e2e

package cryptoutil_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// The audit trail of real requests is proved offline, and whatever is done to it is found and named.
func TestAudit_WhatIsDoneToTheTrailIsFoundOffline(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dir, data := preparedOn(t, engine)
			i := serve(t, dir)
			i.causeEvents(t)
			file, keys := i.exportAudit(t, "trail")
			lines := readLines(t, file)
			verify := func(file string, args ...string) outcome {
				return call{path: program(t, kmsServer), args: append([]string{"audit", "verify", file, "--key", keys}, args...), env: environment(t.TempDir())}.run(t)
			}
			intact := verify(file)
			assert.Zero(t, intact.exit, intact.stdout+intact.stderr)
			assert.Regexp(t, `Intact +true`, intact.stdout)
			bySuite := call{path: program(t, suite), args: []string{"audit", "verify", file, "--key", keys}, env: environment(t.TempDir())}.run(t)
			assert.Zero(t, bySuite.exit, bySuite.stderr)
			outcomes := map[string]int{}
			for _, line := range lines {
				for _, word := range []string{"allowed", "denied", "failed"} {
					if strings.Contains(line, `"outcome":"`+word+`"`) {
						outcomes[word]++
					}
				}
			}
			t.Logf("%d lines: %v", len(lines), outcomes)
			for _, word := range []string{"allowed", "denied", "failed"} {
				assert.Positive(t, outcomes[word], word)
			}

			// Changed in the file.
			at := eventLines(t, lines)
			require.Greater(t, len(at), 6)
			victim := at[len(at)/2]
			require.Contains(t, lines[victim+1], `"type":"event"`)
			seq := seqOf(t, lines[victim])
			for name, c := range map[string]struct {
				lines []string
				kind  string
				at    int64
			}{
				"altered":   {replaced(lines, victim, strings.Replace(lines[victim], `"action":"`, `"action":"x`, 1)), "altered", seq},
				"removed":   {append(append([]string{}, lines[:victim]...), lines[victim+1:]...), "missing", seq},
				"reordered": {swapped(lines, victim, victim+1), "reordered", seq},
			} {
				require.NotEqual(t, lines, c.lines, name)
				broken := filepath.Join(t.TempDir(), name+".jsonl")
				require.NoError(t, os.WriteFile(broken, []byte(strings.Join(c.lines, "\n")+"\n"), 0o600))
				found := verdictOf(t, verify(broken, "--output", "json"))
				t.Logf("%s: %+v", name, found.Break)
				assert.False(t, found.Intact, name)
				assert.Equal(t, c.kind, found.Break.Kind, "%s: %+v", name, found.Break)
				assert.Equal(t, c.at, found.Break.Seq, "%s: %+v", name, found.Break)
			}

			// A cut tail is only to be seen with a checkpoint from elsewhere: the service's log has them.
			log := filepath.Join(t.TempDir(), "kms.log")
			require.NoError(t, os.WriteFile(log, []byte(i.stderr.String()), 0o600))
			assert.Zero(t, verify(file, "--checkpoint", log).exit, "the whole trail goes with the log")
			short := filepath.Join(t.TempDir(), "short.jsonl")
			require.NoError(t, os.WriteFile(short, []byte(strings.Join(lines[:at[len(at)-3]], "\n")+"\n"), 0o600))
			alone := verify(short, "--output", "json")
			t.Logf("cut, without the log: exit %d", alone.exit)
			found := verdictOf(t, verify(short, "--checkpoint", log, "--output", "json"))
			t.Logf("cut: %+v", found.Break)
			assert.Equal(t, "cut", found.Break.Kind)

			// Changed in the database, by somebody who can write there.
			i.stop(t)
			for _, c := range []struct{ name, kind, statement string }{
				{"altered", "altered", `UPDATE audit_events SET body = replace(body, '"action":"', '"action":"x') WHERE tenant_id = 'default' AND seq = $1`},
				{"removed", "missing", "DELETE FROM audit_events WHERE tenant_id = 'default' AND seq = $1"},
			} {
				inDatabase(t, data, func(ctx context.Context, db *database.DB) error {
					result, err := db.Exec(ctx, c.statement, seq)
					if err != nil {
						return err
					}
					if n, err := result.RowsAffected(); err != nil || n != 1 {
						return errors.Join(err, errors.New("not one event was changed"))
					}
					return nil
				})
				i = serve(t, dir)
				again, _ := i.exportAudit(t, "after-"+c.name)
				found := verdictOf(t, verify(again, "--output", "json"))
				t.Logf("%s in the database: %+v", c.name, found.Break)
				assert.False(t, found.Intact)
				assert.Equal(t, c.kind, found.Break.Kind, "%+v", found.Break)
				assert.Equal(t, seq, found.Break.Seq, "%+v", found.Break)
				i.stop(t)
			}
		})
	}
}

// causeEvents makes requests that are allowed, denied and failed, and uses keys.
func (i *installation) causeEvents(t *testing.T) {
	t.Helper()
	v := newVault(t, i)
	v.opens(t, i)
	reader := strings.TrimSpace(i.suite("kms", "credential", "add", "--config", i.file("kms.yaml"), "--kind", "token", "--id", "reader", "--scopes", "kms:read").run(t).stdout)
	require.NotEmpty(t, reader)
	a := i.api(t)
	expect := func(a *api, status int, method, path string, body any) {
		t.Helper()
		answer, err := a.do(t.Context(), method, path, body, nil)
		require.NoError(t, err)
		require.Equal(t, status, answer.status, "%s: %s", path, answer.body)
	}
	for range 4 {
		expect(a, http.StatusCreated, http.MethodPost, "elastic-keys/first/rotate", nil)
		expect(a, http.StatusConflict, http.MethodPost, "elastic-keys", map[string]string{"name": "first", "algorithm": "ES256"})
		expect(a, http.StatusNotFound, http.MethodPost, "elastic-keys/nobody/rotate", nil)
	}
	limited := i.api(t)
	limited.token = lastWord(reader)
	eventually(t, "the new token is known", func() bool {
		answer, err := limited.do(t.Context(), http.MethodGet, "self", nil, nil)
		return err == nil && answer.status == http.StatusOK
	})
	for range 3 {
		expect(limited, http.StatusForbidden, http.MethodPost, "elastic-keys/first/rotate", nil)
	}
}

func lastWord(text string) string {
	words := strings.Fields(text)
	return words[len(words)-1]
}

// exportAudit exports the trail and its keys through the administration API, when all that was done has its number.
func (i *installation) exportAudit(t *testing.T, name string) (file, keys string) {
	t.Helper()
	a := i.api(t)
	get := func(path string) string {
		answer, err := a.do(t.Context(), http.MethodGet, path, nil, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
		return string(answer.body)
	}
	text, settled := "", 0
	var since time.Time
	eventuallyWithin(t, patience, 500*time.Millisecond, "all events have a number", func() bool {
		text = get("audit/export")
		n := 0
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, `{"type":"event"`) && !strings.Contains(line, "exportAudit") { // each look makes one of its own
				n++
			}
		}
		if n == 0 || n != settled {
			settled, since = n, time.Now()
		}
		return time.Since(since) > 2500*time.Millisecond // two turns of the sequencer
	})
	file, keys = filepath.Join(t.TempDir(), name+".jsonl"), filepath.Join(t.TempDir(), name+".keys.json")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	require.NoError(t, os.WriteFile(keys, []byte(get("audit/checkpoint-key")), 0o600))
	return file, keys
}

// verdict is the answer of audit verify.
type verdict struct {
	Intact bool `json:"intact"`
	Break  struct {
		Kind string `json:"kind"`
		Seq  int64  `json:"seq"`
		Line int64  `json:"line"`
		Text string `json:"text"`
	} `json:"break"`
}

func verdictOf(t *testing.T, got outcome) (v verdict) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &v), "%s%s", got.stdout, got.stderr)
	assert.Equal(t, map[bool]int{true: 0, false: 1}[v.Intact], got.exit)
	return v
}

func readLines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// eventLines are the places of the lines with events.
func eventLines(t *testing.T, lines []string) (at []int) {
	t.Helper()
	for n, line := range lines {
		if strings.HasPrefix(line, `{"type":"event"`) {
			at = append(at, n)
		}
	}
	return at
}

// seqOf is the number of the event in a line.
func seqOf(t *testing.T, line string) int64 {
	t.Helper()
	var event struct {
		Seq int64 `json:"seq"`
	}
	require.NoError(t, json.Unmarshal([]byte(line), &event), line)
	return event.Seq
}

// replaced is lines with another one in a place.
func replaced(lines []string, at int, line string) []string {
	changed := slices.Clone(lines)
	changed[at] = line
	return changed
}

// swapped is lines with two of them changed over.
func swapped(lines []string, a, b int) []string {
	changed := slices.Clone(lines)
	changed[a], changed[b] = changed[b], changed[a]
	return changed
}
