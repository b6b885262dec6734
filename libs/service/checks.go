package service

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// checks are what readiness looks at in every service, beside the seal.
func checks(d Description, db *database.DB) []server.Check {
	return []server.Check{
		{Name: "database", Required: true, Probe: db.Ping},
		{Name: "migrations", Required: true, Probe: func(ctx context.Context) error {
			sets, err := d.sets()
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
