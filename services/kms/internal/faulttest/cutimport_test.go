package faulttest_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// imports brings material, has it expire, and brings it back. A job is used once, and what it brings is what was brought.
func (s *sawn) imports(t *testing.T, random *rand.Rand) {
	t.Helper()
	c := s.stubborn(t, s.HTTP)
	for turn := 0; !s.saw.ended(); turn++ {
		key := c.done(http.MethodPost, "elastic-keys", map[string]any{
			"name": fmt.Sprintf("brought-%d", turn), "algorithm": "A256GCM/A256KW", "origin": "imported",
		}).Member(t, "id")
		path := "elastic-keys/" + key
		bring := func(material []byte, more map[string]any) {
			job := c.done(http.MethodPost, path+"/import-jobs", map[string]any{"wrapping": kmstest.MethodECDH})
			body := kmstest.Merge(kmstest.Offer(t, job, material), more)
			c.done(http.MethodPost, path+"/import", body)
			again, _ := c.do(http.MethodPost, path+"/import", kmstest.Offer(t, job, material))
			again.RefusedOneOf(t, "import_job_used")
			found := c.done(http.MethodGet, path+"/import-jobs/"+job.Member(t, "id"), nil)
			assert.Equal(t, "used", found.Member(t, "status"))
			assert.InDelta(t, 1, found.Object(t)["attempts"], 0)
		}
		versions := 1 + random.IntN(3)
		for version := 1; version <= versions; version++ {
			own, private := kmstest.Generated(t, "A256GCM/A256KW")
			bring(private, nil)
			c.isBrought(path, version, own)
		}
		own, private := kmstest.Generated(t, "A256GCM/A256KW")
		bring(private, map[string]any{"expires_at": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
		sealed := c.isBrought(path, versions+1, own)
		s.directly(t, "UPDATE material_keys SET expires_at = $1 WHERE elastic_key_id = $2 AND expires_at > 0", time.Now().Add(-time.Second).UnixMicro(), key)
		c.maintained("it expires", func() bool {
			return s.reads(t, "SELECT COUNT(*) FROM material_keys WHERE elastic_key_id = $1 AND status = 'pending_import' AND wrapped_key = ''", key) == 1
		})
		_, other := kmstest.Generated(t, "A256GCM/A256KW")
		job := c.done(http.MethodPost, path+"/import-jobs", map[string]any{"wrapping": kmstest.MethodECDH})
		refused, _ := c.do(http.MethodPost, path+"/import", kmstest.Merge(kmstest.Offer(t, job, other), map[string]any{"version": versions + 1}))
		refused.RefusedOneOf(t, "import_other_material")
		bring(private, map[string]any{"version": versions + 1})
		c.settled()
		assert.Equal(t, "aGVsbG8", c.done(http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": sealed}).Member(t, "plaintext"))
		assert.InDelta(t, versions+1, c.done(http.MethodGet, path, nil).Object(t)["version_count"], 0)
		if t.Failed() {
			return
		}
	}
}

// isBrought checks that the primary version is the one given, with the material given, and returns what it has encrypted.
func (c stubborn) isBrought(path string, version int, own *jwk.Key) (ciphertext string) {
	c.t.Helper()
	c.settled()
	got := c.done(http.MethodPost, path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
	assert.InDelta(c.t, version, got.Object(c.t)["version"], 0)
	opened, _, err := jwe.Decrypt(own, got.Member(c.t, "ciphertext"), jwe.Expect{})
	if assert.NoError(c.t, err) {
		assert.Equal(c.t, "hello", string(opened))
	}
	return got.Member(c.t, "ciphertext")
}
