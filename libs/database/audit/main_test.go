package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// childVariable makes this test binary the program that a test starts and kills.
const childVariable = "CRYPTOUTIL_TEST_CHILD"

func TestMain(m *testing.M) {
	fips.Require()
	if os.Getenv(childVariable) != "" {
		if err := recorder(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	m.Run()
}

func platform() []database.Set { return []database.Set{database.PlatformMigrations()} }

// clock is a clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logText collects a log.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// replica is one process's audit log.
type replica struct {
	*audit.Log
	t       testing.TB
	db      *database.DB
	barrier *barrier.Barrier
	leases  *lease.Leases
	clock   *clock
	log     *logText
	journal string
}

var unsealKey = bytes.Repeat([]byte{7}, barrier.UnsealKeySize)

func openBarrier(ctx context.Context, db *database.DB, now func() time.Time) (*barrier.Barrier, error) {
	store, err := barrierstore.New(db)
	if err != nil {
		return nil, err
	}
	b, err := barrier.New(barrier.Config{Store: store, Now: now})
	if err != nil {
		return nil, err
	}
	if err := b.Unseal(ctx, unsealKey, "unseal"); err != nil {
		return nil, err
	}
	return b, nil
}

func newReplica(t testing.TB, db *database.DB, edit ...func(*audit.Config)) *replica {
	t.Helper()
	r := &replica{t: t, db: db, clock: newClock(), log: &logText{}, journal: filepath.Join(t.TempDir(), "audit.journal")}
	var err error
	r.barrier, err = openBarrier(t.Context(), db, r.clock.Now)
	require.NoError(t, err)
	log := slog.New(slog.NewJSONHandler(r.log, nil))
	r.leases, err = lease.New(lease.Config{DB: db, Owner: "test", Log: log})
	require.NoError(t, err)
	cfg := audit.Config{
		DB: db, Barrier: r.barrier, Lease: r.leases, Log: log, Now: r.clock.Now, Service: "kms", JournalFile: r.journal,
		Known: func(_ context.Context, tenant string) bool { return tenant == "acme" || tenant == "other" },
	}
	for _, fn := range edit {
		fn(&cfg)
	}
	r.Log, err = audit.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() }) // a test may have closed it
	return r
}

// each runs a test on both engines.
func each(t *testing.T, test func(t *testing.T, r *replica), edit ...func(*audit.Config)) {
	t.Helper()
	dbtest.Each(t, platform(), func(t *testing.T, db *database.DB) {
		r := newReplica(t, db, edit...)
		require.NoError(t, r.Prepare(t.Context()))
		test(t, r)
	})
}

func unfenced(context.Context) error { return nil }

func (r *replica) record(e audit.Event) {
	r.t.Helper()
	if e.Tenant == "" {
		e.Tenant = "acme"
	}
	require.NoError(r.t, r.db.InTx(r.t.Context(), func(ctx context.Context) error { return r.Record(ctx, e) }))
}

func (r *replica) sequence() {
	r.t.Helper()
	require.NoError(r.t, r.Sequence(r.t.Context(), unfenced))
}

// recorded records n events of acme and numbers them.
func (r *replica) recorded(n int) {
	r.t.Helper()
	require.NoError(r.t, r.db.InTx(r.t.Context(), func(ctx context.Context) error {
		for i := range n {
			if err := r.Record(ctx, audit.Event{Tenant: "acme", Action: "key.create", Object: audit.Object{Kind: "key", ID: fmt.Sprint(i)}}); err != nil {
				return err
			}
		}
		return nil
	}))
	r.sequence()
}

func (r *replica) signed() {
	r.t.Helper()
	r.clock.move(61 * time.Second)
	r.sequence()
}

func (r *replica) export(tenant string) string {
	r.t.Helper()
	var out bytes.Buffer
	require.NoError(r.t, r.Export(r.t.Context(), tenant, audit.Range{}, &out))
	return out.String()
}

func (r *replica) keys() []*jwk.Key {
	r.t.Helper()
	set, err := r.CheckpointKeys(r.t.Context())
	require.NoError(r.t, err)
	keys, err := auditchain.ParseKeys(set)
	require.NoError(r.t, err)
	return keys
}

// logged are the checkpoints in the log, but for those of the given last text.
func (r *replica) logged() []auditchain.Checkpoint {
	r.t.Helper()
	found, err := auditchain.FindCheckpoints(strings.NewReader(r.log.String()), r.keys())
	require.NoError(r.t, err)
	return found
}

func (r *replica) verify(export string, trusted ...auditchain.Checkpoint) (auditchain.Result, error) {
	r.t.Helper()
	return auditchain.Verify(strings.NewReader(export), auditchain.Options{Keys: r.keys(), Trusted: trusted})
}

// intact exports a chain, checks it, and returns its events.
func (r *replica) intact(tenant string) []map[string]any {
	r.t.Helper()
	trusted := r.logged() // those of events that come after the export would find them missing
	export := r.export(tenant)
	result, err := r.verify(export, trusted...)
	require.NoError(r.t, err)
	require.Equal(r.t, result.Last, result.Signed, "a whole export is signed to its end")
	return events(r.t, export)
}

func events(t testing.TB, export string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(export) {
		var l struct {
			Event map[string]any `json:"event"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		if l.Event != nil {
			found = append(found, l.Event)
		}
	}
	return found
}

func actions(events []map[string]any) []string {
	var names []string
	for _, e := range events {
		names = append(names, fmt.Sprint(e["action"]))
	}
	return names
}

func (r *replica) exec(query string, args ...any) {
	r.t.Helper()
	_, err := r.db.Exec(database.WithTenant(r.t.Context(), database.AllTenants), query, args...)
	require.NoError(r.t, err)
}

func (r *replica) count(query string, args ...any) (n int) {
	r.t.Helper()
	require.NoError(r.t, r.db.QueryRow(database.WithTenant(r.t.Context(), database.AllTenants), query, args...).Scan(&n))
	return n
}

func (r *replica) broken(kind auditchain.Kind, seq int64, trusted ...auditchain.Checkpoint) {
	r.t.Helper()
	_, err := r.verify(r.export("acme"), trusted...)
	var b *auditchain.BreakError
	require.ErrorAs(r.t, err, &b)
	require.Equal(r.t, kind, b.Kind, b.Text)
	require.Equal(r.t, seq, b.Seq, b.Text)
}

func dbtestEach(t *testing.T, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	dbtest.Each(t, platform(), test)
}

func read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

func write(t testing.TB, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

func replaceOnce(text, old, with string) string { return strings.Replace(text, old, with, 1) }
