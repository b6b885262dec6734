package revocation_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/barriertest"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/sqlstore"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

const (
	tenant   = "acme"
	deadline = time.Minute // on a machine full of others
)

// sets are the schema of a service.
func sets(t testing.TB) []database.Set {
	t.Helper()
	own, err := sqlstore.Migrations()
	require.NoError(t, err)
	return []database.Set{database.PlatformMigrations(), own}
}

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// authorities are CAs in memory; they also certify responders.
type authorities struct {
	mu      sync.Mutex
	issuers map[string]*revocation.Issuer
	keys    map[string]crypto.Signer
	made    int           // responders
	life    time.Duration // of responders
	now     func() time.Time
}

// Issuer implements revocation.Issuers.
func (a *authorities) Issuer(_ context.Context, of, id string) (*revocation.Issuer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, ok := a.issuers[id]
	if !ok || i.Tenant != of {
		return nil, revocation.ErrNotFound
	}
	return new(*i), nil
}

// IDs implements revocation.Issuers.
func (a *authorities) IDs(_ context.Context, of, after string, limit int) (ids []string, _ error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, i := range a.issuers {
		if i.Tenant == of && id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids[:min(len(ids), limit)], nil
}

// Signer implements revocation.Issuers.
func (a *authorities) Signer(_ context.Context, _, id string) (crypto.Signer, func(), error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.keys[id], func() {}, nil
}

// CertifyResponder implements revocation.Certifier.
func (a *authorities) CertifyResponder(_ context.Context, _, ca string, public crypto.PublicKey) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made++
	now := a.now()
	return x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: certificate.NewSerial().Int(), Subject: pkix.Name{CommonName: "responder"}, NotBefore: now.Add(-time.Second), NotAfter: now.Add(a.life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
	}, a.issuers[ca].Certificate, public, a.keys[ca])
}

// change changes a CA.
func (a *authorities) change(id string, how func(*revocation.Issuer)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	how(a.issuers[id])
}

// add makes a CA.
func (a *authorities) add(t testing.TB, of, id string, how ...func(*revocation.Issuer)) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature, NotBefore: a.now().Add(-time.Hour), NotAfter: a.now().Add(10 * 365 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	i := &revocation.Issuer{
		Tenant: of, ID: id, Family: hierarchy.Private, Signs: true, Delegates: true, Shards: 1, Certificate: parsed, Algorithm: x509.ECDSAWithSHA256, BaseURL: "http://ca.example",
	}
	for _, h := range how {
		h(i)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.issuers[id], a.keys[id] = i, key
}

// events keeps what was recorded, and fails where the test wants it to.
type events struct {
	mu   sync.Mutex
	all  []revocation.Event
	fail error
}

// Record implements revocation.Events.
func (e *events) Record(_ context.Context, event revocation.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return e.fail
	}
	e.all = append(e.all, event)
	return nil
}

// shared is what replicas share beside the database.
type shared struct {
	clock   *clock
	cas     *authorities
	events  *events
	barrier *barriertest.Store
}

func newShared() *shared {
	c := &clock{now: time.Now().Truncate(time.Second).UTC()}
	return &shared{
		clock: c, events: &events{}, barrier: &barriertest.Store{},
		cas: &authorities{issuers: map[string]*revocation.Issuer{}, keys: map[string]crypto.Signer{}, life: 24 * time.Hour, now: c.read},
	}
}

// replica is one process.
type replica struct {
	*shared

	db        *database.DB
	store     *sqlstore.RevocationFacts
	follower  *changes.Follower
	barrier   *barrier.Barrier
	registry  *revocation.Registry
	publisher *revocation.Publisher
	lists     *revocation.Lists
	delegates *revocation.Delegates
	responder *revocation.Responder
}

type generator struct{}

// Take implements revocation.Generator.
func (generator) Take(_ context.Context, spec alg.Spec) (*jwk.Key, error) {
	return keygen.Generate(spec)
}

func settings() revocation.Settings {
	s := revocation.DefaultSettings()
	s.Delay = 10 * time.Millisecond
	return s
}

