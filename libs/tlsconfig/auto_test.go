package tlsconfig_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

const day = 24 * time.Hour

func TestOpen_MakesAHierarchyOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "tls")
	first := open(t, tlsconfig.Options{Dir: dir})
	assert.Equal(t, filepath.Join(dir, "root.pem"), first.RootFile())
	for name, mode := range map[string]fs.FileMode{".": fs.ModeDir | 0o700, "root.pem": 0o600, "root.key": 0o600, "issuer.pem": 0o600, "lock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode(), name)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 4)

	root, issuer := read(t, dir, "root.pem"), read(t, dir, "issuer.pem")
	second := open(t, tlsconfig.Options{Dir: dir})
	assert.Equal(t, root, read(t, dir, "root.pem"))
	assert.Equal(t, issuer, read(t, dir, "issuer.pem"))
	assert.True(t, first.RootPool().Equal(second.RootPool()))
	assert.NotEqual(t, presented(t, first)[0].PublicKey, presented(t, second)[0].PublicKey, "each process has its own leaf")
}

func TestOpen_IssuesProperCertificates(t *testing.T) {
	t.Parallel()
	now := start()
	c := tlsconfig.Config{DNSNames: []string{"KMS.example", "localhost", "*.kms.example"}, IPAddresses: []string{"10.1.2.3", "::1"}}
	m, err := tlsconfig.Open(c, tlsconfig.Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	require.NoError(t, err)
	chain := presented(t, m)
	require.Len(t, chain, 2, "the leaf and the intermediate, not the root")
	leaf, intermediate := chain[0], chain[1]
	roots, _ := pem.Decode(read(t, m.RootFile()))
	root, err := x509.ParseCertificate(roots.Bytes)
	require.NoError(t, err)

	assert.Equal(t, []string{"localhost", "kms.example", "*.kms.example"}, leaf.DNSNames)
	require.Len(t, leaf.IPAddresses, 3)
	assert.True(t, leaf.IPAddresses[2].Equal(net.IPv4(10, 1, 2, 3)))
	assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, leaf.ExtKeyUsage)
	assert.Equal(t, x509.KeyUsageDigitalSignature, leaf.KeyUsage)
	assert.False(t, leaf.IsCA)
	assert.Equal(t, now.Add(30*day).UTC(), leaf.NotAfter)
	assert.Equal(t, leaf.NotAfter, m.NotAfter())
	assert.Equal(t, intermediate.SubjectKeyId, leaf.AuthorityKeyId)
	assert.NotEqual(t, chain[0].SerialNumber, chain[1].SerialNumber)
	assert.Greater(t, leaf.SerialNumber.BitLen(), 64)
	for c, curve := range map[*x509.Certificate]elliptic.Curve{leaf: elliptic.P256(), intermediate: elliptic.P384(), root: elliptic.P384()} {
		key, ok := c.PublicKey.(*ecdsa.PublicKey)
		require.True(t, ok)
		assert.Equal(t, curve, key.Curve)
		assert.True(t, c.NotBefore.Before(now))
	}
	for c, length := range map[*x509.Certificate]int{intermediate: 0, root: 1} {
		assert.True(t, c.IsCA)
		assert.True(t, c.BasicConstraintsValid)
		assert.Equal(t, length, c.MaxPathLen)
		assert.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, c.KeyUsage)
		assert.Len(t, c.SubjectKeyId, 20)
		assert.Empty(t, c.PermittedDNSDomains)
	}
	assert.Equal(t, root.SubjectKeyId, intermediate.AuthorityKeyId)
	assert.Equal(t, now.Add(10*365*day).UTC(), root.NotAfter)
	assert.Equal(t, now.Add(5*365*day).UTC(), intermediate.NotAfter)
	require.NoError(t, root.CheckSignatureFrom(root))
}

func TestOpen_InDevelopmentConstrainsNamesAndKeepsNoRootKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := open(t, tlsconfig.Options{Dir: dir, Dev: true})
	assert.NoFileExists(t, filepath.Join(dir, "root.key"))
	intermediate := presented(t, m)[1]
	assert.True(t, intermediate.PermittedDNSDomainsCritical)
	assert.Equal(t, []string{"localhost"}, intermediate.PermittedDNSDomains)
	require.Len(t, intermediate.PermittedIPRanges, 2)
	assert.Equal(t, "127.0.0.1/32", intermediate.PermittedIPRanges[0].String())
	assert.Equal(t, "::1/128", intermediate.PermittedIPRanges[1].String())
	assert.True(t, open(t, tlsconfig.Options{Dir: dir, Dev: true}).RootPool().Equal(m.RootPool()))

	issuer := issuerOf(t, dir)
	verify := func(template x509.Certificate, usage x509.ExtKeyUsage) error {
		pool := x509.NewCertPool()
		pool.AddCert(issuer.certificate)
		_, err := certify(t, template, nil, issuer).certificate.Verify(x509.VerifyOptions{Roots: m.RootPool(), Intermediates: pool, KeyUsages: []x509.ExtKeyUsage{usage}})
		return err
	}
	require.NoError(t, verify(x509.Certificate{DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}, x509.ExtKeyUsageAny))
	for _, foreign := range []x509.Certificate{
		{DNSNames: []string{"example.com"}},
		{DNSNames: []string{"localhost", "localhost.example.com"}},
		{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 2)}},
		{IPAddresses: []net.IP{net.ParseIP("::2")}},
	} {
		var invalid x509.CertificateInvalidError
		require.ErrorAs(t, verify(foreign, x509.ExtKeyUsageAny), &invalid)
		assert.Equal(t, x509.CANotAuthorizedForThisName, invalid.Reason)
	}
	require.Error(t, verify(x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}, x509.ExtKeyUsageCodeSigning), "for TLS only")
}

