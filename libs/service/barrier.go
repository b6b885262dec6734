package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/installation"
)

func (p *Platform) openBarrier(ctx context.Context, cfg *Config) (err error) {
	if p.store, err = barrierstore.New(p.DB); err != nil {
		return err
	}
	if p.installation, err = installation.ID(ctx, p.DB); err != nil {
		return err
	}
	if p.Barrier, err = barrier.New(barrier.Config{Store: p.store, Now: p.Now, InUse: p.barrierInUse}); err != nil {
		return err
	}
	open := unseal.Config{
		Barrier: p.Barrier, Mode: unseal.Mode(cfg.Unseal.Mode), Store: p.store, Now: p.Now, Log: p.Log, Installation: p.installation,
		Unsealed: func(ctx context.Context) {
			if err := p.unsealed(ctx); err != nil {
				p.Log.Error("what waits for the barrier failed; it is tried again", "error", err)
			}
		},
	}
	if cfg.Unseal.Secret.IsSet() {
		secret, err := cfg.Unseal.Secret.Read()
		if err != nil {
			return fmt.Errorf("unseal: %w", err)
		}
		defer clear(secret)
		if open.Mode == unseal.JWK {
			open.JWK = secret
		} else {
			open.Secret = secret
		}
	}
	p.dependencies = &dependencies{}
	if open.Mode == unseal.KMS {
		open.Remote = p.remote(cfg)
		p.dependencies.remote = open.Remote
	}
	if p.operator, err = unseal.New(open); err != nil {
		return err
	}
	if err := p.operator.Start(ctx); err != nil {
		// The service stays up sealed: recovery shares can open it, and in mode kms the other installation may come back.
		// A cycle would never open, and is refused.
		if errors.Is(err, unseal.ErrCycle) || !errors.Is(err, barrier.ErrWrongUnsealKey) && open.Mode != unseal.KMS {
			return err
		}
		p.Log.Error("the barrier did not open; the service stays sealed", "mode", string(open.Mode), "error", err)
	}
	if status := p.operator.Status(); status.Sealed {
		p.Log.Warn("sealed", "mode", string(status.Mode), "reason", status.Reason)
	}
	return nil
}

// barrierInUse tells whether something was sealed already, so that lost root keys are not replaced by new ones, under which nothing opens.
// Audit keys are the first values of every service.
func (p *Platform) barrierInUse(ctx context.Context) (used bool, err error) {
	ctx = database.WithTenant(ctx, database.AllTenants)
	err = p.DB.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM audit_keys)").Scan(&used)
	return used, err
}

// unsealed does what waits for the barrier to be open.
func (p *Platform) unsealed(ctx context.Context) error {
	if p.Audit == nil || p.Barrier.Sealed() { // nil while the service is being built
		return nil
	}
	return p.Audit.Prepare(ctx)
}
