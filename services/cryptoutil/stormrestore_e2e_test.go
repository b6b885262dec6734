//go:build e2e

package cryptoutil_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// corpusKeys is how many keys the backup of the tenant has.
const corpusKeys = 24

// source is another installation, unsealed with something else, that nobody kills, with backups of its keys and what they have made.
type source struct {
	own    *jwk.Key // opens the backups
	tenant [][]byte // records of the tenant
	head   backup.Head
	keys   []corpusKey
}

// corpusKey is what a key of the source has made.
type corpusKey struct {
	id, opens, compromised, destroyed string // messages
}

// raw sends a request whose body is not JSON.
func (a *api) raw(ctx context.Context, method, address, kind string, body []byte, header ...string) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Content-Type", kind)
	for n := 0; n+1 < len(header); n += 2 {
		request.Header.Set(header[n], header[n+1])
	}
	response, err := a.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	text, err := io.ReadAll(response.Body)
	return reply{status: response.StatusCode, header: response.Header, body: text}, errors.Join(err, response.Body.Close())
}

// newSource makes keys of which some versions are compromised and some destroyed, and some keys deleted.
func newSource(t *testing.T) *source {
	t.Helper()
	there := besiege(t, database.EngineSQLite)
	people := there.people(t)
	c := there.landlord(t)
	voters := of(t, people)
	own, _ := generated(t, "A256GCM/ECDH-ES+A256KW")
	public, err := own.MarshalPublic()
	require.NoError(t, err)
	src := &source{own: own}
	for n := range corpusKeys {
		ask := map[string]any{"name": fmt.Sprintf("corpus-%d", n), "algorithm": "A256GCM/A256KW"}
		if n%10 == 3 {
			ask["policy"] = rule(people)
		}
		key := corpusKey{id: c.done(http.MethodPost, "elastic-keys", ask).text("id")}
		path := "elastic-keys/" + key.id
		seal := func() string {
			return c.done(http.MethodPost, path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).text("ciphertext")
		}
		key.opens = seal()
		for range 2 {
			c.done(http.MethodPost, path+"/rotate", nil)
		}
		switch n % 10 {
		case 1:
			key.compromised = seal()
			c.done(http.MethodPost, path+"/rotate", nil)
			c.done(http.MethodPost, path+"/material-keys/3/mark-compromised", nil)
		case 3:
			key.destroyed = seal()
			c.done(http.MethodPost, path+"/rotate", nil)
			c.done(http.MethodPost, path+"/material-keys/3/schedule-destruction", map[string]any{"wait_days": 7})
			c.done(http.MethodPost, path+"/material-keys/3/destroy", nil, "Approval", c.approved(voters, "destroyMaterialKey", key.id, map[string]any{"version": "3"}))
			tag := c.ask(http.MethodGet, path, nil).header.Get("ETag")
			c.done(http.MethodPatch, path, map[string]any{"policy": nil}, "If-Match", tag, "Content-Type", "application/merge-patch+json",
				"Approval", c.approved(voters, "updateElasticKey", key.id, map[string]any{"quorum": nil}))
		default:
			c.done(http.MethodPost, "aliases", map[string]any{"name": fmt.Sprintf("alias-%d", n), "key": key.id})
		}
		src.keys = append(src.keys, key)
	}
	file := c.backup("backups", public)
	src.head, _, err = backup.Open(t.Context(), bytes.NewReader(file), own, func(record []byte) error {
		src.tenant = append(src.tenant, bytes.Clone(record))
		return nil
	})
	require.NoError(t, err)
	require.Len(t, src.tenant, corpusKeys)
	i, _ := there.service()
	i.stop(t)
	return src
}

// backup is a backup to a recipient.
func (c *client) backup(path string, public []byte) []byte {
	c.t.Helper()
	body, err := json.Marshal(map[string]any{"recipients": []json.RawMessage{public}})
	require.NoError(c.t, err)
	got := c.send(func(ctx context.Context, a *api) (reply, error) {
		return a.raw(ctx, http.MethodPost, a.base+path, "application/json", body)
	}, path)
	require.Equal(c.t, http.StatusOK, got.status, "%s", got.body)
	return got.body
}

