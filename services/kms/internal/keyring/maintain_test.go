package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

// house is an installation whose time passes as a test says, with what it records.
type house struct {
	*keyring.Keyring

	db      *database.DB
	store   *sqlstore.Store
	barrier *barrier.Barrier
	log     *bytes.Buffer

	generator keyring.Generator

	mu      sync.Mutex
	elapsed time.Duration            // guarded by mu
	events  []keyring.Event          // guarded by mu
	alarms  []keyring.IntegrityError // guarded by mu
	refuse  string                   // guarded by mu: the key whose events cannot be recorded
}

// Record implements keyring.Events.
func (h *house) Record(_ context.Context, e keyring.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Key.ID == h.refuse && h.refuse != "" {
		return errors.New("the trail is full")
	}
	h.events = append(h.events, e)
	return nil
}

// count is how often an action was recorded.
func (h *house) count(action string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Action == action {
			n++
		}
	}
	return n
}

var morning = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func (h *house) wall() time.Time { return morning.Add(h.since()) }

func (h *house) since() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.elapsed
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.elapsed += d
}

// maintain looks for work once.
func (h *house) maintain(t *testing.T) {
	t.Helper()
	require.NoError(t, h.Maintain(t.Context(), tenantsAB))
}

func tenantsAB(_ context.Context, after string, _ int) ([]string, error) {
	if after != "" {
		return nil, nil
	}
	return []string{"a", "b"}, nil
}

func eachHouse(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	eachHouseBy(t, func(t *testing.T) keyring.Generator { return newGenerator(t) }, test)
}

// eachHouseBy is eachHouse with a generator of the test's choice.
func eachHouseBy(t *testing.T, generator func(*testing.T) keyring.Generator, test func(t *testing.T, h *house)) {
	t.Helper()
	set, err := sqlstore.Migrations()
	require.NoError(t, err)
	dbtest.Each(t, []database.Set{database.PlatformMigrations(), set}, func(t *testing.T, db *database.DB) {
		h := &house{db: db, log: &bytes.Buffer{}, generator: generator(t)}
		keys, err := barrierstore.New(db)
		require.NoError(t, err)
		h.barrier, err = barrier.New(barrier.Config{Store: keys, Now: h.wall})
		require.NoError(t, err)
		require.NoError(t, h.barrier.Unseal(t.Context(), make([]byte, barrier.UnsealKeySize), "test"))
		h.store = sqlstore.New(db, h.barrier, func(e keyring.IntegrityError) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.alarms = append(h.alarms, e)
		})
		steady, err := keyring.NewSteady(keyring.SteadyConfig{Wall: h.wall, Elapsed: h.since})
		require.NoError(t, err)
		h.Keyring, err = keyring.New(keyring.Config{
			Store: h.store, Barrier: h.barrier, Generator: h.generator, Now: h.wall, Steady: steady, Events: h,
			Log: slog.New(slog.NewTextHandler(h.log, nil)),
		})
		require.NoError(t, err)
		test(t, h)
	})
}

// made creates a key that encrypts.
func (h *house) made(t *testing.T, name string, rotation keyring.Rotation) keyring.ElasticKey {
	t.Helper()
	key, err := h.Create(t.Context(), admin("a"), keyring.NewKey{Name: name, Algorithm: "A256GCM/A256KW", Rotation: rotation})
	require.NoError(t, err)
	return key
}

func (h *house) primary(t *testing.T, ref string) int64 {
	t.Helper()
	key, err := h.Get(t.Context(), admin("a"), keyring.Ref(ref))
	require.NoError(t, err)
	return key.PrimaryVersion
}

func TestMaintain_RotatesByAgeAndSaysSoBefore(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		key := h.made(t, "turning", keyring.Rotation{Every: 10 * time.Hour, NotifyBefore: time.Hour})
		assert.Equal(t, morning.Add(10*time.Hour), key.NextRotationAt)
		for range 3 {
			h.pass(3 * time.Hour)
			h.maintain(t)
		}
		h.maintain(t)
		assert.Equal(t, 1, h.count(keyring.ActionNotice), "an hour before, once")
		assert.EqualValues(t, 1, h.primary(t, "turning"))
		h.pass(time.Hour)
		h.maintain(t)
		h.maintain(t)
		assert.EqualValues(t, 2, h.primary(t, "turning"))
		key, err := h.Get(t.Context(), admin("a"), "turning")
		require.NoError(t, err)
		assert.Equal(t, morning.Add(20*time.Hour), key.NextRotationAt)
		h.pass(9 * time.Hour)
		h.maintain(t)
		assert.Equal(t, 2, h.count(keyring.ActionNotice), "of the next one too")
		_, err = h.Disable(t.Context(), admin("a"), "turning")
		require.NoError(t, err)
		h.pass(100 * time.Hour)
		h.maintain(t)
		assert.EqualValues(t, 2, h.primary(t, "turning"), "a disabled key does not rotate")
		assert.Empty(t, h.log.String())
	})
}

