package server_test

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Whatever a handler began to work on is answered, however many clients there are on either HTTP version.
func TestRun_DropsNothingUnderLoad(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	var answered atomic.Int64
	var clients sync.WaitGroup
	for i := range 16 {
		client := f.newClient(i%2 == 0)
		clients.Go(func() {
			defer client.CloseIdleConnections()
			for {
				a, err := do(client, f.request("GET", f.PublicURL()+"/service/api/v1/things", "Authorization", "Bearer reader"))
				if err != nil {
					return // refused: the server has gone
				}
				assert.Equal(t, http.StatusOK, a.StatusCode)
				answered.Add(1)
			}
		})
	}
	require.Eventually(t, func() bool { return answered.Load() > 200 }, 20*time.Second, time.Millisecond)
	f.Shutdown()
	require.NoError(t, <-f.ended)
	clients.Wait()
	assert.EqualValues(t, f.calls(), answered.Load())
}

// drainOn proves an orderly end, whoever asks for it.
func drainOn(t *testing.T, http2 bool, ask func(f *fixture)) {
	t.Helper()
	f := start(t, nil)
	client := f.newClient(http2)
	accepted := make(chan answer, 1)
	go func() {
		a, err := do(client, f.request("GET", f.PublicURL()+"/service/api/v1/act/block", "Authorization", "Bearer reader"))
		assert.NoError(t, err)
		accepted <- a
	}()
	<-f.entered
	probe := f.newClient(false)
	a, err := do(probe, f.request("GET", f.AdminURL()+"/admin/v1/readyz"))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.StatusCode)

	ask(f)
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(f.PublicURL(), "https://"))
		if err == nil {
			_ = conn.Close()
		}

		return err != nil
	}, 5*time.Second, time.Millisecond, "new connections are refused")
	a, err = do(probe, f.request("GET", f.AdminURL()+"/admin/v1/readyz"))
	require.NoError(t, err, "the admin listener still answers")
	assert.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	assert.Equal(t, "draining", a.report(t).Status)
	a, err = do(probe, f.request("GET", f.AdminURL()+"/admin/v1/healthz"))
	require.NoError(t, err)
	assert.Equal(t, "draining", a.report(t).Status)
	select {
	case err := <-f.ended:
		require.Fail(t, "Run did not wait for the accepted request", "%v", err)
	default:
	}

	close(f.release)
	a = <-accepted
	assert.Equal(t, "released", a.body)
	probe.CloseIdleConnections()
	require.NoError(t, <-f.ended)
}

func TestRun_DrainsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	drainOn(t, false, func(f *fixture) { f.cancel() })
}

func TestRun_DrainsWhenAnOperatorAsks(t *testing.T) {
	t.Parallel()
	drainOn(t, true, func(f *fixture) {
		a := f.admin("POST", "/shutdown")
		assert.Equal(t, http.StatusAccepted, a.StatusCode)
		assert.Equal(t, "draining", a.report(t).Status)
	})
}

func TestRun_CutsOffWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *server.Config, _ *server.Deps) { c.DrainTimeout = 50 * time.Millisecond })
	go func() {
		_, err := do(f.newClient(false), f.request("GET", f.PublicURL()+"/service/api/v1/act/wait", "Authorization", "Bearer reader"))
		assert.Error(t, err)
	}()
	<-f.entered
	f.Shutdown()
	f.Shutdown()
	require.ErrorContains(t, <-f.ended, "drain: requests were cut off after 50ms")
}
