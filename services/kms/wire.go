package kms

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/coredump"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/idempotency"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/telemetry"
	"github.com/cryptoutil/cryptoutil/libs/telemetry/buildinfo"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/httpapi"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

// document is the service's OpenAPI document.
//
//go:embed api/openapi.yaml
var document []byte

// serviceName is the KMS's name in logs, traces and the database's list of connections.
const serviceName = "kms-server"

// pepperVersion is the version of the hash policy that the configured pepper belongs to.
const pepperVersion = 3

const (
	// sweepInterval is how often expired idempotent answers are removed.
	sweepInterval = 10 * time.Minute
	// expireInterval is how often opened keys that are too old are forgotten.
	expireInterval = time.Minute
)

// Instance is a built KMS.
type Instance struct {
	server    *server.Server
	telemetry *telemetry.Telemetry
	tls       *tlsconfig.Material
	db        *database.DB
	realm     *auth.FileRealm
	pool      *keygen.Pool
	answers   *idempotency.Runner
	keys      *keyring.Keyring
}

// Build opens everything that a configuration names, in order; the first failure is returned and closes what was opened. dev is set by
// development mode alone.
func Build(ctx context.Context, cfg Config, dev bool, logOut io.Writer) (_ *Instance, err error) {
	if err := server.CheckDataDir(cfg.DataDir.String(), dev); err != nil {
		return nil, err
	}
	if cfg.Unseal.Mode == string(unseal.Dev) && !dev {
		return nil, errors.New("unseal mode dev is for development mode alone; use derive or shamir")
	}
	if err := coredump.Off(); err != nil {
		return nil, err
	}
	k := &Instance{}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.close())
		}
	}()

	resource := telemetry.Resource{Service: serviceName, Version: buildinfo.Read().Version, Instance: rand.Text()}
	if k.telemetry, err = telemetry.Start(ctx, cfg.Telemetry, resource, logOut); err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	log := k.telemetry.Log()
	if k.tls, err = tlsconfig.Open(cfg.TLS, tlsconfig.Options{Dir: cfg.tlsDir(), Dev: dev, Secrets: cfg.Secrets, Log: log}); err != nil {
		return nil, fmt.Errorf("open certificates: %w", err)
	}
	if k.db, err = openDatabase(ctx, cfg, log); err != nil {
		return nil, err
	}
	sealer, operator, err := openBarrier(ctx, cfg, k.db, log)
	if err != nil {
		return nil, err
	}
	if k.realm, err = openRealm(cfg, log); err != nil {
		return nil, err
	}
	if k.pool, err = keygen.NewPool(keygen.Config{Depths: cfg.Keys.Pools}); err != nil {
		return nil, fmt.Errorf("start key pools: %w", err)
	}
	if k.keys, err = keyring.New(keyring.Config{
		Store: sqlstore.New(k.db), Barrier: sealer, Generator: k.pool, Now: time.Now, CacheKeys: cfg.Keys.Cache,
	}); err != nil {
		return nil, err
	}
	if k.answers, err = idempotency.New(idempotency.Config{DB: k.db, Barrier: sealer, Now: time.Now}); err != nil {
		return nil, err
	}
	cursors, err := page.New(sealer)
	if err != nil {
		return nil, err
	}
	handler, err := httpapi.New(k.keys, cursors)
	if err != nil {
		return nil, err
	}
	k.server, err = server.New(cfg.Config, server.Deps{
		Log: log, Tracer: k.telemetry.Tracer(serviceName), Meter: k.telemetry.Meter(serviceName), TLS: k.tls, Auth: k.realm,
		API:         server.API{Document: document, Codes: httpapi.Codes(), Mount: handler.Mount},
		Idempotency: k.answers,
		Barrier:     sealer,
		Operator:    &forgetful{Operator: operator, keys: k.keys},
		Checks:      checks(k.db),
		DataDir:     cfg.DataDir.String(),
		Dev:         dev,
	})
	return k, err
}

// forgetful drops opened keys when the barrier is sealed.
type forgetful struct {
	*unseal.Operator

	keys *keyring.Keyring
}

// Seal implements server.Operator.
func (f *forgetful) Seal(ctx context.Context) error {
	err := f.Operator.Seal(ctx)
	f.keys.Forget()
	return err
}

// openDatabase opens and migrates the database.
func openDatabase(ctx context.Context, cfg Config, log *slog.Logger) (*database.DB, error) {
	db, err := database.Open(ctx, cfg.Database, database.Options{Log: log, Application: serviceName})
	if err != nil {
		return nil, err
	}
	sets, err := migrations()
	if err == nil {
		err = db.Migrate(ctx, sets...)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("migrate database: %w", err), db.Close())
	}
	return db, nil
}

