package backuptest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// eachPair runs test with two installations that have nothing in common.
func eachPair(t *testing.T, test func(t *testing.T, source, target kmstest.Vault)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, kmstest.NewVault(t, engine), kmstest.NewVault(t, engine))
		})
	}
}

// work is what somebody has made with keys that must go on to work.
type work struct {
	messages map[string][]string // by key
	jws      string
	keys     map[string]string // ids by name
}

func works(t *testing.T, v kmstest.Vault) work {
	t.Helper()
	token := v.Own.Operator(t)
	w := work{messages: map[string][]string{}, keys: map[string]string{}}
	for name, algorithm := range map[string]string{"wrapped": "A256GCM/A256KW", "direct": "A256GCM/dir", "agreed": "A256GCM/ECDH-ES+A256KW", "signer": "ES256", "mac": "HS256"} {
		w.keys[name] = v.Own.Create(t, token, name, algorithm)
	}
	for _, name := range []string{"wrapped", "direct", "agreed"} {
		for range 2 {
			w.messages[name] = append(w.messages[name], v.Own.Post(t, token, "elastic-keys/"+name+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext"))
			v.Own.Post(t, token, "elastic-keys/"+name+"/rotate", nil)
		}
	}
	w.jws = v.Own.Post(t, token, "elastic-keys/signer/sign", map[string]any{"payload": "aGVsbG8"}).Member(t, "signature")
	v.Own.Post(t, token, "aliases", map[string]any{"name": "nickname", "key": "signer"})
	v.Ask(t, http.MethodPost, "elastic-keys/wrapped/material-keys/2/mark-compromised", nil)
	return w
}

// goOn checks that everything that was made opens and verifies.
func goOn(t *testing.T, v kmstest.Vault, w work) {
	t.Helper()
	token := v.Own.Operator(t)
	for name, messages := range w.messages {
		for i, message := range messages {
			if name == "wrapped" && i == 1 {
				continue
			}
			got := v.Own.Post(t, token, "elastic-keys/"+name+"/decrypt", map[string]any{"ciphertext": message})
			assert.Equal(t, "aGVsbG8", got.Member(t, "plaintext"))
		}
		assert.Equal(t, w.keys[name], v.Own.Get(t, token, "elastic-keys/"+name).Member(t, "id"))
		v.Own.Post(t, token, "elastic-keys/"+name+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		v.Own.Post(t, token, "elastic-keys/"+name+"/rotate", nil)
	}
	got := v.Own.Post(t, token, "elastic-keys/nickname/verify", map[string]any{"signature": w.jws})
	assert.Equal(t, true, got.Object(t)["valid"])
}

func TestBackup_GoesIntoAnInstallationUnsealedWithSomethingElse(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, source, target kmstest.Vault) {
		w := works(t, source)
		key, public := kmstest.Custody(t)
		file := source.BackedUp(t, "backups", public)
		assert.NotContains(t, string(file), "signer")
		recipient, content := target.Brought(t, file, key)

		rehearsed := target.Restore(t, recipient, content, "&dry_run=true").Done(t, http.StatusOK).Object(t)
		assert.EqualValues(t, 5, rehearsed["restored"])
		assert.Empty(t, target.Own.Get(t, target.Own.Operator(t), "elastic-keys").Items(t), "a rehearsal changes nothing")

		report := target.Restore(t, recipient, content, "").Done(t, http.StatusOK)
		assert.EqualValues(t, 5, report.Object(t)["restored"])
		goOn(t, target, w)
		version := target.Own.Get(t, target.Own.Operator(t), "elastic-keys/wrapped/material-keys/2")
		if source.Own.Get(t, source.Own.Operator(t), "elastic-keys/wrapped/material-keys/2").Member(t, "status") == "compromised" {
			assert.Equal(t, "compromised", version.Member(t, "status"))
		}

		// The recipient is for one restore. The same request again is answered alike.
		assert.JSONEq(t, string(report.Body), string(target.Restore(t, recipient, content, "").Done(t, http.StatusOK).Body))
		target.Restore(t, recipient, content, "&dry_run=true").Refused(t, http.StatusConflict, "invalid_state", "used")
		again, content := target.Brought(t, file, key)
		report = target.Restore(t, again, content, "").Done(t, http.StatusOK)
		assert.EqualValues(t, 5, report.Object(t)["present"], "the same record is no conflict")

		// Into where the keys came from: they are there, and are never overwritten.
		home, content := source.Brought(t, file, key)
		source.Restore(t, home, content, "").Refused(t, http.StatusConflict, "conflict", "the keys are here")
		report = source.Restore(t, home, content, "&on_conflict=skip").Done(t, http.StatusOK)
		assert.EqualValues(t, 5, report.Object(t)["skipped"])
		goOn(t, source, w)
	})
}

func TestBackup_OfOneKeyAndWhoMayHaveIt(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, source, target kmstest.Vault) {
		w := works(t, source)
		key, public := kmstest.Custody(t)
		file := source.BackedUp(t, "elastic-keys/direct/backup", public)
		recipient, content := target.Brought(t, file, key)
		assert.EqualValues(t, 1, target.Restore(t, recipient, content, "").Done(t, http.StatusOK).Object(t)["restored"])
		target.Own.Post(t, target.Own.Operator(t), "elastic-keys/"+w.keys["direct"]+"/decrypt", map[string]any{"ciphertext": w.messages["direct"][0]})

		// A token is not fresh, a private key and a key for signatures are no recipients.
		source.Own.Call(t, source.Own.Operator(t), http.MethodPost, "backups", map[string]any{"recipients": []json.RawMessage{public}}).
			Refused(t, http.StatusUnauthorized, "step_up_required", "without a fresh authentication")
		private, err := key.MarshalPrivate()
		require.NoError(t, err)
		for _, bad := range []string{string(private), `{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, `{}`} {
			source.Ask(t, http.MethodPost, "backups", map[string]any{"recipients": []json.RawMessage{json.RawMessage(bad)}}).
				Refused(t, http.StatusBadRequest, "validation_failed", "no recipient")
		}
		// What has a quorum does not leave by a backup either.
		source.Ask(t, http.MethodPost, "elastic-keys", map[string]any{
			"name": "guarded", "algorithm": "ES256", "policy": map[string]any{"quorum": map[string]any{"approvals": 1, "approvers": []string{"anna"}}},
		}).Done(t, http.StatusCreated)
		for _, path := range []string{"backups", "elastic-keys/guarded/backup"} {
			source.Ask(t, http.MethodPost, path, map[string]any{"recipients": []json.RawMessage{public}}).
				Refused(t, http.StatusForbidden, "approval_required", path)
		}
	})
}

func TestRestore_RefusesWhatIsNotWhole(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, source, target kmstest.Vault) {
		works(t, source)
		key, public := kmstest.Custody(t)
		file := source.BackedUp(t, "backups", public)
		recipient, content := target.Brought(t, file, key)
		for _, bad := range [][]byte{content[:len(content)-1], content[:len(content)/2], append(bytes.Clone(content), 1), file, []byte("x"), flipped(content, len(content)/2), flipped(content, 10)} {
			target.Restore(t, recipient, bad, "").Refused(t, http.StatusBadRequest, "invalid_backup", "damaged")
		}
		target.Restore(t, recipient, content, "&from_tenant=elsewhere").Refused(t, http.StatusBadRequest, "invalid_backup", "another tenant")
		target.Restore(t, "01930f2e-7c4b-7d7a-8a53-0c1f6a2b9e11", content, "").Refused(t, http.StatusNotFound, "not_found", "no recipient")
		assert.Empty(t, target.Own.Get(t, target.Own.Operator(t), "elastic-keys").Items(t), "nothing came of it")
		assert.EqualValues(t, 5, target.Restore(t, recipient, content, "&from_tenant=default").Done(t, http.StatusOK).Object(t)["restored"], "and the recipient is still good")
	})
}

func flipped(content []byte, at int) []byte {
	changed := bytes.Clone(content)
	changed[at] ^= 1
	return changed
}