func newReplica(t testing.TB, db *database.DB, s *shared, change ...func(*revocation.Settings)) *replica {
	t.Helper()
	set := settings()
	for _, c := range change {
		c(&set)
	}
	r := &replica{shared: s, db: db}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	r.follower, err = changes.New(changes.Config{DB: db, Log: log, Now: time.Now, Bound: deadline})
	require.NoError(t, err)
	r.barrier, err = barrier.New(barrier.Config{Store: s.barrier, Now: time.Now})
	require.NoError(t, err)
	require.NoError(t, r.barrier.Unseal(t.Context(), bytes.Repeat([]byte{7}, barrier.UnsealKeySize), "unseal"))
	leases, err := lease.New(lease.Config{DB: db, Owner: "test", Log: log})
	require.NoError(t, err)
	r.store = sqlstore.NewRevocationFacts(sqlstore.New(db), r.follower, 100)
	r.registry, err = revocation.NewRegistry(r.store, s.cas, s.events, s.clock.read)
	require.NoError(t, err)
	r.delegates, err = revocation.NewDelegates(revocation.DelegatesConfig{
		Store: r.store, Certificates: r.store, Certifier: s.cas, Keys: r.barrier, Generator: generator{}, Events: s.events, Now: s.clock.read,
	})
	require.NoError(t, err)
	r.lists, err = revocation.NewLists(r.store, r.store)
	require.NoError(t, err)
	r.publisher, err = revocation.NewPublisher(revocation.PublisherConfig{
		Store: r.store, InTx: db.InTx, Issuers: s.cas, Leases: leases, Events: s.events, Log: log, Now: s.clock.read, Settings: set,
		Tenants: func(_ context.Context, after string, _ int) ([]string, error) {
			if after == "" {
				return []string{tenant}, nil
			}
			return nil, nil
		},
		Also: r.delegates.Renew,
		AlsoTenant: func(ctx context.Context, of string) error {
			_, err := r.registry.RevokeAbandoned(ctx, of, s.clock.read().Add(-set.Abandoned))
			return err
		},
	})
	require.NoError(t, err)
	r.follower.Subscribe(sqlstore.ChangeStatus, func(c changes.Change) { r.publisher.Notice(c.Tenant) })
	r.responder, err = revocation.NewResponder(revocation.ResponderConfig{
		Store: r.store, Issuers: s.cas, Keys: r.barrier, Delegates: r.delegates, Follower: r.follower, Now: s.clock.read, Settings: set, Capacity: 10000,
		StatusKind: sqlstore.ChangeStatus, DelegateKind: sqlstore.ChangeResponder, IssuerKind: sqlstore.ChangeAuthority,
	})
	require.NoError(t, err)
	require.NoError(t, r.follower.CatchUp(t.Context()))
	return r
}

// run runs the replica's tasks until the test ends.
func (r *replica) run(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = r.follower.Run(ctx) })
	running.Go(func() { r.publisher.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// each runs a test on one replica on every engine.
func each(t *testing.T, test func(t *testing.T, r *replica)) {
	t.Helper()
	dbtest.Each(t, sets(t), func(t *testing.T, db *database.DB) {
		s := newShared()
		s.cas.add(t, tenant, "ca")
		test(t, newReplica(t, db, s))
	})
}

// pair runs a test on two replicas, each with its own connections, on every engine.
func pair(t *testing.T, test func(t *testing.T, a, b *replica)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg := dbtest.Fresh(t, engine, sets(t)...)
			s := newShared()
			s.cas.add(t, tenant, "ca")
			test(t, newReplica(t, dbtest.Open(t, cfg, sets(t)...), s), newReplica(t, dbtest.Open(t, cfg, sets(t)...), s))
		})
	}
}

func officer() access.Caller {
	return access.Caller{Tenant: tenant, ID: "user:officer", Scopes: []string{access.ScopeAdmin}}
}

// publish makes all lists that are due by now, as the publishing replica does.
func (r *replica) publish(t testing.TB) {
	t.Helper()
	require.NoError(t, r.publisher.PublishDue(t.Context(), tenant))
}
