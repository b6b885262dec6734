package federation_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/federation"
)

// secret puts text into a secret file.
func secret(t testing.TB, text string) config.Secret {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	reference, err := config.NewSecret("file://"+file, config.Policy{})
	require.NoError(t, err)
	return reference
}

// call does one GET and returns the status.
func call(t testing.TB, peer *federation.Peer) int {
	t.Helper()
	answer, err := peer.Do(get(t, peer, "/x"))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}

func TestCredential_TokenAndSecretOfThePeersOwnRealm(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	at := serve(t, newMaterial(t), nil, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Get("Authorization") })
	for want, auth := range map[string]federation.AuthConfig{
		"Bearer cu_at_x":         {Method: federation.AuthBearer, Secret: secret(t, "cu_at_x\n")},
		"Basic YmlsbGluZzpodXNo": {Method: federation.AuthBasic, ClientID: "billing", Secret: secret(t, "hush")},
		"":                       {Method: federation.AuthNone},
	} {
		c := peerConfig(at.root)
		c.Auth = auth
		require.Equal(t, http.StatusOK, call(t, join(t, at.url, c, federation.Deps{})))
		assert.Equal(t, want, <-seen)
	}
}

// tokenEndpoint checks assertions and hands out numbered tokens; the peer takes the newest one only.
type tokenEndpoint struct {
	remote

	issued   atomic.Int64
	lifetime atomic.Int64 // seconds
	claims   chan map[string]any
}

func newTokenEndpoint(t testing.TB, verify func(assertion string) ([]byte, error)) *tokenEndpoint {
	t.Helper()
	e := &tokenEndpoint{claims: make(chan map[string]any, 64)}
	e.lifetime.Store(300)
	e.remote = serve(t, newMaterial(t), nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			if r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", e.issued.Load()) {
				w.WriteHeader(http.StatusUnauthorized)
			}
			return
		}
		payload, err := verify(r.FormValue("client_assertion"))
		var claims map[string]any
		if err != nil || json.Unmarshal(payload, &claims) != nil || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "kms:encrypt kms:decrypt" ||
			r.FormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":"invalid_client"}`))
			return
		}
		e.claims <- claims
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprintf("token-%d", e.issued.Add(1)), "token_type": "Bearer", "expires_in": e.lifetime.Load()})
	})
	return e
}

func TestCredential_PrivateKeyJWTIsExchangedOnceForManyCallsAndAgainInTime(t *testing.T) {
	t.Parallel()
	spec, err := alg.ParseSpec("ES256", 0, "")
	require.NoError(t, err)
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	key.ID, key.Algorithm = "k1", "ES256"
	private, err := key.MarshalPrivate()
	require.NoError(t, err)
	public, err := key.Public()
	require.NoError(t, err)
	e := newTokenEndpoint(t, func(assertion string) ([]byte, error) {
		payload, _, err := jws.Verify(public, assertion, jws.Expect{Algorithm: "ES256", Type: "JWT"})
		return payload, err
	})
	now := newClock()
	c := peerConfig(e.root)
	c.Auth = federation.AuthConfig{
		Method: federation.AuthJWT, ClientID: "billing", Key: secret(t, string(private)), TokenURL: e.url + "/token", Scopes: []string{"kms:encrypt", "kms:decrypt"},
	}
	peer := join(t, e.url, c, federation.Deps{Now: now.Now})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { assert.Equal(t, http.StatusOK, call(t, peer)) })
	}
	group.Wait()
	require.EqualValues(t, 1, e.issued.Load(), "callers share one token")
	claims := <-e.claims
	assert.Equal(t, "billing", claims["iss"])
	assert.Equal(t, "billing", claims["sub"])
	assert.Equal(t, e.url+"/token", claims["aud"])
	assert.InDelta(t, 60, claims["exp"].(float64)-claims["iat"].(float64), 0)

	now.Add(269 * time.Second)
	require.Equal(t, http.StatusOK, call(t, peer))
	require.EqualValues(t, 1, e.issued.Load())
	now.Add(2 * time.Second) // a tenth before its end
	require.Equal(t, http.StatusOK, call(t, peer))
	require.EqualValues(t, 2, e.issued.Load())
	again := <-e.claims
	assert.NotEqual(t, claims["jti"], again["jti"])

	// A token that was revoked meanwhile is replaced within the call.
	e.issued.Add(1)
	require.Equal(t, http.StatusOK, call(t, peer))
	require.EqualValues(t, 4, e.issued.Load())
}

