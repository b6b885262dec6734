package tenants_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func code(err error) string {
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return ""
}

func TestCreate_AddsAnActiveTenant(t *testing.T) {
	t.Parallel()
	eachIsolation(t, func(t *testing.T, f *fixture, isolation tenants.Isolation) {
		made, err := f.Create(t.Context(), "acme-1", "Acme & Sons", isolation)
		require.NoError(t, err)
		assert.Equal(t, []string{"acme-1"}, f.notes.take())
		got, err := f.Get(t.Context(), "acme-1")
		require.NoError(t, err)
		assert.Equal(t, made, got)
		assert.Equal(t, tenants.Tenant{
			ID: "acme-1", Name: "Acme & Sons", Status: tenants.StatusActive, Isolation: isolation,
			CreatedAt: f.clock(), UpdatedAt: f.clock(), Version: 1,
		}, got)
		require.NoError(t, f.Tenant(t.Context(), "acme-1"))

		_, err = f.Create(t.Context(), "acme-1", "", tenants.IsolationRow)
		assert.Equal(t, "conflict", code(err))
		for _, id := range []string{"", "-a", "A", "a_b", "a.b", "a b", strings.Repeat("a", 32), "ü", "*"} {
			_, err := f.Create(t.Context(), id, "", tenants.IsolationRow)
			require.ErrorIs(t, err, tenants.ErrInvalid, id)
		}
		_, err = f.Create(t.Context(), "b", strings.Repeat("n", 201), tenants.IsolationRow)
		require.ErrorIs(t, err, tenants.ErrInvalid)
		_, err = f.Create(t.Context(), "b", "", "other")
		require.ErrorIs(t, err, tenants.ErrInvalid)
		require.ErrorIs(t, f.Tenant(t.Context(), "b"), tenants.ErrNotFound)
	})
}

func TestCreate_OfManyAtOnceOneSucceeds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		var made atomic.Int32
		var group sync.WaitGroup
		for i := range 6 {
			group.Go(func() {
				isolation := tenants.IsolationRow
				if i%2 == 0 && f.db.TenantSchemas() {
					isolation = tenants.IsolationSchema
				}
				_, err := f.Create(t.Context(), "acme", "", isolation)
				if err == nil {
					made.Add(1)
				} else {
					assert.ErrorIs(t, err, tenants.ErrExists)
				}
			})
		}
		group.Wait()
		assert.EqualValues(t, 1, made.Load())
		require.NoError(t, fill(t.Context(), f.db, "acme", 3))
		assert.Positive(t, rows(t, f.db, "acme"))
	})
}

func TestLife_EachStepFromEachState(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		_, err := f.Create(ctx, "acme", "", tenants.IsolationRow)
		require.NoError(t, err)
		steps := map[string]func() (tenants.Tenant, error){
			"rename":  func() (tenants.Tenant, error) { return f.Rename(ctx, "acme", "New", 0) },
			"suspend": func() (tenants.Tenant, error) { return f.Suspend(ctx, "acme", 0) },
			"resume":  func() (tenants.Tenant, error) { return f.Resume(ctx, "acme", 0) },
			"delete":  func() (tenants.Tenant, error) { return f.Delete(ctx, "acme", 0) },
			"restore": func() (tenants.Tenant, error) { return f.Restore(ctx, "acme", 0) },
		}
		version := int64(1)
		for _, do := range []struct {
			step string
			want tenants.Status // "" for a refusal
			code string         // of Tenant afterwards
		}{
			{"resume", "", ""},
			{"restore", "", ""},
			{"rename", tenants.StatusActive, ""},
			{"suspend", tenants.StatusSuspended, "tenant_suspended"},
			{"suspend", "", "tenant_suspended"},
			{"restore", "", "tenant_suspended"},
			{"rename", tenants.StatusSuspended, "tenant_suspended"},
			{"resume", tenants.StatusActive, ""},
			{"delete", tenants.StatusDeleting, "tenant_suspended"},
			{"delete", "", "tenant_suspended"},
			{"rename", "", "tenant_suspended"},
			{"suspend", "", "tenant_suspended"},
			{"resume", "", "tenant_suspended"},
			{"restore", tenants.StatusSuspended, "tenant_suspended"},
			{"delete", tenants.StatusDeleting, "tenant_suspended"},
			{"restore", tenants.StatusSuspended, "tenant_suspended"},
			{"resume", tenants.StatusActive, ""},
		} {
			f.notes.take()
			f.advance(time.Second)
			got, err := steps[do.step]()
			if do.want == "" {
				require.ErrorIs(t, err, tenants.ErrState, do.step)
				assert.Empty(t, f.notes.take())
			} else {
				version++
				require.NoError(t, err, do.step)
				assert.Equal(t, do.want, got.Status)
				assert.Equal(t, version, got.Version)
				assert.Equal(t, f.clock(), got.UpdatedAt)
				assert.Equal(t, do.want == tenants.StatusDeleting, !got.DeleteAfter.IsZero())
				assert.Equal(t, []string{"acme"}, f.notes.take())
			}
			assert.Equal(t, do.code, code(f.Tenant(ctx, "acme")), do.step)
		}
		_, err = f.Suspend(ctx, "acme", version-1)
		require.ErrorIs(t, err, tenants.ErrStale)
		_, err = f.Suspend(ctx, "acme", version)
		require.NoError(t, err)
		_, err = f.Suspend(ctx, "nobody", 0)
		require.ErrorIs(t, err, tenants.ErrNotFound)
	})
}

