package tlsconfig_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// issuerTemplate is an issuing authority with the given life.
func issuerTemplate(life time.Duration, change ...func(*x509.Certificate)) x509.Certificate {
	template := x509.Certificate{
		Subject: pkix.Name{CommonName: "issuing"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: start().Add(-time.Hour), NotAfter: start().Add(life),
	}
	for _, c := range change {
		c(&template)
	}
	return template
}

const year = 365 * 24 * time.Hour

func rootOf(t *testing.T, life time.Duration) *issued {
	t.Helper()
	template := issuerTemplate(life)
	template.Subject.CommonName = "corporate root"
	return certify(t, template, nil, nil)
}

// mixedConfig is for the authority in f.
func (f files) mixedConfig(names ...string) tlsconfig.Config {
	c := f.config(names...)
	c.Mode, c.IssuerCertificate, c.IssuerKey, c.Certificate, c.Key = tlsconfig.ModeMixed, c.Certificate, c.Key, "", ""
	return c
}

func TestOpen_IssuesFromTheGivenAuthority(t *testing.T) {
	t.Parallel()
	root := rootOf(t, 10*year)
	issuer := certify(t, issuerTemplate(year), nil, root)
	f := files{t.TempDir()}
	f.put(t, certificatePEM(issuer, root), keyPEM(t, issuer.key))
	now := &clock{now: start()}
	c := f.mixedConfig("kms.example")
	c.IPAddresses = []string{"127.0.0.1"}
	m, err := tlsconfig.Open(c, tlsconfig.Options{Now: now.read, Poll: time.Millisecond})
	require.NoError(t, err)
	run(t, m.Run)
	address := serve(t, m.ServerConfig())

	trusted := x509.NewCertPool()
	trusted.AddCert(root.certificate)
	for _, pool := range []*x509.CertPool{trusted, m.RootPool()} {
		for _, name := range []string{"kms.example", "127.0.0.1"} {
			client := tlsconfig.ClientConfig(pool)
			client.ServerName = name
			connection, err := dial(t, address, client)
			require.NoError(t, err)
			chain := connection.ConnectionState().PeerCertificates
			require.Len(t, chain, 2, "clients have the root")
			assert.Equal(t, []string{"kms.example"}, chain[0].DNSNames)
			assert.LessOrEqual(t, chain[0].NotAfter.Sub(chain[0].NotBefore), 7*24*time.Hour, "so short that peers ask for no status")
			assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, chain[0].ExtKeyUsage)
			assert.False(t, chain[0].IsCA)
		}
	}
	_, err = dial(t, address, func() *tls.Config { c := tlsconfig.ClientConfig(trusted); c.ServerName = "localhost"; return c }())
	require.Error(t, err, "only the names of the configuration")

	first := m.NotAfter()
	now.set(start().Add(5 * 24 * time.Hour))
	require.Eventually(t, func() bool { return m.NotAfter().After(first) }, 20*time.Second, time.Millisecond, "it is renewed at two thirds of its life")
}

func TestOpen_TakesOverAnotherAuthorityInModeMixed(t *testing.T) {
	t.Parallel()
	root := rootOf(t, 10*year)
	f := files{t.TempDir()}
	one, two := certify(t, issuerTemplate(year), nil, root), certify(t, issuerTemplate(year), nil, root)
	f.put(t, certificatePEM(one, root), keyPEM(t, one.key))
	m, err := tlsconfig.Open(f.mixedConfig("kms.example"), tlsconfig.Options{Poll: time.Millisecond})
	require.NoError(t, err)
	run(t, m.Run)
	address := serve(t, m.ServerConfig())
	issuer := func() []byte {
		c := client(t, m.RootFile())
		c.ServerName = "kms.example"
		connection, err := dial(t, address, c)
		if err != nil {
			return nil // the file that is trusted is being replaced
		}
		return connection.ConnectionState().PeerCertificates[1].Raw
	}
	require.Equal(t, one.certificate.Raw, issuer())
	f.put(t, certificatePEM(two, root), keyPEM(t, two.key))
	require.Eventually(t, func() bool { return string(issuer()) == string(two.certificate.Raw) }, 20*time.Second, time.Millisecond)
}

func TestOpen_AcceptsClientsOfTheGivenAuthorityOnly(t *testing.T) {
	t.Parallel()
	root := rootOf(t, year)
	issuer, sibling := certify(t, issuerTemplate(year), nil, root), certify(t, issuerTemplate(year), nil, root)
	f := files{t.TempDir()}
	f.put(t, certificatePEM(issuer, root), keyPEM(t, issuer.key))
	c := f.mixedConfig("localhost")
	c.IPAddresses, c.ClientCertificates.Mode = []string{"127.0.0.1"}, tlsconfig.ClientsRequired
	m, err := tlsconfig.Open(c, tlsconfig.Options{})
	require.NoError(t, err)
	address := serve(t, m.ServerConfig())
	_, err = enter(t, address, showing(t, m, certify(t, person(), nil, issuer)))
	require.NoError(t, err)
	for _, chain := range [][]*issued{{certify(t, person(), nil, sibling), sibling}, {certify(t, person(), nil, root)}} {
		_, err = enter(t, address, showing(t, m, chain...))
		require.Error(t, err, "the root has other children")
	}
}