func TestCredential_ATokenEndpointThatRefusesIsNamedAndItsTextIsNot(t *testing.T) {
	t.Parallel()
	at := serve(t, newMaterial(t), nil, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"canary"}`))
	})
	c := peerConfig(at.root)
	c.Auth = federation.AuthConfig{Method: federation.AuthBasic, ClientID: "billing", Secret: secret(t, "sensitive"), TokenURL: at.url + "/token"}
	peer := join(t, at.url, c, federation.Deps{})
	_, err := peer.Do(get(t, peer, "/x"))
	require.ErrorContains(t, err, `refused with 400 "invalid_client"`)
	assert.NotContains(t, err.Error(), "sensitive")
	assert.NotContains(t, err.Error(), "canary")
}

func TestCredential_MutualTLSPresentsTheCertificateThatIsThereNow(t *testing.T) {
	t.Parallel()
	server, client := newMaterial(t), newMaterial(t)
	seen := make(chan string, 4)
	at := serve(t, server, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.TLS.PeerCertificates[0].SerialNumber.String()
		w.Header().Set("Connection", "close")
	})
	// A server's own certificate serves as a client's here: what counts is which one is presented.
	write := func(m interface{ ServerConfig() *tls.Config }, certificate, key string) string {
		leaf, err := m.ServerConfig().GetCertificate(&tls.ClientHelloInfo{})
		require.NoError(t, err)
		chain, private := pemOf(t, leaf)
		require.NoError(t, os.WriteFile(certificate, chain, 0o600))
		require.NoError(t, os.WriteFile(key, private, 0o600))
		parsed, err := x509.ParseCertificate(leaf.Certificate[0])
		require.NoError(t, err)
		return parsed.SerialNumber.String()
	}
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	first := write(client, certificate, key)
	reference, err := config.NewSecret("file://"+key, config.Policy{})
	require.NoError(t, err)
	c := peerConfig(at.root)
	c.Auth = federation.AuthConfig{Method: federation.AuthMTLS, Certificate: config.Path(certificate), Key: reference}
	peer := join(t, at.url, c, federation.Deps{})
	require.Equal(t, http.StatusOK, call(t, peer))
	assert.Equal(t, first, <-seen)
	second := write(newMaterial(t), certificate, key)
	peer2 := join(t, at.url, c, federation.Deps{})
	require.Equal(t, http.StatusOK, call(t, peer2))
	assert.Equal(t, second, <-seen)

	plain := join(t, at.url, peerConfig(at.root), federation.Deps{})
	_, err = plain.Do(get(t, plain, "/x"))
	require.Error(t, err, "without a certificate nobody enters")
}

func TestCredential_MutualTLSBoundsTheCertificateFile(t *testing.T) {
	t.Parallel()
	server := newMaterial(t)
	at := serve(t, server, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
	})
	leaf, err := newMaterial(t).ServerConfig().GetCertificate(&tls.ClientHelloInfo{})
	require.NoError(t, err)
	chain, private := pemOf(t, leaf)
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	require.NoError(t, os.WriteFile(key, private, 0o600))
	reference, err := config.NewSecret("file://"+key, config.Policy{})
	require.NoError(t, err)
	c := peerConfig(at.root)
	c.Auth = federation.AuthConfig{Method: federation.AuthMTLS, Certificate: config.Path(certificate), Key: reference}
	const most = 1 << 20
	fill := func(size int) {
		content := append(slices.Clone(chain), bytes.Repeat([]byte("\n"), size-len(chain))...)
		require.NoError(t, os.WriteFile(certificate, content, 0o600))
	}
	fill(most)
	peer := join(t, at.url, c, federation.Deps{})
	require.Equal(t, http.StatusOK, call(t, peer))

	fill(most + 1)
	_, err = peer.Do(get(t, peer, "/x"))
	require.ErrorContains(t, err, "larger than 1048576 bytes", "also while the service runs")
	_, err = federation.Open(federation.Config{Enabled: true, KMS: federation.URLConfig{URL: at.url, PeerConfig: c}}, federation.Deps{Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "larger than 1048576 bytes")
}
