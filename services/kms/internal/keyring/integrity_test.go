package keyring_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// edit changes the database behind the service's back.
func (h *house) edit(t *testing.T, statement string, values ...any) {
	t.Helper()
	require.NoError(t, h.db.InTx(database.WithTenant(t.Context(), "a"), func(ctx context.Context) error {
		result, err := h.db.Exec(ctx, statement, values...)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		assert.Positive(t, n, statement)
		return err
	}))
}

// Whatever somebody who can write to the database does to what decides about a key: nothing is done with the key, nobody gets another answer,
// and no change by the service makes it good.
func TestIntegrity_NothingIsDoneWithARowThatSomebodyElseHasChanged(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		ctx, who := t.Context(), admin("a")
		for what, statement := range map[string]string{
			"a policy taken away":          `UPDATE elastic_keys SET policy = '{}' WHERE id = $1`,
			"exportable":                   `UPDATE elastic_keys SET exportable = TRUE WHERE id = $1`,
			"published":                    `UPDATE elastic_keys SET published = TRUE WHERE id = $1`,
			"a key enabled":                `UPDATE elastic_keys SET status = 'active' WHERE id = $1`,
			"another primary version":      `UPDATE elastic_keys SET primary_version = 1 WHERE id = $1`,
			"versions forgotten":           `UPDATE elastic_keys SET version_count = 1 WHERE id = $1`,
			"a minimum taken away":         `UPDATE elastic_keys SET min_decrypt_version = 0 WHERE id = $1`,
			"rotation switched off":        `UPDATE elastic_keys SET rotation_every = 0 WHERE id = $1`,
			"imports allowed":              `UPDATE elastic_keys SET import_allowed = TRUE WHERE id = $1`,
			"another algorithm":            `UPDATE elastic_keys SET algorithm = 'A256GCM/A256GCMKW' WHERE id = $1`,
			"a seal taken away":            `UPDATE elastic_keys SET seal = '' WHERE id = $1`,
			"the seal of another key":      `UPDATE elastic_keys SET seal = (SELECT seal FROM elastic_keys o WHERE o.name = 'other') WHERE id = $1`,
			"version compromised no more":  `UPDATE material_keys SET status = 'enabled', was_compromised = FALSE WHERE elastic_key_id = $1 AND version = 1`,
			"version: the mark forgotten":  `UPDATE material_keys SET was_compromised = FALSE WHERE elastic_key_id = $1 AND version = 1`,
			"version: material taken away": `UPDATE material_keys SET wrapped_key = '' WHERE elastic_key_id = $1 AND version = 1`,
			"version: another commitment":  `UPDATE material_keys SET commitment = 'x' WHERE elastic_key_id = $1 AND version = 1`,
			"version: numbers swapped":     `UPDATE material_keys SET version = 99 WHERE elastic_key_id = $1 AND version = 1; UPDATE material_keys SET version = 1 WHERE elastic_key_id = $1 AND version = 3; UPDATE material_keys SET version = 3 WHERE elastic_key_id = $1 AND version = 99`,
			"version: seals swapped":       `UPDATE material_keys SET seal = (SELECT seal FROM material_keys o WHERE o.elastic_key_id = $1 AND o.version = 2) WHERE elastic_key_id = $1 AND version = 1`,
		} {
			name := "key-" + strings.ToLower(strings.NewReplacer(" ", "-", ":", "").Replace(what))
			if _, err := h.Get(ctx, who, "other"); err != nil {
				h.made(t, "other", keyring.Rotation{})
			}
			key, err := h.Create(ctx, who, keyring.NewKey{
				Name: name, Algorithm: "A256GCM/A256KW", NoImport: true, Rotation: keyring.Rotation{Every: 1000 * time.Hour},
				Policy: keyring.Policy{Clients: []string{"test"}, Quorum: &keyring.Quorum{Approvals: 1, Approvers: []string{"x"}}},
			})
			require.NoError(t, err, what)
			ref := keyring.Ref(key.ID)
			old, err := h.Encrypt(ctx, who, ref, []byte("hello"), nil)
			require.NoError(t, err)
			for range 2 {
				_, err = h.Rotate(ctx, who, ref)
				require.NoError(t, err)
			}
			_, _, err = h.MoveVersion(ctx, who, ref, "1", keyring.CompromiseVersion, 0)
			require.NoError(t, err)
			now, err := h.Get(ctx, who, ref)
			require.NoError(t, err)
			now, err = h.Update(ctx, who, ref, now.Revision, func(k keyring.ElasticKey) (keyring.ElasticKey, error) {
				k.MinDecryptVersion = 1
				return k, nil
			})
			require.NoError(t, err)
			_, err = h.Disable(ctx, who, ref)
			require.NoError(t, err)
			for _, part := range strings.Split(statement, "; ") {
				h.edit(t, part, key.ID)
			}

			over := who
			over.Scopes = append([]string{keyring.ScopeCompromised}, who.Scopes...)
			attempts := map[string]func() error{
				"use":     func() error { _, err := h.Decrypt(ctx, over, ref, old.Ciphertext, nil); return err },
				"version": func() error { _, _, err := h.Version(ctx, who, ref, "1"); return err },
				"list":    func() error { _, _, err := h.Versions(ctx, who, ref, 0, 10); return err },
				"enable version": func() error {
					_, _, err := h.MoveVersion(ctx, who, ref, "1", keyring.EnableVersion, 0)
					return err
				},
				"schedule version": func() error {
					_, _, err := h.MoveVersion(ctx, who, ref, "1", keyring.ScheduleVersionEnd, 0)
					return err
				},
			}
			if !strings.HasPrefix(what, "version") || what == "versions forgotten" {
				attempts["read"] = func() error { _, err := h.Get(ctx, who, ref); return err }
				attempts["read by name"] = func() error { _, err := h.Get(ctx, who, keyring.Ref(name)); return err }
				attempts["list keys"] = func() error {
					_, err := h.List(ctx, who, keyring.KeyList{Filter: keyring.Filter{ID: key.ID}, Limit: 10})
					return err
				}
				attempts["rotate"] = func() error { _, err := h.Rotate(ctx, who, ref); return err }
				attempts["enable"] = func() error { _, err := h.Enable(ctx, who, ref); return err }
				attempts["schedule"] = func() error { _, err := h.ScheduleDeletion(ctx, who, ref, 0); return err }
				attempts["update"] = func() error {
					_, err := h.Update(ctx, who, ref, now.Revision+1, func(k keyring.ElasticKey) (keyring.ElasticKey, error) { return k, nil })
					return err
				}
			}
			for attempt, do := range attempts {
				err := do()
				require.Error(t, err, "%s: %s", what, attempt)
				assert.Equal(t, "integrity_failed", codeOf(t, err), "%s: %s", what, attempt)
				require.ErrorIs(t, err, barrier.ErrMoved)
				assert.ErrorContains(t, err, key.ID)
			}
			h.mu.Lock()
			assert.NotEmpty(t, h.alarms, what)
			for _, alarm := range h.alarms {
				assert.Equal(t, key.ID, alarm.ElasticKeyID)
			}
			h.alarms = nil
			h.mu.Unlock()
		}
		_, err := h.Encrypt(ctx, who, "other", []byte("hello"), nil)
		assert.NoError(t, err, "other keys are not concerned")
	})
}

