package kms_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	platform "github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// vault is an installation with an administrator who has a certificate.
type vault struct {
	*service

	own   *service // with tokens
	cfg   kms.Config
	files platform.Files
}

func newVault(t *testing.T, engine string) vault {
	t.Helper()
	cfg, files := prepare(t, engine)
	certificate := administer(t, &cfg)
	s := run(t, cfg, files)
	return vault{service: s.as(t, certificate), own: s, cfg: cfg, files: files}
}

// eachPair runs test with two installations that have nothing in common.
func eachPair(t *testing.T, test func(t *testing.T, source, target vault)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, newVault(t, engine), newVault(t, engine))
		})
	}
}

// custody is the key of an operator, who keeps it offline.
func custody(t *testing.T) (private *jwk.Key, public json.RawMessage) {
	t.Helper()
	spec, err := alg.ParseSpec("A256GCM/ECDH-ES+A256KW", 0, "P-256")
	require.NoError(t, err)
	private, err = keygen.Generate(spec)
	require.NoError(t, err)
	public, err = private.MarshalPublic()
	require.NoError(t, err)
	return private, public
}

// send makes a request whose body or answer is not JSON.
func (v vault) raw(t *testing.T, path string, body any, header ...string) answer {
	t.Helper()
	got, err := v.exchange(v.request(t, "", http.MethodPost, path, body, header...))
	require.NoError(t, err)
	return got
}

// backedUp is a backup of the tenant, or of what the path names.
func (v vault) backedUp(t *testing.T, path string, to json.RawMessage) []byte {
	t.Helper()
	got := v.raw(t, path, map[string]any{"recipients": []json.RawMessage{to}}).done(t, http.StatusOK)
	require.Equal(t, "application/octet-stream", got.header.Get("Content-Type"))
	return got.body
}

// brought encrypts a backup anew to a one-shot recipient of the installation.
func (v vault) brought(t *testing.T, file []byte, key *jwk.Key) (recipient string, content []byte) {
	t.Helper()
	made := v.ask(t, http.MethodPost, "backups/recipients", nil).done(t, http.StatusCreated)
	text, err := json.Marshal(made.object(t)["jwk"])
	require.NoError(t, err)
	to, err := jwk.Parse(text)
	require.NoError(t, err)
	require.False(t, to.IsPrivate())
	var out bytes.Buffer
	_, _, err = backup.Reseal(t.Context(), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil }, key, 32<<20,
		func(number int, _ backup.Head) (backup.Part, error) {
			return backup.Part{Number: number, To: to, Into: &out, Close: func(err error) error { return err }}, nil
		})
	require.NoError(t, err)
	return made.member(t, "id"), out.Bytes()
}

func (v vault) restore(t *testing.T, recipient string, content []byte, more string) answer {
	t.Helper()
	return v.raw(t, "backups/restore?recipient="+recipient+more, bytes.NewReader(content), "Content-Type", "application/octet-stream")
}

// work is what somebody has made with keys that must go on to work.
type work struct {
	messages map[string][]string // by key
	jws      string
	keys     map[string]string // ids by name
}

