package kms_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// approver is a person who agrees to everything.
type approver struct {
	id   string
	http *http.Client
}

// people makes two approvers, who are logged in.
func (s *sawn) people(t *testing.T) []approver {
	t.Helper()
	var all []approver
	for _, name := range []string{"anna", "ben"} {
		id := s.ask(t, http.MethodPost, "users", map[string]any{"login": name, "password": estatePassword}).done(t, http.StatusCreated).member(t, "id")
		all = append(all, approver{id, logIn(t, s.service, "default", name).http})
	}
	return all
}

// rule is a policy that takes all of them.
func rule(people []approver) map[string]any {
	var ids []string
	for _, person := range people {
		ids = append(ids, person.id)
	}
	return map[string]any{"quorum": map[string]any{"approvals": len(ids), "approvers": ids}}
}

// approved has all of them agree to an operation on a key.
func (s *sawn) approved(t *testing.T, people []approver, operation, key string, parameters map[string]any) (id string) {
	t.Helper()
	ask := map[string]any{"operation": operation, "resource": key, "reason": "a good one"}
	if parameters != nil {
		ask["parameters"] = parameters
	}
	id = s.stubborn(t, s.http).done(http.MethodPost, "approvals", ask).member(t, "id")
	for _, person := range people {
		s.stubborn(t, person.http).done(http.MethodPost, "/browser/api/v1/approvals/"+id+"/approve", nil)
	}
	return id
}

// material counts versions of a key that have material.
func (s *sawn) material(t *testing.T, key string) int {
	t.Helper()
	return s.reads(t, "SELECT COUNT(*) FROM material_keys WHERE elastic_key_id = $1 AND wrapped_key <> ''", key)
}

// endsEarly has versions destroyed and keys deleted by a quorum. What is gone is gone, and what is not goes on to work.
func (s *sawn) endsEarly(t *testing.T, people []approver) {
	t.Helper()
	c := s.stubborn(t, s.http)
	for turn := 0; !s.saw.ended(); turn++ {
		key := c.done(http.MethodPost, "elastic-keys", map[string]any{
			"name": fmt.Sprintf("ending-%d", turn), "algorithm": "A256GCM/A256KW", "policy": rule(people),
		}).member(t, "id")
		path := "elastic-keys/" + key
		first := c.done(http.MethodPost, path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext")
		c.done(http.MethodPost, path+"/rotate", nil)
		c.settled()
		second := c.done(http.MethodPost, path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext")
		c.done(http.MethodPost, path+"/material-keys/1/schedule-destruction", map[string]any{"wait_days": 7})
		approval := s.approved(t, people, "destroyMaterialKey", key, map[string]any{"version": "1"})
		got := c.done(http.MethodPost, path+"/material-keys/1/destroy", nil, quorum.Header, approval)
		assert.Equal(t, "destroyed", got.member(t, "status"))
		assert.Equal(t, 1, s.material(t, key), "its material is gone")
		c.settled()
		lost, _ := c.do(http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": first})
		lost.refusedOneOf(t, "invalid_state")
		c.done(http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": second})
		again, _ := c.do(http.MethodPost, path+"/material-keys/1/destroy", nil, quorum.Header, approval)
		again.refusedOneOf(t, "invalid_state")

		c.done(http.MethodPost, path+"/schedule-deletion", map[string]any{"wait_days": 7})
		approval = s.approved(t, people, "deleteElasticKey", key, nil)
		got = c.done(http.MethodPost, path+"/delete", nil, quorum.Header, approval)
		assert.Equal(t, "deleted", got.member(t, "status"))
		assert.Zero(t, s.material(t, key))
		c.settled()
		lost, _ = c.do(http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": second})
		assert.Contains(t, []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusBadRequest}, lost.status, "%s", lost.body)
		require.Equal(t, 1, s.reads(t, "SELECT COUNT(*) FROM approval_requests WHERE id = $1 AND state = 'used'", approval))
		if t.Failed() {
			return
		}
	}
}

// endsDue has the service bring about ends whose time has come.
func (s *sawn) endsDue(t *testing.T) {
	t.Helper()
	c := s.stubborn(t, s.http)
	for turn := 0; !s.saw.ended(); turn++ {
		var keys []string
		for n := range 3 {
			key := c.done(http.MethodPost, "elastic-keys", map[string]any{"name": fmt.Sprintf("due-%d-%d", turn, n), "algorithm": "A256GCM/A256KW"}).member(t, "id")
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
			assert.Equal(t, "destroyed", c.done(http.MethodGet, "elastic-keys/"+key+"/material-keys/1", nil).member(t, "status"))
			c.done(http.MethodPost, "elastic-keys/"+key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		}
		if t.Failed() {
			return
		}
	}
}
