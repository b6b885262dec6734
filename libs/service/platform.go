package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/idempotency"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/telemetry"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// pepperVersion is the version of the hash policy that the configured pepper belongs to.
const pepperVersion = 3

// Platform is what a domain stands on.
type Platform struct {
	Log       *slog.Logger
	Telemetry *telemetry.Telemetry
	// DB is open and migrated.
	DB *database.DB
	// Barrier keeps keys and secrets encrypted at rest. It may be sealed.
	Barrier *barrier.Barrier
	// Generator makes keys, from pools where it can.
	Generator *keygen.Pool
	// Cursors are for lists.
	Cursors *page.Cursors
	// Now is the clock.
	Now func() time.Time

	tls      *tlsconfig.Material
	operator *unseal.Operator
	realm    *auth.FileRealm
	answers  *idempotency.Runner
}

// open builds the platform in order; the first failure is returned. What was opened by then close ends.
func (p *Platform) open(ctx context.Context, d Description, cfg *Config, dev bool) (err error) {
	if p.tls, err = tlsconfig.Open(cfg.TLS, tlsconfig.Options{Dir: cfg.tlsDir(), Dev: dev, Secrets: cfg.Secrets, Log: p.Log}); err != nil {
		return fmt.Errorf("open certificates: %w", err)
	}
	if p.DB, err = openDatabase(ctx, d, cfg, p.Log); err != nil {
		return err
	}
	if err := p.openBarrier(ctx, cfg); err != nil {
		return err
	}
	if p.realm, err = openRealm(cfg, p.Log); err != nil {
		return err
	}
	if p.Generator, err = keygen.NewPool(keygen.Config{Depths: cfg.KeyPools}); err != nil {
		return fmt.Errorf("start key pools: %w", err)
	}
	if p.answers, err = idempotency.New(idempotency.Config{DB: p.DB, Barrier: p.Barrier, Now: p.Now}); err != nil {
		return err
	}
	p.Cursors, err = page.New(p.Barrier)
	return err
}

// openDatabase opens and migrates the database.
func openDatabase(ctx context.Context, d Description, cfg *Config, log *slog.Logger) (*database.DB, error) {
	db, err := database.Open(ctx, cfg.Database, database.Options{Log: log, Application: d.Name})
	if err != nil {
		return nil, err
	}
	sets, err := d.sets()
	if err == nil {
		err = db.Migrate(ctx, sets...)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("migrate database: %w", err), db.Close())
	}
	return db, nil
}

// sets are the schema changes of the platform and of the service, in the order in which they are applied.
func (d Description) sets() ([]database.Set, error) {
	own, err := d.Migrations()
	return []database.Set{database.PlatformMigrations(), own}, err
}

func (p *Platform) openBarrier(ctx context.Context, cfg *Config) error {
	store, err := barrierstore.New(p.DB)
	if err != nil {
		return err
	}
	if p.Barrier, err = barrier.New(barrier.Config{Store: store, Now: p.Now}); err != nil {
		return err
	}
	var secret []byte
	if cfg.Unseal.Secret.IsSet() {
		if secret, err = cfg.Unseal.Secret.Read(); err != nil {
			return fmt.Errorf("unseal: %w", err)
		}
		defer clear(secret)
	}
	if p.operator, err = unseal.New(unseal.Config{Barrier: p.Barrier, Mode: unseal.Mode(cfg.Unseal.Mode), Secret: secret}); err != nil {
		return err
	}
	if err := p.operator.Start(ctx); err != nil {
		return err
	}
	if status := p.operator.Status(); status.Sealed {
		p.Log.Warn("sealed", "mode", string(status.Mode), "reason", status.Reason)
	}
	return nil
}

func openRealm(cfg *Config, log *slog.Logger) (*auth.FileRealm, error) {
	hashes, err := OpenHashes(cfg)
	if err != nil {
		return nil, err
	}
	return auth.OpenFileRealm(auth.FileRealmConfig{File: cfg.Realm.File.String(), Hashes: hashes, Log: log, Now: time.Now})
}

// OpenHashes opens the registry that the realm's secrets are hashed with.
func OpenHashes(cfg *Config) (*secrethash.Registry, error) {
	pepper, err := cfg.Realm.Pepper.Read()
	if err != nil {
		return nil, fmt.Errorf("realm pepper: %w", err)
	}
	defer clear(pepper)
	return secrethash.New(secrethash.Config{Peppers: map[int][]byte{pepperVersion: pepper}})
}

// closeTimeout bounds how long the last telemetry may take to be sent.
const closeTimeout = 5 * time.Second

// close ends what open opened, last first.
func (p *Platform) close() error {
	var errs []error
	if p.Generator != nil {
		p.Generator.Close()
	}
	if p.DB != nil {
		errs = append(errs, p.DB.Close())
	}
	if p.Telemetry != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		errs = append(errs, p.Telemetry.Shutdown(ctx))
	}
	return errors.Join(errs...)
}
