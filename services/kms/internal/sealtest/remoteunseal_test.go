package sealtest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"

	"github.com/cryptoutil/cryptoutil/services/kms"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// dependent has a service be unsealed by the KMS at an address, by a certificate.
func dependent(t *testing.T, cfg *kms.Config, peer *kmstest.Stand, clients *kmstest.Authority, roots ...string) {
	t.Helper()
	kmstest.Federated(t, cfg, peer, false, roots...)
	certificate, key := filesOf(t, clients.Issue(t, "dependent.example"))
	secret, err := config.NewSecret((&url.URL{Scheme: "file", Path: key}).String(), config.Policy{})
	require.NoError(t, err)
	cfg.Federation.KMS.Auth = federation.AuthConfig{Method: federation.AuthMTLS, Certificate: config.Path(certificate), Key: secret}
	cfg.Unseal = platform.UnsealConfig{Mode: string(unseal.KMS), Key: "unseal"}
}

// custodian is a KMS that unseals another one, which it knows by a certificate of its realm file.
func custodian(t *testing.T) (s *kmstest.Service, clients *kmstest.Authority) {
	t.Helper()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	clients = kmstest.Administered(t, &cfg)
	kmstest.AddClient(t, &cfg, "default", "dependent.example", "'kms:encrypt', 'kms:decrypt'")
	s = kmstest.Run(t, cfg, files)
	s.Create(t, s.Operator(t), "unseal", "A256GCM/A256KW")
	return s, clients
}

// A service whose unseal key another KMS keeps starts sealed while that one is away, and unseals by itself when it comes.
func TestUnseal_ByAnotherKMS(t *testing.T) {
	t.Parallel()
	keeper, clients := custodian(t)
	each := func(t *testing.T, engine string) {
		t.Helper()
		peer := kmstest.NewStand(t)
		cfg, files := kmstest.Prepare(t, engine)
		dependent(t, &cfg, peer, clients, keeper.RootFile())
		peer.Become(kmstest.Relayed(keeper.URL()))
		s := kmstest.Run(t, cfg, files)
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		s.Stop()

		s = kmstest.Run(t, cfg, files)
		s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": h.Ciphertext})
		s.Stop()

		peer.Become(kmstest.Silent)
		s = kmstest.Run(t, cfg, files)
		code, overall, _, detail := s.Check(t, "readyz", "barrier")
		assert.Equal(t, http.StatusServiceUnavailable, code)
		assert.Equal(t, "failing", overall)
		assert.Contains(t, detail, "sealed")
		t.Logf("while the other KMS is away: %s", detail)
		s.IsSealed(t, h)
		peer.Become(kmstest.Relayed(keeper.URL()))
		began := time.Now()
		require.Eventually(t, func() bool {
			got, err := s.Exchange(s.Request(t, h.Token, http.MethodGet, "self", nil))
			return err == nil && got.Status == http.StatusOK
		}, 30*time.Second, 50*time.Millisecond)
		t.Logf("unsealed %s after the other KMS was there", time.Since(began).Round(time.Millisecond))
		s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/decrypt", map[string]any{"ciphertext": h.Ciphertext})
	}
	for _, engine := range []string{database.EngineSQLite, database.EnginePostgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			each(t, engine)
		})
	}
}

// Whoever has no certificate that the other KMS maps does not get its unseal key.
func TestUnseal_OnlyByTheMappedCertificate(t *testing.T) {
	t.Parallel()
	keeper, clients := custodian(t)
	peer := kmstest.NewStand(t)
	peer.Become(kmstest.Relayed(keeper.URL()))
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	dependent(t, &cfg, peer, clients, keeper.RootFile())
	certificate, key := filesOf(t, clients.Issue(t, "stranger.example"))
	secret, err := config.NewSecret((&url.URL{Scheme: "file", Path: key}).String(), config.Policy{})
	require.NoError(t, err)
	cfg.Federation.KMS.Auth.Certificate, cfg.Federation.KMS.Auth.Key = config.Path(certificate), secret
	s := kmstest.Run(t, cfg, files)
	_, _, status, detail := s.Check(t, "readyz", "barrier")
	assert.Equal(t, "failing", status)
	assert.Contains(t, detail, "sealed")
	assert.Contains(t, s.Logs.String(), "401 unauthenticated")
}