func TestMaintain_RotatesByUsesAndBytes(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		h.made(t, "uses", keyring.Rotation{Uses: 3})
		h.made(t, "bytes", keyring.Rotation{Bytes: 10})
		use := func(ref keyring.Ref) {
			_, err := h.Encrypt(t.Context(), admin("a"), ref, []byte("hello"), nil)
			require.NoError(t, err)
			require.NoError(t, h.Flush(t.Context()))
			h.maintain(t)
		}
		use("uses")
		use("uses")
		use("bytes")
		assert.EqualValues(t, 1, h.primary(t, "uses"))
		assert.EqualValues(t, 1, h.primary(t, "bytes"))
		use("uses")
		use("bytes")
		assert.EqualValues(t, 2, h.primary(t, "uses"))
		assert.EqualValues(t, 2, h.primary(t, "bytes"))
		h.maintain(t)
		assert.EqualValues(t, 2, h.primary(t, "uses"), "the new version has done nothing yet")
	})
}

func TestMaintain_ManyReplicasRotateOnce(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		for i := range 5 {
			h.made(t, fmt.Sprint("key-", i), keyring.Rotation{Every: time.Hour})
		}
		h.pass(90 * time.Minute)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() { assert.NoError(t, h.Maintain(t.Context(), tenantsAB)) })
		}
		group.Wait()
		for i := range 5 {
			assert.EqualValues(t, 2, h.primary(t, fmt.Sprint("key-", i)))
		}
		assert.Equal(t, 5, h.count(keyring.ActionRotate))
	})
}

func TestMaintain_EndsKeysAndVersionsAfterTheWait(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		ctx, week := t.Context(), 7*24*time.Hour
		for _, name := range []string{"doomed", "kept", "again", "split"} {
			h.made(t, name, keyring.Rotation{})
		}
		_, err := h.Rotate(ctx, admin("a"), "split")
		require.NoError(t, err)
		_, err = h.CreateAlias(ctx, admin("a"), "alias", "doomed")
		require.NoError(t, err)
		for _, name := range []keyring.Ref{"doomed", "kept", "again"} {
			plan, err := h.ScheduleDeletion(ctx, admin("a"), name, week)
			require.NoError(t, err)
			assert.Equal(t, morning.Add(week), plan.At)
		}
		_, err = h.ScheduleDestruction(ctx, admin("a"), "split", "1", week)
		require.NoError(t, err)
		h.pass(6 * 24 * time.Hour)
		h.maintain(t)
		_, err = h.CancelDeletion(ctx, admin("a"), "kept")
		require.NoError(t, err)
		_, err = h.CancelDeletion(ctx, admin("a"), "again")
		require.NoError(t, err)
		_, err = h.ScheduleDeletion(ctx, admin("a"), "again", week)
		require.NoError(t, err)
		for _, name := range []keyring.Ref{"doomed", "again"} {
			key, err := h.Get(ctx, admin("a"), name)
			require.NoError(t, err)
			assert.Equal(t, keyring.ElasticPendingDelete, key.Status)
		}
		h.pass(24 * time.Hour)
		h.maintain(t)
		for _, name := range []keyring.Ref{"doomed", "alias"} {
			_, err = h.Get(ctx, admin("a"), name)
			assert.Equal(t, "not_found", codeOf(t, err), name)
		}
		for name, want := range map[keyring.Ref]keyring.ElasticStatus{"kept": keyring.ElasticDisabled, "again": keyring.ElasticPendingDelete} {
			key, err := h.Get(ctx, admin("a"), name)
			require.NoError(t, err)
			assert.Equal(t, want, key.Status, name)
		}
		_, version, err := h.Version(ctx, admin("a"), "split", "1")
		require.NoError(t, err)
		assert.Equal(t, keyring.VersionDestroyed, version.Status)
		assert.Empty(t, version.WrappedKey, "the material is gone")
		assert.Equal(t, 1, h.count("key.delete"))
		assert.Equal(t, 1, h.count("version.destroy"))
		var left int
		require.NoError(t, h.db.QueryRow(database.WithTenant(ctx, "a"), `
			SELECT count(*) FROM material_keys m JOIN elastic_keys e ON e.tenant_id = m.tenant_id AND e.id = m.elastic_key_id
			WHERE e.status = 'deleted' AND m.wrapped_key <> ''`).Scan(&left))
		assert.Zero(t, left, "nothing of a deleted key opens")
	})
}

