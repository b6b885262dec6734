package apiclient_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// clock notes the pauses between attempts instead of waiting.
type clock struct {
	mu     sync.Mutex
	pauses []time.Duration
}

func (c *clock) pause(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pauses = append(c.pauses, d)
	return ctx.Err()
}

// dial returns a client of s, which change may alter, and the clock of its pauses.
func dial(t *testing.T, s *double.Server, change func(*apiclient.Config)) (*apiclient.Caller, *clock) {
	t.Helper()
	config := apiclient.Config{URL: s.URL, Roots: s.Roots(), Token: "cu_at_t_1_secret"}
	if change != nil {
		change(&config)
	}
	caller, err := apiclient.New("test", config)
	require.NoError(t, err)
	t.Cleanup(caller.Close)
	c := new(clock)
	caller.Pause(c.pause)
	return caller, c
}

// thing is what the tests ask for.
type thing struct {
	Name string `json:"name"`
}

const thingJSON = `{"name":"payroll"}`

// get asks for a thing.
func get(ctx context.Context, c *apiclient.Caller) (*thing, error) {
	return apiclient.Call[thing](ctx, c, "get thing", func(ctx context.Context) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base()+"/things/payroll", nil)
		if err != nil {
			return nil, err
		}
		if err := c.Authorize(ctx, r); err != nil {
			return nil, err
		}
		return c.HTTP().Do(r)
	})
}

func assertPauses(t *testing.T, c *clock, bounds ...time.Duration) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if assert.Len(t, c.pauses, len(bounds)) {
		for i, bound := range bounds {
			assert.GreaterOrEqual(t, c.pauses[i], bound/2)
			assert.LessOrEqual(t, c.pauses[i], bound)
		}
	}
}
