package backuptest_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// directly changes the database of the installation.
func directly(t *testing.T, v kmstest.Vault, statement string, values ...any) {
	t.Helper()
	db, err := database.Open(t.Context(), v.Config.Database, dbtest.Options(t))
	require.NoError(t, err)
	require.NoError(t, db.InTx(database.WithTenant(t.Context(), "default"), func(ctx context.Context) error {
		_, err := db.Exec(ctx, statement, values...)
		return err
	}))
	require.NoError(t, db.Close())
}

// ends has what waits for its end be due, and waits for that.
func ends(t *testing.T, v kmstest.Vault, statement, path string, so func(kmstest.Answer) bool) {
	t.Helper()
	directly(t, v, statement, database.Micros(time.Now().Add(-time.Minute)))
	require.Eventually(t, func() bool { return so(v.Ask(t, http.MethodGet, path, nil)) }, 30*time.Second, 20*time.Millisecond, path)
}

// states makes keys and versions in every state that there is, and messages by name of the key and version.
func states(t *testing.T, v kmstest.Vault) (names []string, messages map[string]string) {
	t.Helper()
	messages = map[string]string{}
	seal := func(name string) {
		made := v.Do(t, "elastic-keys/"+name+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		messages[fmt.Sprintf("%s.%v", name, made.Object(t)["version"])] = made.Member(t, "ciphertext")
	}
	for _, name := range []string{"full", "off", "doomed", "lost"} {
		v.Made(t, name, map[string]any{"tags": map[string]string{"of": name}, "description": "the " + name})
		seal(name)
	}
	for range 5 {
		v.Do(t, "elastic-keys/full/rotate", nil)
		seal("full")
	}
	v.Do(t, "aliases", map[string]any{"name": "nickname", "key": "full"})
	v.Do(t, "elastic-keys/full/material-keys/1/mark-compromised", nil)
	v.Do(t, "elastic-keys/full/material-keys/2/schedule-destruction", map[string]any{"wait_days": 7})
	ends(t, v, "UPDATE material_keys SET destroy_at = $1 WHERE status = 'destroy_scheduled'", "elastic-keys/full/material-keys/2", func(got kmstest.Answer) bool {
		return got.Member(t, "status") == "destroyed"
	})
	v.Do(t, "elastic-keys/full/material-keys/3/disable", nil)
	v.Do(t, "elastic-keys/full/material-keys/4/mark-compromised", nil)
	v.Do(t, "elastic-keys/full/material-keys/4/schedule-destruction", map[string]any{"wait_days": 30})
	v.Do(t, "elastic-keys/full/material-keys/5/set-primary", nil)
	v.Do(t, "elastic-keys/off/disable", nil)
	v.Do(t, "elastic-keys/doomed/schedule-deletion", map[string]any{"wait_days": 30})
	id := v.Key(t, "lost")["id"].(string)
	v.Do(t, "elastic-keys/lost/schedule-deletion", map[string]any{"wait_days": 7})
	ends(t, v, "UPDATE elastic_keys SET delete_at = $1 WHERE status = 'pending_delete' AND name = 'lost'", "elastic-keys/lost", func(got kmstest.Answer) bool {
		return got.Status == http.StatusNotFound
	})
	v.Made(t, "awaited", map[string]any{"origin": "imported"})
	v.Made(t, "brought", map[string]any{"origin": "imported", "algorithm": "ES256"})
	job := v.Do(t, "elastic-keys/brought/import-jobs", map[string]any{"wrapping": kmstest.MethodECDH})
	_, private := kmstest.Generated(t, "ES256")
	v.Do(t, "elastic-keys/brought/import", kmstest.Offer(t, job, private))
	signer, _ := kmstest.Generated(t, "ES256")
	public, err := signer.MarshalPublic()
	require.NoError(t, err)
	v.Do(t, "elastic-keys/brought/import", map[string]any{"public_key": kmstest.Bare(t, public)})
	return []string{"full", "off", "doomed", id, "awaited", "brought"}, messages
}

// shown is what a caller sees of a key and its versions, but for what is the installation's own.
func shown(t *testing.T, v kmstest.Vault, ref string) (all []map[string]any) {
	t.Helper()
	got := v.Ask(t, http.MethodGet, "elastic-keys/"+ref, nil)
	if got.Status == http.StatusNotFound {
		return nil
	}
	all = append(all, got.Done(t, http.StatusOK).Object(t))
	all = append(all, v.Ask(t, http.MethodGet, "elastic-keys/"+ref+"/material-keys?limit=1000", nil).Done(t, http.StatusOK).Items(t)...)
	for _, one := range all {
		maps.DeleteFunc(one, func(name string, _ any) bool { return name == "uses" || name == "refused_uses" })
	}
	return all
}

// quick looks for what is due all the time.
func quick(cfg *kms.Config) { cfg.Keys.MaintenanceInterval = 100 * time.Millisecond }

// Every key and version is after a restore in the state that it was in: what is destroyed, deleted or compromised stays so.
func TestRestore_KeepsEveryState(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			source, target := kmstest.NewVaultWith(t, engine, quick), kmstest.NewVaultWith(t, engine, quick)
			names, messages := states(t, source)
			key, public := kmstest.Custody(t)
			file := source.BackedUp(t, "backups", public)
			recipient, content := target.Brought(t, file, key)
			assert.EqualValues(t, len(names), target.Restore(t, recipient, content, "").Done(t, http.StatusOK).Object(t)["restored"])
			same := func() {
				t.Helper()
				for _, name := range names {
					assert.Equal(t, shown(t, source, name), shown(t, target, name), name)
				}
			}
			same()
			assert.Equal(t, source.Ask(t, http.MethodGet, "elastic-keys?status=deleted", nil).Items(t)[0]["id"], target.Ask(t, http.MethodGet, "elastic-keys?status=deleted", nil).Items(t)[0]["id"])
			reads := func(v kmstest.Vault) {
				t.Helper()
				open := func(key, of string) kmstest.Answer {
					return v.Ask(t, http.MethodPost, "elastic-keys/"+key+"/decrypt", map[string]any{"ciphertext": messages[of]})
				}
				open("nickname", "full.5").Done(t, http.StatusOK)
				open("full", "full.6").Done(t, http.StatusOK)
				for of, code := range map[string]string{"full.1": "version_compromised", "full.2": "invalid_state", "full.3": "invalid_state", "full.4": "invalid_state"} {
					open("full", of).RefusedOneOf(t, code)
				}
				open("off", "off.1").RefusedOneOf(t, "invalid_state")
				open("doomed", "doomed.1").RefusedOneOf(t, "invalid_state")
				assert.Equal(t, http.StatusNotFound, open("lost", "lost.1").Status)
			}
			reads(target)

			// What comes back from its scheduled destruction is what it was; what is gone does not come back.
			assert.Equal(t, "compromised", target.Do(t, "elastic-keys/full/material-keys/4/restore", nil).Member(t, "status"))
			target.Ask(t, http.MethodPost, "elastic-keys/full/material-keys/2/restore", nil).Refused(t, http.StatusConflict, "invalid_state", "destroyed")
			target.Ask(t, http.MethodPost, "elastic-keys/full/material-keys/1/enable", nil).Refused(t, http.StatusConflict, "invalid_state", "compromised")
			target.Ask(t, http.MethodPost, "elastic-keys/"+names[3]+"/cancel-deletion", nil).RefusedOneOf(t, "not_found", "invalid_state")
			assert.EqualValues(t, 7, target.Do(t, "elastic-keys/full/rotate", nil).Object(t)["version"], "no number is used again")
			source.Do(t, "elastic-keys/full/material-keys/4/restore", nil)
			source.Do(t, "elastic-keys/full/rotate", nil)

			// An older backup undoes nothing: neither where the keys came from, nor where they were restored, nor once they are gone there.
			older := source.BackedUp(t, "elastic-keys/off/backup", public)
			for _, v := range []kmstest.Vault{source, target} {
				v.Do(t, "elastic-keys/off/enable", nil)
				v.Do(t, "elastic-keys/off/rotate", nil)
				v.Do(t, "elastic-keys/off/material-keys/1/mark-compromised", nil)
				for what, old := range map[string][]byte{"of the key": older, "of the tenant": file} {
					recipient, content := v.Brought(t, old, key)
					v.Restore(t, recipient, content, "&on_conflict=skip").Done(t, http.StatusOK)
					assert.Equal(t, "compromised", v.Ask(t, http.MethodGet, "elastic-keys/off/material-keys/1", nil).Member(t, "status"), what)
				}
				id := v.Key(t, "off")["id"].(string)
				v.Do(t, "elastic-keys/off/schedule-deletion", map[string]any{"wait_days": 7})
				ends(t, v, "UPDATE elastic_keys SET delete_at = $1 WHERE status = 'pending_delete' AND name = 'off'", "elastic-keys/off", func(got kmstest.Answer) bool {
					return got.Status == http.StatusNotFound
				})
				recipient, content := v.Brought(t, older, key)
				v.Restore(t, recipient, content, "").RefusedOneOf(t, "conflict")
				report := v.Restore(t, recipient, content, "&on_conflict=skip").Done(t, http.StatusOK).Object(t)
				assert.EqualValues(t, 1, report["skipped"])
				assert.Equal(t, http.StatusNotFound, v.Ask(t, http.MethodGet, "elastic-keys/off", nil).Status)
				assert.Equal(t, http.StatusNotFound, v.Ask(t, http.MethodGet, "elastic-keys/"+id, nil).Status)
			}
		})
	}
}
