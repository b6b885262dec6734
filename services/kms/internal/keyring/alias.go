package keyring

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// maxAliases bounds what is read to answer one request about a key's aliases.
const maxAliases = 1000

// CreateAlias makes a name stand for a key.
func (k *Keyring) CreateAlias(ctx context.Context, caller Caller, name string, target Ref) (Alias, error) {
	if err := checkName(name); err != nil {
		return Alias{}, err
	}
	key, err := k.permitKey(ctx, caller, OpUpdate, target)
	if err != nil {
		return Alias{}, err
	}
	now := k.instant()
	alias := Alias{Tenant: key.Tenant, Name: name, ElasticKeyID: key.ID, CreatedAt: now, UpdatedAt: now, Revision: 1}
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		if err := k.store.InsertAlias(ctx, alias); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: ActionAlias, Key: key, Detail: name})
	})
	switch {
	case errors.Is(err, ErrNameTaken):
		return Alias{}, problem.New("conflict", "another key has this name")
	case errors.Is(err, ErrStale): // deleted meanwhile
		return Alias{}, errNotFound()
	case err != nil:
		return Alias{}, fmt.Errorf("store alias: %w", err)
	}
	return alias, nil
}

// MoveAlias makes an alias stand for another key, if the caller may update both. The alias must still be of the revision given; ErrStale
// otherwise.
func (k *Keyring) MoveAlias(ctx context.Context, caller Caller, name string, revision int64, target Ref) (Alias, error) {
	alias, _, err := k.alias(ctx, caller, OpUpdate, name)
	if err != nil {
		return Alias{}, err
	}
	key, err := k.permitKey(ctx, caller, OpUpdate, target)
	if err != nil {
		return Alias{}, err
	}
	from := alias.ElasticKeyID
	alias.ElasticKeyID, alias.Revision, alias.UpdatedAt = key.ID, revision, k.instant()
	var moved Alias
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		if moved, err = k.store.MoveAlias(ctx, alias); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: ActionMoveAlias, Key: key, Detail: name + " from " + from})
	})
	if errors.Is(err, ErrStale) {
		return Alias{}, ErrStale
	}
	if err != nil {
		return Alias{}, fmt.Errorf("move alias: %w", err)
	}
	return moved, nil
}

// DeleteAlias takes a name away from the key that it stands for.
func (k *Keyring) DeleteAlias(ctx context.Context, caller Caller, name string) error {
	alias, key, err := k.alias(ctx, caller, OpUpdate, name)
	if err != nil {
		return err
	}
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		if err := k.store.DeleteAlias(ctx, alias.Tenant, alias.Name); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: ActionUnalias, Key: key, Detail: name})
	})
	if errors.Is(err, ErrNotFound) {
		return errNoAlias()
	}
	if err != nil {
		return fmt.Errorf("delete alias: %w", err)
	}
	return nil
}

// Alias reads one alias.
func (k *Keyring) Alias(ctx context.Context, caller Caller, name string) (Alias, error) {
	alias, _, err := k.alias(ctx, caller, OpRead, name)
	return alias, err
}

// alias reads an alias and the key, to which the caller may do op.
func (k *Keyring) alias(ctx context.Context, caller Caller, op Operation, name string) (Alias, ElasticKey, error) {
	key, err := k.permitKey(ctx, caller, op, Ref(name))
	if err != nil {
		return Alias{}, ElasticKey{}, err
	}
	alias, err := k.store.Alias(ctx, key.Tenant, name)
	if errors.Is(err, ErrNotFound) {
		return Alias{}, ElasticKey{}, errNoAlias()
	}
	if err != nil {
		return Alias{}, ElasticKey{}, fmt.Errorf("read alias: %w", err)
	}
	return alias, key, nil
}

// Aliases reads up to limit aliases in order of name, from after the name given: those of one key, or with an empty reference all of them.
func (k *Keyring) Aliases(ctx context.Context, caller Caller, ref Ref, after string, limit int) ([]Alias, error) {
	elasticID := ""
	if ref == "" {
		if err := decideScope(caller, OpRead); err != nil {
			return nil, err
		}
	} else {
		key, err := k.permitKey(ctx, caller, OpRead, ref)
		if err != nil {
			return nil, err
		}
		elasticID = key.ID
	}
	aliases, err := k.store.Aliases(ctx, caller.Tenant, elasticID, after, min(limit, maxAliases+1))
	if err != nil {
		return nil, fmt.Errorf("list aliases: %w", err)
	}
	return aliases, nil
}

func errNoAlias() error { return problem.New("not_found", "no such alias") }