func TestOpen_KeepsDevelopmentAndOtherFoldersApart(t *testing.T) {
	t.Parallel()
	dir, named := t.TempDir(), tlsconfig.Config{DNSNames: []string{"kms.example"}}
	_, err := tlsconfig.Open(named, tlsconfig.Options{Dir: dir, Dev: true})
	require.ErrorContains(t, err, "development mode serves localhost, 127.0.0.1 and ::1 only")
	open(t, tlsconfig.Options{Dir: dir, Dev: true})
	_, err = tlsconfig.Open(named, tlsconfig.Options{Dir: dir})
	require.ErrorContains(t, err, "clients would refuse its certificates: it was made in development mode and is good for localhost only")

	dir = t.TempDir()
	open(t, tlsconfig.Options{Dir: dir})
	_, err = tlsconfig.Open(tlsconfig.Config{}, tlsconfig.Options{Dir: dir, Dev: true})
	require.ErrorContains(t, err, "it was not made in development mode")
	_, err = tlsconfig.Open(tlsconfig.Config{}, tlsconfig.Options{})
	require.ErrorContains(t, err, "mode auto needs a folder")
}

func TestOpen_IsSafeForManyAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tls")
	binary, err := os.Executable()
	require.NoError(t, err)
	var mu sync.Mutex
	roots := map[string]int{}
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			command := exec.CommandContext(t.Context(), binary)
			command.Env = append(os.Environ(), openDirVariable+"="+dir)
			out, err := command.CombinedOutput()
			assert.NoError(t, err, string(out))
			mu.Lock()
			defer mu.Unlock()
			roots[string(out)]++
		})
		running.Go(func() {
			m, err := tlsconfig.Open(tlsconfig.Config{}, tlsconfig.Options{Dir: dir})
			if assert.NoError(t, err) {
				_, err = dial(t, serve(t, m.ServerConfig()), tlsconfig.ClientConfig(m.RootPool()))
				assert.NoError(t, err)
			}
		})
	}
	running.Wait()
	assert.Len(t, roots, 1, "all have the same root")
}

func TestRun_RenewsTheLeafAtTwoThirdsOfItsLife(t *testing.T) {
	t.Parallel()
	now := &clock{now: start()}
	lines := &log{}
	m := open(t, tlsconfig.Options{Dir: t.TempDir(), Now: now.read, Poll: time.Millisecond, Log: slog.New(slog.NewTextHandler(lines, nil))})
	first := m.NotAfter()
	address := serve(t, m.ServerConfig())
	roots := client(t, m.RootFile())
	roots.Time = now.read
	live, err := dial(t, address, roots)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	now.set(now.read().Add(20*day - 10*time.Minute))
	assert.Never(t, func() bool { return !m.NotAfter().Equal(first) }, 50*time.Millisecond, time.Millisecond)
	now.set(now.read().Add(10 * time.Minute))
	require.Eventually(t, func() bool { return m.NotAfter().After(first) }, 5*time.Second, time.Millisecond)
	cancel()
	<-done

	fresh, err := dial(t, address, roots)
	require.NoError(t, err)
	assert.Equal(t, m.NotAfter(), fresh.ConnectionState().PeerCertificates[0].NotAfter)
	_, err = live.Write([]byte("x"))
	require.NoError(t, err)
	_, err = live.Read(make([]byte, 1))
	require.NoError(t, err, "connections outlive the certificate that they began with")
	assert.Contains(t, lines.String(), "TLS certificate replaced")
}

func TestReload_RenewsTheIntermediateAtTwoThirdsOfItsLife(t *testing.T) {
	t.Parallel()
	now, dir := &clock{now: start()}, t.TempDir()
	m := open(t, tlsconfig.Options{Dir: dir, Now: now.read})
	root, before := read(t, dir, "root.pem"), issuerOf(t, dir).certificate
	now.set(before.NotBefore.Add(before.NotAfter.Sub(before.NotBefore)/3*2 + time.Second))
	require.NoError(t, m.Reload())
	after := issuerOf(t, dir).certificate
	assert.True(t, after.NotAfter.After(before.NotAfter))
	assert.Equal(t, root, read(t, dir, "root.pem"))
	assert.True(t, m.NotAfter().After(now.read()))
}