func TestOpen_RefusesAuthoritiesThatCannotIssueForTheNames(t *testing.T) {
	t.Parallel()
	root := rootOf(t, year)
	issuer := func(change ...func(*x509.Certificate)) *issued {
		return certify(t, issuerTemplate(year, change...), nil, root)
	}
	good := issuer()
	limited := issuer(func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"other.example"}
	})
	forbidden := issuer(func(c *x509.Certificate) {
		_, any4, _ := net.ParseCIDR("0.0.0.0/0")
		c.ExcludedIPRanges, c.PermittedDNSDomainsCritical = []*net.IPNet{any4}, true
	})
	forClients := issuer(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	forServers := issuer(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	leaf := certify(t, x509.Certificate{KeyUsage: x509.KeyUsageCertSign}, nil, root)
	silent := issuer(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	expired := issuer(func(c *x509.Certificate) { c.NotAfter = start().Add(-time.Minute) })
	for name, c := range map[string]struct {
		authority *issued
		key       []byte
		client    bool
		want      string
	}{
		"a leaf":             {leaf, nil, false, "is not of an authority"},
		"no certificates":    {silent, nil, false, "key usage lacks keyCertSign"},
		"expired":            {expired, nil, false, "expired at"},
		"other names":        {limited, nil, false, "clients would refuse what it issues"},
		"no addresses":       {forbidden, nil, false, "clients would refuse what it issues"},
		"clients only":       {forClients, nil, false, "clients would refuse what it issues"},
		"servers only":       {forServers, nil, true, "clients would refuse what it issues"},
		"another key":        {good, keyPEM(t, root.key), false, "does not belong to the certificate in"},
		"no key":             {good, []byte("x"), false, "issuer key: "},
		"certificate as key": {good, certificatePEM(good), false, "holds no PEM private key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.key == nil {
				c.key = keyPEM(t, c.authority.key)
			}
			f := files{t.TempDir()}
			f.put(t, certificatePEM(c.authority, root), c.key)
			setting := f.mixedConfig("kms.example")
			setting.IPAddresses = []string{"127.0.0.1"}
			_, err := tlsconfig.Open(setting, tlsconfig.Options{Client: c.client})
			require.ErrorContains(t, err, c.want)
		})
	}
	f := files{t.TempDir()}
	f.put(t, certificatePEM(good), keyPEM(t, good.key))
	_, err := tlsconfig.Open(f.mixedConfig("kms.example"), tlsconfig.Options{})
	require.NoError(t, err, "the root may be left out")
	require.NoError(t, os.Chmod(filepath.Join(f.dir, "key.pem"), 0o644))
	_, err = tlsconfig.Open(f.mixedConfig("kms.example"), tlsconfig.Options{})
	require.ErrorContains(t, err, "issuer key: ")
}

func TestOpen_IssuesNothingThatOutlivesTheAuthority(t *testing.T) {
	t.Parallel()
	root := rootOf(t, year)
	issuer := certify(t, issuerTemplate(24*time.Hour), nil, root)
	f := files{t.TempDir()}
	f.put(t, certificatePEM(issuer, root), keyPEM(t, issuer.key))
	m, err := tlsconfig.Open(f.mixedConfig("kms.example"), tlsconfig.Options{})
	require.NoError(t, err)
	assert.Equal(t, issuer.certificate.NotAfter, m.NotAfter())
}

func TestConfig_KnowsWhatModeMixedNeeds(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]tlsconfig.Config{
		"issuer_certificate": {Mode: tlsconfig.ModeMixed, IssuerKey: "/k", DNSNames: []string{"a"}},
		"issuer_key":         {Mode: tlsconfig.ModeMixed, IssuerCertificate: "/c", DNSNames: []string{"a"}},
		"dns_names":          {Mode: tlsconfig.ModeMixed, IssuerCertificate: "/c", IssuerKey: "/k"},
		"certificate":        {Mode: tlsconfig.ModeMixed, IssuerCertificate: "/c", IssuerKey: "/k", DNSNames: []string{"a"}, Certificate: config.Path("/x")},
	} {
		problems := c.Validate()
		require.Len(t, problems, 1, want)
		assert.Equal(t, want, problems[0].Path)
	}
	stray := tlsconfig.Config{IssuerKey: "/k"}.Validate()
	require.Len(t, stray, 1)
	assert.Equal(t, "set mode to mixed, or remove it", stray[0].Suggestion)
}
