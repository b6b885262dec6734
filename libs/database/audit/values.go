package audit

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
)

// Values are the log's sealed keys, for re-wrapping: without them among the sources they are lost when the barrier's old keys are retired.
func (l *Log) Values() rewrap.Source { return sealedKeys{l.keys} }

type sealedKeys struct{ keys *keyring }

// Name implements rewrap.Source.
func (sealedKeys) Name() string { return "audit/keys" }

// Next implements rewrap.Source.
func (s sealedKeys) Next(ctx context.Context, after string, limit int) ([]rewrap.Item, error) {
	rows, err := s.keys.rows(ctx)
	if err != nil {
		return nil, fmt.Errorf("read audit keys: %w", err)
	}
	var items []rewrap.Item
	for _, k := range rows { // a handful
		if position := k.position(); position > after && len(items) < limit {
			items = append(items, rewrap.Item{Position: position, Binding: k.binding(), JWE: k.jwe})
		}
	}
	return items, nil
}

// Replace implements rewrap.Source.
func (s sealedKeys) Replace(ctx context.Context, item rewrap.Item, jwe string) (bool, error) {
	result, err := s.keys.db.Exec(ctx, "UPDATE audit_keys SET jwe = $1 WHERE id = $2 AND version = $3 AND jwe = $4",
		jwe, item.Binding.ID, item.Binding.Version, item.JWE)
	if err != nil {
		return false, fmt.Errorf("write audit key: %w", err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// position orders as the rows are read.
func (k keyRow) position() string { return fmt.Sprintf("%s/%019d", k.kind, k.version) }

func (k keyRow) binding() barrier.Binding {
	return barrier.Binding{Tenant: System, Purpose: "audit/" + k.kind, ID: k.id, Version: k.version}
}
