package tlsconfig_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// lockedText is a log that a test reads while others write.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// The installation's own authority, which stands in no configured file, is not looked for in one.
func TestRun_WithTheOwnAuthorityForClientsFindsNothingToDo(t *testing.T) {
	t.Parallel()
	log, looked := &lockedText{}, make(chan struct{}, 100)
	material, err := tlsconfig.Open(
		tlsconfig.Config{Mode: tlsconfig.ModeAuto, ClientCertificates: tlsconfig.ClientCertificates{Mode: tlsconfig.ClientsRequired}},
		tlsconfig.Options{Dir: t.TempDir(), Poll: time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil)), Now: func() time.Time {
			select {
			case looked <- struct{}{}:
			default:
			}
			return time.Now()
		}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { material.Run(ctx) })
	for range 10 {
		<-looked
	}
	cancel()
	running.Wait()
	assert.NotContains(t, log.text.String(), "authorities replaced")
}
