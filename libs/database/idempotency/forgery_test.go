package idempotency_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

// others is another client's request of the same tenant.
var others = [5]string{"acme", "client-2", "POST", "/service/api/v1/orders", "key-2"}

// columns reads what finds a record, by its place among all records in order of their ids.
func (f fixture) columns(t *testing.T, place int) (id string, scopeHash, fingerprint []byte) {
	t.Helper()
	row := f.db.QueryRow(spanning(t), "SELECT id, scope_hash, fingerprint FROM idempotency_records ORDER BY id LIMIT 1 OFFSET $1", place)
	require.NoError(t, row.Scan(&id, &scopeHash, &fingerprint))
	return id, scopeHash, fingerprint
}

// Whoever can write to the database cannot have another client's answer decrypted by repeating a request of their own.
func TestRun_AnAnswerMovedToAnotherRequestIsUnreadable(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		f.expect(t, scope, f.order("secret"), "created secret", false)
		f.expect(t, others, f.order("mine"), "created mine", false)
		victim, _, _ := f.columns(t, 0)
		own, scopeHash, fingerprint := f.columns(t, 1)
		_, err := f.db.Exec(spanning(t), "DELETE FROM idempotency_records WHERE id = $1", own)
		require.NoError(t, err)
		_, err = f.db.Exec(spanning(t), "UPDATE idempotency_records SET scope_hash = $1, fingerprint = $2 WHERE id = $3", scopeHash, fingerprint, victim)
		require.NoError(t, err)

		answer, _, err := f.Run(t.Context(), others, body, mustNotRun(t))
		require.ErrorIs(t, err, barrier.ErrMoved)
		assert.Empty(t, answer)
	})
}

func TestRun_AnAnswerToAnotherBodyIsUnreadable(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		f.expect(t, scope, f.order("x"), "created x", false)
		another := [5]string{scope[0], scope[1], scope[2], scope[3], "key-2"}
		_, _, err := f.Run(t.Context(), another, []byte(`{"name":"y"}`), f.order("y"))
		require.NoError(t, err)
		first, _, _ := f.columns(t, 0)
		_, _, fingerprint := f.columns(t, 1)
		_, err = f.db.Exec(spanning(t), "UPDATE idempotency_records SET fingerprint = $1 WHERE id = $2", fingerprint, first)
		require.NoError(t, err)

		answer, _, err := f.Run(t.Context(), scope, []byte(`{"name":"y"}`), mustNotRun(t))
		require.Error(t, err)
		assert.Empty(t, answer)
	})
}

// Whoever can read the database does not learn that two requests had the same body.
func TestRun_FingerprintsOfEqualBodiesDiffer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		f.expect(t, scope, f.order("x"), "created x", false)
		f.expect(t, others, f.order("y"), "created y", false)
		_, _, first := f.columns(t, 0)
		_, _, second := f.columns(t, 1)
		assert.NotEqual(t, first, second)
	})
}
