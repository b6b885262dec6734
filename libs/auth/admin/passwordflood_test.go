package admin_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// stuck is a limiter that lets everybody through, but only once it is opened.
type stuck struct {
	entered chan struct{}
	open    chan struct{}
}

func (s stuck) Allow(_ context.Context, _ string, _ server.Rate, _ int) (server.Verdict, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.open
	return server.Verdict{Allowed: true}, nil
}

// Many who log in at once, from as many addresses, do not pile up: those who are too many are told at once to come again.
func TestPassword_AFloodFromManyAddressesDoesNotPileUp(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		const flood, most = 200, 64
		r := c.replicas[0]
		limiter := stuck{entered: make(chan struct{}, flood), open: make(chan struct{})}
		passwords, err := auth.NewPasswords(auth.PasswordsConfig{Gate: r.gate, Hashes: r.hashes.Registry(fastPasswords), Limiter: limiter, Store: r.dir})
		require.NoError(t, err)
		results := make(chan error, flood)
		var group sync.WaitGroup
		for i := range flood {
			group.Go(func() {
				_, err := passwords.Password(t.Context(), "acme", "nobody", otherPassword, netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", i)))
				results <- err
			})
		}
		for range flood - most {
			err := <-results
			require.Equal(t, "rate_limited", codeOf(err))
			var wait interface{ RetryAfter() time.Duration }
			require.ErrorAs(t, err, &wait)
			assert.Positive(t, wait.RetryAfter())
		}
		close(limiter.open)
		group.Wait()
		for range most {
			assert.Equal(t, "unauthenticated", codeOf(<-results), "the others are answered")
		}
		_, err = passwords.Password(t.Context(), "acme", "nobody", otherPassword, netip.MustParseAddr("198.51.100.1"))
		assert.Equal(t, "unauthenticated", codeOf(err), "and it has passed")
	})
}
