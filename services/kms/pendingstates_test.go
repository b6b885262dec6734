package kms_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A key that awaits its first import, or whose first import was refused, does nothing in any form, on every replica.
func TestStates_KeysWithoutMaterialDoNothing(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, c *states) {
		token := c.first.operator(t)
		whole := keysForUses(t, c.first, "", "whole", func(name, algorithm string) string {
			return c.first.made(t, name, map[string]any{"algorithm": algorithm})
		})
		var failing []string
		awaiting := map[string]string{}
		for _, id := range whole.keys() {
			algorithm := c.first.key(t, id)["algorithm"].(string)
			awaiting[id] = c.first.importable(t, token, "awaiting-"+id, algorithm)
			failing = append(failing, awaiting[id])
		}
		for _, state := range []string{"pending_import", "import_failed"} {
			for _, f := range whole.forms(t) {
				id := awaiting[f.key()]
				want := f.all(invalidState)
				for i, body := range f.bodies {
					f.bodies[i] = readdressed(t, body, id+".1")
					if _, asked := body["version"]; asked && !f.batch { // a batch is refused as a whole
						want[i] = notFound
					}
				}
				f.path = pathOf(id, f.path[len(pathOf(f.key(), "")):])
				for _, s := range []*service{c.first, c.second} {
					assert.Equal(t, want, f.codes(t, s, ""), "%s: %s", state, f)
				}
			}
			if state == "import_failed" {
				return
			}
			for _, id := range failing {
				job := c.first.importJob(t, token, id, methodECDH)
				c.first.call(t, token, http.MethodPost, "elastic-keys/"+id+"/import", offer(t, job, []byte("hello"))).refusedOneOf(t, "import_malformed", "import_mismatch")
				require.Equal(t, "import_failed", c.second.key(t, id)["status"])
			}
		}
	})
}

// Material that has expired is of no use from that moment on, on every replica, until the same material is back.
func TestStates_ExpiredMaterialDoesNothing(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, c *states) {
		token := c.first.operator(t)
		const life = 10 * time.Second
		expiry := time.Now().Add(life).Truncate(time.Microsecond)
		material := map[string][]byte{}
		bring := func(id string, content []byte, more map[string]any) answer {
			return c.first.call(t, token, http.MethodPost, "elastic-keys/"+id+"/import",
				merge(offer(t, c.first.importJob(t, token, id, methodECDH), content), more))
		}
		h := keysForUses(t, c.first, "", "expiring", func(name, algorithm string) string {
			id := c.first.importable(t, token, name, algorithm)
			_, material[id] = generated(t, algorithm)
			bring(id, material[id], map[string]any{"expires_at": expiry.Format(time.RFC3339Nano)}).done(t, http.StatusCreated)
			return id
		})
		forms := h.forms(t)
		for _, f := range forms { // known to the other replica, and used there
			c.settles(t, f, "", f.normally(false), f.normally(false), time.Now(), "before its time")
		}
		require.Eventually(t, func() bool { return time.Now().After(expiry) }, life, time.Millisecond)
		for _, f := range forms {
			c.settles(t, f, "", f.normally(false), f.all(invalidState), expiry, "after its time")
			assert.Equal(t, f.all(invalidState), f.codes(t, c.second, c.override), "%s after its time, with the scope", f)
		}
		for _, id := range h.keys() {
			algorithm := c.first.key(t, id)["algorithm"].(string)
			_, other := generated(t, algorithm)
			bring(id, other, map[string]any{"version": 1}).refused(t, http.StatusConflict, "import_other_material", algorithm)
			bring(id, material[id], map[string]any{"version": 1}).done(t, http.StatusCreated)
		}
		began := time.Now()
		for _, f := range forms {
			c.settles(t, f, "", f.all(invalidState), f.normally(false), began, "the same material again")
		}
	})
}
