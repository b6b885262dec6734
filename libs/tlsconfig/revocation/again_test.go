package revocation_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"
)

func TestCheck_WaitsForNoResponderWhenOnlyListsHaveChanged(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf := p.leaf(t, "/ocsp", "/list")
	p.on("/ocsp", func([]byte) (int, []byte) { return http.StatusServiceUnavailable, nil })
	p.serve("/list", p.list(t, 1, nil))
	file := filepath.Join(t.TempDir(), "other.crl")
	require.NoError(t, os.WriteFile(file, p.listBy(t, p.root, 1, nil), 0o600))
	k := p.checker(t, func(c *revocation.Config, o *revocation.Options) { c.CRLs, o.Poll = []string{file}, time.Millisecond })
	require.NoError(t, k.Check(t.Context(), p.chain(leaf)))
	asked := p.count("/ocsp")
	done := make(chan struct{})
	go func() { defer close(done); k.Run(t.Context()) }()
	t.Cleanup(func() { <-done })

	p.time.add(time.Minute) // the responder would be asked again by now
	for n := range 5 {
		require.NoError(t, os.WriteFile(file, p.listBy(t, p.root, int64(n+2), nil), 0o600))
		deadline := time.Now().Add(20 * time.Millisecond)
		for time.Now().Before(deadline) {
			require.NoError(t, k.Check(t.Context(), p.chain(leaf)))
		}
	}
	assert.Equal(t, asked, p.count("/ocsp"))
	assert.Equal(t, 1, p.count("/list"))
}
