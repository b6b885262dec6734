package jose_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// Whoever can write to the database, and has no key of the barrier, makes no key exportable.
func TestExport_ARowThatWasEditedByHandOpensNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		s.create(t, token, "stays", "ES256")
		s.create(t, token, "box", "A256GCM/A256KW")
		s.post(t, token, "jws/sign", object{"key": "stays", "payload": "aGk"}) // it is open in memory
		db, err := database.Open(t.Context(), s.Config.Database, database.Options{Log: slog.New(slog.DiscardHandler), Application: "test"})
		require.NoError(t, err)
		defer func() { assert.NoError(t, db.Close()) }()
		_, err = db.Exec(database.WithTenant(t.Context(), "default"), `UPDATE jose_keys SET exportable = TRUE WHERE tenant_id = $1 AND name = $2`, "default", "stays")
		require.NoError(t, err)
		for _, ask := range []struct {
			path string
			body object
		}{
			{"keys/stays/export", object{"recipient": "box"}},
			{"keys/export", object{"keys": []string{"stays"}, "recipient": "box"}},
		} {
			got := s.administer(t, http.MethodPost, ask.path, ask.body)
			assert.Equal(t, http.StatusInternalServerError, got.Status, "%s: %s", ask.path, got.Body)
			assert.NotContains(t, string(got.Body), "jwe", ask.path)
		}
	})
}
