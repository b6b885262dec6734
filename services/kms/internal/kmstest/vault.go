package kmstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	platform "github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/kms"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// Vault is an installation with an administrator who has a certificate.
type Vault struct {
	*Service

	Own    *Service // with tokens
	Config kms.Config
	Files  platform.Files
}

// NewVault starts a KMS on an engine, with an administrator.
func NewVault(t *testing.T, engine string) Vault {
	t.Helper()
	cfg, files := Prepare(t, engine)
	certificate := Administer(t, &cfg)
	s := Run(t, cfg, files)
	return Vault{Service: s.As(t, certificate), Own: s, Config: cfg, Files: files}
}

// Custody is the key of an operator, who keeps it offline.
func Custody(t *testing.T) (private *jwk.Key, public json.RawMessage) {
	t.Helper()
	spec, err := alg.ParseSpec("A256GCM/ECDH-ES+A256KW", 0, "P-256")
	require.NoError(t, err)
	private, err = keygen.Generate(spec)
	require.NoError(t, err)
	public, err = private.MarshalPublic()
	require.NoError(t, err)
	return private, public
}

// send makes a request whose body or answer is not JSON.
func (v Vault) raw(t *testing.T, path string, body any, header ...string) Answer {
	t.Helper()
	got, err := v.Exchange(v.Request(t, "", http.MethodPost, path, body, header...))
	require.NoError(t, err)
	return got
}

// BackedUp is a backup of the tenant, or of what the path names.
func (v Vault) BackedUp(t *testing.T, path string, to json.RawMessage) []byte {
	t.Helper()
	got := v.raw(t, path, map[string]any{"recipients": []json.RawMessage{to}}).Done(t, http.StatusOK)
	require.Equal(t, "application/octet-stream", got.Header.Get("Content-Type"))
	return got.Body
}

// Brought encrypts a backup anew to a one-shot recipient of the installation.
func (v Vault) Brought(t *testing.T, file []byte, key *jwk.Key) (recipient string, content []byte) {
	t.Helper()
	made := v.Ask(t, http.MethodPost, "backups/recipients", nil).Done(t, http.StatusCreated)
	text, err := json.Marshal(made.Object(t)["jwk"])
	require.NoError(t, err)
	to, err := jwk.Parse(text)
	require.NoError(t, err)
	require.False(t, to.IsPrivate())
	var out bytes.Buffer
	_, _, err = backup.Reseal(t.Context(), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil }, key, 32<<20,
		func(number int, _ backup.Head) (backup.Part, error) {
			return backup.Part{Number: number, To: to, Into: &out, Close: func(err error) error { return err }}, nil
		})
	require.NoError(t, err)
	return made.Member(t, "id"), out.Bytes()
}

// Restore sends a backup that is sealed to a recipient; more is added to the query.
func (v Vault) Restore(t *testing.T, recipient string, content []byte, more string) Answer {
	t.Helper()
	return v.raw(t, "backups/restore?recipient="+recipient+more, bytes.NewReader(content), "Content-Type", "application/octet-stream")
}

// Administrator is the Go client of somebody whose certificate steps up.
func (v Vault) Administrator(t testing.TB) *client.KMS {
	t.Helper()
	certificate := v.Service.HTTP.Transport.(*http.Transport).TLSClientConfig.Certificates[0]
	c, err := client.New(client.Config{URL: v.URL(), Roots: v.Own.Roots(), Certificate: &certificate, Retries: -1})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// NewVaultWith is NewVault with another configuration.
func NewVaultWith(t *testing.T, engine string, change func(*kms.Config)) Vault {
	t.Helper()
	cfg, files := Prepare(t, engine)
	certificate := Administer(t, &cfg)
	change(&cfg)
	s := Run(t, cfg, files)
	return Vault{Service: s.As(t, certificate), Own: s, Config: cfg, Files: files}
}

// Do makes a change that succeeds.
func (v Vault) Do(t *testing.T, path string, body any) Answer {
	t.Helper()
	got := v.Ask(t, http.MethodPost, path, body)
	require.Equal(t, 2, got.Status/100, "%s: %s", path, got.Body)
	return got
}
