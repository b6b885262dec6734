package ratelimit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	// keyLabel derives the key of the hashes.
	keyLabel = "rate limit keys v1"
	keySize  = 32 // bytes, as HMAC-SHA-256's output (RFC 2104 section 3)
)

// Allow counts a try of the given cost, at most the burst, under the key; a cost of 0 only looks. A try that is not allowed costs nothing.
// The decision is committed by itself, so Allow is refused inside a transaction (database.ErrInTransaction): its rollback would undo the
// count. An error, such as an unavailable database, allows nothing. Use one key with one rate.
//
// It reads first and writes only what that read would allow, so that a flood of refused tries does not occupy a writer. What was read is never
// too strict: a theoretical arrival time only moves ahead.
func (l *Limiter) Allow(ctx context.Context, key string, rate Rate, cost int) (Verdict, error) {
	c, err := rate.cell()
	if err != nil {
		return Verdict{}, fmt.Errorf("rate limit: %w", err)
	}
	if cost < 0 || cost > rate.Burst {
		return Verdict{}, fmt.Errorf("rate limit: a cost of %d can never be allowed: the burst is %d", cost, rate.Burst)
	}
	ctx, hash, err := l.prepare(ctx, key)
	if err != nil {
		return Verdict{}, fmt.Errorf("rate limit: %w", err)
	}
	tat, now, err := l.look(ctx, hash)
	if err != nil {
		return Verdict{}, fmt.Errorf("rate limit: %w", err)
	}
	if !c.allows(tat, now, cost) || cost == 0 {
		return c.verdict(tat, now, cost), nil
	}
	spent, err := l.spend(ctx, hash, now, c, cost)
	if err != nil {
		return Verdict{}, fmt.Errorf("rate limit: %w", err)
	}
	if spent {
		verdict := c.verdict(max(tat, now)+int64(cost)*c.increment, now, 0)
		verdict.Allowed = true
		return verdict, nil
	}
	if tat, now, err = l.look(ctx, hash); err != nil { // another one took it meanwhile
		return Verdict{}, fmt.Errorf("rate limit: %w", err)
	}
	verdict := c.verdict(tat, now, cost)
	verdict.Allowed = false // even if it became possible since
	return verdict, nil
}

// Forgive makes the key's full burst available again, as after a success.
func (l *Limiter) Forgive(ctx context.Context, key string) error {
	ctx, hash, err := l.prepare(ctx, key)
	if err == nil {
		_, err = l.db.Exec(ctx, `DELETE FROM rate_limits WHERE key_hash = $1`, hash)
	}
	if err != nil {
		return fmt.Errorf("forgive rate limit: %w", err)
	}
	return nil
}

// prepare leaves the tenant of ctx behind, to which limits do not belong, and hashes the key.
func (l *Limiter) prepare(ctx context.Context, key string) (context.Context, []byte, error) {
	ctx, err := l.db.Independent(ctx)
	if err != nil {
		return nil, nil, err
	}
	secret, err := l.keys.DeriveKey(keyLabel, keySize)
	if err != nil {
		return nil, nil, err
	}
	defer clear(secret)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(key))
	return database.WithTenant(ctx, ""), mac.Sum(nil), nil
}

// look reads the theoretical arrival time of a key, 0 if there is none, and the time. Both are microseconds.
func (l *Limiter) look(ctx context.Context, hash []byte) (tat, now int64, err error) {
	if l.now == nil {
		err = l.db.QueryRow(ctx, `SELECT coalesce((SELECT tat FROM rate_limits WHERE key_hash = $1), 0),
			CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`, hash).Scan(&tat, &now)
		return tat, now, err
	}
	err = l.db.QueryRow(ctx, `SELECT tat FROM rate_limits WHERE key_hash = $1`, hash).Scan(&tat)
	if errors.Is(err, sql.ErrNoRows) {
		tat, err = 0, nil
	}
	return tat, database.Micros(l.now()), err
}

// spend moves the theoretical arrival time ahead if that is allowed at the time given, which on a shared clock is never later than the
// statement: an old time is strict.
func (l *Limiter) spend(ctx context.Context, hash []byte, now int64, c cell, cost int) (bool, error) {
	result, err := l.db.Exec(ctx, `INSERT INTO rate_limits (key_hash, tat) VALUES ($1, $2)
		ON CONFLICT (key_hash) DO UPDATE SET tat = CASE WHEN rate_limits.tat > $3 THEN rate_limits.tat ELSE $3 END + $4
		WHERE CASE WHEN rate_limits.tat > $3 THEN rate_limits.tat ELSE $3 END + $4 <= $5`,
		hash, now+int64(cost)*c.increment, now, int64(cost)*c.increment, now+c.tolerance)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// cell is a rate in microseconds.
type cell struct {
	burst     int
	increment int64 // of the theoretical arrival time by a cost of 1
	tolerance int64 // how far it may lie ahead: the whole burst
}

// maxTolerance is how far ahead a limit may look.
const maxTolerance = 366 * 24 * time.Hour

func (r Rate) cell() (cell, error) {
	if r.Limit < 1 || r.Burst < 1 || r.Per <= 0 || r.Per > maxTolerance || int64(r.Limit) > r.Per.Microseconds() {
		return cell{}, fmt.Errorf("%d per %v with a burst of %d is no rate", r.Limit, r.Per, r.Burst)
	}
	limit := int64(r.Limit)
	c := cell{burst: r.Burst, increment: (r.Per.Microseconds() + limit - 1) / limit} // rounded up: never more than the rate
	if int64(r.Burst) > maxTolerance.Microseconds()/c.increment {
		return cell{}, fmt.Errorf("a burst of %d at %d per %v takes longer than %v", r.Burst, r.Limit, r.Per, maxTolerance)
	}
	c.tolerance = int64(r.Burst) * c.increment
	return c, nil
}

func (c cell) allows(tat, now int64, cost int) bool {
	return max(tat, now)+int64(cost)*c.increment <= now+c.tolerance
}

// verdict says what a key with the theoretical arrival time has left, and whether the cost would be allowed.
func (c cell) verdict(tat, now int64, cost int) Verdict {
	tat = max(tat, now)
	v := Verdict{
		Allowed: c.allows(tat, now, cost), Limit: c.burst,
		Remaining:  max(0, int((now+c.tolerance-tat)/c.increment)),
		ResetAfter: time.Duration(tat-now) * time.Microsecond,
	}
	if !v.Allowed {
		v.RetryAfter = time.Duration(tat+int64(cost)*c.increment-now-c.tolerance) * time.Microsecond
	}
	return v
}
