package backuptest_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// records opens a backup.
func records(t *testing.T, file []byte, key *jwk.Key) (head backup.Head, all [][]byte) {
	t.Helper()
	head, _, err := backup.Open(t.Context(), bytes.NewReader(file), key, func(record []byte) error {
		all = append(all, bytes.Clone(record))
		return nil
	})
	require.NoError(t, err)
	return head, all
}

// forged is a backup of records to a new recipient of the installation.
func forged(t *testing.T, v kmstest.Vault, head backup.Head, all ...[]byte) (recipient string, content []byte) {
	t.Helper()
	made := v.Ask(t, http.MethodPost, "backups/recipients", nil).Done(t, http.StatusCreated)
	to, err := jwk.Parse(made.Raw(t, "jwk"))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, backup.Write(t.Context(), &out, []*jwk.Key{to}, head, func(yield func([]byte, error) bool) {
		for _, record := range all {
			if !yield(record, nil) {
				return
			}
		}
	}))
	return made.Member(t, "id"), out.Bytes()
}

// edited is a record of which something was changed.
func edited(t *testing.T, record []byte, change func(key map[string]any, version map[string]any)) []byte {
	t.Helper()
	var key map[string]any
	require.NoError(t, json.Unmarshal(record, &key))
	change(key, key["versions"].([]any)[0].(map[string]any))
	text, err := json.Marshal(key)
	require.NoError(t, err)
	return text
}

// Whoever may restore may bring keys, and so can write what stands in a backup. What no key can be is refused, and nothing of its backup is restored.
func TestRestore_RefusesRecordsThatNoKeyCanBe(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, source, target kmstest.Vault) {
		source.Made(t, "wrapped", nil)
		source.Made(t, "signer", map[string]any{"algorithm": "ES256"})
		key, public := kmstest.Custody(t)
		head, all := records(t, source.BackedUp(t, "backups", public), key)
		require.Len(t, all, 2)
		wrapped, signer := all[0], all[1]
		_, foreign := kmstest.Generated(t, "ES384")
		set := func(of string, value any) func(key, version map[string]any) {
			return func(key, _ map[string]any) { key[of] = value }
		}
		inVersion := func(of string, value any) func(key, version map[string]any) {
			return func(_, version map[string]any) { version[of] = value }
		}
		for what, change := range map[string]func(key, version map[string]any){
			"no id":                    set("id", ""),
			"an id in capitals":        func(key, _ map[string]any) { key["id"] = "01930F2E-7C4B-7D7A-8A53-0C1F6A2B9E11" },
			"an id that is none":       set("id", "../../etc/passwd"),
			"a name that is none":      set("name", "A b"),
			"a name like an id":        set("name", "01930f2e-7c4b-7d7a-8a53-0c1f6a2b9e11"),
			"an unknown algorithm":     set("algorithm", "A256GCM/RSA1_5"),
			"another algorithm":        set("algorithm", "ES384"),
			"another use":              set("use", "enc"),
			"another curve":            set("curve", "P-384"),
			"an unknown state":         set("status", "live"),
			"deleted with a name":      set("status", "deleted"),
			"fewer versions":           set("version_count", 0),
			"another primary":          set("primary_version", 7),
			"a primary below all":      set("primary_version", -1),
			"no primary":               set("primary_version", 0),
			"versions that are absent": func(key, _ map[string]any) { key["version_count"], key["primary_version"] = 2, 2 },
			"no version":               set("versions", []any{}),
			"made in no way":           set("origin", "found"),
			"a member that is unknown": set("backdoor", true),
			"versions of no kind":      set("versions", []any{"x"}),
			"an alias that is none":    set("aliases", []any{map[string]any{"name": "A b", "created_at": time.Now(), "updated_at": time.Now()}}),
			"a version twice":          func(key, version map[string]any) { key["versions"], key["version_count"] = []any{version, version}, 2 },
			"a version 0":              inVersion("version", 0),
			"a version that is none":   inVersion("version", -1),
			"a version without an id":  inVersion("id", "x"),
			"a version in no state":    inVersion("status", "live"),
			"destroyed with material":  inVersion("status", "destroyed"),
			"awaited with material":    inVersion("status", "pending_import"),
			"of no origin":             inVersion("origin", "found"),
			"another key's material":   inVersion("jwk", json.RawMessage(foreign)),
			"no key":                   inVersion("jwk", map[string]any{"kty": "oct"}),
			"public material":          func(_, version map[string]any) { delete(version["jwk"].(map[string]any), "d") },
			"no material":              func(_, version map[string]any) { delete(version, "jwk") },
		} {
			recipient, content := forged(t, target, head, wrapped, edited(t, signer, change))
			for _, how := range []string{"&dry_run=true", "", "&on_conflict=skip"} {
				got := target.Restore(t, recipient, content, how)
				assert.Equal(t, http.StatusBadRequest, got.Status, "%s%s: %s", what, how, got.Body)
				assert.Contains(t, string(got.Body), `"invalid_backup"`, what+how)
			}
		}
		other := head
		other.Product = "ca"
		recipient, content := forged(t, target, other, wrapped)
		target.Restore(t, recipient, content, "").Refused(t, http.StatusBadRequest, "invalid_backup", "of another product")
		recipient, content = forged(t, target, head, wrapped, []byte(`"x"`))
		target.Restore(t, recipient, content, "").Refused(t, http.StatusBadRequest, "invalid_backup", "a record that is no object")
		assert.Empty(t, target.Ask(t, http.MethodGet, "elastic-keys?status=deleted", nil).Items(t))
		assert.Empty(t, target.Ask(t, http.MethodGet, "elastic-keys", nil).Items(t), "nothing came of any of them")
		recipient, content = forged(t, target, head, wrapped, signer)
		assert.EqualValues(t, 2, target.Restore(t, recipient, content, "").Done(t, http.StatusOK).Object(t)["restored"], "as they were they are good")
	})
}

