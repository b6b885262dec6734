package refusaltest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// A key that awaits its first import, or whose first import was refused, does nothing in any form, on every replica.
func TestStates_KeysWithoutMaterialDoNothing(t *testing.T) {
	t.Parallel()
	kmstest.EachState(t, func(t *testing.T, c *kmstest.States) {
		token := c.First.Operator(t)
		whole := kmstest.KeysForUses(t, c.First, "", "whole", func(name, algorithm string) string {
			return c.First.Made(t, name, map[string]any{"algorithm": algorithm})
		})
		var failing []string
		awaiting := map[string]string{}
		for _, id := range whole.Keys() {
			algorithm := c.First.Key(t, id)["algorithm"].(string)
			awaiting[id] = c.First.Importable(t, token, "awaiting-"+id, algorithm)
			failing = append(failing, awaiting[id])
		}
		for _, state := range []string{"pending_import", "import_failed"} {
			for _, f := range whole.Forms(t) {
				id := awaiting[f.Key()]
				want := f.All(kmstest.InvalidState)
				for i, body := range f.Bodies {
					f.Bodies[i] = readdressed(t, body, id+".1")
					if _, asked := body["version"]; asked && !f.Batch { // a batch is refused as a whole
						want[i] = kmstest.NotFound
					}
				}
				f.Path = kmstest.PathOf(id, f.Path[len(kmstest.PathOf(f.Key(), "")):])
				for _, s := range []*kmstest.Service{c.First, c.Second} {
					assert.Equal(t, want, f.Codes(t, s, ""), "%s: %s", state, f)
				}
			}
			if state == "import_failed" {
				return
			}
			for _, id := range failing {
				job := c.First.ImportJob(t, token, id, kmstest.MethodECDH)
				c.First.Call(t, token, http.MethodPost, "elastic-keys/"+id+"/import", kmstest.Offer(t, job, []byte("hello"))).RefusedOneOf(t, "import_malformed", "import_mismatch")
				require.Equal(t, "import_failed", c.Second.Key(t, id)["status"])
			}
		}
	})
}

// Material that has expired is of no use from that moment on, on every replica, until the same material is back.
func TestStates_ExpiredMaterialDoesNothing(t *testing.T) {
	t.Parallel()
	kmstest.EachState(t, func(t *testing.T, c *kmstest.States) {
		token := c.First.Operator(t)
		const life = 10 * time.Second
		expiry := time.Now().Add(life).Truncate(time.Microsecond)
		material := map[string][]byte{}
		bring := func(id string, content []byte, more map[string]any) kmstest.Answer {
			return c.First.Call(t, token, http.MethodPost, "elastic-keys/"+id+"/import",
				kmstest.Merge(kmstest.Offer(t, c.First.ImportJob(t, token, id, kmstest.MethodECDH), content), more))
		}
		h := kmstest.KeysForUses(t, c.First, "", "expiring", func(name, algorithm string) string {
			id := c.First.Importable(t, token, name, algorithm)
			_, material[id] = kmstest.Generated(t, algorithm)
			bring(id, material[id], map[string]any{"expires_at": expiry.Format(time.RFC3339Nano)}).Done(t, http.StatusCreated)
			return id
		})
		forms := h.Forms(t)
		for _, f := range forms { // known to the other replica, and used there
			c.Settles(t, f, "", f.Normally(false), f.Normally(false), time.Now(), "before its time")
		}
		require.Eventually(t, func() bool { return time.Now().After(expiry) }, life, time.Millisecond)
		for _, f := range forms {
			c.Settles(t, f, "", f.Normally(false), f.All(kmstest.InvalidState), expiry, "after its time")
			assert.Equal(t, f.All(kmstest.InvalidState), f.Codes(t, c.Second, c.Override), "%s after its time, with the scope", f)
		}
		for _, id := range h.Keys() {
			algorithm := c.First.Key(t, id)["algorithm"].(string)
			_, other := kmstest.Generated(t, algorithm)
			bring(id, other, map[string]any{"version": 1}).Refused(t, http.StatusConflict, "import_other_material", algorithm)
			bring(id, material[id], map[string]any{"version": 1}).Done(t, http.StatusCreated)
		}
		began := time.Now()
		for _, f := range forms {
			c.Settles(t, f, "", f.All(kmstest.InvalidState), f.Normally(false), began, "the same material again")
		}
	})
}
