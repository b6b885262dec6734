package keyring_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

func TestKeyring_AMovedOrEditedRowIsUnreadableAndNamed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("A256GCM/A256KW", 0, "")
		require.NoError(t, err)
		for _, edit := range []struct{ name, sql string }{
			{"another tenant", `UPDATE material_keys SET tenant_id = 'b' WHERE elastic_key_id = $1`},
			{"another id", `UPDATE material_keys SET id = '0198c8e0-0000-7000-8000-000000000000' WHERE elastic_key_id = $1`},
			{"another version", `UPDATE material_keys SET version = 2 WHERE elastic_key_id = $1`},
			{"exportable", `UPDATE material_keys SET exportable = TRUE WHERE elastic_key_id = $1`},
			{"another algorithm", `UPDATE elastic_keys SET algorithm = 'A256GCM/dir' WHERE id = $1`},
			{"another use", `UPDATE elastic_keys SET key_use = 'sign', algorithm = 'HS256' WHERE id = $1`},
		} {
			key := create(t, ring, spec, "key-"+strings.ReplaceAll(edit.name, " ", "-"))
			good, err := ring.Encrypt(t.Context(), admin("a"), keyring.Ref(key.ID), []byte("hello"), nil)
			require.NoError(t, err)
			caller, ref := admin("a"), keyring.Ref(key.ID)
			if edit.name == "another tenant" {
				// The whole key moves: the thief's tenant gets its row as well.
				_, err = ring.db.Exec(t.Context(), `INSERT INTO elastic_keys
					SELECT 'b', id, name, description, tags, algorithm, key_size, curve, key_use, status, origin, exportable, published, versioning_allowed,
						import_allowed, primary_version, version_count, min_decrypt_version, min_encrypt_version, policy, rotation_every, rotation_uses, rotation_bytes,
						notify_before, next_rotation_at, notified_at, delete_at, refused_uses, refused_at, created_at, updated_at, revision, seal
					FROM elastic_keys WHERE id = $1`, key.ID)
				require.NoError(t, err)
				caller = admin("b")
			}
			_, err = ring.db.Exec(t.Context(), edit.sql, key.ID)
			require.NoError(t, err)
			if edit.name == "another version" {
				_, err = ring.db.Exec(t.Context(), `UPDATE elastic_keys SET primary_version = 2 WHERE id = $1`, key.ID)
				require.NoError(t, err)
			}
			_, err = ring.Get(t.Context(), caller, ref)
			if err == nil {
				_, _, err = ring.Version(t.Context(), caller, ref, "1")
			}
			require.Equal(t, "integrity_failed", codeOf(t, err), edit.name)
			ring.reseal(t, caller.Tenant, key.ID) // whoever could do that would still not open anything
			if edit.name == "another use" {
				_, err = ring.Sign(t.Context(), caller, ref, keyring.SignRequest{Payload: []byte("m"), Input: keyring.InputJWSPayload, Format: keyring.FormatJWS})
			} else {
				_, err = ring.Encrypt(t.Context(), caller, ref, []byte("hello"), nil)
			}
			require.ErrorIs(t, err, barrier.ErrMoved, edit.name)
			assert.ErrorContains(t, err, key.ID, edit.name)
			assert.ErrorContains(t, err, "kms/material-key", edit.name)
			if edit.name == "exportable" {
				_, err = ring.Decrypt(t.Context(), caller, ref, good.Ciphertext, nil)
				assert.ErrorIs(t, err, barrier.ErrMoved, "an edited row does not decrypt either")
			}
		}
	})
}

func TestKeyring_NothingPrivateInTheTables(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		for _, algorithm := range []string{"A256GCM/dir", "ES256", "Ed25519", "HS256"} {
			spec, err := alg.ParseSpec(algorithm, 0, "")
			require.NoError(t, err)
			create(t, ring, spec, nameOf(spec))
		}
		rows, err := ring.db.Query(t.Context(), `SELECT wrapped_key FROM material_keys`)
		require.NoError(t, err)
		defer rows.Close()
		count := 0
		for rows.Next() {
			var wrapped string
			require.NoError(t, rows.Scan(&wrapped))
			header, err := jwe.ParseHeader(wrapped)
			require.NoError(t, err, "what is stored is a JWE")
			assert.NotEmpty(t, header.Extra["aad"], "bound to its row")
			count++
		}
		require.NoError(t, rows.Err())
		assert.Equal(t, 4, count)
	})
}

