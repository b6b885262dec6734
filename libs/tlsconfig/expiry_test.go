package tlsconfig_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

func TestExpiry_SaysWhatIsDue(t *testing.T) {
	t.Parallel()
	now := &clock{now: start()}
	clients := certify(t, issuerTemplate(year), nil, nil)
	m := openWith(t, asking(tlsconfig.ClientsRequired, authoritiesFile(t, clients)), tlsconfig.Options{Now: now.read})
	roles := func() (all []string, due []string) {
		for _, e := range m.Expiry() {
			all = append(all, e.Role)
			if e.Due {
				due = append(due, e.Role)
			}
			assert.Equal(t, e.NotAfter.Sub(now.read()), e.Left)
			assert.NotEmpty(t, e.Subject)
			assert.NotEmpty(t, e.Serial)
			assert.True(t, e.NotBefore.Before(e.NotAfter))
		}
		return all, due
	}
	all, due := roles()
	assert.Equal(t, []string{tlsconfig.RoleServer, tlsconfig.RoleIssuer, tlsconfig.RoleIssuer, tlsconfig.RoleClientAuthority}, all)
	assert.Empty(t, due)
	now.set(start().Add(23 * 24 * time.Hour)) // of 30 days: renewal is tried, a fifth is left at day 24
	_, due = roles()
	assert.Empty(t, due)
	now.set(start().Add(25 * 24 * time.Hour))
	_, due = roles()
	assert.Equal(t, []string{tlsconfig.RoleServer}, due)
	now.set(start().Add(300 * 24 * time.Hour))
	_, due = roles()
	assert.Equal(t, []string{tlsconfig.RoleServer, tlsconfig.RoleClientAuthority}, due)
	assert.Negative(t, m.Expiry()[0].Left)
}

func TestExpiry_CountsTheLastWeekOfALongLeaf(t *testing.T) {
	t.Parallel()
	now := &clock{now: start()}
	root := rootOf(t, 10*year)
	leaf := certify(t, server(func(c *x509.Certificate) { c.NotAfter = start().Add(year) }), nil, root)
	f := files{t.TempDir()}
	f.put(t, certificatePEM(leaf, root), keyPEM(t, leaf.key))
	m, err := tlsconfig.Open(f.config("kms.example"), tlsconfig.Options{Now: now.read})
	require.NoError(t, err)
	require.Len(t, m.Expiry(), 2)
	for left, due := range map[time.Duration]bool{8 * 24 * time.Hour: false, 6 * 24 * time.Hour: true, -time.Hour: true} {
		now.set(start().Add(year - left))
		assert.Equal(t, due, m.Expiry()[0].Due, left)
	}
}