// everything is all that a caller can see of the keys of an installation.
func everything(t *testing.T, v kmstest.Vault) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, list := range []string{"elastic-keys?limit=1000", "elastic-keys?limit=1000&status=deleted", "aliases?limit=1000", "material-keys?limit=1000"} {
		items := v.Ask(t, http.MethodGet, list, nil).Done(t, http.StatusOK).Items(t)
		for _, item := range items {
			maps.DeleteFunc(item, func(name string, _ any) bool { return name == "uses" })
		}
		all[list] = items
	}
	return all
}

// What is called as keys of the backup are is in their way; nothing of it is changed, and what is not in the way comes if the caller wants that.
func TestRestore_OverwritesNothingOfTheSameName(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, source, target kmstest.Vault) {
		for _, name := range []string{"first", "second", "third", "fourth"} {
			source.Made(t, name, nil)
			source.Do(t, "aliases", map[string]any{"name": name + "-alias", "key": name})
		}
		key, public := kmstest.Custody(t)
		file := source.BackedUp(t, "backups", public)
		target.Made(t, "first", nil)                                             // a name that is a name
		target.Made(t, "second-alias", nil)                                      // an alias that is a name
		target.Do(t, "aliases", map[string]any{"name": "third", "key": "first"}) // a name that is an alias
		message := target.Do(t, "elastic-keys/first/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
		before := everything(t, target)
		recipient, content := target.Brought(t, file, key)
		report := target.Restore(t, recipient, content, "&dry_run=true").Done(t, http.StatusOK).Object(t)
		assert.EqualValues(t, 1, report["restored"])
		assert.EqualValues(t, 3, report["skipped"])
		var named []string
		for _, conflict := range report["conflicts"].([]any) {
			named = append(named, conflict.(map[string]any)["name"].(string))
			assert.Contains(t, conflict.(map[string]any)["reason"], "name")
		}
		assert.ElementsMatch(t, []string{"first", "second", "third"}, named)
		target.Restore(t, recipient, content, "").Refused(t, http.StatusConflict, "conflict", "names are taken")
		assert.Equal(t, before, everything(t, target), "a refusal changes nothing")
		report = target.Restore(t, recipient, content, "&on_conflict=skip").Done(t, http.StatusOK).Object(t)
		assert.EqualValues(t, 1, report["restored"])
		assert.Equal(t, "fourth", target.Key(t, "fourth-alias")["name"])
		assert.Equal(t, "aGVsbG8", target.Do(t, "elastic-keys/third/decrypt", map[string]any{"ciphertext": message}).Member(t, "plaintext"))
		target.Ask(t, http.MethodGet, "elastic-keys/first-alias", nil).RefusedOneOf(t, "not_found")

		// Once nothing is in the way any more, the same backup brings the rest, by another recipient.
		tag := target.Ask(t, http.MethodGet, "aliases/third", nil).Header.Get("ETag")
		target.Ask(t, http.MethodDelete, "aliases/third", nil, "If-Match", tag).Done(t, http.StatusNoContent)
		again, content := target.Brought(t, file, key)
		report = target.Restore(t, again, content, "&on_conflict=skip").Done(t, http.StatusOK).Object(t)
		assert.EqualValues(t, 1, report["restored"])
		assert.EqualValues(t, 1, report["present"])
		assert.Equal(t, source.Key(t, "third")["id"], target.Key(t, "third-alias")["id"])
	})
}

// A recipient is its tenant's, for a day, for one backup.
func TestRestore_RecipientsAreForOneTenantAndOneDay(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c := kmstest.NewClock()
			s, _ := kmstest.Timed(t, engine, c)
			v := kmstest.Vault{Service: s, Own: s}
			_, other := newShareVault(t, engine)
			v.Made(t, "kept", nil)
			key, public := kmstest.Custody(t)
			file := v.BackedUp(t, "backups", public)
			theirs, _ := other.Brought(t, file, key)
			recipient, content := v.Brought(t, file, key)
			v.Restore(t, theirs, content, "").Refused(t, http.StatusNotFound, "not_found", "another installation's recipient")
			other.Restore(t, theirs, content, "&from_tenant=default").Refused(t, http.StatusBadRequest, "invalid_backup", "encrypted to another recipient")
			v.Restore(t, "x", content, "").RefusedOneOf(t, "not_found", "validation_failed")
			v.Ask(t, http.MethodPost, "backups/restore", "x", "Content-Type", "application/octet-stream").RefusedOneOf(t, "validation_failed")
			c.Pass(23 * time.Hour)
			v.Restore(t, recipient, content, "&dry_run=true").Done(t, http.StatusOK)
			c.Pass(2 * time.Hour)
			for _, how := range []string{"", "&dry_run=true", "&on_conflict=skip"} {
				v.Restore(t, recipient, content, how).RefusedOneOf(t, "invalid_state", "not_found") // once it is swept away
			}
			fresh, content := v.Brought(t, file, key)
			v.Restore(t, fresh, content, "&on_conflict=skip").Done(t, http.StatusOK)
		})
	}
}
