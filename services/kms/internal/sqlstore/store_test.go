package sqlstore_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// each runs the conformance test of keyring.Store on a fresh database of every engine, and on PostgreSQL also under row-level security and
// with a schema for each tenant.
func each(t *testing.T, test func(t *testing.T, store keyring.Store)) {
	t.Helper()
	set, err := sqlstore.Migrations()
	require.NoError(t, err)
	sets := []database.Set{database.PlatformMigrations(), set}
	dbtest.EachTenancy(t, sets, func(t *testing.T, db *database.DB) {
		test(t, sqlstore.New(db, secrets{}, nil))
	})
	t.Run("facts", func(t *testing.T) {
		t.Parallel()
		dbtest.Each(t, sets, func(t *testing.T, db *database.DB) {
			facts, _ := follow(t, db)
			test(t, facts)
		})
	})
	t.Run("postgres-schemas", func(t *testing.T) {
		t.Parallel()
		db := dbtest.Open(t, dbtest.TwoRoles(t, sets...), sets...)
		registry, err := tenants.New(tenants.Config{DB: db, Sets: sets, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		require.NoError(t, err)
		for _, tenant := range []string{"a", "b"} {
			_, err := registry.Create(t.Context(), tenant, "", tenants.IsolationSchema)
			require.NoError(t, err)
		}
		test(t, sqlstore.New(db, secrets{}, nil))
		var shared int
		require.NoError(t, db.QueryRow(database.WithTenant(t.Context(), database.AllTenants), "SELECT count(*) FROM elastic_keys").Scan(&shared))
		assert.Zero(t, shared, "rows of a tenant with a schema of its own are in the shared one")
	})
}

// secrets stand in for a barrier.
type secrets struct{}

// DeriveKey implements sqlstore.Secrets.
func (secrets) DeriveKey(label string, n int) ([]byte, error) {
	return append(make([]byte, 0, n), []byte(label + strings.Repeat("k", n))[:n]...), nil
}

func newID(t *testing.T) string {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return id.String()
}

func elastic(t *testing.T, tenant, name string) keyring.ElasticKey {
	t.Helper()
	at := time.Date(2026, 11, 2, 9, 30, 0, 123456000, time.UTC)
	return keyring.ElasticKey{
		Tenant: tenant, ID: newID(t), Name: name, Description: "for \"" + name + "\"", Algorithm: "A256GCM/RSA-OAEP-256", KeySize: 3072,
		Use: alg.UseEncrypt, Status: keyring.ElasticActive, Origin: keyring.OriginGenerated,
		VersioningAllowed: true, ImportAllowed: true, Exportable: true, Published: true, Tags: map[string]string{"team": "pay"}, PrimaryVersion: 1, VersionCount: 1,
		Policy:   keyring.Policy{Operations: []keyring.Operation{keyring.OpEncrypt}, Quorum: &keyring.Quorum{Approvals: 1, Approvers: []string{"x"}}},
		Rotation: keyring.Rotation{Every: time.Hour, Uses: 5, Bytes: 6, NotifyBefore: time.Minute}, NextRotationAt: at.Add(time.Hour),
		CreatedAt: at, UpdatedAt: at.Add(time.Second), Revision: 1,
	}
}

func material(t *testing.T, key keyring.ElasticKey, version int64) keyring.MaterialKey {
	t.Helper()
	return keyring.MaterialKey{
		Tenant: key.Tenant, ElasticKeyID: key.ID, ID: newID(t), Version: version, Status: keyring.VersionEnabled,
		Origin: keyring.OriginGenerated, Exportable: true, WrappedKey: "ey..wrapped", Commitment: "c",
		ExpiresAt: key.CreatedAt.Add(time.Hour), CreatedAt: key.CreatedAt, UpdatedAt: key.UpdatedAt,
	}
}

// insert stores a key with its first version.
func insert(t *testing.T, store keyring.Store, key keyring.ElasticKey) keyring.MaterialKey {
	t.Helper()
	first := material(t, key, 1)
	require.NoError(t, store.InTx(t.Context(), func(ctx context.Context) error {
		return errors.Join(store.InsertElasticKey(ctx, key), store.InsertMaterialKey(ctx, first))
	}))
	return first
}

func TestStore_ReadsBackWhatWasStored(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, store keyring.Store) {
		key := elastic(t, "a", "payroll")
		first := insert(t, store, key)

		for _, ref := range []keyring.Ref{keyring.Ref(key.ID), "payroll"} {
			got, err := store.ElasticKey(t.Context(), "a", ref)
			require.NoError(t, err)
			assert.Equal(t, key, got)
			for _, version := range []int64{0, 1} {
				gotKey, gotVersion, err := store.KeyVersion(t.Context(), "a", ref, version)
				require.NoError(t, err)
				assert.Equal(t, key, gotKey)
				assert.Equal(t, first, gotVersion)
			}
			_, _, err = store.KeyVersion(t.Context(), "a", ref, 2)
			assert.ErrorIs(t, err, keyring.ErrNotFound)
		}
		byID, err := store.MaterialKeyByID(t.Context(), "a", key.ID, first.ID)
		require.NoError(t, err)
		assert.Equal(t, first, byID)
	})
}

