// Package changes tells every replica of a service what the others have changed, so that facts may be kept in memory.
//
// A writer calls [Note] in the transaction of its change. Each replica has one [Follower], which reads the notes every 250 ms and hands
// them to its subscribers; [Follower.Fresh] says whether it has read them within the last second. [Cache] keeps facts under these two
// conditions: it forgets what has changed, and answers nothing when it cannot know.
//
// Order. A note takes the next number of one of eight lanes, chosen by the tenant, with one UPDATE. The lock on the lane's row is held until the
// transaction ends, so within a lane numbers are committed in their order: whoever reads number n will never see n-1 appear later. The price is
// that two transactions of one lane wait for each other from their first note to their end: note last, and only what somebody may have kept. An
// object that is new needs no note unless its absence is such a fact.
//
// Memory. Every number carries a random mark. A follower remembers number and mark of what it read last; if the database has another mark
// for that number, or a lower number, or has swept it away, as after a backup was restored, the follower says that everything may have
// changed ([Change.All]).
package changes

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// lanes is how many counters there are (migration 0003). More of them let more tenants change at the same time.
const lanes = 8

// Change is what a subscriber hears.
type Change struct {
	// Tenant and Kind are what [Note] was given.
	Tenant, Kind string
	// ID is the object's; "" means every object of the kind in the tenant.
	ID string
	// All says that anything of any tenant and kind may have changed; the other fields are empty.
	All bool
}

// Note says that the object of the tenant has changed, in the transaction of ctx: other replicas hear of it if, and as soon as, that
// commits. An id of "" stands for every object of the kind in the tenant. Outside a transaction it is refused.
func Note(ctx context.Context, db *database.DB, tenant, kind, id string) error {
	if kind == "" {
		return errors.New("note change: kind is missing")
	}
	if _, err := db.Independent(ctx); !errors.Is(err, database.ErrInTransaction) {
		return fmt.Errorf("note change of %s: not in a transaction", kind)
	}
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return fmt.Errorf("note change of %s: %w", kind, err)
	}
	mark := int64(binary.BigEndian.Uint64(random[:]) >> 1)
	lane := laneOf(tenant)
	var seq int64
	err := db.QueryRow(ctx, `UPDATE change_lanes SET value = value + 1, mark = $2 WHERE lane = $1 RETURNING value`, lane, mark).Scan(&seq)
	if err != nil {
		return fmt.Errorf("note change of %s: next number of lane %d: %w", kind, lane, err)
	}
	_, err = db.Exec(ctx, `INSERT INTO changes (lane, seq, mark, tenant_id, kind, object_id, at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		lane, seq, mark, tenant, kind, id, database.Micros(time.Now()))
	if err == nil {
		err = db.Signal(ctx)
	}
	if err != nil {
		return fmt.Errorf("note change of %s: %w", kind, err)
	}
	return nil
}

// laneOf is the lane of a tenant, the same in every process and release.
func laneOf(tenant string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(tenant)) // never fails
	return int64(h.Sum32() % lanes)
}
