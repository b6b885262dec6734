package ca_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/acme"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/ca"
)

// webSite answers challenges on a port of this machine.
type webSite struct {
	port    uint16
	mu      sync.Mutex
	answers map[string]string // guarded by mu
}

func newWebSite(t *testing.T) *webSite {
	t.Helper()
	w := &webSite{answers: map[string]string{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is there until the test ends
	require.NoError(t, err)
	w.port = netip.MustParseAddrPort(listener.Addr().String()).Port()
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		_, _ = out.Write([]byte(w.answers[r.URL.Path]))
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return w
}

func (w *webSite) set(path, answer string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[path] = answer
}

func TestACME_AClientObtainsRenewsAndRevokes(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			site := newWebSite(t)
			cfg, files := prepare(t, engine)
			cfg.ACME = ca.ACMEConfig{Resolver: "127.0.0.1:1", AllowAddresses: []string{"127.0.0.1"}, HTTPPort: site.port}
			first, second := run(t, cfg, files), run(t, cfg, files)
			root, _ := first.hierarchy(t)
			ctx := t.Context()

			account, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(t, err)
			client := &acme.Client{Key: account, HTTPClient: first.HTTP, DirectoryURL: first.URL() + "/acme/internal-tls/directory"}
			_, err = client.Register(ctx, &acme.Account{Contact: []string{"mailto:operator@example.org"}}, acme.AcceptTOS)
			require.NoError(t, err)

			obtain := func(key *ecdsa.PrivateKey) [][]byte {
				order, err := client.AuthorizeOrder(ctx, acme.IPIDs("127.0.0.1"))
				require.NoError(t, err)
				for _, url := range order.AuthzURLs {
					authorization, err := client.GetAuthorization(ctx, url)
					require.NoError(t, err)
					if authorization.Status == acme.StatusValid {
						continue
					}
					for _, challenge := range authorization.Challenges {
						if challenge.Type != "http-01" {
							continue
						}
						answer, err := client.HTTP01ChallengeResponse(challenge.Token)
						require.NoError(t, err)
						site.set(client.HTTP01ChallengePath(challenge.Token), answer)
						_, err = client.Accept(ctx, challenge)
						require.NoError(t, err)
					}
					_, err = client.WaitAuthorization(ctx, url)
					require.NoError(t, err)
				}
				order, err = client.WaitOrder(ctx, order.URI)
				require.NoError(t, err)
				request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, key)
				require.NoError(t, err)
				chain, _, err := client.CreateOrderCert(ctx, order.FinalizeURL, request, true)
				require.NoError(t, err)
				return chain
			}
			key := newKey(t)
			chain := obtain(key)
			leaf, err := x509.ParseCertificate(chain[0])
			require.NoError(t, err)
			roots, above := x509.NewCertPool(), x509.NewCertPool()
			roots.AddCert(parse(t, root.Member(t, "certificate"))[0])
			for _, der := range chain[1:] {
				c, err := x509.ParseCertificate(der)
				require.NoError(t, err)
				above.AddCert(c)
			}
			_, err = leaf.Verify(x509.VerifyOptions{DNSName: "127.0.0.1", Roots: roots, Intermediates: above})
			require.NoError(t, err)
			require.NotEqual(t, chain[0], obtain(newKey(t))[0], "another one, by the proof that there is")

			require.NoError(t, client.RevokeCert(ctx, key, chain[0], acme.CRLReasonKeyCompromise))
			token := second.Token(t, "default", "admin", "ca:admin") // which the second replica knows at once
			list := second.get(t, token, "certificates?name=127.0.0.1&state=revoked")
			assert.Contains(t, string(list.Body), "acme:")
			require.NoError(t, client.RevokeCert(ctx, key, chain[0], acme.CRLReasonKeyCompromise), "the client takes alreadyRevoked for success")
		})
	}
}

func TestACME_WithoutAResolverThereIsNone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		status, _ := s.fetch(t, "/acme/internal-tls/directory")
		assert.Equal(t, http.StatusNotFound, status)
	})
}

// Names of the public web are not certified because somebody with a scope says so.
func TestIssue_NamesOfFamilyBRAreProvedFirst(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Token(t, "default", "admin", "ca:admin")
		s.make(t, "cas", map[string]any{"name": "root", "kind": "root", "subject": map[string]any{"common_name": "Root", "organization": "Example", "country": "DE"}})
		subject := map[string]any{"common_name": "Public CA", "organization": "Example", "country": "DE"}
		s.administer(t, http.MethodPost, "cas", map[string]any{"name": "web", "kind": "issuing", "family": "br", "issuer": "root", "subject": subject}).
			refused(t, http.StatusBadRequest, "validation_failed", "without a place for status")
		s.make(t, "cas", map[string]any{
			"name": "web", "kind": "issuing", "family": "br", "issuer": "root", "subject": subject, "base_url": "http://pki.example.org",
		})
		order := map[string]any{"profile": "tls-server", "csr": csr(t, newKey(t), x509.CertificateRequest{DNSNames: []string{"www.example.org"}})}
		s.call(t, token, http.MethodPost, "certificates", order).refused(t, http.StatusConflict, "not_validated", "without a proof")
	})
}

func TestACME_ExternalKeysAreGivenOutAndTakenBack(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			cfg.ACME = ca.ACMEConfig{Resolver: "127.0.0.1:1", ExternalAccounts: true}
			s := run(t, cfg, files)
			s.hierarchy(t)
			token := s.Token(t, "default", "enroller", "ca:enrol")
			register := func(binding *acme.ExternalAccountBinding) error {
				key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
				require.NoError(t, err)
				client := &acme.Client{Key: key, HTTPClient: s.HTTP, DirectoryURL: s.URL() + "/acme/internal-tls/directory"}
				_, err = client.Register(t.Context(), &acme.Account{ExternalAccountBinding: binding}, acme.AcceptTOS)
				return err
			}
			require.Error(t, register(nil), "without a key")
			given := func() (id string, binding *acme.ExternalAccountBinding) {
				made := s.post(t, token, "acme/external-keys", map[string]any{"label": "web servers", "directory": "internal-tls"})
				secret, err := base64.RawURLEncoding.DecodeString(made.Member(t, "secret"))
				require.NoError(t, err)
				return made.Member(t, "id"), &acme.ExternalAccountBinding{KID: made.Member(t, "id"), Key: secret}
			}
			id, binding := given()
			require.NoError(t, register(binding))
			require.Error(t, register(binding), "a second account")
			bound := s.get(t, token, "acme/external-keys/"+id)
			assert.NotContains(t, string(bound.Body), "secret")
			assert.NotEmpty(t, bound.Member(t, "account"))
			other, unused := given()
			got := s.call(t, token, http.MethodDelete, "acme/external-keys/"+other, nil)
			require.Equal(t, http.StatusNoContent, got.Status, "%s", got.Body)
			require.Error(t, register(unused), "with a key that was taken back")
			revoked := s.call(t, token, http.MethodPost, "acme/accounts/"+bound.Member(t, "account")+"/revoke", nil)
			require.Equal(t, http.StatusNoContent, revoked.Status, "%s", revoked.Body)
			reader := s.Token(t, "default", "reader", "ca:read", "ca:issue")
			s.call(t, reader, http.MethodGet, "acme/external-keys", nil).refused(t, http.StatusForbidden, "insufficient_scope", "without the scope")
		})
	}
}
