package federation_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
)

// aCertificate is one of a fresh key on a curve, DER.
func aCertificate(t testing.TB, curve elliptic.Curve) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return der
}

func inPEM(label string, contents ...[]byte) (text []byte) {
	for _, content := range contents {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: content})...)
	}
	return text
}

func TestChain_IsFetchedKeptAndRenewedAsKeySetsAre(t *testing.T) {
	t.Parallel()
	o := outsider(t, 2, loopback())
	var accept atomic.Value
	first, second := aCertificate(t, elliptic.P256()), aCertificate(t, elliptic.P384())
	text := append([]byte("\n"), inPEM("CERTIFICATE", first, second)...)
	o.answers(func(w http.ResponseWriter, r *http.Request) {
		accept.Store(r.Header.Get("Accept"))
		w.Header().Set("Cache-Control", "max-age=100")
		_, _ = w.Write(text)
	})
	chain := func(path string) ([][]byte, error) { return o.sets.Chain(t.Context(), o.url+path) }
	for range 3 {
		got, err := chain("/chain.pem")
		require.NoError(t, err)
		assert.Equal(t, [][]byte{first, second}, got)
	}
	assert.EqualValues(t, 1, o.fetches.Load())
	assert.Contains(t, accept.Load(), "application/pem-certificate-chain")

	// What stands at an address is one thing or the other, and neither takes the other's place.
	_, err := o.sets.Key(t.Context(), o.url+"/chain.pem", "chain")
	require.Error(t, err)
	require.NotErrorIs(t, err, federation.ErrUnknownKey)
	_, err = chain("/chain.pem")
	require.NoError(t, err)

	o.now.Add(101 * time.Second)
	o.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	_, err = chain("/chain.pem")
	require.NoError(t, err, "it serves on while its source is away")
	o.now.Add(25 * time.Hour)
	_, err = chain("/chain.pem")
	require.Error(t, err)
}

func TestChain_IsNothingButCertificates(t *testing.T) {
	t.Parallel()
	o := outsider(t, 64, loopback())
	good := aCertificate(t, elliptic.P256())
	certificate := inPEM("CERTIFICATE", good)
	for what, text := range map[string][]byte{
		"nothing":                 {},
		"blanks":                  []byte(" \n"),
		"a key set":               []byte(`{"keys":[]}`),
		"DER":                     good,
		"a private key":           inPEM("PRIVATE KEY", good),
		"a key behind it":         append(bytes.Clone(certificate), inPEM("PRIVATE KEY", good)...),
		"text before it":          append([]byte("text\n"), certificate...),
		"text behind it":          append(bytes.Clone(certificate), "text"...),
		"half of one":             certificate[:len(certificate)/2],
		"no certificate":          inPEM("CERTIFICATE", []byte("x")),
		"no certificate behind":   inPEM("CERTIFICATE", good, []byte("x")),
		"a key that is too small": inPEM("CERTIFICATE", aCertificate(t, elliptic.P224())),
		"eleven":                  bytes.Repeat(certificate, 11),
	} {
		o.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) })
		_, err := o.sets.Chain(t.Context(), o.url+"/"+url.PathEscape(what))
		require.Error(t, err, what)
	}
	for _, address := range []string{"http://example.com/chain", "file:///etc/passwd", "https://169.254.169.254/chain", o.url + "/x#y"} {
		_, err := o.sets.Chain(t.Context(), address)
		require.Error(t, err, address)
	}
	_, err := outsider(t, 1).sets.Chain(t.Context(), o.url+"/chain")
	require.ErrorIs(t, err, guarded.ErrBlocked)
	o.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat(certificate, 10)) })
	chain, err := o.sets.Chain(t.Context(), o.url+"/ten")
	require.NoError(t, err)
	assert.Len(t, chain, 10)
}