func TestStore_TenantsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, store keyring.Store) {
		key := elastic(t, "a", "payroll")
		first := insert(t, store, key)
		other := elastic(t, "b", "payroll") // the same name is another key
		insert(t, store, other)

		_, err := store.ElasticKey(t.Context(), "b", keyring.Ref(key.ID))
		assert.ErrorIs(t, err, keyring.ErrNotFound)
		_, _, err = store.KeyVersion(t.Context(), "b", keyring.Ref(key.ID), 1)
		assert.ErrorIs(t, err, keyring.ErrNotFound)
		_, err = store.MaterialKeyByID(t.Context(), "b", key.ID, first.ID)
		assert.ErrorIs(t, err, keyring.ErrNotFound)
		versions, err := store.MaterialKeys(t.Context(), "b", key.ID, 0, 10)
		require.NoError(t, err)
		assert.Empty(t, versions)
		stolen := key
		stolen.Tenant = "b"
		err = store.InTx(t.Context(), func(ctx context.Context) error {
			_, err := store.AddVersion(ctx, stolen, 0)
			return err
		})
		assert.ErrorIs(t, err, keyring.ErrStale)
		foreign := first
		foreign.Tenant = "b"
		_, err = store.ReserveUses(t.Context(), foreign, 1)
		assert.ErrorIs(t, err, keyring.ErrNotFound)
		mine, err := store.ElasticKeys(t.Context(), "b", keyring.KeyList{After: "", Limit: 10})
		require.NoError(t, err)
		require.Len(t, mine, 1)
		assert.Equal(t, other.ID, mine[0].ID)
	})
}

func TestStore_ANameIsTakenOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, store keyring.Store) {
		const rivals = 8
		outcomes := make([]error, rivals)
		keys := make([]keyring.ElasticKey, rivals)
		for i := range keys {
			keys[i] = elastic(t, "a", "payroll")
		}
		var group sync.WaitGroup
		for i := range rivals {
			group.Go(func() {
				outcomes[i] = store.InTx(context.WithoutCancel(t.Context()), func(ctx context.Context) error {
					return store.InsertElasticKey(ctx, keys[i])
				})
			})
		}
		group.Wait()
		won := 0
		for _, err := range outcomes {
			if err == nil {
				won++
				continue
			}
			assert.ErrorIs(t, err, keyring.ErrNameTaken)
		}
		assert.Equal(t, 1, won)
	})
}

func TestStore_AFailedTransactionLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, store keyring.Store) {
		key := elastic(t, "a", "payroll")
		failure := errors.New("later step failed")
		err := store.InTx(t.Context(), func(ctx context.Context) error {
			if err := store.InsertElasticKey(ctx, key); err != nil {
				return err
			}
			return failure
		})
		require.ErrorIs(t, err, failure)
		_, err = store.ElasticKey(t.Context(), "a", "payroll")
		assert.ErrorIs(t, err, keyring.ErrNotFound)
	})
}

func TestStore_VersionNumbersAreNeverUsedTwice(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, store keyring.Store) {
		key := elastic(t, "a", "payroll")
		insert(t, store, key)
		const rotations = 20
		versions := make([]keyring.MaterialKey, rotations)
		for i := range versions {
			versions[i] = material(t, key, 0)
		}
		var group sync.WaitGroup
		failures := make([]error, rotations)
		for i := range rotations {
			group.Go(func() {
				failures[i] = store.InTx(context.WithoutCancel(t.Context()), func(ctx context.Context) error {
					number, err := store.AddVersion(ctx, key, 0)
					if err != nil {
						return err
					}
					versions[i].Version = number
					return store.InsertMaterialKey(ctx, versions[i])
				})
			})
		}
		group.Wait()
		require.NoError(t, errors.Join(failures...))
		got, err := store.MaterialKeys(t.Context(), "a", key.ID, 0, 100)
		require.NoError(t, err)
		require.Len(t, got, rotations+1)
		for i, version := range got {
			assert.Equal(t, int64(rotations+1-i), version.Version, "newest first, without gaps")
		}
		now, err := store.ElasticKey(t.Context(), "a", "payroll")
		require.NoError(t, err)
		assert.Equal(t, int64(rotations+1), now.VersionCount)
		assert.Equal(t, int64(rotations+1), now.PrimaryVersion)
	})
}

