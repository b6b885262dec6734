package tlsconfig_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

func TestIssueClient_IsAcceptedAsAClientOfItsOwnHierarchyOnly(t *testing.T) {
	t.Parallel()
	for _, dev := range []bool{false, true} {
		dir := t.TempDir()
		made, err := tlsconfig.IssueClient(tlsconfig.Options{Dir: dir, Dev: dev}, 24*time.Hour)
		require.NoError(t, err)
		assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, made.Leaf.ExtKeyUsage)
		assert.WithinDuration(t, time.Now().Add(24*time.Hour), made.Leaf.NotAfter, time.Minute)
		assert.Empty(t, made.Leaf.DNSNames, "it can be no server's")
		pair, err := tls.X509KeyPair(made.Certificates, made.Key)
		require.NoError(t, err)

		own := openWith(t, asking(tlsconfig.ClientsRequired), tlsconfig.Options{Dir: dir, Dev: dev})
		other := openWith(t, asking(tlsconfig.ClientsRequired), tlsconfig.Options{})
		for _, m := range []*tlsconfig.Material{own, other} {
			roots, err := tlsconfig.OpenAuthorities([]config.Path{config.Path(m.RootFile())}, nil)
			require.NoError(t, err)
			c := tlsconfig.Outgoing{Roots: roots}.Config()
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			_, err = enter(t, serve(t, m.ServerConfig()), c)
			assert.Equal(t, m == own, err == nil, "%v", err)
		}
	}
	long, err := tlsconfig.IssueClient(tlsconfig.Options{Dir: t.TempDir()}, 100*365*24*time.Hour)
	require.NoError(t, err)
	assert.Less(t, time.Until(long.Leaf.NotAfter), 6*365*24*time.Hour, "it does not outlive its issuer")
	_, err = tlsconfig.IssueClient(tlsconfig.Options{Dir: t.TempDir()}, 0)
	require.Error(t, err)
}
