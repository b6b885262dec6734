package keyring_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

// later is an instance whose time a test moves on.
type later struct {
	instance

	ahead *atomic.Int64
}

func (l later) after(d time.Duration) { l.ahead.Add(int64(d)) }

// eachLater runs test on a fresh instance of every engine with a clock of its own.
func eachLater(t *testing.T, test func(t *testing.T, ring later)) {
	t.Helper()
	each(t, func(t *testing.T, ring instance) {
		ahead := &atomic.Int64{}
		elapsed := func() time.Duration { return time.Duration(ahead.Load()) }
		began := time.Now()
		now := func() time.Time { return began.Add(elapsed()) }
		steady, err := keyring.NewSteady(keyring.SteadyConfig{Wall: now, Elapsed: elapsed})
		require.NoError(t, err)
		ring.Keyring, err = keyring.New(keyring.Config{
			Store: sqlstore.New(ring.db, ring.barrier, nil), Barrier: ring.barrier, Generator: newGenerator(t), Now: now, Steady: steady,
		})
		require.NoError(t, err)
		test(t, later{instance: ring, ahead: ahead})
	})
}

// awaiting makes a key that awaits its first import.
func awaiting(t *testing.T, ring *keyring.Keyring, name, algorithm string) keyring.ElasticKey {
	t.Helper()
	key, err := ring.Create(t.Context(), admin("a"), keyring.NewKey{Name: name, Algorithm: algorithm, Origin: keyring.OriginImported})
	require.NoError(t, err)
	return key
}

// offered is material for a new job of the key.
func offered(t *testing.T, ring *keyring.Keyring, key keyring.ElasticKey, material *jwk.Key) keyring.Import {
	t.Helper()
	_, public, token, err := ring.CreateImportJob(t.Context(), admin("a"), keyring.Ref(key.ID), keyring.NewImportJob{Method: keyimport.MethodECDH})
	require.NoError(t, err)
	wrapping, err := jwk.Parse(public.JWK)
	require.NoError(t, err)
	private, err := material.MarshalPrivate()
	require.NoError(t, err)
	message, err := jwe.Encrypt(wrapping, jwe.Header{Encryption: "A256GCM"}, private)
	require.NoError(t, err)
	return keyring.Import{Job: token, Wrapped: []byte(message)}
}

func newMaterial(t *testing.T, algorithm string) *jwk.Key {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	return key
}

func TestImport_ExpiredMaterialComesBackAsItWasOrNotAtAll(t *testing.T) {
	t.Parallel()
	tenants := func(_ context.Context, after string, _ int) ([]string, error) {
		if after == "" {
			return []string{"a"}, nil
		}
		return nil, nil
	}
	eachLater(t, func(t *testing.T, ring later) {
		for _, maintained := range []bool{true, false} {
			for _, algorithm := range []string{"A256GCM/A256KW", "A256GCM/ECDH-ES"} {
				material, other := newMaterial(t, algorithm), newMaterial(t, algorithm)
				key := awaiting(t, ring.Keyring, map[bool]string{true: "swept-", false: "unswept-"}[maintained]+nameOf(alg.Spec{Algorithm: algorithm}), algorithm)
				ref := keyring.Ref(key.ID)
				ask := offered(t, ring.Keyring, key, material)
				expires := time.Now().Add(time.Duration(ring.ahead.Load()) + time.Hour).UTC().Truncate(time.Microsecond)
				ask.ExpiresAt = expires
				_, version, err := ring.Import(t.Context(), admin("a"), ref, ask)
				require.NoError(t, err)
				assert.Equal(t, expires, version.ExpiresAt)
				sealed, err := ring.Encrypt(t.Context(), admin("a"), ref, []byte("hello"), nil)
				require.NoError(t, err)
				again := offered(t, ring.Keyring, key, material)
				again.Version = 1
				_, _, err = ring.Import(t.Context(), admin("a"), ref, again)
				assert.Equal(t, "invalid_state", codeOf(t, err), "it has its material")

				ring.after(time.Hour + time.Minute)
				_, err = ring.Decrypt(t.Context(), admin("a"), ref, sealed.Ciphertext, nil)
				require.Error(t, err, "at its time the material is gone, whether or not anything has noticed")
				_, err = ring.Encrypt(t.Context(), admin("a"), ref, []byte("hello"), nil)
				require.Equal(t, "invalid_state", codeOf(t, err))
				if maintained {
					require.NoError(t, ring.Maintain(t.Context(), tenants))
					_, version, err = ring.Version(t.Context(), admin("a"), ref, "1")
					require.NoError(t, err)
					require.Equal(t, keyring.VersionPendingImport, version.Status)
					require.Empty(t, version.WrappedKey)
				}
				wrong := offered(t, ring.Keyring, key, other)
				wrong.Version = 1
				_, _, err = ring.Import(t.Context(), admin("a"), ref, wrong)
				require.Equal(t, "import_other_material", codeOf(t, err))

				_, version, err = ring.Import(t.Context(), admin("a"), ref, again)
				require.NoError(t, err, algorithm)
				assert.Equal(t, int64(1), version.Version)
				assert.Equal(t, keyring.VersionEnabled, version.Status)
				opened, err := ring.Decrypt(t.Context(), admin("a"), ref, sealed.Ciphertext, nil)
				require.NoError(t, err, "what it made before it reads again")
				assert.Equal(t, "hello", string(opened.Plaintext))
			}
		}
	})
}

