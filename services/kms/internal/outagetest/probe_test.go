package outagetest_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// times are how long requests took.
type times []time.Duration

func (l times) max() time.Duration {
	if len(l) == 0 {
		return 0
	}
	return slices.Max(l)
}

// percentile is the smallest time that p percent of all are within.
func (l times) percentile(p int) time.Duration {
	if len(l) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

// String is for the log of a test.
func (l times) String() string {
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
	return fmt.Sprintf("n %d, p50 %s, p99 %s, max %s", len(l), round(l.percentile(50)), round(l.percentile(99)), round(l.max()))
}

// watchLiveness asks livez again and again, on a connection of its own, until the returned function is called, which tells how long the
// answers took. All of them must be good.
func watchLiveness(t *testing.T, s *kmstest.Service) (end func() times) {
	t.Helper()
	own := s.Apart(t, true)
	request := s.AdminRequest(t, http.MethodGet, "livez", "")
	var took times
	var failure error
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for failure == nil {
			began := time.Now()
			got, err := own.Exchange(request.Clone(request.Context()))
			took = append(took, time.Since(began))
			if err == nil && got.Status != http.StatusOK {
				err = fmt.Errorf("livez answered %d", got.Status)
			}
			failure = err
			select {
			case <-ticker.C:
			case <-stop:
				return
			}
		}
	})
	return func() times {
		t.Helper()
		close(stop)
		watching.Wait()
		require.NoError(t, failure)
		return took
	}
}
