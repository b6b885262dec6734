package auth_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

func fileHashes(t *testing.T) auth.FileHashes {
	t.Helper()
	return auth.FileHashes{Secrets: hashes(t), Passwords: fastPasswords(t)}
}

func TestAddUser_IsAnOperatorWhoEntersWithThePassword(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	ada := auth.User{ID: "ada", Tenant: "default", Email: "ada@example.net", Name: "Ada", Roles: []string{"admin", "system"}, Operator: true}
	require.NoError(t, auth.AddUser(t.Context(), file, fileHashes(t), ada, password))
	realm := openWithUsers(t, file, time.Now)
	who, err := auth.NewOperators(realm, fastPasswords(t), time.Now).Operator(t.Context(), basic(t, "ada", password))
	require.NoError(t, err)
	assert.Equal(t, []string{"admin", "system"}, who.Roles)
	assert.Contains(t, who.Scopes, "kms:tenants")
	account, err := realm.Login(t.Context(), "default", "ADA@example.net")
	require.NoError(t, err)
	assert.Equal(t, "ada", account.ID)

	require.ErrorIs(t, auth.AddUser(t.Context(), file, fileHashes(t), ada, password), auth.ErrExists)
	require.NoError(t, auth.RemoveUser(file, fileHashes(t), "default", "ada"))
	require.ErrorIs(t, auth.RemoveUser(file, fileHashes(t), "default", "ada"), auth.ErrAbsent)
	require.NoError(t, realm.Reload())
	_, err = realm.Login(t.Context(), "default", "ada")
	require.ErrorIs(t, err, auth.ErrUnknown)
}

func TestAddUser_RefusesWhatNobodyShouldHave(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default", "other")
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	for want, ask := range map[string]struct {
		user     auth.User
		password string
	}{
		"at least 15 characters":                        {auth.User{ID: "ada", Tenant: "default"}, "short"},
		"is not an id":                                  {auth.User{ID: "Ada Lovelace", Tenant: "default"}, password},
		`tenant "acme" does not exist`:                  {auth.User{ID: "ada", Tenant: "acme"}, password},
		"a scope is written product:action":             {auth.User{ID: "ada", Tenant: "default", Scopes: []string{"everything"}}, password},
		"the password is little more than the user's n": {auth.User{ID: "ada-lovelace-countess", Tenant: "default"}, "ada-lovelace-countess"},
	} {
		require.ErrorContains(t, auth.AddUser(t.Context(), file, fileHashes(t), ask.user, ask.password), want)
	}
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))

	require.NoError(t, auth.AddUser(t.Context(), file, fileHashes(t), auth.User{ID: "ada", Tenant: "default", Operator: true}, password))
	err = auth.AddUser(t.Context(), file, fileHashes(t), auth.User{ID: "ada", Tenant: "other", Operator: true}, password)
	require.ErrorContains(t, err, "the admin listener knows no tenants")
}

func TestEdits_KeepOwnerAndMode(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	require.NoError(t, os.Chmod(file, 0o640))
	owned := os.Geteuid() == 0
	if owned {
		require.NoError(t, os.Chown(file, 65534, 65533))
	}
	add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "ci", Scopes: []string{"kms:read"}})
	require.NoError(t, auth.AddUser(t.Context(), file, fileHashes(t), auth.User{ID: "ada", Tenant: "default"}, password))
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	if owned {
		assert.Equal(t, []uint32{65534, 65533}, []uint32{info.Sys().(*syscall.Stat_t).Uid, info.Sys().(*syscall.Stat_t).Gid})
	}
}

func TestMapClient_EntersByTheNewestCertificateAlone(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	certificates := []*x509.Certificate{{Raw: []byte("first")}, {Raw: []byte("second")}}
	ask := auth.NewEntry{Tenant: "default", ID: "admin", Roles: []string{"system"}, Operator: true}
	for _, c := range certificates {
		c.Subject, c.NotBefore, c.NotAfter = pkix.Name{CommonName: "admin"}, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		thumbprint := auth.CertificateNames(c)[0].Value
		require.NoError(t, auth.MapClient(file, fileHashes(t), ask, auth.MappedCertificate{Thumbprint: thumbprint}))
	}
	realm := openWithUsers(t, file, time.Now)
	enter := func(c *x509.Certificate) (*server.Principal, error) {
		r := bearer(t, "")
		r.Header.Del("Authorization")
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{c}}, PeerCertificates: []*x509.Certificate{c}}
		return realm.Authenticate(t.Context(), r)
	}
	_, err := enter(certificates[0])
	require.Error(t, err, "the one before is replaced")
	who, err := enter(certificates[1])
	require.NoError(t, err)
	assert.True(t, who.Confirmed)
	assert.Equal(t, "admin", who.ID)
	assert.Contains(t, who.Scopes, "kms:admin")
}

func TestAdd_WritesRolesAndOperators(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	made := add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "ops", Roles: []string{"operator"}, Operator: true})
	realm := openWithUsers(t, file, time.Now)
	who, err := auth.NewOperators(realm, fastPasswords(t), time.Now).Operator(t.Context(), bearer(t, made.Text()))
	require.NoError(t, err)
	assert.Equal(t, []string{"operator"}, who.Roles)
}
