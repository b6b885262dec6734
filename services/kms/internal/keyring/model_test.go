package keyring_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyringtest"
)

// driven is a keyring as keyringtest plays on it.
type driven struct {
	t    *testing.T
	ring *keyring.Keyring
}

func (d driven) ctx() context.Context { return d.t.Context() }

func (d driven) Create(name string) string {
	_, err := d.ring.Create(d.ctx(), admin("a"), keyring.NewKey{Name: name, Algorithm: "A256GCM/A256KW"})
	return codeOf(d.t, err)
}

func (d driven) Key(ref, action string) string {
	var err error
	r := keyring.Ref(ref)
	switch action {
	case "enable":
		_, err = d.ring.Enable(d.ctx(), admin("a"), r)
	case "disable":
		_, err = d.ring.Disable(d.ctx(), admin("a"), r)
	case "schedule-deletion":
		_, err = d.ring.ScheduleDeletion(d.ctx(), admin("a"), r, 0)
	case "cancel-deletion":
		_, err = d.ring.CancelDeletion(d.ctx(), admin("a"), r)
	default:
		_, err = d.ring.Rotate(d.ctx(), admin("a"), r)
	}
	return codeOf(d.t, err)
}

func (d driven) Version(ref string, version int, action string) string {
	var err error
	if action == "set-primary" {
		_, _, err = d.ring.SetPrimary(d.ctx(), admin("a"), keyring.Ref(ref), strconv.Itoa(version))
	} else {
		_, _, err = d.ring.MoveVersion(d.ctx(), admin("a"), keyring.Ref(ref), strconv.Itoa(version), keyring.VersionAction(action), 0)
	}
	return codeOf(d.t, err)
}

func (d driven) Minima(ref string, decrypt, encrypt int) string {
	key, err := d.ring.Get(d.ctx(), admin("a"), keyring.Ref(ref))
	require.NoError(d.t, err)
	_, err = d.ring.Update(d.ctx(), admin("a"), keyring.Ref(ref), key.Revision, func(key keyring.ElasticKey) (keyring.ElasticKey, error) {
		key.MinDecryptVersion, key.MinEncryptVersion = int64(decrypt), int64(encrypt)
		return key, nil
	})
	return codeOf(d.t, err)
}

func (d driven) Alias(name, ref string) string {
	_, err := d.ring.CreateAlias(d.ctx(), admin("a"), name, keyring.Ref(ref))
	return codeOf(d.t, err)
}

func (d driven) MoveAlias(name, ref string) string {
	alias, err := d.ring.Alias(d.ctx(), admin("a"), name)
	if err == nil {
		_, err = d.ring.MoveAlias(d.ctx(), admin("a"), name, alias.Revision, keyring.Ref(ref))
	}
	return codeOf(d.t, err)
}

func (d driven) DeleteAlias(name string) string {
	return codeOf(d.t, d.ring.DeleteAlias(d.ctx(), admin("a"), name))
}

func (d driven) Encrypt(ref string) (ciphertext, code string) {
	made, err := d.ring.Encrypt(d.ctx(), admin("a"), keyring.Ref(ref), []byte("hello"), nil)
	return made.Ciphertext, codeOf(d.t, err)
}

func (d driven) Decrypt(ref, ciphertext string) string {
	_, err := d.ring.Decrypt(d.ctx(), admin("a"), keyring.Ref(ref), ciphertext, nil)
	return codeOf(d.t, err)
}

func (d driven) Look(ref string) (status string, primary int, versions []string) {
	key, list, err := d.ring.Versions(d.ctx(), admin("a"), keyring.Ref(ref), 0, 1000)
	require.NoError(d.t, err)
	versions = make([]string, len(list))
	for _, version := range list {
		versions[version.Version-1] = string(version.Status)
	}
	return string(key.Status), int(key.PrimaryVersion), versions
}

func TestKeyring_DoesWhatTheModelSays(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	each(t, func(t *testing.T, ring instance) {
		keyringtest.Play(t, driven{t, ring.Keyring}, rand.New(rand.NewPCG(seed, 1)), 600)
	})
}