func TestKeyring_KeysSurviveARestartAndASealedBarrierOpensNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("A256GCM/ECDH-ES+A256KW", 0, "")
		require.NoError(t, err)
		create(t, ring, spec, "key")
		sealed, err := ring.Encrypt(t.Context(), admin("a"), "key", []byte("hello"), nil)
		require.NoError(t, err)

		again := open(t, ring.db, make([]byte, barrier.UnsealKeySize))
		opened, err := again.Decrypt(t.Context(), admin("a"), "key", sealed.Ciphertext, nil)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(opened.Plaintext))

		again.barrier.Seal()
		again.Forget()
		_, err = again.Decrypt(t.Context(), admin("a"), "key", sealed.Ciphertext, nil)
		assert.Equal(t, "sealed", codeOf(t, err))
		_, err = again.Create(t.Context(), admin("a"), keyring.NewKey{Name: "other", Algorithm: "ES256"})
		assert.Equal(t, "sealed", codeOf(t, err))
	})
}

func TestEncrypt_ADirectKeyRotatesBeforeItsNonceLimit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("A256GCM/dir", 0, "")
		require.NoError(t, err)
		key := create(t, ring, spec, "key")
		old, err := ring.Encrypt(t.Context(), admin("a"), "key", []byte("hello"), nil)
		require.NoError(t, err)
		_, err = ring.db.Exec(t.Context(), `UPDATE material_keys SET use_count = 2147483648 WHERE elastic_key_id = $1`, key.ID)
		require.NoError(t, err)

		restarted := open(t, ring.db, make([]byte, barrier.UnsealKeySize)) // another process, with no block of uses left
		const rivals = 8
		versions := make([]int64, rivals)
		failures := make([]error, rivals)
		var group sync.WaitGroup
		for i := range rivals {
			group.Go(func() {
				sealed, err := restarted.Encrypt(context.WithoutCancel(t.Context()), admin("a"), "key", []byte("hello"), nil)
				versions[i], failures[i] = sealed.Version, err
			})
		}
		group.Wait()
		require.NoError(t, errors.Join(failures...))
		for _, version := range versions {
			assert.Equal(t, int64(2), version, "one rotation, whoever comes first")
		}
		opened, err := restarted.Decrypt(t.Context(), admin("a"), "key", old.Ciphertext, nil)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(opened.Plaintext))
	})
}

func TestRotate_ConcurrentlyLosesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("A256GCM/A256KW", 0, "")
		require.NoError(t, err)
		create(t, ring, spec, "key")
		var mu sync.Mutex
		var ciphertexts []string
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 5 {
					ctx := context.WithoutCancel(t.Context())
					_, err := ring.Rotate(ctx, admin("a"), "key")
					assert.NoError(t, err)
					sealed, err := ring.Encrypt(ctx, admin("a"), "key", []byte("hello"), nil)
					assert.NoError(t, err)
					mu.Lock()
					ciphertexts = append(ciphertexts, sealed.Ciphertext)
					mu.Unlock()
				}
			})
		}
		group.Wait()
		for _, ciphertext := range ciphertexts {
			_, err := ring.Decrypt(t.Context(), admin("a"), "key", ciphertext, nil)
			require.NoError(t, err)
		}
		key, err := ring.Get(t.Context(), admin("a"), "key")
		require.NoError(t, err)
		assert.Equal(t, int64(21), key.VersionCount)
		assert.Equal(t, int64(21), key.PrimaryVersion)
	})
}

func TestPublic_IsWhatOthersEncryptTo(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("A256GCM/ECDH-ES+A256KW", 0, "")
		require.NoError(t, err)
		create(t, ring, spec, "key")
		public, err := ring.Public(t.Context(), admin("a"), "key", 0)
		require.NoError(t, err)
		key, err := jwk.Parse(public.JWK)
		require.NoError(t, err)
		assert.False(t, key.IsPrivate())
		text := rand.Text()
		message, err := jwe.Encrypt(key, jwe.Header{Algorithm: "ECDH-ES+A256KW", Encryption: "A256GCM"}, []byte(text))
		require.NoError(t, err)
		opened, err := ring.Decrypt(t.Context(), admin("a"), "key", message, nil)
		require.NoError(t, err)
		assert.Equal(t, text, string(opened.Plaintext))

		secret, err := alg.ParseSpec("A256GCM/A256KW", 0, "")
		require.NoError(t, err)
		create(t, ring, secret, "symmetric")
		_, err = ring.Public(t.Context(), admin("a"), "symmetric", 0)
		assert.Equal(t, "no_public_key", codeOf(t, err))
	})
}
