package kms_test

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
func (v vault) forged(t *testing.T, head backup.Head, all ...[]byte) (recipient string, content []byte) {
	t.Helper()
	made := v.ask(t, http.MethodPost, "backups/recipients", nil).done(t, http.StatusCreated)
	to, err := jwk.Parse(made.raw(t, "jwk"))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, backup.Write(t.Context(), &out, []*jwk.Key{to}, head, func(yield func([]byte, error) bool) {
		for _, record := range all {
			if !yield(record, nil) {
				return
			}
		}
	}))
	return made.member(t, "id"), out.Bytes()
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
	eachPair(t, func(t *testing.T, source, target vault) {
		source.made(t, "wrapped", nil)
		source.made(t, "signer", map[string]any{"algorithm": "ES256"})
		key, public := custody(t)
		head, all := records(t, source.backedUp(t, "backups", public), key)
		require.Len(t, all, 2)
		wrapped, signer := all[0], all[1]
		_, foreign := generated(t, "ES384")
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
			recipient, content := target.forged(t, head, wrapped, edited(t, signer, change))
			for _, how := range []string{"&dry_run=true", "", "&on_conflict=skip"} {
				got := target.restore(t, recipient, content, how)
				assert.Equal(t, http.StatusBadRequest, got.status, "%s%s: %s", what, how, got.body)
				assert.Contains(t, string(got.body), `"invalid_backup"`, what+how)
			}
		}
		other := head
		other.Product = "ca"
		recipient, content := target.forged(t, other, wrapped)
		target.restore(t, recipient, content, "").refused(t, http.StatusBadRequest, "invalid_backup", "of another product")
		recipient, content = target.forged(t, head, wrapped, []byte(`"x"`))
		target.restore(t, recipient, content, "").refused(t, http.StatusBadRequest, "invalid_backup", "a record that is no object")
		assert.Empty(t, target.ask(t, http.MethodGet, "elastic-keys?status=deleted", nil).items(t))
		assert.Empty(t, target.ask(t, http.MethodGet, "elastic-keys", nil).items(t), "nothing came of any of them")
		recipient, content = target.forged(t, head, wrapped, signer)
		assert.EqualValues(t, 2, target.restore(t, recipient, content, "").done(t, http.StatusOK).object(t)["restored"], "as they were they are good")
	})
}

// everything is all that a caller can see of the keys of an installation.
func (v vault) everything(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, list := range []string{"elastic-keys?limit=1000", "elastic-keys?limit=1000&status=deleted", "aliases?limit=1000", "material-keys?limit=1000"} {
		items := v.ask(t, http.MethodGet, list, nil).done(t, http.StatusOK).items(t)
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
	eachPair(t, func(t *testing.T, source, target vault) {
		for _, name := range []string{"first", "second", "third", "fourth"} {
			source.made(t, name, nil)
			source.do(t, "aliases", map[string]any{"name": name + "-alias", "key": name})
		}
		key, public := custody(t)
		file := source.backedUp(t, "backups", public)
		target.made(t, "first", nil)                                             // a name that is a name
		target.made(t, "second-alias", nil)                                      // an alias that is a name
		target.do(t, "aliases", map[string]any{"name": "third", "key": "first"}) // a name that is an alias
		message := target.do(t, "elastic-keys/first/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext")
		before := target.everything(t)
		recipient, content := target.brought(t, file, key)
		report := target.restore(t, recipient, content, "&dry_run=true").done(t, http.StatusOK).object(t)
		assert.EqualValues(t, 1, report["restored"])
		assert.EqualValues(t, 3, report["skipped"])
		var named []string
		for _, conflict := range report["conflicts"].([]any) {
			named = append(named, conflict.(map[string]any)["name"].(string))
			assert.Contains(t, conflict.(map[string]any)["reason"], "name")
		}
		assert.ElementsMatch(t, []string{"first", "second", "third"}, named)
		target.restore(t, recipient, content, "").refused(t, http.StatusConflict, "conflict", "names are taken")
		assert.Equal(t, before, target.everything(t), "a refusal changes nothing")
		report = target.restore(t, recipient, content, "&on_conflict=skip").done(t, http.StatusOK).object(t)
		assert.EqualValues(t, 1, report["restored"])
		assert.Equal(t, "fourth", target.key(t, "fourth-alias")["name"])
		assert.Equal(t, "aGVsbG8", target.do(t, "elastic-keys/third/decrypt", map[string]any{"ciphertext": message}).member(t, "plaintext"))
		target.ask(t, http.MethodGet, "elastic-keys/first-alias", nil).refusedOneOf(t, "not_found")

		// Once nothing is in the way any more, the same backup brings the rest, by another recipient.
		tag := target.ask(t, http.MethodGet, "aliases/third", nil).header.Get("ETag")
		target.ask(t, http.MethodDelete, "aliases/third", nil, "If-Match", tag).done(t, http.StatusNoContent)
		again, content := target.brought(t, file, key)
		report = target.restore(t, again, content, "&on_conflict=skip").done(t, http.StatusOK).object(t)
		assert.EqualValues(t, 1, report["restored"])
		assert.EqualValues(t, 1, report["present"])
		assert.Equal(t, source.key(t, "third")["id"], target.key(t, "third-alias")["id"])
	})
}

// A recipient is its tenant's, for a day, for one backup.
func TestRestore_RecipientsAreForOneTenantAndOneDay(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			s, _ := timed(t, engine, c)
			v := vault{service: s, own: s}
			_, other := newShareVault(t, engine)
			v.made(t, "kept", nil)
			key, public := custody(t)
			file := v.backedUp(t, "backups", public)
			theirs, _ := other.brought(t, file, key)
			recipient, content := v.brought(t, file, key)
			v.restore(t, theirs, content, "").refused(t, http.StatusNotFound, "not_found", "another installation's recipient")
			other.restore(t, theirs, content, "&from_tenant=default").refused(t, http.StatusBadRequest, "invalid_backup", "encrypted to another recipient")
			v.restore(t, "x", content, "").refusedOneOf(t, "not_found", "validation_failed")
			v.ask(t, http.MethodPost, "backups/restore", "x", "Content-Type", "application/octet-stream").refusedOneOf(t, "validation_failed")
			c.pass(23 * time.Hour)
			v.restore(t, recipient, content, "&dry_run=true").done(t, http.StatusOK)
			c.pass(2 * time.Hour)
			for _, how := range []string{"", "&dry_run=true", "&on_conflict=skip"} {
				v.restore(t, recipient, content, how).refusedOneOf(t, "invalid_state", "not_found") // once it is swept away
			}
			fresh, content := v.brought(t, file, key)
			v.restore(t, fresh, content, "&on_conflict=skip").done(t, http.StatusOK)
		})
	}
}
