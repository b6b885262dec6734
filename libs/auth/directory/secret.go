package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// MaxOverlap is how long an old secret may go on beside its successor.
const MaxOverlap = 30 * 24 * time.Hour

// newSecret makes a credential and the hash of its secret.
func (d *Directory) newSecret(ctx context.Context, kind credential.Kind, tenant, id string) (credential.Credential, string, error) {
	made, err := credential.Generate(kind, tenant, id)
	if err != nil {
		return made, "", err
	}
	hash, err := d.cfg.Secrets.Hash(ctx, made.Secret())
	if err != nil {
		return made, "", fmt.Errorf("hash secret: %w", err)
	}
	return made, hash, nil
}

func (d *Directory) insertSecret(ctx context.Context, tenant, client, hash string, now time.Time) error {
	id, err := newID()
	if err != nil {
		return err
	}
	if _, err := d.db.Exec(ctx, `
		INSERT INTO auth_client_secrets (tenant_id, client_id, id, secret_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, 0)`,
		tenant, client, id, hash, database.Micros(now)); err != nil {
		return fmt.Errorf("insert secret: %w", err)
	}
	return nil
}

// secrets are those that have not expired, newest first.
func (d *Directory) secrets(ctx context.Context, tenant, client string) ([]auth.Secret, error) {
	rows, err := d.db.Query(ctx, `
		SELECT secret_hash, expires_at FROM auth_client_secrets
		WHERE tenant_id = $1 AND client_id = $2 AND (expires_at = 0 OR expires_at > $3) ORDER BY id DESC LIMIT 2`,
		tenant, client, database.Micros(d.cfg.Now()))
	if err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (auth.Secret, error) {
		var s auth.Secret
		var expires int64
		err := r.Scan(&s.Hash, &expires)
		s.ExpiresAt = database.Time(expires)
		return s, err
	})
}

// RotateSecret gives a client another secret and returns it. The one before goes on for the overlap, none for zero; those older still end at
// once, so that there are never more than two. Without an overlap the client's sessions end as well. When the old one ends is returned too.
func (d *Directory) RotateSecret(ctx context.Context, by *server.Principal, ref string, overlap time.Duration) (Client, credential.Credential, time.Time, error) {
	var client Client
	var made credential.Credential
	if overlap < 0 || overlap > MaxOverlap {
		return client, made, time.Time{}, invalid("/overlap_seconds", "must be at most 30 days")
	}
	now := d.cfg.Now()
	end := now.Add(overlap)
	err := d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		var err error
		if client, err = d.Client(ctx, by.Tenant, ref); err == nil {
			err = d.mayControl(ctx, by, server.KindClient, client.ID)
		}
		if err != nil {
			return Event{}, nil, err
		}
		var hash string
		if made, hash, err = d.newSecret(ctx, credential.ClientSecret, by.Tenant, client.ID); err != nil {
			return Event{}, nil, err
		}
		// The client's row is locked first, so that of two rotations at once each sees the other's secrets.
		result, err := d.db.Exec(ctx, "UPDATE auth_clients SET version = version + 1, updated_at = $3 WHERE tenant_id = $1 AND id = $2",
			by.Tenant, client.ID, database.Micros(now))
		if err := one(result, err, notFound); err != nil {
			return Event{}, nil, fmt.Errorf("rotate secret: %w", err)
		}
		if _, err := d.db.Exec(ctx, `
			DELETE FROM auth_client_secrets WHERE tenant_id = $1 AND client_id = $2
				AND (expires_at <> 0 OR id < (SELECT max(id) FROM auth_client_secrets WHERE tenant_id = $1 AND client_id = $2) OR $3)`,
			by.Tenant, client.ID, overlap == 0); err != nil {
			return Event{}, nil, fmt.Errorf("end old secrets: %w", err)
		}
		if _, err := d.db.Exec(ctx, "UPDATE auth_client_secrets SET expires_at = $3 WHERE tenant_id = $1 AND client_id = $2",
			by.Tenant, client.ID, database.Micros(end)); err != nil {
			return Event{}, nil, fmt.Errorf("date old secret: %w", err)
		}
		if err := d.insertSecret(ctx, by.Tenant, client.ID, hash, now); err != nil {
			return Event{}, nil, err
		}
		if overlap == 0 { // the old secret may be in wrong hands, and so may what it was exchanged for
			if err := d.end(ctx, by.Tenant, server.KindClient, client.ID); err != nil {
				return Event{}, nil, err
			}
		}
		client.Version, client.UpdatedAt = client.Version+1, now
		return Event{Action: "client.rotate_secret", By: by, ObjectKind: "client", ObjectID: client.ID}, []note{{by.Tenant, kindClient, client.ID}}, nil
	})
	return client, made, end, err
}
