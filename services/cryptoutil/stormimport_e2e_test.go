//go:build e2e

package cryptoutil_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// generated is a new key with its private JWK.
func generated(t *testing.T, algorithm string) (key *jwk.Key, private []byte) {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	key, err = keygen.Generate(spec)
	require.NoError(t, err)
	private, err = key.MarshalPrivate()
	require.NoError(t, err)
	return key, private
}

// bring imports material by a new job, which nothing else can be imported by then.
func (c *client) bring(path string, material []byte, more map[string]any) (version int) {
	c.t.Helper()
	job := c.ask(http.MethodPost, path+"/import-jobs", map[string]any{"wrapping": "ECDH-ES+A256KW"})
	require.Equal(c.t, http.StatusCreated, job.status, "%s", job.body)
	var made struct {
		ID        string `json:"id"`
		Token     string `json:"token"`
		PublicKey struct {
			JWK json.RawMessage `json:"jwk"`
		} `json:"public_key"`
	}
	require.NoError(c.t, json.Unmarshal(job.body, &made))
	to, err := jwk.Parse(made.PublicKey.JWK)
	require.NoError(c.t, err)
	offer := func() map[string]any {
		text, err := jwe.Encrypt(to, jwe.Header{Encryption: "A256GCM"}, material)
		require.NoError(c.t, err)
		body := map[string]any{"job": made.Token, "wrapped_material": text}
		maps.Copy(body, more)
		return body
	}
	version = c.done(http.MethodPost, path+"/import", offer()).number("version")
	body := offer()
	delete(body, "version") // a job that is used serves no new version either
	c.refused("import_job_used", path+"/import", body)
	found := c.done(http.MethodGet, path+"/import-jobs/"+made.ID, nil)
	assert.Equal(c.t, "used", found.text("status"))
	assert.Equal(c.t, 1, found.number("attempts"), "attempts that a kill has cut off are undone with all the rest")
	assert.Equal(c.t, version, found.number("version"))
	return version
}

// isBrought checks that the primary version is of the material that was brought, and returns what it has encrypted.
func (c *client) isBrought(path string, version int, own *jwk.Key) string {
	c.t.Helper()
	made := c.done(http.MethodPost, path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
	assert.Equal(c.t, version, made.number("version"))
	opened, _, err := jwe.Decrypt(own, made.text("ciphertext"), jwe.Expect{})
	require.NoError(c.t, err)
	assert.Equal(c.t, "hello", string(opened))
	return made.text("ciphertext")
}

// imports brings material, has it expire, and brings it back.
func (s *siege) imports(t *testing.T) {
	c := s.landlord(t)
	for turn := 0; !s.ended() && !t.Failed(); turn++ {
		path := "elastic-keys/" + c.done(http.MethodPost, "elastic-keys", map[string]any{
			"name": fmt.Sprintf("brought-%d", turn), "algorithm": "A256GCM/A256KW", "origin": "imported",
		}).text("id")
		var messages []string
		for version := 1; version <= 3; version++ {
			own, private := generated(t, "A256GCM/A256KW")
			assert.Equal(t, version, c.bring(path, private, nil))
			messages = append(messages, c.isBrought(path, version, own))
		}
		own, private := generated(t, "A256GCM/A256KW")
		assert.Equal(t, 4, c.bring(path, private, map[string]any{"expires_at": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}))
		messages = append(messages, c.isBrought(path, 4, own))
		if turn%3 == 0 && s.whenStill(func(ctx context.Context, db *database.DB) error {
			_, err := db.Exec(ctx, "UPDATE material_keys SET expires_at = $1 WHERE expires_at > 0 AND elastic_key_id = $2", database.Micros(time.Now().Add(-time.Second)), path[len("elastic-keys/"):])
			return err
		}) {
			c.until("the material expires", func() bool {
				return c.done(http.MethodGet, path+"/material-keys/4", nil).text("status") == "pending_import"
			})
			c.refused("invalid_state", path+"/decrypt", map[string]any{"ciphertext": messages[3]})
			assert.Equal(t, 4, c.bring(path, private, map[string]any{"version": 4}))
		}
		for _, message := range messages {
			assert.Equal(t, "aGVsbG8", c.done(http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": message}).text("plaintext"))
		}
		assert.Equal(t, 4, c.done(http.MethodGet, path, nil).number("version_count"))
	}
}
