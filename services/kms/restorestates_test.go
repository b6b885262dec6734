package kms_test

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
)

// newVaultWith is newVault with another configuration.
func newVaultWith(t *testing.T, engine string, change func(*kms.Config)) vault {
	t.Helper()
	cfg, files := prepare(t, engine)
	certificate := administer(t, &cfg)
	change(&cfg)
	s := run(t, cfg, files)
	return vault{service: s.as(t, certificate), own: s, cfg: cfg, files: files}
}

// directly changes the database of the installation.
func (v vault) directly(t *testing.T, statement string, values ...any) {
	t.Helper()
	db, err := database.Open(t.Context(), v.cfg.Database, dbtest.Options(t))
	require.NoError(t, err)
	require.NoError(t, db.InTx(database.WithTenant(t.Context(), "default"), func(ctx context.Context) error {
		_, err := db.Exec(ctx, statement, values...)
		return err
	}))
	require.NoError(t, db.Close())
}

// do makes a change that succeeds.
func (v vault) do(t *testing.T, path string, body any) answer {
	t.Helper()
	got := v.ask(t, http.MethodPost, path, body)
	require.Equal(t, 2, got.status/100, "%s: %s", path, got.body)
	return got
}

// ends has what waits for its end be due, and waits for that.
func (v vault) ends(t *testing.T, statement, path string, so func(answer) bool) {
	t.Helper()
	v.directly(t, statement, database.Micros(time.Now().Add(-time.Minute)))
	require.Eventually(t, func() bool { return so(v.ask(t, http.MethodGet, path, nil)) }, 30*time.Second, 20*time.Millisecond, path)
}

