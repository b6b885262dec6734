package sqlstore

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// changeName is the kind under which a change of what a name stands for is in the change sequence.
const changeName = "kms/name"

const (
	aliasColumns  = nameColumns + `, n.revision, n.created_at, n.updated_at`
	aliasReturned = `tenant_id, name, elastic_key_id, alias, seal, revision, created_at, updated_at` // for RETURNING
)

// InsertAlias implements keyring.AliasStore.
func (s *Store) InsertAlias(ctx context.Context, alias keyring.Alias) error {
	seal, err := s.sealName(alias.Tenant, alias.Name, alias.ElasticKeyID, true)
	if err != nil {
		return err
	}
	err = s.db.InTx(database.WithTenant(ctx, alias.Tenant), func(ctx context.Context) error {
		result, err := s.db.Exec(ctx, `
			INSERT INTO key_names (tenant_id, name, elastic_key_id, alias, revision, created_at, updated_at, seal)
			SELECT e.tenant_id, CAST($2 AS TEXT), e.id, TRUE, 1, CAST($4 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS TEXT)
			FROM elastic_keys e WHERE e.tenant_id = $1 AND e.id = $3 AND e.status <> 'deleted'`,
			alias.Tenant, alias.Name, alias.ElasticKeyID, database.Micros(alias.CreatedAt), database.Micros(alias.UpdatedAt), seal)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return orStale(err)
		}
		return changes.Note(ctx, s.db, alias.Tenant, changeName, alias.Name)
	})
	if database.IsUniqueViolation(err) {
		return keyring.ErrNameTaken
	}
	if err != nil {
		return fmt.Errorf("insert alias: %w", err)
	}
	return nil
}

// MoveAlias implements keyring.AliasStore.
func (s *Store) MoveAlias(ctx context.Context, alias keyring.Alias) (moved keyring.Alias, err error) {
	seal, err := s.sealName(alias.Tenant, alias.Name, alias.ElasticKeyID, true)
	if err != nil {
		return keyring.Alias{}, err
	}
	err = s.db.InTx(database.WithTenant(ctx, alias.Tenant), func(ctx context.Context) error {
		moved, err = s.scanAlias(s.db.QueryRow(ctx, `
			UPDATE key_names AS n SET elastic_key_id = $4, updated_at = $5, revision = revision + 1, seal = $6
			WHERE tenant_id = $1 AND name = $2 AND alias AND revision = $3
				AND EXISTS (SELECT 1 FROM elastic_keys e WHERE e.tenant_id = $1 AND e.id = $4 AND e.status <> 'deleted')
			RETURNING `+aliasReturned,
			alias.Tenant, alias.Name, alias.Revision, alias.ElasticKeyID, database.Micros(alias.UpdatedAt), seal))
		if err != nil {
			return err
		}
		return changes.Note(ctx, s.db, alias.Tenant, changeName, alias.Name)
	})
	return moved, stale("move alias", err)
}

func orStale(err error) error {
	if err != nil {
		return err
	}
	return keyring.ErrStale
}

// DeleteAlias implements keyring.AliasStore.
func (s *Store) DeleteAlias(ctx context.Context, tenant, name string) error {
	return s.db.InTx(database.WithTenant(ctx, tenant), func(ctx context.Context) error {
		result, err := s.db.Exec(ctx, `DELETE FROM key_names WHERE tenant_id = $1 AND name = $2 AND alias`, tenant, name)
		if err != nil {
			return fmt.Errorf("delete alias: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return orMissing(err)
		}
		return changes.Note(ctx, s.db, tenant, changeName, name)
	})
}

func orMissing(err error) error {
	if err != nil {
		return err
	}
	return keyring.ErrNotFound
}

// Alias implements keyring.AliasStore.
func (s *Store) Alias(ctx context.Context, tenant, name string) (keyring.Alias, error) {
	alias, err := s.scanAlias(s.db.QueryRow(database.WithTenant(ctx, tenant), `
		SELECT `+aliasColumns+` FROM key_names n WHERE n.tenant_id = $1 AND n.name = $2 AND n.alias`, tenant, name))
	if err != nil {
		return keyring.Alias{}, notFound(err)
	}
	return alias, nil
}

// Aliases implements keyring.AliasStore.
func (s *Store) Aliases(ctx context.Context, tenant, elasticID, after string, limit int) ([]keyring.Alias, error) {
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), `
		SELECT `+aliasColumns+`
		FROM key_names n
		WHERE n.tenant_id = $1 AND ($2 = '' OR n.elastic_key_id = $2) AND n.name > $3 AND n.alias
		ORDER BY n.name
		LIMIT $4`, tenant, elasticID, after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("select aliases: %w", err)
	}
	return database.Collect(rows, s.scanAlias)
}

func (s *Store) scanAlias(r database.Scanner) (alias keyring.Alias, err error) {
	var created, updated int64
	var name nameTarget
	if err := r.Scan(append(name.columns(), &alias.Revision, &created, &updated)...); err != nil {
		return keyring.Alias{}, fmt.Errorf("read alias: %w", err)
	}
	alias.Tenant, alias.Name, alias.ElasticKeyID = name.tenant, name.name, name.elasticID
	alias.CreatedAt, alias.UpdatedAt = database.Time(created), database.Time(updated)
	return alias, s.named(&name)
}

// names are all that a key is called, aliases included.
func (s *Store) names(ctx context.Context, tenant, id string) ([]string, error) {
	rows, err := s.db.Query(ctx, `SELECT name FROM key_names WHERE tenant_id = $1 AND elastic_key_id = $2`, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("select names: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	})
}
