package auth_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
)

func TestAdd_EditsAtTheSameTimeLoseNothing(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	made := make([]credential.Credential, 12)
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() {
			for {
				var err error
				made[i], err = auth.Add(file, hashes(t), auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: fmt.Sprint("token-", i)})
				if !errors.Is(err, auth.ErrBusy) {
					assert.NoError(t, err)
					return
				}
			}
		})
	}
	wg.Wait()
	realm := open(t, file, io.Discard, time.Now)
	for _, c := range made {
		_, err := realm.Authenticate(t.Context(), bearer(t, c.Text()))
		assert.NoError(t, err, c)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing temporary stays")
}

func TestAdd_AFailedEditLeavesTheFileAlone(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	for _, text := range []string{"tenants: [{id: default}]\nclients: 7\n", "", "- a\n", "tenants: [{id: default}]\nclients: [{id: x}]\n"} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := auth.Add(file, hashes(t), auth.NewEntry{Kind: credential.ClientSecret, Tenant: "default", ID: "a"})
		require.Error(t, err)
		after, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, text, string(after))
		assert.NoFileExists(t, file+".new")
	}
	_, err := auth.Add(filepath.Join(t.TempDir(), "absent.yaml"), hashes(t), auth.NewEntry{Kind: credential.ClientSecret, Tenant: "default", ID: "a"})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAdd_FollowsALink(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	link := filepath.Join(t.TempDir(), "realm.yaml")
	require.NoError(t, os.Symlink(file, link))
	made := add(t, link, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "ci"})
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&os.ModeSymlink)
	_, err = open(t, file, io.Discard, time.Now).Authenticate(t.Context(), bearer(t, made.Text()))
	assert.NoError(t, err)
}

// A list may be absent or empty.
func TestAdd_IntoEveryWayToWriteAnEmptyList(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"", "api_tokens: []\n", "api_tokens: [ ] # none\n"} {
		file := filepath.Join(t.TempDir(), "realm.yaml")
		require.NoError(t, os.WriteFile(file, []byte("tenants: [{id: default}]\n"+list), 0o600))
		made := add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "ci", Name: "null", Scopes: []string{"kms:read"}})
		second := add(t, file, auth.NewEntry{Kind: credential.APIToken, Tenant: "default", ID: "123", Name: "- x: {"})
		realm := open(t, file, io.Discard, time.Now)
		principal, err := realm.Authenticate(t.Context(), bearer(t, made.Text()))
		require.NoError(t, err, list)
		assert.Equal(t, "null", principal.Name)
		principal, err = realm.Authenticate(t.Context(), bearer(t, second.Text()))
		require.NoError(t, err, list)
		assert.Equal(t, "123", principal.ID)
		assert.Equal(t, "- x: {", principal.Name)
	}
}

func TestOpenFileRealm_RefusesAFileThatOthersCanWrite(t *testing.T) {
	t.Parallel()
	file := newFile(t, "default")
	for _, mode := range []os.FileMode{0o620, 0o602, 0o666} {
		require.NoError(t, os.Chmod(file, mode))
		_, err := auth.OpenFileRealm(auth.FileRealmConfig{File: file, Hashes: hashes(t), Log: discard(), Now: time.Now})
		require.ErrorContains(t, err, "chmod go-w")
	}
	for _, mode := range []os.FileMode{0o644, 0o440, 0o600} {
		require.NoError(t, os.Chmod(file, mode))
		_, err := auth.OpenFileRealm(auth.FileRealmConfig{File: file, Hashes: hashes(t), Log: discard(), Now: time.Now})
		require.NoError(t, err)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