// states makes keys and versions in every state that there is, and messages by name of the key and version.
func (v vault) states(t *testing.T) (names []string, messages map[string]string) {
	t.Helper()
	messages = map[string]string{}
	seal := func(name string) {
		made := v.do(t, "elastic-keys/"+name+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		messages[fmt.Sprintf("%s.%v", name, made.object(t)["version"])] = made.member(t, "ciphertext")
	}
	for _, name := range []string{"full", "off", "doomed", "lost"} {
		v.made(t, name, map[string]any{"tags": map[string]string{"of": name}, "description": "the " + name})
		seal(name)
	}
	for range 5 {
		v.do(t, "elastic-keys/full/rotate", nil)
		seal("full")
	}
	v.do(t, "aliases", map[string]any{"name": "nickname", "key": "full"})
	v.do(t, "elastic-keys/full/material-keys/1/mark-compromised", nil)
	v.do(t, "elastic-keys/full/material-keys/2/schedule-destruction", map[string]any{"wait_days": 7})
	v.ends(t, "UPDATE material_keys SET destroy_at = $1 WHERE status = 'destroy_scheduled'", "elastic-keys/full/material-keys/2", func(got answer) bool {
		return got.member(t, "status") == "destroyed"
	})
	v.do(t, "elastic-keys/full/material-keys/3/disable", nil)
	v.do(t, "elastic-keys/full/material-keys/4/mark-compromised", nil)
	v.do(t, "elastic-keys/full/material-keys/4/schedule-destruction", map[string]any{"wait_days": 30})
	v.do(t, "elastic-keys/full/material-keys/5/set-primary", nil)
	v.do(t, "elastic-keys/off/disable", nil)
	v.do(t, "elastic-keys/doomed/schedule-deletion", map[string]any{"wait_days": 30})
	id := v.key(t, "lost")["id"].(string)
	v.do(t, "elastic-keys/lost/schedule-deletion", map[string]any{"wait_days": 7})
	v.ends(t, "UPDATE elastic_keys SET delete_at = $1 WHERE status = 'pending_delete' AND name = 'lost'", "elastic-keys/lost", func(got answer) bool {
		return got.status == http.StatusNotFound
	})
	v.made(t, "awaited", map[string]any{"origin": "imported"})
	v.made(t, "brought", map[string]any{"origin": "imported", "algorithm": "ES256"})
	job := v.do(t, "elastic-keys/brought/import-jobs", map[string]any{"wrapping": methodECDH})
	_, private := generated(t, "ES256")
	v.do(t, "elastic-keys/brought/import", offer(t, job, private))
	signer, _ := generated(t, "ES256")
	public, err := signer.MarshalPublic()
	require.NoError(t, err)
	v.do(t, "elastic-keys/brought/import", map[string]any{"public_key": bare(t, public)})
	return []string{"full", "off", "doomed", id, "awaited", "brought"}, messages
}

// shown is what a caller sees of a key and its versions, but for what is the installation's own.
func (v vault) shown(t *testing.T, ref string) (all []map[string]any) {
	t.Helper()
	got := v.ask(t, http.MethodGet, "elastic-keys/"+ref, nil)
	if got.status == http.StatusNotFound {
		return nil
	}
	all = append(all, got.done(t, http.StatusOK).object(t))
	all = append(all, v.ask(t, http.MethodGet, "elastic-keys/"+ref+"/material-keys?limit=1000", nil).done(t, http.StatusOK).items(t)...)
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
			source, target := newVaultWith(t, engine, quick), newVaultWith(t, engine, quick)
			names, messages := source.states(t)
			key, public := custody(t)
			file := source.backedUp(t, "backups", public)
			recipient, content := target.brought(t, file, key)
			assert.EqualValues(t, len(names), target.restore(t, recipient, content, "").done(t, http.StatusOK).object(t)["restored"])
			same := func() {
				t.Helper()
				for _, name := range names {
					assert.Equal(t, source.shown(t, name), target.shown(t, name), name)
				}
			}
			same()
			assert.Equal(t, source.ask(t, http.MethodGet, "elastic-keys?status=deleted", nil).items(t)[0]["id"], target.ask(t, http.MethodGet, "elastic-keys?status=deleted", nil).items(t)[0]["id"])
			reads := func(v vault) {
				t.Helper()
				open := func(key, of string) answer {
					return v.ask(t, http.MethodPost, "elastic-keys/"+key+"/decrypt", map[string]any{"ciphertext": messages[of]})
				}
				open("nickname", "full.5").done(t, http.StatusOK)
				open("full", "full.6").done(t, http.StatusOK)
				for of, code := range map[string]string{"full.1": "version_compromised", "full.2": "invalid_state", "full.3": "invalid_state", "full.4": "invalid_state"} {
					open("full", of).refusedOneOf(t, code)
				}
				open("off", "off.1").refusedOneOf(t, "invalid_state")
				open("doomed", "doomed.1").refusedOneOf(t, "invalid_state")
				assert.Equal(t, http.StatusNotFound, open("lost", "lost.1").status)
			}
			reads(target)

			// What comes back from its scheduled destruction is what it was; what is gone does not come back.
			assert.Equal(t, "compromised", target.do(t, "elastic-keys/full/material-keys/4/restore", nil).member(t, "status"))
			target.ask(t, http.MethodPost, "elastic-keys/full/material-keys/2/restore", nil).refused(t, http.StatusConflict, "invalid_state", "destroyed")
			target.ask(t, http.MethodPost, "elastic-keys/full/material-keys/1/enable", nil).refused(t, http.StatusConflict, "invalid_state", "compromised")
			target.ask(t, http.MethodPost, "elastic-keys/"+names[3]+"/cancel-deletion", nil).refusedOneOf(t, "not_found", "invalid_state")
			assert.EqualValues(t, 7, target.do(t, "elastic-keys/full/rotate", nil).object(t)["version"], "no number is used again")
			source.do(t, "elastic-keys/full/material-keys/4/restore", nil)
			source.do(t, "elastic-keys/full/rotate", nil)

			// An older backup undoes nothing: neither where the keys came from, nor where they were restored, nor once they are gone there.
			older := source.backedUp(t, "elastic-keys/off/backup", public)
			for _, v := range []vault{source, target} {
				v.do(t, "elastic-keys/off/enable", nil)
				v.do(t, "elastic-keys/off/rotate", nil)
				v.do(t, "elastic-keys/off/material-keys/1/mark-compromised", nil)
				for what, old := range map[string][]byte{"of the key": older, "of the tenant": file} {
					recipient, content := v.brought(t, old, key)
					v.restore(t, recipient, content, "&on_conflict=skip").done(t, http.StatusOK)
					assert.Equal(t, "compromised", v.ask(t, http.MethodGet, "elastic-keys/off/material-keys/1", nil).member(t, "status"), what)
				}
				id := v.key(t, "off")["id"].(string)
				v.do(t, "elastic-keys/off/schedule-deletion", map[string]any{"wait_days": 7})
				v.ends(t, "UPDATE elastic_keys SET delete_at = $1 WHERE status = 'pending_delete' AND name = 'off'", "elastic-keys/off", func(got answer) bool {
					return got.status == http.StatusNotFound
				})
				recipient, content := v.brought(t, older, key)
				v.restore(t, recipient, content, "").refusedOneOf(t, "conflict")
				report := v.restore(t, recipient, content, "&on_conflict=skip").done(t, http.StatusOK).object(t)
				assert.EqualValues(t, 1, report["skipped"])
				assert.Equal(t, http.StatusNotFound, v.ask(t, http.MethodGet, "elastic-keys/off", nil).status)
				assert.Equal(t, http.StatusNotFound, v.ask(t, http.MethodGet, "elastic-keys/"+id, nil).status)
			}
		})
	}
}
