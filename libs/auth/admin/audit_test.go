package admin_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/admin"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// auditLog is a log whose sequencer runs.
func (c *cluster) auditLog(t *testing.T) *audit.Log {
	t.Helper()
	leases, err := lease.New(lease.Config{DB: c.db, Owner: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	log, err := audit.New(audit.Config{
		DB: c.db, Barrier: c.replicas[0].barrier, Lease: leases, Log: slog.New(slog.DiscardHandler), Now: time.Now, Service: "t",
		JournalFile: filepath.Join(t.TempDir(), "journal"),
	})
	require.NoError(t, err)
	require.NoError(t, log.Prepare(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = log.Run(t.Context())
	}()
	t.Cleanup(func() { <-ended })
	return log
}

func TestRecorder_EventsStandInTheTenantsTrail(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		log := c.auditLog(t)
		record := admin.Recorder(log)
		by := &server.Principal{Tenant: "acme", Kind: server.KindUser, ID: "root"}
		err := c.db.InTx(bound(t, "acme"), func(ctx context.Context) error {
			return record(ctx, directory.Event{Action: "client.create", By: by, ObjectKind: "client", ObjectID: "c1", Scopes: []string{"t:read", "t:use"}})
		})
		require.NoError(t, err)
		require.Error(t, record(bound(t, "acme"), directory.Event{Action: "x", By: by}), "never outside of a transaction")
		r := c.replicas[0]
		r.trail.Store(log)
		var got answer
		within(t, "it has a number", func() bool {
			got = r.call(person("acme", "t:audit"), http.MethodGet, "/audit/events?action=client.create", "").ok(http.StatusOK)
			return strings.Contains(got.body, `"c1"`)
		})
		assert.Contains(t, got.body, `t:read t:use`)
		assert.Contains(t, got.body, `"intact":true`)
		assert.JSONEq(t, `{"items":[]}`, r.call(person("other", "t:audit"), http.MethodGet, "/audit/events", "").ok(http.StatusOK).body)
		export := r.call(person("acme", "t:audit"), http.MethodGet, "/audit/export", "").ok(http.StatusOK)
		assert.Equal(t, "application/jsonl", export.Header.Get("Content-Type"))
		for line := range strings.Lines(export.body) {
			assert.True(t, json.Valid([]byte(line)), line)
		}
		assert.Contains(t, export.body, `client.create`)
		assert.Contains(t, r.call(person("acme", "t:audit"), http.MethodGet, "/audit/checkpoint-key", "").ok(http.StatusOK).body, `"keys"`)
	})
}