func (v vault) works(t *testing.T) work {
	t.Helper()
	token := v.own.operator(t)
	w := work{messages: map[string][]string{}, keys: map[string]string{}}
	for name, algorithm := range map[string]string{"wrapped": "A256GCM/A256KW", "direct": "A256GCM/dir", "agreed": "A256GCM/ECDH-ES+A256KW", "signer": "ES256", "mac": "HS256"} {
		w.keys[name] = v.own.create(t, token, name, algorithm)
	}
	for _, name := range []string{"wrapped", "direct", "agreed"} {
		for range 2 {
			w.messages[name] = append(w.messages[name], v.own.post(t, token, "elastic-keys/"+name+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext"))
			v.own.post(t, token, "elastic-keys/"+name+"/rotate", nil)
		}
	}
	w.jws = v.own.post(t, token, "elastic-keys/signer/sign", map[string]any{"payload": "aGVsbG8"}).member(t, "signature")
	v.own.post(t, token, "aliases", map[string]any{"name": "nickname", "key": "signer"})
	v.ask(t, http.MethodPost, "elastic-keys/wrapped/material-keys/2/mark-compromised", nil)
	return w
}

// goOn checks that everything that was made opens and verifies.
func (v vault) goOn(t *testing.T, w work) {
	t.Helper()
	token := v.own.operator(t)
	for name, messages := range w.messages {
		for i, message := range messages {
			if name == "wrapped" && i == 1 {
				continue
			}
			got := v.own.post(t, token, "elastic-keys/"+name+"/decrypt", map[string]any{"ciphertext": message})
			assert.Equal(t, "aGVsbG8", got.member(t, "plaintext"))
		}
		assert.Equal(t, w.keys[name], v.own.get(t, token, "elastic-keys/"+name).member(t, "id"))
		v.own.post(t, token, "elastic-keys/"+name+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		v.own.post(t, token, "elastic-keys/"+name+"/rotate", nil)
	}
	got := v.own.post(t, token, "elastic-keys/nickname/verify", map[string]any{"signature": w.jws})
	assert.Equal(t, true, got.object(t)["valid"])
}

func TestBackup_GoesIntoAnInstallationUnsealedWithSomethingElse(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, source, target vault) {
		w := source.works(t)
		key, public := custody(t)
		file := source.backedUp(t, "backups", public)
		assert.NotContains(t, string(file), "signer")
		recipient, content := target.brought(t, file, key)

		rehearsed := target.restore(t, recipient, content, "&dry_run=true").done(t, http.StatusOK).object(t)
		assert.EqualValues(t, 5, rehearsed["restored"])
		assert.Empty(t, target.own.get(t, target.own.operator(t), "elastic-keys").items(t), "a rehearsal changes nothing")

		report := target.restore(t, recipient, content, "").done(t, http.StatusOK)
		assert.EqualValues(t, 5, report.object(t)["restored"])
		target.goOn(t, w)
		version := target.own.get(t, target.own.operator(t), "elastic-keys/wrapped/material-keys/2")
		if source.own.get(t, source.own.operator(t), "elastic-keys/wrapped/material-keys/2").member(t, "status") == "compromised" {
			assert.Equal(t, "compromised", version.member(t, "status"))
		}

		// The recipient is for one restore. The same request again is answered alike.
		assert.JSONEq(t, string(report.body), string(target.restore(t, recipient, content, "").done(t, http.StatusOK).body))
		target.restore(t, recipient, content, "&dry_run=true").refused(t, http.StatusConflict, "invalid_state", "used")
		again, content := target.brought(t, file, key)
		report = target.restore(t, again, content, "").done(t, http.StatusOK)
		assert.EqualValues(t, 5, report.object(t)["present"], "the same record is no conflict")

		// Into where the keys came from: they are there, and are never overwritten.
		home, content := source.brought(t, file, key)
		source.restore(t, home, content, "").refused(t, http.StatusConflict, "conflict", "the keys are here")
		report = source.restore(t, home, content, "&on_conflict=skip").done(t, http.StatusOK)
		assert.EqualValues(t, 5, report.object(t)["skipped"])
		source.goOn(t, w)
	})
}

func TestBackup_OfOneKeyAndWhoMayHaveIt(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, source, target vault) {
		w := source.works(t)
		key, public := custody(t)
		file := source.backedUp(t, "elastic-keys/direct/backup", public)
		recipient, content := target.brought(t, file, key)
		assert.EqualValues(t, 1, target.restore(t, recipient, content, "").done(t, http.StatusOK).object(t)["restored"])
		target.own.post(t, target.own.operator(t), "elastic-keys/"+w.keys["direct"]+"/decrypt", map[string]any{"ciphertext": w.messages["direct"][0]})

		// A token is not fresh, a private key and a key for signatures are no recipients.
		source.own.call(t, source.own.operator(t), http.MethodPost, "backups", map[string]any{"recipients": []json.RawMessage{public}}).
			refused(t, http.StatusUnauthorized, "step_up_required", "without a fresh authentication")
		private, err := key.MarshalPrivate()
		require.NoError(t, err)
		for _, bad := range []string{string(private), `{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, `{}`} {
			source.ask(t, http.MethodPost, "backups", map[string]any{"recipients": []json.RawMessage{json.RawMessage(bad)}}).
				refused(t, http.StatusBadRequest, "validation_failed", "no recipient")
		}
		// What has a quorum does not leave by a backup either.
		source.ask(t, http.MethodPost, "elastic-keys", map[string]any{
			"name": "guarded", "algorithm": "ES256", "policy": map[string]any{"quorum": map[string]any{"approvals": 1, "approvers": []string{"anna"}}},
		}).done(t, http.StatusCreated)
		for _, path := range []string{"backups", "elastic-keys/guarded/backup"} {
			source.ask(t, http.MethodPost, path, map[string]any{"recipients": []json.RawMessage{public}}).
				refused(t, http.StatusForbidden, "approval_required", path)
		}
	})
}

func TestRestore_RefusesWhatIsNotWhole(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, source, target vault) {
		source.works(t)
		key, public := custody(t)
		file := source.backedUp(t, "backups", public)
		recipient, content := target.brought(t, file, key)
		for _, bad := range [][]byte{content[:len(content)-1], content[:len(content)/2], append(bytes.Clone(content), 1), file, []byte("x"), flipped(content, len(content)/2), flipped(content, 10)} {
			target.restore(t, recipient, bad, "").refused(t, http.StatusBadRequest, "invalid_backup", "damaged")
		}
		target.restore(t, recipient, content, "&from_tenant=elsewhere").refused(t, http.StatusBadRequest, "invalid_backup", "another tenant")
		target.restore(t, "01930f2e-7c4b-7d7a-8a53-0c1f6a2b9e11", content, "").refused(t, http.StatusNotFound, "not_found", "no recipient")
		assert.Empty(t, target.own.get(t, target.own.operator(t), "elastic-keys").items(t), "nothing came of it")
		assert.EqualValues(t, 5, target.restore(t, recipient, content, "&from_tenant=default").done(t, http.StatusOK).object(t)["restored"], "and the recipient is still good")
	})
}

func flipped(content []byte, at int) []byte {
	changed := bytes.Clone(content)
	changed[at] ^= 1
	return changed
}