func TestStore_AddVersionHoldsItsConditions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, store keyring.Store) {
		key := elastic(t, "a", "payroll")
		insert(t, store, key)
		add := func(key keyring.ElasticKey, ifPrimary int64) (number int64, err error) {
			err = store.InTx(t.Context(), func(ctx context.Context) error {
				number, err = store.AddVersion(ctx, key, ifPrimary)
				return err
			})
			return number, err
		}
		number, err := add(key, 1)
		require.NoError(t, err)
		assert.Equal(t, int64(2), number)
		_, err = add(key, 1)
		assert.ErrorIs(t, err, keyring.ErrStale, "the primary version is 2 by now")
		disabled := key
		disabled.Status = keyring.ElasticDisabled
		_, err = add(disabled, 0)
		assert.ErrorIs(t, err, keyring.ErrStale, "the row is active, not disabled")
	})
}

func TestStore_ListsInPagesAndFilters(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, store keyring.Store) {
		var want []string
		for i, name := range []string{"c", "a", "b", "e", "d"} {
			key := elastic(t, "a", name)
			if i%2 == 1 {
				key.Algorithm, key.KeySize = "A256GCM/dir", 0
				key.Status = keyring.ElasticDisabled
			}
			insert(t, store, key)
			want = append(want, key.Name)
		}
		var got []string
		after := ""
		for {
			page, err := store.ElasticKeys(t.Context(), "a", keyring.KeyList{After: after, Limit: 2})
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, key := range page {
				got = append(got, key.Name)
				after = key.ID
			}
		}
		assert.Equal(t, want, got, "in order of creation, each once")

		names := func(filter keyring.Filter) (names []string) {
			page, err := store.ElasticKeys(t.Context(), "a", keyring.KeyList{Filter: filter, Limit: 10})
			require.NoError(t, err)
			for _, key := range page {
				names = append(names, key.Name)
			}
			return names
		}
		assert.Equal(t, []string{"b"}, names(keyring.Filter{Name: "b"}))
		assert.Equal(t, []string{"a", "e"}, names(keyring.Filter{Algorithm: "A256GCM/dir"}))
		assert.Equal(t, []string{"c", "b", "d"}, names(keyring.Filter{Status: keyring.ElasticActive}))
		assert.Empty(t, names(keyring.Filter{Name: "a", Status: keyring.ElasticActive}))
		assert.Empty(t, names(keyring.Filter{Name: "a' OR '1'='1"}))
	})
}

func TestStore_VersionsPageBackwards(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, store keyring.Store) {
		key := elastic(t, "a", "payroll")
		insert(t, store, key)
		for v := int64(2); v <= 5; v++ {
			require.NoError(t, store.InsertMaterialKey(t.Context(), material(t, key, v)))
		}
		numbers := func(below int64, limit int) (numbers []int64) {
			page, err := store.MaterialKeys(t.Context(), "a", key.ID, below, limit)
			require.NoError(t, err)
			for _, version := range page {
				numbers = append(numbers, version.Version)
			}
			return numbers
		}
		assert.Equal(t, []int64{5, 4}, numbers(0, 2))
		assert.Equal(t, []int64{3, 2}, numbers(4, 2))
		assert.Equal(t, []int64{1}, numbers(2, 2))
		assert.Empty(t, numbers(1, 2))
	})
}

func TestStore_UsesAreCountedExactly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, store keyring.Store) {
		key := elastic(t, "a", "payroll")
		first := insert(t, store, key)
		const rivals, block = 10, 7
		totals := make([]int64, rivals)
		failures := make([]error, rivals)
		var group sync.WaitGroup
		for i := range rivals {
			group.Go(func() {
				totals[i], failures[i] = store.ReserveUses(context.WithoutCancel(t.Context()), first, block)
			})
		}
		group.Wait()
		require.NoError(t, errors.Join(failures...))
		seen := map[int64]bool{}
		for _, total := range totals {
			assert.False(t, seen[total], "two blocks end at %d", total)
			seen[total] = true
		}
		assert.True(t, seen[rivals*block])
	})
}