func TestImport_AddsWhatIsAbsentAndTheDefaultTenant(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		_, err := f.Create(ctx, "acme", "Old", tenants.IsolationRow)
		require.NoError(t, err)
		_, err = f.Suspend(ctx, "acme", 0)
		require.NoError(t, err)
		f.notes.take()
		for range 2 {
			require.NoError(t, f.Import(ctx, map[string]string{"acme": "New", "umbrella": "U"}))
		}
		assert.ElementsMatch(t, []string{"default", "umbrella"}, f.notes.take())
		list, err := f.List(ctx, "", 10)
		require.NoError(t, err)
		require.Len(t, list, 3)
		assert.Equal(t, "Old", list[0].Name)
		assert.Equal(t, tenants.StatusSuspended, list[0].Status)
		assert.Equal(t, []string{"default", "umbrella"}, []string{list[1].ID, list[2].ID})
		for _, step := range []func(context.Context, string, int64) (tenants.Tenant, error){f.Delete, f.Suspend} {
			_, err := step(ctx, tenants.Default, 0)
			require.ErrorIs(t, err, tenants.ErrDefault)
		}
		require.ErrorIs(t, f.Import(ctx, map[string]string{"No": ""}), tenants.ErrInvalid)
	})
}

func TestList_Pages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		want := []string{}
		for _, id := range []string{"a", "a-b", "a1", "aa", "b", "b-", "b--c", "c0"} {
			_, err := f.Create(t.Context(), id, "", tenants.IsolationRow)
			require.NoError(t, err)
			want = append(want, id)
		}
		var got []string
		for after := ""; ; {
			list, err := f.List(t.Context(), after, 3)
			require.NoError(t, err)
			for _, one := range list {
				got = append(got, one.ID)
				after = one.ID
			}
			if len(list) < 3 {
				break
			}
		}
		assert.ElementsMatch(t, want, got)
		var each []string
		require.NoError(t, f.Each(t.Context(), func(ctx context.Context, one tenants.Tenant) error {
			assert.Equal(t, one.ID, database.TenantOf(ctx))
			each = append(each, one.ID)
			return nil
		}))
		assert.Equal(t, got, each)
	})
}

func TestSteps_AreTheCallersTransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		errOwn := errors.New("own")
		err := f.db.InTx(t.Context(), func(ctx context.Context) error {
			_, err := f.Create(ctx, "acme", "", tenants.IsolationRow)
			require.NoError(t, err)
			_, err = f.Suspend(ctx, "acme", 0)
			require.NoError(t, err)
			return errOwn
		})
		require.ErrorIs(t, err, errOwn)
		_, err = f.Get(t.Context(), "acme")
		require.ErrorIs(t, err, tenants.ErrNotFound)
	})
}

func TestNew_RefusesWhatIsIncomplete(t *testing.T) {
	t.Parallel()
	_, err := tenants.New(tenants.Config{})
	require.ErrorContains(t, err, "required")
}

func TestCreate_SchemaWhereThereIsNone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, sets(), func(t *testing.T, db *database.DB) {
		_, err := newFixture(t, db).Create(t.Context(), "acme", "", tenants.IsolationSchema)
		assert.Equal(t, "validation_failed", code(err))
	})
}
