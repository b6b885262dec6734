package tlsconfig_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

func TestServerConfig_SpeaksTLS13WithApprovedAlgorithms(t *testing.T) {
	t.Parallel()
	m := open(t, tlsconfig.Options{Dir: t.TempDir()})
	approved := []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	assert.Equal(t, approved, m.ServerConfig().CurvePreferences)
	assert.Equal(t, approved, tlsconfig.ClientConfig(nil).CurvePreferences)
	address := serve(t, m.ServerConfig())

	config := client(t, m.RootFile())
	config.NextProtos = []string{"h2"}
	connection, err := dial(t, address, config)
	require.NoError(t, err)
	state := connection.ConnectionState()
	assert.Equal(t, uint16(tls.VersionTLS13), state.Version)
	assert.Equal(t, tls.X25519MLKEM768, state.CurveID)
	assert.Contains(t, []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384}, state.CipherSuite)
	assert.Equal(t, "h2", state.NegotiatedProtocol)

	for _, group := range approved {
		config := client(t, m.RootFile())
		config.CurvePreferences = []tls.CurveID{group}
		connection, err := dial(t, address, config)
		require.NoError(t, err, group)
		assert.Equal(t, group, connection.ConnectionState().CurveID)
	}
}

func TestServerConfig_RefusesWhatIsOlderOrNotApproved(t *testing.T) {
	t.Parallel()
	m := open(t, tlsconfig.Options{Dir: t.TempDir()})
	address := serve(t, m.ServerConfig())
	old := client(t, m.RootFile())
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	_, err := dial(t, address, old)
	require.ErrorContains(t, err, "protocol version not supported")

	plain := client(t, m.RootFile())
	plain.CurvePreferences = []tls.CurveID{tls.X25519}
	_, err = dial(t, address, plain)
	require.Error(t, err)

	hybrid := client(t, m.RootFile())
	hybrid.CurvePreferences = []tls.CurveID{tls.SecP384r1MLKEM1024}
	_, err = dial(t, address, hybrid)
	require.ErrorContains(t, err, "handshake failure")

	older := m.ServerConfig()
	older.MinVersion, older.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	_, err = dial(t, serve(t, older), client(t, m.RootFile()))
	require.ErrorContains(t, err, "protocol version")
}

func TestClientConfig_VerifiesChainAndName(t *testing.T) {
	t.Parallel()
	m := open(t, tlsconfig.Options{Dir: t.TempDir()})
	address := serve(t, m.ServerConfig())
	for _, config := range []*tls.Config{tlsconfig.ClientConfig(nil), client(t, open(t, tlsconfig.Options{Dir: t.TempDir()}).RootFile())} {
		_, err := dial(t, address, config)
		var unknown x509.UnknownAuthorityError
		require.ErrorAs(t, err, &unknown)
	}
	config := client(t, m.RootFile())
	config.ServerName = "kms.example"
	_, err := dial(t, address, config)
	var name x509.HostnameError
	require.ErrorAs(t, err, &name)
}

func TestServerConfig_IsTheCallersOwn(t *testing.T) {
	t.Parallel()
	m := open(t, tlsconfig.Options{Dir: t.TempDir()})
	m.ServerConfig().CurvePreferences[0] = tls.CurveP521
	assert.Equal(t, tls.X25519MLKEM768, m.ServerConfig().CurvePreferences[0])
	m.RootPool().AddCert(newCA(t, "foreign").certificate)
	assert.False(t, m.RootPool().Equal(x509.NewCertPool()))
	roots, err := tlsconfig.LoadRoots(m.RootFile())
	require.NoError(t, err)
	assert.True(t, m.RootPool().Equal(roots))
}

func TestLoadRoots_SaysWhatIsWrongWithTheFile(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "root")
	for want, content := range map[string][]byte{
		"holds no PEM certificate":                       []byte("nothing"),
		"holds a PRIVATE KEY beside certificates":        append(certificatePEM(ca), keyPEM(t, ca.key)...),
		"parse certificate 1":                            []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		"holds a CERTIFICATE REQUEST beside certificate": append(certificatePEM(ca), []byte("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n")...),
	} {
		file := filepath.Join(t.TempDir(), "roots.pem")
		write(t, file, content)
		_, err := tlsconfig.LoadRoots(file)
		require.ErrorContains(t, err, "load root certificates: "+file)
		require.ErrorContains(t, err, want)
	}
	_, err := tlsconfig.LoadRoots(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)

	file := filepath.Join(t.TempDir(), "roots.pem")
	other := newCA(t, "other")
	write(t, file, certificatePEM(ca, other))
	_, err = tlsconfig.LoadRoots(file)
	require.NoError(t, err)
	certificates, err := tlsconfig.ReadCertificates(file)
	require.NoError(t, err)
	require.Len(t, certificates, 2)
	assert.Equal(t, [][]byte{ca.certificate.Raw, other.certificate.Raw}, [][]byte{certificates[0].Raw, certificates[1].Raw}, "in their order")
	write(t, file, append(certificatePEM(ca), keyPEM(t, ca.key)...))
	_, err = tlsconfig.ReadCertificates(file)
	require.ErrorContains(t, err, "holds a PRIVATE KEY beside certificates")
}
