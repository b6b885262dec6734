package kms_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// newShareVault is an installation that two of three shares unseal, with administrators of two tenants.
func newShareVault(t *testing.T, engine string) (v, other vault) {
	t.Helper()
	cfg, files, shares := prepareShamir(t, engine)
	a := administered(t, &cfg)
	addClient(t, &cfg, "default", "root.example", root)
	addClient(t, &cfg, "other", "other.example", root)
	edited := &service{cfg: cfg, files: files, running: &servicetest.Running{Config: &cfg.Config}}
	edited.editRealm(t, func(text string) string { return strings.Replace(text, "tenants:\n", "tenants:\n  - id: other\n", 1) })
	s := run(t, cfg, files)
	for _, share := range shares[1:] {
		s.submit(t, share)
	}
	as := func(certificate tls.Certificate) vault {
		return vault{service: s.as(t, certificate), own: s, cfg: cfg, files: files}
	}
	return as(a.issue(t, "root.example")), as(a.issue(t, "other.example"))
}

// proof is what a key has made, and how that is read.
type proof struct {
	verb string
	body map[string]any
	want map[string]any // members of the answer
}

// makes has a key of each kind, with two versions, make something by both, and tells how to read it.
func (s *service) makes(t *testing.T) map[string][]proof {
	t.Helper()
	proofs := map[string][]proof{}
	opens := func(t *testing.T, name string, more map[string]any) {
		bind := map[string]any{"record": name}
		sealed := s.ask(t, http.MethodPost, "elastic-keys/"+name+"/encrypt", merge(map[string]any{"plaintext": "aGVsbG8", "context": bind}, more)).done(t, http.StatusOK)
		data := s.ask(t, http.MethodPost, "elastic-keys/"+name+"/generate-data-key", map[string]any{"include_plaintext": true}).done(t, http.StatusOK)
		proofs[name] = append(proofs[name],
			proof{"decrypt", map[string]any{"ciphertext": sealed.member(t, "ciphertext"), "context": bind}, map[string]any{"plaintext": "aGVsbG8"}},
			proof{"unwrap", map[string]any{"wrapped": data.member(t, "wrapped")}, map[string]any{"key": data.member(t, "key")}})
	}
	verifies := func(t *testing.T, name string, _ map[string]any) {
		signed := s.ask(t, http.MethodPost, "elastic-keys/"+name+"/sign", map[string]any{"payload": "aGVsbG8"}).done(t, http.StatusOK).member(t, "signature")
		proofs[name] = append(proofs[name], proof{"verify", map[string]any{"signature": signed}, map[string]any{"valid": true}})
	}
	macs := func(t *testing.T, name string, more map[string]any) {
		verifies(t, name, more)
		mac := s.ask(t, http.MethodPost, "elastic-keys/"+name+"/mac", map[string]any{"payload": "aGVsbG8"}).done(t, http.StatusOK)
		proofs[name] = append(proofs[name], proof{"verify-mac", map[string]any{"payload": "aGVsbG8", "mac": mac.member(t, "mac"), "version": mac.object(t)["version"]}, map[string]any{"valid": true}})
	}
	agrees := func(t *testing.T, name string, _ map[string]any) {
		made := s.ask(t, http.MethodPost, "elastic-keys/"+name+"/encapsulate", map[string]any{}).done(t, http.StatusOK)
		proofs[name] = append(proofs[name], proof{
			"decapsulate", map[string]any{"ciphertext": made.member(t, "ciphertext"), "version": made.object(t)["version"]}, map[string]any{"shared_key": made.member(t, "shared_key")},
		})
	}
	derives := func(t *testing.T, name string, more map[string]any) {
		ask := merge(map[string]any{"length": 32, "info": "AA"}, more)
		made := s.ask(t, http.MethodPost, "elastic-keys/"+name+"/derive", ask).done(t, http.StatusOK)
		ask["version"] = made.object(t)["version"]
		proofs[name] = append(proofs[name], proof{"derive", ask, map[string]any{"secret": made.member(t, "secret")}})
	}
	peer, _ := generated(t, "ES256")
	public, err := peer.MarshalPublic()
	require.NoError(t, err)
	for _, kind := range []struct {
		algorithm, curve string
		makes            func(*testing.T, string, map[string]any)
		more             map[string]any
	}{
		{"A256GCM/A256KW", "", opens, nil},
		{"A128CBC-HS256/A128GCMKW", "", opens, nil},
		{"A256GCM/dir", "", opens, nil},
		{"A256CBC-HS512/dir", "", opens, nil},
		{"A192GCM/ECDH-ES", "P-384", opens, nil},
		{"A256GCM/ECDH-ES+A256KW", "P-521", opens, nil},
		{"A256GCM/RSA-OAEP-256", "", opens, nil},
		{"ES256", "", verifies, nil},
		{"ES512", "", verifies, nil},
		{"PS256", "", verifies, nil},
		{"Ed25519", "", verifies, nil},
		{"HS256", "", macs, nil},
		{"HS512", "", macs, nil},
		{"ML-KEM-768", "", agrees, nil},
		{"ML-KEM-1024", "", agrees, nil},
		{"HKDF-SHA256", "", derives, nil},
		{"ECDH", "P-256", derives, map[string]any{"peer": lacking(t, bare(t, public), "alg"), "kdf": "hkdf-sha256"}},
	} {
		name := fmt.Sprintf("k%d", len(proofs))
		ask := map[string]any{"name": name, "algorithm": kind.algorithm}
		if kind.curve != "" {
			ask["curve"] = kind.curve
		}
		if strings.Contains(kind.algorithm, "RSA") || strings.HasPrefix(kind.algorithm, "PS") {
			ask["key_size"] = 2048
		}
		s.ask(t, http.MethodPost, "elastic-keys", ask).done(t, http.StatusCreated)
		kind.makes(t, name, kind.more)
		s.ask(t, http.MethodPost, "elastic-keys/"+name+"/rotate", nil).done(t, http.StatusCreated)
		kind.makes(t, name, kind.more)
	}
	return proofs
}