// migrations are the schema changes of the platform and of the KMS, in the order in which they are applied.
func migrations() ([]database.Set, error) {
	own, err := sqlstore.Migrations()
	return []database.Set{database.PlatformMigrations(), own}, err
}

func openBarrier(ctx context.Context, cfg Config, db *database.DB, log *slog.Logger) (*barrier.Barrier, *unseal.Operator, error) {
	store, err := barrierstore.New(db)
	if err != nil {
		return nil, nil, err
	}
	sealer, err := barrier.New(barrier.Config{Store: store, Now: time.Now})
	if err != nil {
		return nil, nil, err
	}
	var secret []byte
	if cfg.Unseal.Secret.IsSet() {
		if secret, err = cfg.Unseal.Secret.Read(); err != nil {
			return nil, nil, fmt.Errorf("unseal: %w", err)
		}
		defer clear(secret)
	}
	operator, err := unseal.New(unseal.Config{Barrier: sealer, Mode: unseal.Mode(cfg.Unseal.Mode), Secret: secret})
	if err != nil {
		return nil, nil, err
	}
	if err := operator.Start(ctx); err != nil {
		return nil, nil, err
	}
	if status := operator.Status(); status.Sealed {
		log.Warn("sealed", "mode", string(status.Mode), "reason", status.Reason)
	}
	return sealer, operator, nil
}

func openRealm(cfg Config, log *slog.Logger) (*auth.FileRealm, error) {
	hashes, err := OpenHashes(cfg)
	if err != nil {
		return nil, err
	}
	return auth.OpenFileRealm(auth.FileRealmConfig{File: cfg.Realm.File.String(), Hashes: hashes, Log: log, Now: time.Now})
}

// OpenHashes opens the registry that the realm's secrets are hashed with.
func OpenHashes(cfg Config) (*secrethash.Registry, error) {
	pepper, err := cfg.Realm.Pepper.Read()
	if err != nil {
		return nil, fmt.Errorf("realm pepper: %w", err)
	}
	defer clear(pepper)
	return secrethash.New(secrethash.Config{Peppers: map[int][]byte{pepperVersion: pepper}})
}

// checks are what readiness looks at, beside the seal.
func checks(db *database.DB) []server.Check {
	return []server.Check{
		{Name: "database", Required: true, Probe: db.Ping},
		{Name: "migrations", Required: true, Probe: func(ctx context.Context) error {
			sets, err := migrations()
			if err != nil {
				return err
			}
			pending, err := db.Pending(ctx, sets...)
			if err == nil && pending > 0 {
				err = fmt.Errorf("%d migrations are pending; run migrate", pending)
			}
			return err
		}},
	}
}

// Run serves until ctx ends or somebody asks for the end, drains, and closes everything. onReady is called once both listeners accept.
func (k *Instance) Run(ctx context.Context, onReady func(*Instance)) error {
	background, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { k.tls.Run(background) })
	group.Go(func() { k.realm.Run(background) })
	group.Go(func() { k.sweep(background) })
	group.Go(func() { k.expire(background) })
	group.Go(func() {
		select {
		case <-k.server.Ready():
			k.pool.Ready()
			onReady(k)
		case <-background.Done():
		}
	})
	err := k.server.Run(ctx)
	stop()
	group.Wait()
	return errors.Join(err, k.close())
}

// sweep removes expired idempotent answers until ctx ends.
func (k *Instance) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		removed, err := k.answers.Sweep(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			k.telemetry.Log().Error("sweep idempotent answers", "error", err)
		case removed > 0:
			k.telemetry.Log().Debug("swept idempotent answers", "removed", removed)
		}
	}
}

// expire forgets opened keys that are too old until ctx ends.
func (k *Instance) expire(ctx context.Context) {
	ticker := time.NewTicker(expireInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			k.keys.Expire()
		}
	}
}

// Reload takes over what can change while the service runs: certificates, the realm, and the log level of cfg.
func (k *Instance) Reload(cfg Config) error {
	return errors.Join(k.tls.Reload(), k.realm.Reload(), k.telemetry.SetLevel(cfg.Telemetry.LogLevel))
}

// URL is where programs reach the service, with the real port.
func (k *Instance) URL() string { return k.server.PublicURL() }

// AdminURL is where the machine's operator reaches it.
func (k *Instance) AdminURL() string { return k.server.AdminURL() }

// RootFile is the root certificate that clients trust.
func (k *Instance) RootFile() string { return k.tls.RootFile() }

// closeTimeout bounds how long the last telemetry may take to be sent.
const closeTimeout = 5 * time.Second

// close ends what Build opened, last first.
func (k *Instance) close() error {
	var errs []error
	if k.pool != nil {
		k.pool.Close()
	}
	if k.db != nil {
		errs = append(errs, k.db.Close())
	}
	if k.telemetry != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		errs = append(errs, k.telemetry.Shutdown(ctx))
	}
	return errors.Join(errs...)
}
