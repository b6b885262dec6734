// Package idempotency answers a repeated request with the answer that the first one got: the header Idempotency-Key.
//
// [Runner.Run] claims the key with a row of its own, which it commits at once, so that a second request with the key finds the first one
// at work. The request then runs as one unit of work (database.Unit), and the record of its answer is committed with what it
// changed: either both are there or neither. Answers are stored encrypted by the barrier, bound to tenant, record and request, for 24 hours.
//
// A claim whose holder has not finished after 60 seconds, as after a crash, goes to the next request with the same key and body. Each claim
// has an attempt number; a holder that comes back late does not find its own any more and commits nothing.
package idempotency

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	// keepFor is how long an answer is repeated.
	keepFor = 24 * time.Hour
	// takeOverAfter is how old a claim is when the next request may take it over. No request may run longer.
	takeOverAfter = 60 * time.Second
	// releaseTimeout bounds the removal of a claim after a failure.
	releaseTimeout = 5 * time.Second
	// Purpose is the label under which answers are bound (barrier.Binding).
	Purpose = "idempotency"
	// fingerprintLabel derives the key of the fingerprints of request bodies.
	fingerprintLabel = "idempotency fingerprint v1"
	fingerprintKey   = 32 // bytes, as HMAC-SHA-256's output (RFC 2104 section 3)
)

// Error is an answer to the client.
type Error struct {
	code, text string
}

func (e *Error) Error() string { return e.text }

// ErrorCode is the stable code of the API.
func (e *Error) ErrorCode() string { return e.code }

// ErrorDetail is the text for the client.
func (e *Error) ErrorDetail() string { return e.text }

var (
	// ErrMismatch has the code idempotency_mismatch.
	ErrMismatch = &Error{"idempotency_mismatch", "this Idempotency-Key was used with another request body"}
	// ErrInProgress has the code idempotency_in_progress.
	ErrInProgress = &Error{"idempotency_in_progress", "a request with this Idempotency-Key is still running"}
)

// Config is what a Runner needs; everything is required.
type Config struct {
	// DB has database.PlatformMigrations applied.
	DB      *database.DB
	Barrier *barrier.Barrier
	Now     func() time.Time
}

// Runner runs requests that carry a key. It may be used by many goroutines.
type Runner struct {
	db      *database.DB
	barrier *barrier.Barrier
	now     func() time.Time
}

// New makes a Runner.
func New(cfg Config) (*Runner, error) {
	if cfg.DB == nil || cfg.Barrier == nil || cfg.Now == nil {
		return nil, errors.New("idempotency: database, barrier and clock are required")
	}
	return &Runner{db: cfg.DB, barrier: cfg.Barrier, now: cfg.Now}, nil
}

// Run answers the request that scope (tenant, principal, method, route, key) and body describe: by running do, or, if a request with the same
// scope and body was answered already, with that answer (replayed).
//
// do must use the context it gets for all its work on the database, which is one unit of work. Its answer is kept, and its changes are
// committed with it, if it returns keep: a success, or a refusal that will not change. Without keep its changes are rolled back and
// the key is free again; answer then is still returned. With an error likewise, and the error is returned.
//
// [ErrMismatch] says that the body is another one, [ErrInProgress] that the first request is still at work, or that this one
// took so long that another one took over. After database.ErrOutcomeUnknown the same request may safely be sent again.
func (r *Runner) Run(ctx context.Context, scope [5]string, body []byte, do func(ctx context.Context) (answer []byte, keep bool, err error)) (answer []byte, replayed bool, err error) {
	rec, err := r.record(scope, body)
	if err != nil {
		return nil, false, fmt.Errorf("idempotency key: %w", err)
	}
	ctx, err = r.db.Independent(database.WithTenant(ctx, rec.tenant))
	if err != nil {
		return nil, false, fmt.Errorf("idempotency key: %w", err)
	}
	wrapper, err := r.barrier.Tenant(ctx, rec.tenant)
	if err != nil {
		return nil, false, fmt.Errorf("idempotency key: %w", err)
	}
	answer, replayed, err = r.claim(ctx, rec)
	if err != nil {
		return nil, false, fmt.Errorf("claim idempotency key: %w", err)
	}
	if replayed {
		return answer, true, nil
	}
	answer, err = r.perform(ctx, rec, wrapper, do)
	return answer, false, err
}

// perform runs do under a claim that it holds, and gives the claim back unless the answer is recorded.
func (r *Runner) perform(ctx context.Context, rec *record, wrapper *barrier.Wrapper, do func(context.Context) ([]byte, bool, error)) (answer []byte, err error) {
	recorded := false
	work, unit := r.db.WithUnit(ctx)
	defer func() { // also when do panics
		unit.Rollback()
		if !recorded {
			err = errors.Join(err, r.release(ctx, rec))
		}
	}()
	answer, keep, err := do(work)
	if err != nil || !keep {
		return answer, err
	}
	jwe, err := wrapper.Wrap(rec.binding(), answer)
	if err != nil {
		return nil, fmt.Errorf("record answer: %w", err)
	}
	if err := unit.Commit(ctx, func(ctx context.Context) error { return r.complete(ctx, rec, jwe) }); err != nil {
		return nil, fmt.Errorf("record answer: %w", err)
	}
	recorded = true
	return answer, nil
}

// record is a row of idempotency_records, as far as one request knows it.
type record struct {
	tenant      string
	scopeHash   []byte
	fingerprint []byte
	id          string // of the row
	attempt     int64  // counts the claims of the row
}