// What is found due and put off meanwhile is not brought about: the row decides.
func TestMaintain_APutOffEndIsNotBroughtAbout(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		key := h.made(t, "key", keyring.Rotation{})
		_, err := h.ScheduleDeletion(ctx, admin("a"), "key", keyring.MaxWait)
		require.NoError(t, err)
		early := morning.Add(keyring.MaxWait - time.Second)
		t.Run("key", func(t *testing.T) {
			for _, move := range keyring.ElasticTransitions() {
				if move.To == keyring.ElasticDeleted {
					_, err = h.store.DeleteElasticKey(ctx, "a", key.ID, move, early, morning)
					assert.ErrorIs(t, err, keyring.ErrStale)
				}
			}
		})
		other := h.made(t, "other", keyring.Rotation{})
		_, version, err := h.MoveVersion(ctx, admin("a"), "other", "1", keyring.ScheduleVersionEnd, keyring.MaxWait)
		require.NoError(t, err)
		assert.Equal(t, other.ID, version.ElasticKeyID)
		for _, move := range keyring.VersionTransitions() {
			if move.To == keyring.VersionDestroyed {
				_, err = h.store.EndMaterialKey(ctx, version, move, early, morning)
				assert.ErrorIs(t, err, keyring.ErrStale)
			}
		}
	})
}

func TestMaintain_OneFailingKeyStopsNoOther(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		var keys []keyring.ElasticKey
		for i := range 4 {
			keys = append(keys, h.made(t, fmt.Sprint("key-", i), keyring.Rotation{Every: time.Hour}))
		}
		_, err := h.ScheduleDeletion(t.Context(), admin("a"), "key-3", keyring.MinWait)
		require.NoError(t, err)
		h.mu.Lock()
		h.refuse = keys[0].ID
		h.mu.Unlock()
		h.pass(8 * 24 * time.Hour)
		h.maintain(t)
		assert.EqualValues(t, 1, h.primary(t, "key-0"))
		assert.EqualValues(t, 2, h.primary(t, "key-1"))
		assert.EqualValues(t, 2, h.primary(t, "key-2"))
		_, err = h.Get(t.Context(), admin("a"), "key-3")
		assert.Equal(t, "not_found", codeOf(t, err))
		assert.Contains(t, h.log.String(), keys[0].ID)
		assert.NotContains(t, h.log.String(), keys[1].ID)
		h.mu.Lock()
		h.refuse = ""
		h.mu.Unlock()
		h.maintain(t)
		assert.EqualValues(t, 2, h.primary(t, "key-0"), "it is tried again")
	})
}

func TestMaintain_ForgetsImportedMaterialThatExpires(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		ctx := database.WithTenant(t.Context(), "a")
		h.made(t, "brought", keyring.Rotation{})
		require.NoError(t, h.db.InTx(ctx, func(ctx context.Context) error {
			_, err := h.db.Exec(ctx, `UPDATE material_keys SET expires_at = $1`, morning.Add(time.Hour).UnixMicro())
			return err
		}))
		h.pass(59 * time.Minute)
		h.maintain(t)
		_, version, err := h.Version(ctx, admin("a"), "brought", "1")
		require.NoError(t, err)
		assert.Equal(t, keyring.VersionEnabled, version.Status)
		h.pass(time.Minute)
		h.maintain(t)
		_, version, err = h.Version(ctx, admin("a"), "brought", "1")
		require.NoError(t, err)
		assert.Equal(t, keyring.VersionPendingImport, version.Status)
		assert.Empty(t, version.WrappedKey)
		assert.Equal(t, 1, h.count("version.expire"))
	})
}

