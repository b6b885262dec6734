package accesstoken_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// selfSigned is a client's certificate, and its thumbprint.
func selfSigned(t testing.TB, until time.Time) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "billing"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	sum := sha256.Sum256(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, base64.RawURLEncoding.EncodeToString(sum[:])
}

// protect serves what the verifier guards on real TLS, and answers whether the caller is confirmed.
func protect(t testing.TB, f *fixture) (at string, roots *x509.CertPool) {
	t.Helper()
	material, err := tlsconfig.Open(tlsconfig.Config{Mode: tlsconfig.ModeAuto}, tlsconfig.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	security := material.ServerConfig()
	security.ClientAuth = tls.RequestClientCert // whatever it is, also one that nobody has issued (RFC 8705 section 2.2)
	return serveTLS(t, security, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := f.Authenticate(r.Context(), r, r.Header.Get("Token"))
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, err.Error())
			return
		}
		if p.Confirmed {
			_, _ = io.WriteString(w, "confirmed")
		}
	})), material.RootPool()
}

func TestCertificate_BindsAToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	at, roots := protect(t, f)
	own, thumbprint := selfSigned(t, time.Now().Add(time.Hour))
	other, _ := selfSigned(t, time.Now().Add(time.Hour))
	call := func(token, scheme, proof string, certificates ...tls.Certificate) (int, string) {
		transport := &http.Transport{TLSClientConfig: tlsconfig.ClientConfig(roots)}
		transport.TLSClientConfig.Certificates = certificates
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+"/keys", http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Authorization", scheme+" "+token)
		r.Header.Set("Token", token)
		if proof != "" {
			r.Header.Set("DPoP", proof)
		}
		answer, err := transport.RoundTrip(r)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(text)
	}
	token := f.token(t, with(f.program(), object{"cnf": object{"x5t#S256": thumbprint}}))
	status, text := call(token, "Bearer", "", own)
	assert.Equal(t, http.StatusOK, status, text)
	assert.Equal(t, "confirmed", text)
	for name, certificates := range map[string][]tls.Certificate{"another": {other}, "none": nil} {
		status, text = call(token, "Bearer", "", certificates...)
		assert.Equal(t, http.StatusUnauthorized, status, name)
		assert.Contains(t, text, "client certificate", name)
	}
	status, text = call(f.token(t, f.program()), "Bearer", "", own)
	assert.Equal(t, http.StatusOK, status)
	assert.Empty(t, text, "a certificate that the token does not name confirms nothing")

	// Bound to both, it needs both.
	p := newProver(t, f, "ES256")
	p.token = f.token(t, with(f.program(), object{"cnf": object{"x5t#S256": thumbprint, "jkt": p.key.ThumbprintSHA256()}}))
	proof := func() string { return p.proof(t, p.header(t), with(p.claims(), object{"htu": at + "/keys"})) }
	status, text = call(p.token, "DPoP", proof(), own)
	assert.Equal(t, http.StatusOK, status, text)
	assert.Equal(t, "confirmed", text)
	for _, c := range []struct {
		scheme, proof string
		certificates  []tls.Certificate
	}{{"DPoP", proof(), nil}, {"DPoP", proof(), []tls.Certificate{other}}, {"DPoP", "", []tls.Certificate{own}}, {"Bearer", "", []tls.Certificate{own}}} {
		status, _ = call(p.token, c.scheme, c.proof, c.certificates...)
		assert.Equal(t, http.StatusUnauthorized, status, c.scheme)
	}
}

func TestCertificate_ThatEndsWhileTheConnectionLastsBindsNoMore(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	own, thumbprint := selfSigned(t, f.clock.Now().Add(30*time.Second))
	leaf, err := x509.ParseCertificate(own.Certificate[0])
	require.NoError(t, err)
	token := f.token(t, with(f.program(), object{"cnf": object{"x5t#S256": thumbprint}}))
	r := request(t, "Bearer", token)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	_, err = f.Authenticate(t.Context(), r, token)
	require.NoError(t, err)
	f.clock.Add(31 * time.Second)
	_, err = f.Authenticate(t.Context(), r, token)
	requireCode(t, "unauthenticated", err)
}
