package faulttest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// restores brings keys of one tenant into the other, by backups of one key and of three. A restore takes no Idempotency-Key: it is repeated as it is.
func (s *sawn) restores(t *testing.T) {
	t.Helper()
	c := s.stubborn(t, s.HTTP)
	theirs := s.stubborn(t, s.other.HTTP)
	own, public := kmstest.Custody(t)
	for turn := 0; !s.saw.ended(); turn++ {
		messages := map[string]string{}
		var files [][]byte
		for n := range 3 {
			key := c.done(http.MethodPost, "elastic-keys", map[string]any{"name": fmt.Sprintf("moving-%d-%d", turn, n), "algorithm": "A256GCM/A256KW"}).Member(t, "id")
			messages[key] = c.done(http.MethodPost, "elastic-keys/"+key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
			for range n {
				c.done(http.MethodPost, "elastic-keys/"+key+"/rotate", nil)
			}
			files = append(files, c.backedUp("elastic-keys/"+key+"/backup", own, public))
		}
		made := theirs.done(http.MethodPost, "backups/recipients", nil)
		report := theirs.restored(made, together(t, own, made, files))
		assert.InDelta(t, 3, report["restored"].(float64)+report["present"].(float64), 0)
		theirs.settled()
		for key, message := range messages {
			got := theirs.done(http.MethodPost, "elastic-keys/"+key+"/decrypt", map[string]any{"ciphertext": message})
			assert.Equal(t, "aGVsbG8", got.Member(t, "plaintext"))
			theirs.done(http.MethodPost, "elastic-keys/"+key+"/rotate", nil)
		}
		if t.Failed() {
			return
		}
	}
}

// backedUp is a backup that opens to its end; one that was cut off is made again.
func (c stubborn) backedUp(path string, own *jwk.Key, public json.RawMessage) (file []byte) {
	c.t.Helper()
	c.until("it can be backed up", func() bool {
		got, err := servicetest.Exchange(c.by, c.sawn.Request(c.t, "", http.MethodPost, path, map[string]any{"recipients": []json.RawMessage{public}}))
		if err != nil || got.Status != http.StatusOK {
			return false
		}
		file = got.Body
		_, _, err = backup.Open(c.t.Context(), bytes.NewReader(file), own, func([]byte) error { return nil })
		return assert.NoError(c.t, err, "an answer that is whole is a backup that is")
	})
	return file
}

// together is one backup of the records of several, to a recipient that was made.
func together(t testing.TB, own *jwk.Key, made kmstest.Answer, files [][]byte) []byte {
	t.Helper()
	to, err := jwk.Parse(made.Raw(t, "jwk"))
	require.NoError(t, err)
	var head backup.Head
	var records [][]byte
	for _, file := range files {
		head, _, err = backup.Open(t.Context(), bytes.NewReader(file), own, func(record []byte) error {
			records = append(records, bytes.Clone(record))
			return nil
		})
		require.NoError(t, err)
	}
	var out bytes.Buffer
	require.NoError(t, backup.Write(t.Context(), &out, []*jwk.Key{to}, head, func(yield func([]byte, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
	}))
	return out.Bytes()
}

// restored repeats a restore until it is done, and once more, which changes nothing and is answered alike.
func (c stubborn) restored(made kmstest.Answer, content []byte) map[string]any {
	c.t.Helper()
	path := "backups/restore?from_tenant=default&recipient=" + made.Member(c.t, "id")
	var body []byte
	for range 2 {
		c.until("it is restored", func() bool {
			got, err := servicetest.Exchange(c.by, c.sawn.Request(c.t, "", http.MethodPost, path, bytes.NewReader(content), "Content-Type", "application/octet-stream"))
			require.NoError(c.t, err)
			if got.Status == http.StatusServiceUnavailable {
				return false
			}
			require.Equal(c.t, http.StatusOK, got.Status, "%s", got.Body)
			assert.True(c.t, body == nil || bytes.Equal(body, got.Body), "%s", got.Body)
			body, *c.last = got.Body, time.Now()
			return true
		})
	}
	return kmstest.Answer{Answer: servicetest.Answer{Body: body}}.Object(c.t)
}
