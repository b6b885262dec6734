//go:build e2e

package cryptoutil_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// audit compares what the service has with what it said.
func (l *ledger) audit(t *testing.T, a *api) {
	t.Helper()
	assert.Empty(t, l.doubles, "version numbers that were given twice")
	assert.Empty(t, l.refusals, "answers that nobody asked for")
	found := listAll[elasticKey](t, a, "elastic-keys")
	byName := map[string]elasticKey{}
	for _, key := range found {
		assert.NotContains(t, byName, key.Name, "two keys of one name")
		byName[key.Name] = key
	}
	may := map[string]bool{}
	for _, attempt := range l.unanswered {
		may[attempt.name] = true
	}
	for name := range byName {
		assert.True(t, l.keys[name] != nil || may[name], "%s was never asked for", name)
	}
	var checks sync.WaitGroup
	work := make(chan func(), killWorkers)
	for range 8 {
		checks.Go(func() {
			for check := range work {
				check()
			}
		})
	}
	for name, key := range l.keys {
		work <- func() { key.audit(t, a, byName[name]) }
	}
	close(work)
	checks.Wait()
}

// audit compares one key. It runs beside others.
func (e *entry) audit(t *testing.T, a *api, found elasticKey) {
	t.Helper()
	if !assert.Equal(t, e.id, found.ID, "the key is there") {
		return
	}
	assert.GreaterOrEqual(t, found.VersionCount, int64(len(e.versions)), found.Name)
	assert.LessOrEqual(t, found.VersionCount, int64(len(e.versions))+e.uncertain, found.Name)
	if found.VersionCount > 1 {
		versions := map[int64]bool{}
		for _, v := range listAll[struct {
			Version int64  `json:"version"`
			Status  string `json:"status"`
			Primary bool   `json:"primary"`
		}](t, a, "elastic-keys/"+found.ID+"/material-keys") {
			assert.False(t, versions[v.Version], "%s has version %d twice", found.Name, v.Version)
			versions[v.Version] = true
			assert.Equal(t, "enabled", v.Status)
			assert.Equal(t, v.Version == found.PrimaryVersion, v.Primary)
		}
		assert.Len(t, versions, int(found.VersionCount), found.Name)
		for n := range found.VersionCount {
			assert.True(t, versions[n+1], "%s has no version %d", found.Name, n+1)
		}
	}
	assert.Equal(t, found.VersionCount, found.PrimaryVersion, found.Name)
	for _, m := range e.messages {
		var opened struct {
			Plaintext string `json:"plaintext"`
			Version   int64  `json:"version"`
		}
		answer, err := a.do(t.Context(), http.MethodPost, "elastic-keys/"+found.ID+"/decrypt", map[string]string{"ciphertext": m.ciphertext}, &opened)
		if assert.NoError(t, err) && assert.Equal(t, http.StatusOK, answer.status, "%s: %s", found.Name, answer.body) {
			assert.Equal(t, m.plaintext, opened.Plaintext)
			assert.Equal(t, m.version, opened.Version)
		}
	}
}

// repeatCreates sends every create that had no answer again, with its Idempotency-Key, until it has one. While a request that was cut off
// holds its key the answer is that it is still running.
func (l *ledger) repeatCreates(t *testing.T, a *api) {
	t.Helper()
	unanswered := l.unanswered
	l.unanswered = nil
	begun := time.Now()
	replayed, again := 0, 0
	for _, attempt := range unanswered {
		var key elasticKey
		send := func() reply {
			answer, err := a.do(t.Context(), http.MethodPost, "elastic-keys", map[string]string{"name": attempt.name, "algorithm": "A256GCM/A256KW"}, &key,
				"Idempotency-Key", attempt.idempotencyKey)
			require.NoError(t, err)
			return answer
		}
		var answer reply
		eventuallyWithin(t, 2*claimed, claimed/200, attempt.name+" can be repeated", func() bool {
			answer = send()
			var problem struct {
				Code string `json:"code"`
			}
			running := json.Unmarshal(answer.body, &problem) == nil && problem.Code == "idempotency_in_progress"
			if running {
				again++
			}
			return !running
		})
		require.Equal(t, http.StatusCreated, answer.status, "%s: %s", attempt.name, answer.body)
		if answer.header.Get("Idempotency-Replayed") == "true" {
			replayed++
		}
		first := key.ID
		require.Equal(t, http.StatusCreated, send().status)
		assert.Equal(t, first, key.ID, "a second key")
		l.keys[attempt.name] = &entry{id: key.ID, versions: map[int64]bool{1: true}}
	}
	t.Logf("%d creates repeated in %s: %d had been made before the end, %d answers said that they still ran",
		len(unanswered), time.Since(begun).Round(time.Second), replayed, again)
}

// listAll reads a list to its end.
func listAll[T any](t testing.TB, a *api, path string) (all []T) {
	t.Helper()
	for cursor := ""; ; {
		var page struct {
			Items      []T    `json:"items"`
			NextCursor string `json:"next_cursor"`
		}
		answer, err := a.do(t.Context(), http.MethodGet, path+"?limit=1000"+cursor, nil, &page)
		if !assert.NoError(t, err) || !assert.Equal(t, http.StatusOK, answer.status, "%s", answer.body) {
			return all
		}
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			return all
		}
		cursor = "&cursor=" + page.NextCursor
	}
}