// announced is what a service says of itself to anybody, once it knows what its unsealing needs if it needs anything.
func announced(t *testing.T, s *kmstest.Service, needs int) (said federation.Announcement) {
	t.Helper()
	require.Eventually(t, func() bool {
		got, err := s.Exchange(s.Request(t, "", http.MethodGet, federation.WellKnown, nil))
		said = federation.Announcement{}
		return err == nil && json.Unmarshal(got.Body, &said) == nil && len(said.UnsealedBy) == needs
	}, 10*time.Second, 10*time.Millisecond)
	return said
}

// The identity of an installation is in its database: its replicas have one, wherever they run, and keep it.
func TestInstallation_IsOneForAllReplicas(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, engine)
			first, second := kmstest.Run(t, cfg, files), kmstest.Run(t, cfg, files)
			name := announced(t, first, 0).Installation
			id, err := uuid.Parse(name)
			require.NoError(t, err, "it says nothing about the machine: %s", name)
			assert.Equal(t, uuid.Version(4), id.Version())
			assert.Equal(t, name, announced(t, second, 0).Installation)
			first.Admin(t, http.MethodPost, "seal", "")
			assert.Equal(t, name, announced(t, first, 0).Installation, "sealed too")
			first.Stop()
			second.Stop()
			assert.Equal(t, name, announced(t, kmstest.Run(t, cfg, files), 0).Installation)
			cfg, files = kmstest.Prepare(t, engine)
			assert.NotEqual(t, name, announced(t, kmstest.Run(t, cfg, files), 0).Installation, "another one's")
		})
	}
}

// Two services that unseal each other could never be unsealed again: the second one does not start. Nor does it on another machine, as another
// replica than the one that the first knows.
func TestUnseal_RefusesACycle(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			// One is unsealed by the other, which then is to be unsealed by it.
			oneStand, otherStand := kmstest.NewStand(t), kmstest.NewStand(t)
			oneCfg, oneFiles := kmstest.Prepare(t, engine)
			otherCfg, otherFiles := kmstest.Prepare(t, engine)
			clients := kmstest.NewAuthority(t)
			for _, cfg := range []*kms.Config{&oneCfg, &otherCfg} {
				cfg.TLS.ClientCertificates = tlsconfig.ClientCertificates{Mode: tlsconfig.ClientsRequested, Authorities: []config.Path{config.Path(clients.File)}}
				kmstest.AddClient(t, cfg, "default", "dependent.example", "'kms:encrypt', 'kms:decrypt'")
			}
			other := kmstest.Run(t, otherCfg, otherFiles)
			other.Create(t, other.Operator(t), "unseal", "A256GCM/A256KW")
			otherStand.Become(kmstest.Relayed(other.URL()))
			dependent(t, &oneCfg, otherStand, clients, other.RootFile())
			one := kmstest.Run(t, oneCfg, oneFiles)
			one.Create(t, one.Operator(t), "unseal", "A256GCM/A256KW")
			oneStand.Become(kmstest.Relayed(one.URL()))
			assert.Equal(t, []string{announced(t, other, 0).Installation}, announced(t, one, 1).UnsealedBy)
			before := other.URL()
			other.Stop()

			dependent(t, &otherCfg, oneStand, clients, one.RootFile())
			for _, address := range []string{strings.TrimPrefix(before, "https://"), "127.0.0.1:0", "localhost:0"} {
				otherCfg.Public.Address = address
				_, err := kms.Service().Open(t.Context(), otherCfg, false, other.Logs)
				require.ErrorIs(t, err, unseal.ErrCycle, address)
			}
			one.Get(t, one.Operator(t), "self")
		})
	}
}