// lacking is a JSON object without a member.
func lacking(t *testing.T, text json.RawMessage, name string) json.RawMessage {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal(text, &members))
	delete(members, name)
	out, err := json.Marshal(members)
	require.NoError(t, err)
	return out
}

// provesAll checks all proofs.
func (s *service) provesAll(t *testing.T, proofs map[string][]proof) {
	t.Helper()
	for name, all := range proofs {
		for _, one := range all {
			got := s.ask(t, http.MethodPost, "elastic-keys/"+name+"/"+one.verb, one.body)
			if assert.Equal(t, http.StatusOK, got.status, "%s %s: %s", name, one.verb, got.body) {
				for member, want := range one.want {
					assert.Equal(t, want, got.object(t)[member], "%s %s", name, one.verb)
				}
			}
		}
	}
}

// What keys of every kind have made is read, decrypted, verified and derived again where nothing is left of the installation that made it: in one
// that other shares unseal, and in another tenant of it, too.
func TestRestore_ACorpusOfEveryKindGoesOnUnderOtherShares(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			source := newVault(t, engine)
			proofs := source.makes(t)
			source.provesAll(t, proofs)
			key, public := custody(t)
			file := source.backedUp(t, "backups", public)
			source.own.stop() // and wiped: nothing of it is used any more

			target, other := newShareVault(t, engine)
			recipient, content := target.brought(t, file, key)
			report := target.restore(t, recipient, content, "").done(t, http.StatusOK).object(t)
			assert.EqualValues(t, len(proofs), report["restored"])
			assert.EqualValues(t, 2*len(proofs), report["versions"])
			target.provesAll(t, proofs)

			recipient, content = other.brought(t, file, key)
			other.restore(t, recipient, content, "").refused(t, http.StatusBadRequest, "invalid_backup", "of another tenant")
			other.restore(t, recipient, content, "&from_tenant=elsewhere").refused(t, http.StatusBadRequest, "invalid_backup", "of a third tenant")
			assert.Empty(t, other.ask(t, http.MethodGet, "elastic-keys", nil).done(t, http.StatusOK).items(t))
			report = other.restore(t, recipient, content, "&from_tenant=default").done(t, http.StatusOK).object(t)
			assert.EqualValues(t, len(proofs), report["restored"], "ids are the tenant's own")
			other.provesAll(t, proofs)

			// From there on they go different ways.
			target.ask(t, http.MethodPost, "elastic-keys/k0/disable", nil).done(t, http.StatusOK)
			other.ask(t, http.MethodPost, "elastic-keys/k0/rotate", nil).done(t, http.StatusCreated)
			assert.EqualValues(t, 3, other.key(t, "k0")["version_count"])
			assert.EqualValues(t, 2, target.key(t, "k0")["version_count"])
			assert.Equal(t, "active", other.key(t, "k0")["status"])
		})
	}
}