func TestReload_GoesOnWithTheIntermediateWhileTheRootKeyIsAway(t *testing.T) {
	t.Parallel()
	now, dir, lines := &clock{now: start()}, t.TempDir(), &log{}
	m := open(t, tlsconfig.Options{Dir: dir, Now: now.read, Log: slog.New(slog.NewTextHandler(lines, nil))})
	require.NoError(t, os.Remove(filepath.Join(dir, "root.key")))
	intermediate := issuerOf(t, dir).certificate
	now.set(intermediate.NotAfter.Add(-day))
	require.NoError(t, m.Reload())
	assert.Equal(t, intermediate.NotAfter, m.NotAfter(), "a leaf does not outlive its issuer")
	assert.Contains(t, lines.String(), "the intermediate certificate cannot be renewed")
	now.set(intermediate.NotAfter.Add(time.Second))
	require.ErrorContains(t, m.Reload(), "expired at "+intermediate.NotAfter.UTC().Format(time.RFC3339)+" and cannot be renewed: root.key is not here")
}

func TestOpen_SaysThatTheRootHasExpired(t *testing.T) {
	t.Parallel()
	now, dir, lines := &clock{now: start()}, t.TempDir(), &log{}
	o := tlsconfig.Options{Dir: dir, Now: now.read, Log: slog.New(slog.NewTextHandler(lines, nil))}
	m := open(t, o)
	now.set(now.read().Add(9*365*day + day))
	require.NoError(t, m.Reload())
	assert.Contains(t, lines.String(), "the root certificate of the private hierarchy expires")
	now.set(now.read().Add(365 * day))
	_, err := tlsconfig.Open(tlsconfig.Config{}, o)
	require.ErrorContains(t, err, "root.pem expired at")

	o.Dir, o.Dev = t.TempDir(), true
	now.set(start())
	m = open(t, o)
	now.set(now.read().Add(10*365*day - day))
	require.NoError(t, m.Reload(), "in development the intermediate lives as long as the root")
	now.set(now.read().Add(2 * day))
	require.ErrorContains(t, m.Reload(), "root.pem expired at")
}

func TestReload_NoticesAnotherRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := open(t, tlsconfig.Options{Dir: dir})
	require.NoError(t, os.RemoveAll(dir))
	open(t, tlsconfig.Options{Dir: dir})
	require.ErrorContains(t, m.Reload(), "its root was replaced while this process runs")
	assert.True(t, m.NotAfter().After(time.Now()), "the old certificate stays")
}

func TestOpenSSL_VerifiesTheChain(t *testing.T) {
	t.Parallel()
	requireTool(t, "openssl")
	for _, dev := range []bool{true, false} {
		dir := t.TempDir()
		m := open(t, tlsconfig.Options{Dir: dir, Dev: dev})
		leaf := filepath.Join(t.TempDir(), "leaf.pem")
		write(t, leaf, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: presented(t, m)[0].Raw}))
		verify := []string{"verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", m.RootFile(), "-untrusted", filepath.Join(dir, "issuer.pem")}
		for _, name := range []string{"-verify_hostname=localhost", "-verify_ip=127.0.0.1", "-verify_ip=::1"} {
			out, err := exec.CommandContext(t.Context(), "openssl", append(append(verify, strings.Split(name, "=")...), leaf)...).CombinedOutput()
			require.NoError(t, err, string(out))
			assert.Equal(t, leaf+": OK\n", string(out))
		}
		out, err := exec.CommandContext(t.Context(), "openssl", append(verify, "-verify_hostname", "example.com", leaf)...).CombinedOutput()
		require.Error(t, err, string(out))
	}

	dir := t.TempDir()
	m := open(t, tlsconfig.Options{Dir: dir, Dev: true})
	foreign := filepath.Join(t.TempDir(), "foreign.pem")
	write(t, foreign, certificatePEM(certify(t, x509.Certificate{DNSNames: []string{"example.com"}}, nil, issuerOf(t, dir))))
	out, err := exec.CommandContext(t.Context(), "openssl", "verify", "-CAfile", m.RootFile(), "-untrusted", filepath.Join(dir, "issuer.pem"), foreign).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "permitted subtree violation")
}

// requireTool skips the test without a program, unless tools are required.
func requireTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CRYPTOUTIL_TEST_REQUIRED") == "1" {
		t.Fatalf("%s is not installed, and CRYPTOUTIL_TEST_REQUIRED=1", name)
	}
	t.Skipf("%s is not installed", name)
}
