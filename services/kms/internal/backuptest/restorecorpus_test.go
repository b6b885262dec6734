package backuptest_test

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

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// newShareVault is an installation that two of three shares unseal, with administrators of two tenants.
func newShareVault(t *testing.T, engine string) (v, other kmstest.Vault) {
	t.Helper()
	cfg, files, shares := kmstest.PrepareShamir(t, engine)
	a := kmstest.Administered(t, &cfg)
	kmstest.AddClient(t, &cfg, "default", "root.example", kmstest.Root)
	kmstest.AddClient(t, &cfg, "other", "other.example", kmstest.Root)
	edited := &servicetest.Running{Config: &cfg.Config, Files: files}
	edited.EditRealm(t, func(text string) string { return strings.Replace(text, "tenants:\n", "tenants:\n  - id: other\n", 1) })
	s := kmstest.Run(t, cfg, files)
	for _, share := range shares[1:] {
		s.Submit(t, share)
	}
	as := func(certificate tls.Certificate) kmstest.Vault {
		return kmstest.Vault{Service: s.As(t, certificate), Own: s, Config: cfg, Files: files}
	}
	return as(a.Issue(t, "root.example")), as(a.Issue(t, "other.example"))
}

// proof is what a key has made, and how that is read.
type proof struct {
	verb string
	body map[string]any
	want map[string]any // members of the answer
}

// makes has a key of each kind, with two versions, make something by both, and tells how to read it.
func makes(t *testing.T, s *kmstest.Service) map[string][]proof {
	t.Helper()
	proofs := map[string][]proof{}
	opens := func(t *testing.T, name string, more map[string]any) {
		bind := map[string]any{"record": name}
		sealed := s.Ask(t, http.MethodPost, "elastic-keys/"+name+"/encrypt", kmstest.Merge(map[string]any{"plaintext": "aGVsbG8", "context": bind}, more)).Done(t, http.StatusOK)
		data := s.Ask(t, http.MethodPost, "elastic-keys/"+name+"/generate-data-key", map[string]any{"include_plaintext": true}).Done(t, http.StatusOK)
		proofs[name] = append(proofs[name],
			proof{"decrypt", map[string]any{"ciphertext": sealed.Member(t, "ciphertext"), "context": bind}, map[string]any{"plaintext": "aGVsbG8"}},
			proof{"unwrap", map[string]any{"wrapped": data.Member(t, "wrapped")}, map[string]any{"key": data.Member(t, "key")}})
	}
	verifies := func(t *testing.T, name string, _ map[string]any) {
		signed := s.Ask(t, http.MethodPost, "elastic-keys/"+name+"/sign", map[string]any{"payload": "aGVsbG8"}).Done(t, http.StatusOK).Member(t, "signature")
		proofs[name] = append(proofs[name], proof{"verify", map[string]any{"signature": signed}, map[string]any{"valid": true}})
	}
	macs := func(t *testing.T, name string, more map[string]any) {
		verifies(t, name, more)
		mac := s.Ask(t, http.MethodPost, "elastic-keys/"+name+"/mac", map[string]any{"payload": "aGVsbG8"}).Done(t, http.StatusOK)
		proofs[name] = append(proofs[name], proof{"verify-mac", map[string]any{"payload": "aGVsbG8", "mac": mac.Member(t, "mac"), "version": mac.Object(t)["version"]}, map[string]any{"valid": true}})
	}
	agrees := func(t *testing.T, name string, _ map[string]any) {
		made := s.Ask(t, http.MethodPost, "elastic-keys/"+name+"/encapsulate", map[string]any{}).Done(t, http.StatusOK)
		proofs[name] = append(proofs[name], proof{
			"decapsulate", map[string]any{"ciphertext": made.Member(t, "ciphertext"), "version": made.Object(t)["version"]}, map[string]any{"shared_key": made.Member(t, "shared_key")},
		})
	}
	derives := func(t *testing.T, name string, more map[string]any) {
		ask := kmstest.Merge(map[string]any{"length": 32, "info": "AA"}, more)
		made := s.Ask(t, http.MethodPost, "elastic-keys/"+name+"/derive", ask).Done(t, http.StatusOK)
		ask["version"] = made.Object(t)["version"]
		proofs[name] = append(proofs[name], proof{"derive", ask, map[string]any{"secret": made.Member(t, "secret")}})
	}
	peer, _ := kmstest.Generated(t, "ES256")
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
		{"ECDH", "P-256", derives, map[string]any{"peer": lacking(t, kmstest.Bare(t, public), "alg"), "kdf": "hkdf-sha256"}},
	} {
		name := fmt.Sprintf("k%d", len(proofs))
		ask := map[string]any{"name": name, "algorithm": kind.algorithm}
		if kind.curve != "" {
			ask["curve"] = kind.curve
		}
		if strings.Contains(kind.algorithm, "RSA") || strings.HasPrefix(kind.algorithm, "PS") {
			ask["key_size"] = 2048
		}
		s.Ask(t, http.MethodPost, "elastic-keys", ask).Done(t, http.StatusCreated)
		kind.makes(t, name, kind.more)
		s.Ask(t, http.MethodPost, "elastic-keys/"+name+"/rotate", nil).Done(t, http.StatusCreated)
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
func provesAll(t *testing.T, s *kmstest.Service, proofs map[string][]proof) {
	t.Helper()
	for name, all := range proofs {
		for _, one := range all {
			got := s.Ask(t, http.MethodPost, "elastic-keys/"+name+"/"+one.verb, one.body)
			if assert.Equal(t, http.StatusOK, got.Status, "%s %s: %s", name, one.verb, got.Body) {
				for member, want := range one.want {
					assert.Equal(t, want, got.Object(t)[member], "%s %s", name, one.verb)
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
			source := kmstest.NewVault(t, engine)
			proofs := makes(t, source.Service)
			provesAll(t, source.Service, proofs)
			key, public := kmstest.Custody(t)
			file := source.BackedUp(t, "backups", public)
			source.Own.Stop() // and wiped: nothing of it is used any more

			target, other := newShareVault(t, engine)
			recipient, content := target.Brought(t, file, key)
			report := target.Restore(t, recipient, content, "").Done(t, http.StatusOK).Object(t)
			assert.EqualValues(t, len(proofs), report["restored"])
			assert.EqualValues(t, 2*len(proofs), report["versions"])
			provesAll(t, target.Service, proofs)

			recipient, content = other.Brought(t, file, key)
			other.Restore(t, recipient, content, "").Refused(t, http.StatusBadRequest, "invalid_backup", "of another tenant")
			other.Restore(t, recipient, content, "&from_tenant=elsewhere").Refused(t, http.StatusBadRequest, "invalid_backup", "of a third tenant")
			assert.Empty(t, other.Ask(t, http.MethodGet, "elastic-keys", nil).Done(t, http.StatusOK).Items(t))
			report = other.Restore(t, recipient, content, "&from_tenant=default").Done(t, http.StatusOK).Object(t)
			assert.EqualValues(t, len(proofs), report["restored"], "ids are the tenant's own")
			provesAll(t, other.Service, proofs)

			// From there on they go different ways.
			target.Ask(t, http.MethodPost, "elastic-keys/k0/disable", nil).Done(t, http.StatusOK)
			other.Ask(t, http.MethodPost, "elastic-keys/k0/rotate", nil).Done(t, http.StatusCreated)
			assert.EqualValues(t, 3, other.Key(t, "k0")["version_count"])
			assert.EqualValues(t, 2, target.Key(t, "k0")["version_count"])
			assert.Equal(t, "active", other.Key(t, "k0")["status"])
		})
	}
}