// A name that was pointed to another key has nobody encrypt under that.
func TestIntegrity_NamesStandForTheKeysThatTheyWereGivenTo(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		ctx, who := t.Context(), admin("a")
		payroll, thief := h.made(t, "payroll", keyring.Rotation{}), h.made(t, "thief", keyring.Rotation{})
		_, err := h.CreateAlias(ctx, who, "wages", "payroll")
		require.NoError(t, err)
		refused := func(ref keyring.Ref) {
			t.Helper()
			_, err := h.Encrypt(ctx, who, ref, []byte("hello"), nil)
			assert.Equal(t, "integrity_failed", codeOf(t, err), ref)
			_, err = h.Get(ctx, who, ref)
			assert.Equal(t, "integrity_failed", codeOf(t, err), ref)
		}
		for _, name := range []string{"payroll", "wages"} {
			h.edit(t, `UPDATE key_names SET elastic_key_id = $1 WHERE name = $2`, thief.ID, name)
			refused(keyring.Ref(name))
		}
		_, err = h.Aliases(ctx, who, "", "", 10)
		assert.Equal(t, "integrity_failed", codeOf(t, err))
		_, err = h.Encrypt(ctx, who, keyring.Ref(payroll.ID), []byte("hello"), nil)
		require.NoError(t, err, "by its id it is what it was")
		h.edit(t, `UPDATE key_names SET elastic_key_id = $1 WHERE name = 'wages'`, payroll.ID)
		_, err = h.Encrypt(ctx, who, "wages", []byte("hello"), nil)
		require.NoError(t, err)
		h.edit(t, `UPDATE key_names SET alias = TRUE WHERE name = 'thief'`)
		refused("thief")
	})
}

// Work that time brings about stops at such a row, and at no other. A key that comes to its end takes the row along.
func TestIntegrity_MaintenanceStopsAtTheRowAlone(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		for i := range 3 {
			h.made(t, fmt.Sprint("key-", i), keyring.Rotation{Every: time.Hour})
		}
		h.edit(t, `UPDATE elastic_keys SET exportable = TRUE WHERE name = 'key-1'`)
		h.pass(2 * time.Hour)
		h.maintain(t)
		for _, name := range []string{"key-0", "key-2"} {
			assert.EqualValues(t, 2, h.primary(t, name))
		}
		assert.Contains(t, h.log.String(), "could not be maintained")
		var versions int
		require.NoError(t, h.db.QueryRow(database.WithTenant(t.Context(), "a"), `SELECT version_count FROM elastic_keys WHERE name = 'key-1'`).Scan(&versions))
		assert.Equal(t, 1, versions)

		doomed := h.made(t, "doomed", keyring.Rotation{})
		_, err := h.ScheduleDeletion(t.Context(), admin("a"), "doomed", keyring.MinWait)
		require.NoError(t, err)
		h.edit(t, `UPDATE material_keys SET status = 'enabled', commitment = 'x' WHERE elastic_key_id = $1`, doomed.ID)
		h.pass(keyring.MinWait)
		h.maintain(t)
		keys, err := h.List(t.Context(), admin("a"), keyring.KeyList{Filter: keyring.Filter{Status: keyring.ElasticDeleted}, Limit: 10})
		require.NoError(t, err)
		require.Len(t, keys, 1)
		assert.Equal(t, doomed.ID, keys[0].ID)
	})
}