func TestImport_AJobEndsWithItsTime(t *testing.T) {
	t.Parallel()
	eachLater(t, func(t *testing.T, ring later) {
		key := awaiting(t, ring.Keyring, "late", "ES256")
		ask := offered(t, ring.Keyring, key, newMaterial(t, "ES256"))
		ring.after(keyring.ImportJobLife)
		_, _, err := ring.Import(t.Context(), admin("a"), keyring.Ref(key.ID), ask)
		require.Equal(t, "import_job_expired", codeOf(t, err))
		_, jobs, err := ring.ImportJobs(t.Context(), admin("a"), keyring.Ref(key.ID), "", 10)
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		assert.Equal(t, keyring.ImportJobExpired, jobs[0].Status)
		offered(t, ring.Keyring, key, newMaterial(t, "ES256"))
		_, jobs, err = ring.ImportJobs(t.Context(), admin("a"), keyring.Ref(key.ID), "", 10)
		require.NoError(t, err)
		require.Len(t, jobs, 2)
		assert.Empty(t, jobs[1].WrappedKey, "a further job takes the wrapping keys of expired ones away")
	})
}

// Whoever can write to the database gets no material for himself, and no other material in.
func TestImport_EditedRowsDoNotOpen(t *testing.T) {
	t.Parallel()
	eachLater(t, func(t *testing.T, ring later) {
		for what, edit := range map[string]string{
			"life":   `UPDATE import_jobs SET expires_at = expires_at + 1 WHERE elastic_key_id = $1`,
			"method": `UPDATE import_jobs SET method = 'RSA-OAEP-256+A256KWP' WHERE elastic_key_id = $1`,
		} {
			key := awaiting(t, ring.Keyring, what, "ES256")
			ask := offered(t, ring.Keyring, key, newMaterial(t, "ES256"))
			_, err := ring.db.Exec(database.WithTenant(t.Context(), "a"), edit, key.ID)
			require.NoError(t, err)
			_, _, err = ring.Import(t.Context(), admin("a"), keyring.Ref(key.ID), ask)
			require.ErrorIs(t, err, barrier.ErrMoved, what)
		}
		material := newMaterial(t, "ES256")
		key := awaiting(t, ring.Keyring, "swapped", "ES256")
		ask := offered(t, ring.Keyring, key, material)
		ask.ExpiresAt = time.Now().Add(time.Hour)
		_, _, err := ring.Import(t.Context(), admin("a"), keyring.Ref(key.ID), ask)
		require.NoError(t, err)
		ring.after(2 * time.Hour)
		other := newMaterial(t, "ES256")
		_, err = ring.db.Exec(database.WithTenant(t.Context(), "a"), `UPDATE material_keys SET commitment = $2 WHERE elastic_key_id = $1`,
			key.ID, other.ThumbprintSHA256())
		require.NoError(t, err)
		_, _, err = ring.Version(t.Context(), admin("a"), keyring.Ref(key.ID), "1")
		require.Equal(t, "integrity_failed", codeOf(t, err))
		ring.reseal(t, "a", key.ID) // whoever could do that would still not say what the material was
		ask = offered(t, ring.Keyring, key, other)
		ask.Version = 1
		_, _, err = ring.Import(t.Context(), admin("a"), keyring.Ref(key.ID), ask)
		assert.Equal(t, "import_other_material", codeOf(t, err))
	})
}

// The wrapping keys of jobs and the keys of statements move under new keys of the barrier like every other value.
func TestValues_OfJobsAndStatementsAreRewrapped(t *testing.T) {
	t.Parallel()
	eachLater(t, func(t *testing.T, ring later) {
		list := func(_ context.Context, after string, _ int) ([]string, error) {
			if after < "a" {
				return []string{"a"}, nil
			}
			return nil, nil
		}
		key := awaiting(t, ring.Keyring, "moving", "ES256")
		material := newMaterial(t, "ES256")
		ask := offered(t, ring.Keyring, key, material)
		offered(t, ring.Keyring, key, material)
		_, err := ring.Create(t.Context(), admin("a"), keyring.NewKey{Name: "signer", Algorithm: "ES256"})
		require.NoError(t, err)
		before, _, err := ring.Attest(t.Context(), admin("a"), "signer", 0)
		require.NoError(t, err)
		require.NotEmpty(t, before)
		store := sqlstore.New(ring.db, ring.barrier, nil)
		for source, want := range map[rewrap.Source]int{sqlstore.NewJobValues(store, list): 2, sqlstore.NewAttestationValues(store, list): 1} {
			require.NoError(t, ring.barrier.Rotate(t.Context(), "a", barrier.LevelContent))
			seen := 0
			for after := ""; ; seen++ {
				items, err := source.Next(t.Context(), after, 1)
				require.NoError(t, err)
				if len(items) == 0 {
					break
				}
				after = items[0].Position
				plaintext, err := ring.barrier.Unwrap(t.Context(), items[0].Binding, items[0].JWE)
				require.NoError(t, err)
				wrapper, err := ring.barrier.Tenant(t.Context(), "a")
				require.NoError(t, err)
				anew, err := wrapper.Wrap(items[0].Binding, plaintext)
				require.NoError(t, err)
				replaced, err := source.Replace(t.Context(), items[0], anew)
				require.NoError(t, err)
				assert.True(t, replaced)
				replaced, err = source.Replace(t.Context(), items[0], anew)
				require.NoError(t, err)
				assert.False(t, replaced, "it is not what is stored any more")
			}
			assert.Equal(t, want, seen, source.Name())
		}
		_, _, err = ring.Import(t.Context(), admin("a"), keyring.Ref(key.ID), ask)
		require.NoError(t, err)
		_, _, err = ring.Attest(t.Context(), admin("a"), "signer", 0)
		require.NoError(t, err)
	})
}