func (r *Runner) record(scope [5]string, body []byte) (*record, error) {
	if scope[0] == "" || scope[4] == "" {
		return nil, errors.New("tenant or key is missing")
	}
	key, err := r.barrier.DeriveKey(fingerprintLabel, fingerprintKey)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	rec := &record{tenant: scope[0], scopeHash: hashScope(scope[1:]), id: id.String()}
	mac := hmac.New(sha256.New, key)
	mac.Write(hashScope(scope[:])) // so that equal bodies do not show
	mac.Write(body)
	rec.fingerprint = mac.Sum(nil)
	return rec, nil
}

// hashScope makes a key column of fixed length from texts of any. Each is preceded by its length, so that no two scopes are written alike.
func hashScope(fields []string) []byte {
	h := sha256.New()
	for _, field := range fields {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(field))))
		h.Write([]byte(field))
	}
	return h.Sum(nil)
}

// binding ties the stored answer to this row and attempt, and to the request: nobody gets it for another one.
func (rec *record) binding() barrier.Binding {
	return barrier.Binding{
		Tenant: rec.tenant, Purpose: Purpose, ID: rec.id, Version: rec.attempt,
		Attributes: []barrier.Attribute{
			{Name: "scope_hash", Value: string(rec.scopeHash)},
			{Name: "fingerprint", Value: string(rec.fingerprint)},
		},
	}
}

// claim makes the request the one that works on its key, or returns the answer of the one that has.
func (r *Runner) claim(ctx context.Context, rec *record) (answer []byte, replayed bool, err error) {
	const looks = 3 // a row may vanish between the two statements, when its holder gives it back
	for range looks {
		claimed, err := r.tryClaim(ctx, rec)
		if err != nil || claimed {
			return nil, false, err
		}
		answer, replayed, err = r.look(ctx, rec)
		if !errors.Is(err, sql.ErrNoRows) {
			return answer, replayed, err
		}
	}
	return nil, false, ErrInProgress
}

// tryClaim inserts the row, or takes over one that has expired or whose holder has not finished in time. The statement decides by itself.
func (r *Runner) tryClaim(ctx context.Context, rec *record) (bool, error) {
	now := r.now()
	var id string
	var attempt int64
	err := r.db.InTx(ctx, func(ctx context.Context) error {
		return r.db.QueryRow(ctx, `INSERT INTO idempotency_records
			(tenant_id, scope_hash, id, fingerprint, state, attempt, claimed_at, expires_at)
			VALUES ($1, $2, $3, $4, 'running', 1, $5, $6)
			ON CONFLICT (tenant_id, scope_hash) DO UPDATE SET
				fingerprint = excluded.fingerprint, state = 'running', attempt = idempotency_records.attempt + 1,
				answer = NULL, claimed_at = excluded.claimed_at, expires_at = excluded.expires_at
			WHERE idempotency_records.expires_at <= $5
				OR (idempotency_records.state = 'running' AND idempotency_records.claimed_at <= $7
					AND idempotency_records.fingerprint = excluded.fingerprint)
			RETURNING id, attempt`,
			rec.tenant, rec.scopeHash, rec.id, rec.fingerprint,
			database.Micros(now), database.Micros(now.Add(keepFor)), database.Micros(now.Add(-takeOverAfter)),
		).Scan(&id, &attempt)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	}
	rec.id, rec.attempt = id, attempt
	return true, nil
}

// look reads the row of another request: sql.ErrNoRows if it is gone.
func (r *Runner) look(ctx context.Context, rec *record) (answer []byte, replayed bool, err error) {
	var fingerprint []byte
	var state string
	var jwe sql.NullString
	other := *rec
	err = r.db.QueryRow(ctx, `SELECT id, attempt, fingerprint, state, answer FROM idempotency_records
		WHERE tenant_id = $1 AND scope_hash = $2`, rec.tenant, rec.scopeHash,
	).Scan(&other.id, &other.attempt, &fingerprint, &state, &jwe)
	switch {
	case err != nil:
		return nil, false, err
	case !hmac.Equal(fingerprint, rec.fingerprint):
		return nil, false, ErrMismatch
	case state != "done":
		return nil, false, ErrInProgress
	}
	answer, err = r.barrier.Unwrap(ctx, other.binding(), jwe.String)
	return answer, err == nil, err
}

// complete records the answer in the transaction of the change, if the claim is still this attempt's.
func (r *Runner) complete(ctx context.Context, rec *record, jwe string) error {
	result, err := r.db.Exec(ctx, `UPDATE idempotency_records SET state = 'done', answer = $1, expires_at = $2
		WHERE tenant_id = $3 AND scope_hash = $4 AND id = $5 AND attempt = $6 AND state = 'running'`,
		jwe, database.Micros(r.now().Add(keepFor)), rec.tenant, rec.scopeHash, rec.id, rec.attempt)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n != 1 {
		return fmt.Errorf("taken over after %s: %w", takeOverAfter, ErrInProgress)
	}
	return err
}

// release removes the claim if it is still this attempt's, also after the client has gone. If that fails, the claim expires by age. After
// a commit with unknown outcome it waits, on the row's lock, until the database knows, and then leaves a finished record alone.
func (r *Runner) release(ctx context.Context, rec *record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	_, err := r.db.Exec(ctx, `DELETE FROM idempotency_records
		WHERE tenant_id = $1 AND scope_hash = $2 AND id = $3 AND attempt = $4 AND state = 'running'`,
		rec.tenant, rec.scopeHash, rec.id, rec.attempt)
	if err != nil {
		return fmt.Errorf("release idempotency key: %w", err)
	}
	return nil
}
