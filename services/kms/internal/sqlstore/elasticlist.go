package sqlstore

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// listFilter is the part of a list's statement that narrows it. Deleted keys are not listed unless they are asked for.
const listFilter = `
	FROM elastic_keys e
	WHERE e.tenant_id = $1
		AND ($3 = '' OR e.id = $3) AND ($4 = '' OR e.id = (SELECT n.elastic_key_id FROM key_names n WHERE n.tenant_id = $1 AND n.name = $4))
		AND ($5 = '' OR e.algorithm = $5) AND (e.status = $6 OR ($6 = '' AND e.status <> 'deleted'))
		AND ($7 = '' OR EXISTS (SELECT 1 FROM key_tags t WHERE t.tenant_id = $1 AND t.name = $7 AND t.elastic_key_id = e.id AND ($9 = 0 OR t.value = $8)))
		AND ($10 < 0 OR e.versioning_allowed = ($10 = 1)) AND ($11 < 0 OR e.import_allowed = ($11 = 1))`

// The orders of a list.
const (
	selectByID       = `SELECT ` + elasticColumns + listFilter + ` AND e.id > $2 ORDER BY e.id LIMIT $12`
	selectByIDDown   = `SELECT ` + elasticColumns + listFilter + ` AND ($2 = '' OR e.id < $2) ORDER BY e.id DESC LIMIT $12`
	selectByName     = `SELECT ` + elasticColumns + listFilter + ` AND e.name > $2 ORDER BY e.name LIMIT $12`
	selectByNameDown = `SELECT ` + elasticColumns + listFilter + ` AND ($2 = '' OR e.name < $2) ORDER BY e.name DESC LIMIT $12`
)

// ElasticKeys implements keyring.ElasticKeyStore.
func (s *Store) ElasticKeys(ctx context.Context, tenant string, list keyring.KeyList) ([]keyring.ElasticKey, error) {
	var query string
	switch list.Sort {
	case keyring.SortID, "":
		query = selectByID
	case keyring.SortIDDown:
		query = selectByIDDown
	case keyring.SortName:
		query = selectByName
	case keyring.SortNameDown:
		query = selectByNameDown
	default:
		return nil, fmt.Errorf("select elastic keys: there is no order %q", list.Sort)
	}
	tag, valued := "", int64(0)
	if list.TagValue != nil {
		tag, valued = *list.TagValue, 1
	}
	rows, err := s.db.Query(database.WithTenant(ctx, tenant), query,
		tenant, list.After, list.ID, list.Name, list.Algorithm, string(list.Status), list.TagName, tag, valued,
		ternary(list.VersioningAllowed), ternary(list.ImportAllowed), int64(list.Limit))
	if err != nil {
		return nil, fmt.Errorf("select elastic keys: %w", err)
	}
	return database.Collect(rows, s.scanElastic)
}

// ternary is a condition as it is bound: -1 for one that does not matter.
func ternary(condition *bool) int64 {
	switch {
	case condition == nil:
		return -1
	case *condition:
		return 1
	default:
		return 0
	}
}
