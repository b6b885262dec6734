package faulttest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// people makes two approvers, who are logged in.
func (s *sawn) people(t *testing.T) []kmstest.Approver {
	t.Helper()
	var all []kmstest.Approver
	for _, name := range []string{"anna", "ben"} {
		id := s.Ask(t, http.MethodPost, "users", map[string]any{"login": name, "password": kmstest.EstatePassword}).Done(t, http.StatusCreated).Member(t, "id")
		all = append(all, kmstest.Approver{ID: id, HTTP: kmstest.LogIn(t, s.Service, "default", name).HTTP})
	}
	return all
}

// approved has all of them agree to an operation on a key.
func (s *sawn) approved(t *testing.T, people []kmstest.Approver, operation, key string, parameters map[string]any) (id string) {
	t.Helper()
	ask := map[string]any{"operation": operation, "resource": key, "reason": "a good one"}
	if parameters != nil {
		ask["parameters"] = parameters
	}
	id = s.stubborn(t, s.HTTP).done(http.MethodPost, "approvals", ask).Member(t, "id")
	for _, person := range people {
		s.stubborn(t, person.HTTP).done(http.MethodPost, "/browser/api/v1/approvals/"+id+"/approve", nil)
	}
	return id
}

// material counts versions of a key that have material.
func (s *sawn) material(t *testing.T, key string) int {
	t.Helper()
	return s.reads(t, "SELECT COUNT(*) FROM material_keys WHERE elastic_key_id = $1 AND wrapped_key <> ''", key)
}

// endsEarly has versions destroyed and keys deleted by a quorum. What is gone is gone, and what is not goes on to work.
func (s *sawn) endsEarly(t *testing.T, people []kmstest.Approver) {
	t.Helper()
	c := s.stubborn(t, s.HTTP)
	for turn := 0; !s.saw.ended(); turn++ {
		key := c.done(http.MethodPost, "elastic-keys", map[string]any{
			"name": fmt.Sprintf("ending-%d", turn), "algorithm": "A256GCM/A256KW", "policy": kmstest.Rule(people),
		}).Member(t, "id")
		path := "elastic-keys/" + key
		first := c.done(http.MethodPost, path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
		c.done(http.MethodPost, path+"/rotate", nil)
		c.settled()
		second := c.done(http.MethodPost, path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
		c.done(http.MethodPost, path+"/material-keys/1/schedule-destruction", map[string]any{"wait_days": 7})
		approval := s.approved(t, people, "destroyMaterialKey", key, map[string]any{"version": "1"})
		got := c.done(http.MethodPost, path+"/material-keys/1/destroy", nil, quorum.Header, approval)
		assert.Equal(t, "destroyed", got.Member(t, "status"))
		assert.Equal(t, 1, s.material(t, key), "its material is gone")
		c.settled()
		lost, _ := c.do(http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": first})
		lost.RefusedOneOf(t, "invalid_state")
		c.done(http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": second})
		again, _ := c.do(http.MethodPost, path+"/material-keys/1/destroy", nil, quorum.Header, approval)
		again.RefusedOneOf(t, "invalid_state")

		c.done(http.MethodPost, path+"/schedule-deletion", map[string]any{"wait_days": 7})
		approval = s.approved(t, people, "deleteElasticKey", key, nil)
		got = c.done(http.MethodPost, path+"/delete", nil, quorum.Header, approval)
		assert.Equal(t, "deleted", got.Member(t, "status"))
		assert.Zero(t, s.material(t, key))
		c.settled()
		lost, _ = c.do(http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": second})
		assert.Contains(t, []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusBadRequest}, lost.Status, "%s", lost.Body)
		require.Equal(t, 1, s.reads(t, "SELECT COUNT(*) FROM approval_requests WHERE id = $1 AND state = 'used'", approval))
		if t.Failed() {
			return
		}
	}
}

// endsDue has the service bring about ends whose time has come.
func (s *sawn) endsDue(t *testing.T) {
	t.Helper()
	c := s.stubborn(t, s.HTTP)
	for turn := 0; !s.saw.ended(); turn++ {
		var keys []string
		for n := range 3 {
			key := c.done(http.MethodPost, "elastic-keys", map[string]any{"name": fmt.Sprintf("due-%d-%d", turn, n), "algorithm": "A256GCM/A256KW"}).Member(t, "id")
			c.done(http.MethodPost, "elastic-keys/"+key+"/rotate", nil)
			c.done(http.MethodPost, "elastic-keys/"+key+"/material-keys/1/schedule-destruction", map[string]any{"wait_days": 7})
			if n == 0 {
				c.done(http.MethodPost, "elastic-keys/"+key+"/schedule-deletion", map[string]any{"wait_days": 7})
			}
			keys = append(keys, key)
		}
		past := database.Micros(time.Now().Add(-time.Hour))
		for _, key := range keys {
			s.directly(t, "UPDATE material_keys SET destroy_at = $1 WHERE elastic_key_id = $2 AND status = 'destroy_scheduled'", past, key)
		}
		s.directly(t, "UPDATE elastic_keys SET delete_at = $1 WHERE id = $2 AND status = 'pending_delete'", past, keys[0])
		c.maintained("what is due ends", func() bool {
			return s.reads(t, "SELECT COUNT(*) FROM material_keys WHERE elastic_key_id IN ($1, $2, $3) AND wrapped_key <> ''", keys[0], keys[1], keys[2]) == 2
		})
		assert.Equal(t, 1, s.reads(t, "SELECT COUNT(*) FROM elastic_keys WHERE id = $1 AND status = 'deleted' AND name = id", keys[0]))
		for _, key := range keys[1:] {
			assert.Equal(t, "destroyed", c.done(http.MethodGet, "elastic-keys/"+key+"/material-keys/1", nil).Member(t, "status"))
			c.done(http.MethodPost, "elastic-keys/"+key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		}
		if t.Failed() {
			return
		}
	}
}