// sealed is a backup of records to a one-shot recipient of the service.
func (c *client) sealed(src *source, records [][]byte) (recipient string, content []byte) {
	c.t.Helper()
	made := c.ask(http.MethodPost, "backups/recipients", nil)
	require.Equal(c.t, http.StatusCreated, made.status, "%s", made.body)
	var to struct {
		ID  string          `json:"id"`
		JWK json.RawMessage `json:"jwk"`
	}
	require.NoError(c.t, json.Unmarshal(made.body, &to))
	key, err := jwk.Parse(to.JWK)
	require.NoError(c.t, err)
	var out bytes.Buffer
	require.NoError(c.t, backup.Write(c.t.Context(), &out, []*jwk.Key{key}, src.head, func(yield func([]byte, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
	}))
	return to.ID, out.Bytes()
}

// restored restores a backup, however often that takes, and once more, which changes nothing and is answered alike.
func (c *client) restored(recipient string, content []byte) fields {
	c.t.Helper()
	restore := func() reply {
		return c.send(func(ctx context.Context, a *api) (reply, error) {
			return a.raw(ctx, http.MethodPost, a.base+"backups/restore?recipient="+recipient, "application/octet-stream", content)
		}, "restore")
	}
	first := restore()
	require.Equal(c.t, http.StatusOK, first.status, "%s", first.body)
	again := restore()
	assert.Equal(c.t, string(first.body), string(again.body))
	return fieldsOf(c.t, first)
}

// goesOn checks what a restored key opens, and what it does not.
func (c *client) goesOn(key corpusKey) {
	c.t.Helper()
	path := "elastic-keys/" + key.id + "/decrypt"
	assert.Equal(c.t, "aGVsbG8", c.done(http.MethodPost, path, map[string]any{"ciphertext": key.opens}).text("plaintext"))
	if key.compromised != "" {
		c.refused("version_compromised", path, map[string]any{"ciphertext": key.compromised})
	}
	if key.destroyed != "" {
		c.refused("invalid_state", path, map[string]any{"ciphertext": key.destroyed})
	}
}

// wipe takes keys away while the service is down.
func (s *siege) wipe(keys []corpusKey) bool {
	return s.whenStill(func(ctx context.Context, db *database.DB) error {
		for _, key := range keys {
			for _, statement := range []string{
				"DELETE FROM restored_keys WHERE elastic_key_id = $1", "DELETE FROM material_keys WHERE elastic_key_id = $1",
				"DELETE FROM key_names WHERE elastic_key_id = $1", "DELETE FROM key_tags WHERE elastic_key_id = $1", "DELETE FROM elastic_keys WHERE id = $1",
			} {
				if _, err := db.Exec(ctx, statement, key.id); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// restoresTenant restores the backup of the tenant, wipes its keys, and restores them again.
func (s *siege) restoresTenant(t *testing.T, src *source) {
	c := s.landlord(t)
	keys, records := src.keys[:corpusKeys-len(src.keys)/3], src.tenant[:corpusKeys-len(src.keys)/3]
	for !s.ended() && !t.Failed() {
		recipient, content := c.sealed(src, records)
		report := c.restored(recipient, content)
		assert.Equal(t, len(keys), report.number("restored")+report.number("present"), "%v", report)
		assert.Zero(t, report.number("skipped"))
		for _, key := range keys {
			c.goesOn(key)
		}
		// What happens to a key after its restore no older backup undoes.
		one := keys[5].id
		c.done(http.MethodPost, "elastic-keys/"+one+"/material-keys/1/mark-compromised", nil)
		recipient, content = c.sealed(src, records)
		assert.Equal(t, len(keys), c.restored(recipient, content).number("present"))
		c.refused("version_compromised", "elastic-keys/"+one+"/decrypt", map[string]any{"ciphertext": keys[5].opens})
		if !s.wipe(keys) {
			return
		}
	}
}

// restoresKeys does the same with backups of one key each.
func (s *siege) restoresKeys(t *testing.T, src *source) {
	c := s.landlord(t)
	first := corpusKeys - len(src.keys)/3
	for !s.ended() && !t.Failed() {
		for n := first; n < corpusKeys; n++ {
			recipient, content := c.sealed(src, src.tenant[n:n+1])
			report := c.restored(recipient, content)
			assert.Equal(t, 1, report.number("restored")+report.number("present"), "%v", report)
			c.goesOn(src.keys[n])
		}
		if !s.wipe(src.keys[first:]) {
			return
		}
	}
}