func TestMaintain_DoesNothingWhileSealedAndRemembersTheTime(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		h.made(t, "turning", keyring.Rotation{Every: time.Hour})
		h.pass(2 * time.Hour)
		h.barrier.Seal()
		h.maintain(t)
		witness, err := h.store.Witness(t.Context())
		require.NoError(t, err)
		assert.True(t, witness.IsZero())
		require.NoError(t, h.barrier.Unseal(t.Context(), make([]byte, barrier.UnsealKeySize), "test"))
		h.maintain(t)
		assert.EqualValues(t, 2, h.primary(t, "turning"))
		witness, err = h.store.Witness(t.Context())
		require.NoError(t, err)
		assert.Equal(t, morning.Add(2*time.Hour), witness)
		require.NoError(t, h.store.Testify(t.Context(), morning))
		witness, err = h.store.Witness(t.Context())
		require.NoError(t, err)
		assert.Equal(t, morning.Add(2*time.Hour), witness, "it never goes back")
	})
}

// A key that is used directly rotates when it has had the uses that its owner wants, neither much before nor after.
func TestEncrypt_ADirectKeyHasTheUsesThatItsOwnerWants(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		_, err := h.Create(t.Context(), admin("a"), keyring.NewKey{Name: "direct", Algorithm: "A256GCM/dir", Rotation: keyring.Rotation{Uses: 100}})
		require.NoError(t, err)
		versions := map[int64]int{}
		for i := range 250 {
			sealed, err := h.Encrypt(t.Context(), admin("a"), "direct", []byte("hello"), nil)
			require.NoError(t, err)
			versions[sealed.Version]++
			if i%10 == 0 {
				require.NoError(t, h.Flush(t.Context()))
				h.maintain(t)
			}
		}
		assert.Len(t, versions, 3)
		for _, version := range []int64{1, 2} {
			assert.LessOrEqual(t, versions[version], 100)
			assert.GreaterOrEqual(t, versions[version], 94)
		}
	})
}

// The private part of a wrapping key is gone when its time is over, whether anybody asks or not; the rows stay a while.
func TestMaintain_ForgetsWrappingKeys(t *testing.T) {
	t.Parallel()
	eachHouse(t, func(t *testing.T, h *house) {
		ctx := database.WithTenant(t.Context(), "a")
		_, err := h.Create(ctx, admin("a"), keyring.NewKey{Name: "brought", Algorithm: "ES256", Origin: keyring.OriginImported})
		require.NoError(t, err)
		_, _, _, err = h.CreateImportJob(ctx, admin("a"), "brought", keyring.NewImportJob{Method: "ECDH-ES+A256KW"})
		require.NoError(t, err)
		_, _, err = h.NewRecipient(ctx, admin("a"))
		require.NoError(t, err)
		count := func(query string) (n int) {
			require.NoError(t, h.db.QueryRow(ctx, query).Scan(&n))
			return n
		}
		private := `SELECT count(*) FROM import_jobs WHERE wrapped_key <> ''`
		h.pass(keyring.ImportJobLife - time.Minute)
		h.maintain(t)
		assert.Equal(t, 1, count(private))
		assert.Equal(t, 1, count(`SELECT count(*) FROM restore_recipients`))
		h.pass(time.Minute)
		h.maintain(t)
		assert.Zero(t, count(private))
		assert.Zero(t, count(`SELECT count(*) FROM restore_recipients`))
		_, jobs, err := h.ImportJobs(ctx, admin("a"), "brought", "", 10)
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		assert.Equal(t, keyring.ImportJobExpired, jobs[0].Status)
		h.pass(89 * 24 * time.Hour)
		h.maintain(t)
		assert.Equal(t, 1, count(`SELECT count(*) FROM import_jobs`))
		h.pass(24 * time.Hour)
		h.maintain(t)
		assert.Zero(t, count(`SELECT count(*) FROM import_jobs`))

		// A key that ends takes its open jobs' keys along.
		_, _, _, err = h.CreateImportJob(ctx, admin("a"), "brought", keyring.NewImportJob{Method: "ECDH-ES+A256KW"})
		require.NoError(t, err)
		require.NoError(t, h.db.InTx(ctx, func(ctx context.Context) error {
			_, err := h.db.Exec(ctx, `UPDATE import_jobs SET expires_at = expires_at + 3153600000000`)
			return err
		}))
		_, err = h.ScheduleDeletion(ctx, admin("a"), "brought", keyring.MinWait)
		require.NoError(t, err)
		h.pass(keyring.MinWait)
		h.maintain(t)
		assert.Zero(t, count(private))
		assert.Equal(t, 1, count(`SELECT count(*) FROM import_jobs`))
	})
}
