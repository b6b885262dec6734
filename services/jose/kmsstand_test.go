package jose_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"

	"github.com/cryptoutil/cryptoutil/services/jose"
	"github.com/cryptoutil/cryptoutil/services/kms"
)

// stand is an address at which the KMS stands, or nobody, or somebody who says nothing.
type stand struct {
	listener net.Listener

	mu     sync.Mutex
	behave func(net.Conn)        // guarded by mu
	open   map[net.Conn]struct{} // guarded by mu
}

// Ways to behave.
func away(net.Conn) {}

func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// relayed is the service behind the address.
func relayed(url string) func(net.Conn) {
	return func(c net.Conn) {
		server, err := net.Dial("tcp", strings.TrimPrefix(url, "https://")) //nolint:noctx // the stand ends it
		if err != nil {
			return
		}
		var back sync.WaitGroup
		back.Go(func() {
			_, _ = io.Copy(c, server)
			_ = c.Close()
		})
		_, _ = io.Copy(server, c)
		_ = server.Close()
		back.Wait()
	}
}

func newStand(t *testing.T) *stand {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &stand{listener: listener, behave: away, open: map[net.Conn]struct{}{}}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			s.mu.Lock()
			behave := s.behave
			s.open[connection] = struct{}{}
			s.mu.Unlock()
			connections.Go(func() {
				behave(connection)
				_ = connection.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.become(away)
		connections.Wait()
	})
	return s
}

// become has the address behave in another way, on new connections; the others are cut.
func (s *stand) become(behave func(net.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behave = behave
	for connection := range s.open {
		_ = connection.Close()
	}
	clear(s.open)
}

// keeper is a KMS that keeps keys for a JWK Authority, which has a credential without scopes there.
type keeper struct {
	*servicetest.Running

	at        *stand
	id, token string // of the credential
}

func newKeeper(t *testing.T) *keeper {
	t.Helper()
	setup := platform.Setup{UnsealMode: unseal.Derive, Operator: platform.FirstOperator}
	cfg, files := servicetest.PrepareSetup(t, kms.Service(), setup, database.EngineSQLite)
	k := &keeper{Running: servicetest.Run(t, kms.Service(), cfg, files, &servicetest.Log{}), at: newStand(t)}
	made := k.ask(t, http.MethodPost, "api-tokens", object{"name": "jose", "scopes": []string{}})
	k.id, k.token = made.Member(t, "id"), made.Member(t, "token")
	k.at.become(relayed(k.URL()))
	return k
}

// ask has the KMS's administrator do something, which succeeds.
func (k *keeper) ask(t testing.TB, method, path string, body any, header ...string) answer {
	t.Helper()
	request := k.Request(t, "", method, path, body, header...)
	target := *request.URL
	target.Host = mustHost(t, k.MTLSURL())
	request.URL, request.Host = &target, target.Host
	got, err := servicetest.Exchange(k.Administrator(t), request)
	require.NoError(t, err)
	require.Equal(t, 2, got.Status/100, "%s %s: %s", method, path, got.Body)
	return answer{got}
}

// key makes a key that is for a tenant of the JWK Authority; "" for none.
func (k *keeper) key(t testing.TB, name, algorithm, tenant string) string {
	t.Helper()
	body := object{"name": name, "algorithm": algorithm}
	if tenant != "" {
		body["tags"] = object{"jose-tenant": tenant}
	}
	return k.ask(t, http.MethodPost, "elastic-keys", body).Member(t, "id")
}

// grant lets the JWK Authority do something with a key, and returns the path of the grant.
func (k *keeper) grant(t testing.TB, key string, operations ...string) string {
	t.Helper()
	made := k.ask(t, http.MethodPost, "elastic-keys/"+key+"/grants", object{"grantee": object{"kind": "api_token", "id": k.id}, "operations": operations})
	return "elastic-keys/" + key + "/grants/" + made.Member(t, "id")
}

// lend makes a key that a tenant of the JWK Authority may use, and rotate.
func (k *keeper) lend(t testing.TB, name, algorithm, tenant string) string {
	t.Helper()
	id := k.key(t, name, algorithm, tenant)
	k.ask(t, http.MethodPost, "grants", object{
		"subject_kind": "api_token", "subject_id": k.id, "resource_kind": "elastic-key", "resource": id,
		"scopes": []string{"kms:read", "kms:sign", "kms:write"},
	})
	return id
}

// seal seals the KMS.
func (k *keeper) seal(t testing.TB) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, k.AdminURL()+"/admin/v1/seal", nil)
	require.NoError(t, err)
	token, err := os.ReadFile(k.Files.AdminToken)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	got, err := servicetest.Exchange(k.HTTP, request)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
}

// peerTimeout bounds a call in these tests.
const peerTimeout = 3 * time.Second

// federate names the KMS to a JWK Authority.
func (k *keeper) federate(t testing.TB, cfg *jose.Config) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(k.token), 0o600))
	secret, err := config.NewSecret("file://"+file, config.Policy{})
	require.NoError(t, err)
	cfg.Federation = federation.Config{Enabled: true, KMS: federation.URLConfig{
		URL: "https://" + k.at.listener.Addr().String(),
		PeerConfig: federation.PeerConfig{
			Timeout: peerTimeout, RootCertificate: config.Path(k.RootFile()),
			Retry: federation.RetryConfig{InitialBackoff: 10 * time.Millisecond, MaxBackoff: 100 * time.Millisecond, MaxRetries: 3},
			Auth:  federation.AuthConfig{Method: federation.AuthBearer, Secret: secret},
		},
	}}
}

// adopt makes a key of one in the KMS, as soon as that was found.
func (s *service) adopt(t testing.TB, token, name, kept string) answer {
	t.Helper()
	s.found(t, token)
	return s.post(t, token, "keys/kms", object{"name": name, "kms_key": kept})
}

// found waits until the KMS was found.
func (s *service) found(t testing.TB, token string) {
	t.Helper()
	require.Eventually(t, func() bool {
		got := s.call(t, token, http.MethodPost, "keys/kms", object{"name": "nothing", "kms_key": "nothing"})
		return got.Status == http.StatusBadRequest // the KMS says that there is none
	}, 30*time.Second, 20*time.Millisecond)
}
