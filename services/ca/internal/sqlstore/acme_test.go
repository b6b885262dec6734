package sqlstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/sqlstore"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

var instant = time.Date(2026, 11, 22, 9, 30, 0, 123456000, time.UTC)

// eachACME runs the conformance test of acme.Store on a fresh database of every engine, and on PostgreSQL also under row-level security.
func eachACME(t *testing.T, test func(t *testing.T, store *sqlstore.ACME)) {
	t.Helper()
	set, err := sqlstore.Migrations()
	require.NoError(t, err)
	dbtest.EachTenancy(t, []database.Set{database.PlatformMigrations(), set}, func(t *testing.T, db *database.DB) {
		test(t, sqlstore.New(db).ACME())
	})
}

func id(t *testing.T) string {
	t.Helper()
	made, err := uuid.NewV7()
	require.NoError(t, err)
	return made.String()
}

func acmeAccount(t *testing.T, store *sqlstore.ACME, tenant string) acme.Account {
	t.Helper()
	a := acme.Account{
		Tenant: tenant, ID: id(t), Directory: "main", Status: acme.AccountValid, Key: `{"kty":"EC"}`, Thumbprint: id(t), Contacts: []string{"mailto:a@example.com"},
		Terms: "https://ca.example/terms", ExternalKey: "k", CreatedAt: instant, UpdatedAt: instant, Revision: 1,
	}
	require.NoError(t, store.InsertAccount(t.Context(), a))
	return a
}

func acmeAuthorization(t *testing.T, store *sqlstore.ACME, account acme.Account, name string) acme.Authorization {
	t.Helper()
	at := instant
	a := acme.Authorization{
		Tenant: account.Tenant, ID: id(t), Account: account.ID, Directory: "main", Identifier: validation.Identifier{Type: "dns", Value: name},
		Status: acme.AuthorizationPending, ExpiresAt: instant.Add(time.Hour), CreatedAt: instant, UpdatedAt: instant, Revision: 1, Remotes: 4,
		Challenges: []acme.Challenge{
			{Method: validation.DNS01, Token: "t", Status: acme.ChallengeValid, Thumbprint: "p", AccountURL: "https://a", Attempts: 2, ValidatedAt: &at},
			{Method: validation.HTTP01, Token: "t", Status: acme.ChallengeInvalid, Error: acme.NewError(acme.Unauthorized, "no")},
		},
	}
	require.NoError(t, store.InsertAuthorization(t.Context(), a))
	return a
}

func acmeOrder(t *testing.T, store *sqlstore.ACME, account acme.Account, change func(*acme.Order)) acme.Order {
	t.Helper()
	o := acme.Order{
		Tenant: account.Tenant, ID: id(t), Account: account.ID, Directory: "main", Profile: "tls-server", Status: acme.OrderPending,
		Names: []validation.Identifier{{Type: "dns", Value: "a.example.com"}}, NotAfter: instant.Add(time.Hour), ExpiresAt: instant.Add(time.Hour), CreatedAt: instant,
		UpdatedAt: instant, Revision: 1,
	}
	if change != nil {
		change(&o)
	}
	require.NoError(t, store.InsertOrder(t.Context(), o))
	return o
}

func TestACME_ReadsBackWhatWasStored(t *testing.T) {
	t.Parallel()
	eachACME(t, func(t *testing.T, store *sqlstore.ACME) {
		account := acmeAccount(t, store, "a")
		got, err := store.Account(t.Context(), "a", account.ID)
		require.NoError(t, err)
		assert.Equal(t, account, got)
		got, err = store.AccountByKey(t.Context(), "a", "main", account.Thumbprint)
		require.NoError(t, err)
		assert.Equal(t, account, got)

		one, two := acmeAuthorization(t, store, account, "b.example.com"), acmeAuthorization(t, store, account, "a.example.com")
		gotAuthorization, err := store.Authorization(t.Context(), "a", one.ID)
		require.NoError(t, err)
		assert.Equal(t, one, gotAuthorization)

		order := acmeOrder(t, store, account, func(o *acme.Order) { o.Authorizations = []acme.Authorization{one, two} })
		gotOrder, err := store.Order(t.Context(), "a", order.ID)
		require.NoError(t, err)
		assert.Equal(t, order, gotOrder)
		order.Status, order.CSR, order.Serial, order.Error, order.Attempts = acme.OrderInvalid, []byte{1, 2}, "0a", acme.NewError(acme.BadCSR, "no"), 3
		order.DueAt, order.UpdatedAt = instant.Add(time.Minute), instant.Add(time.Second)
		require.NoError(t, store.UpdateOrder(t.Context(), order))
		order.Revision = 2
		gotOrder, err = store.OrderBySerial(t.Context(), "a", "0a")
		require.NoError(t, err)
		assert.Equal(t, order, gotOrder)
	})
}

func TestACME_TenantsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	eachACME(t, func(t *testing.T, store *sqlstore.ACME) {
		ctx := t.Context()
		account := acmeAccount(t, store, "a")
		z := acmeAuthorization(t, store, account, "a.example.com")
		order := acmeOrder(t, store, account, func(o *acme.Order) { o.Authorizations = []acme.Authorization{z}; o.Replaces = "01" })
		key := acme.ExternalKey{Tenant: "a", ID: id(t), Wrapped: "w", CreatedAt: instant}
		require.NoError(t, store.InsertExternalKey(ctx, key))
		for name, read := range map[string]func() error{
			"account":       func() error { _, err := store.Account(ctx, "b", account.ID); return err },
			"key":           func() error { _, err := store.AccountByKey(ctx, "b", "main", account.Thumbprint); return err },
			"authorization": func() error { _, err := store.Authorization(ctx, "b", z.ID); return err },
			"order":         func() error { _, err := store.Order(ctx, "b", order.ID); return err },
			"replacing":     func() error { _, err := store.OrderReplacing(ctx, "b", "01"); return err },
			"external key":  func() error { _, err := store.ExternalKey(ctx, "b", key.ID); return err },
			"proved":        func() error { _, err := store.Proved(ctx, "b", account.ID, z.Identifier, instant); return err },
		} {
			assert.ErrorIs(t, read(), acme.ErrNotFound, name)
		}
		for _, object := range []any{account, z, order} {
			var err error
			switch o := object.(type) {
			case acme.Account:
				o.Tenant = "b"
				err = store.UpdateAccount(ctx, o)
			case acme.Authorization:
				o.Tenant = "b"
				err = store.UpdateAuthorization(ctx, o)
			case acme.Order:
				o.Tenant = "b"
				err = store.UpdateOrder(ctx, o)
			}
			assert.ErrorIs(t, err, acme.ErrStale)
		}
		assert.ErrorIs(t, store.BindExternalKey(ctx, "b", key.ID, account.ID, instant), acme.ErrStale)
		assert.ErrorIs(t, store.RevokeExternalKey(ctx, "b", key.ID, instant), acme.ErrNotFound)
		listed, err := store.ExternalKeys(ctx, "b", "", 10)
		require.NoError(t, err)
		assert.Empty(t, listed)
		ids, err := store.OrdersOf(ctx, "b", account.ID, "", instant, 10)
		require.NoError(t, err)
		assert.Empty(t, ids)
	})
}

func TestACME_AKeyHasOneAccountInADirectory(t *testing.T) {
	t.Parallel()
	eachACME(t, func(t *testing.T, store *sqlstore.ACME) {
		first, second := acmeAccount(t, store, "a"), acmeAccount(t, store, "a")
		double := first
		double.ID = id(t)
		require.ErrorIs(t, store.InsertAccount(t.Context(), double), acme.ErrKeyTaken)
		double.Directory = "other"
		require.NoError(t, store.InsertAccount(t.Context(), double))
		second.Thumbprint = first.Thumbprint
		require.ErrorIs(t, store.UpdateAccount(t.Context(), second), acme.ErrKeyTaken)
		first.Status = acme.AccountDeactivated
		require.NoError(t, store.UpdateAccount(t.Context(), first))
		require.ErrorIs(t, store.UpdateAccount(t.Context(), first), acme.ErrStale, "of an old revision")
	})
}

func TestACME_ANonceIsUsedOnceByAnybody(t *testing.T) {
	t.Parallel()
	eachACME(t, func(t *testing.T, store *sqlstore.ACME) {
		failed := errors.New("the change failed")
		err := store.InTx(t.Context(), func(ctx context.Context) error {
			return errors.Join(store.UseNonce(ctx, "a", []byte("n"), instant), failed)
		})
		require.ErrorIs(t, err, failed)
		outcomes := make([]error, 8)
		var all sync.WaitGroup
		for i := range outcomes {
			all.Go(func() {
				outcomes[i] = store.InTx(t.Context(), func(ctx context.Context) error { return store.UseNonce(ctx, "a", []byte("n"), instant) })
			})
		}
		all.Wait()
		used := 0
		for _, err := range outcomes {
			if err == nil {
				used++
				continue
			}
			assert.ErrorIs(t, err, acme.ErrNonceUsed)
		}
		assert.Equal(t, 1, used)
		assert.NoError(t, store.UseNonce(t.Context(), "b", []byte("n"), instant), "another tenant's")
	})
}

func TestACME_WhatIsDueIsClaimedByOne(t *testing.T) {
	t.Parallel()
	eachACME(t, func(t *testing.T, store *sqlstore.ACME) {
		ctx := t.Context()
		account := acmeAccount(t, store, "a")
		z := acmeAuthorization(t, store, account, "a.example.com")
		order := acmeOrder(t, store, account, func(o *acme.Order) { o.Authorizations = []acme.Authorization{z} })
		_, err := store.ClaimAuthorization(ctx, "a", z.ID, instant.Add(time.Hour), instant.Add(2*time.Hour))
		require.ErrorIs(t, err, acme.ErrStale, "nobody has asked for it")
		z.DueAt, order.DueAt = instant, instant
		require.NoError(t, store.UpdateAuthorization(ctx, z))
		require.NoError(t, store.UpdateOrder(ctx, order))
		due, err := store.DueAuthorizations(ctx, "a", instant.Add(-time.Microsecond), 10)
		require.NoError(t, err)
		assert.Empty(t, due)
		due, err = store.DueAuthorizations(ctx, "a", instant, 10)
		require.NoError(t, err)
		assert.Equal(t, []string{z.ID}, due)
		due, err = store.DueOrders(ctx, "a", instant, 10)
		require.NoError(t, err)
		assert.Equal(t, []string{order.ID}, due)

		claims := make([]error, 8)
		orders := make([]error, 8)
		var all sync.WaitGroup
		for i := range claims {
			all.Go(func() { _, claims[i] = store.ClaimAuthorization(ctx, "a", z.ID, instant, instant.Add(time.Minute)) })
			all.Go(func() { _, orders[i] = store.ClaimOrder(ctx, "a", order.ID, instant, instant.Add(time.Minute)) })
		}
		all.Wait()
		for _, outcomes := range [][]error{claims, orders} {
			won := 0
			for _, err := range outcomes {
				if err == nil {
					won++
					continue
				}
				assert.ErrorIs(t, err, acme.ErrStale)
			}
			assert.Equal(t, 1, won)
		}
		z.Revision = 2
		require.ErrorIs(t, store.UpdateAuthorization(ctx, z), acme.ErrStale, "who has not claimed it changes nothing")
		taken, err := store.ClaimAuthorization(ctx, "a", z.ID, instant.Add(time.Minute), instant.Add(2*time.Minute))
		require.NoError(t, err, "a claim ends")
		taken.Status = acme.AuthorizationValid
		require.NoError(t, store.UpdateAuthorization(ctx, taken))
		proved, err := store.Proved(ctx, "a", account.ID, z.Identifier, instant)
		require.NoError(t, err)
		assert.Equal(t, z.ID, proved.ID)
		_, err = store.Proved(ctx, "a", account.ID, z.Identifier, instant.Add(time.Hour))
		require.ErrorIs(t, err, acme.ErrNotFound)
		got, err := store.Order(ctx, "a", order.ID)
		require.NoError(t, err)
		assert.Equal(t, acme.AuthorizationValid, got.Authorizations[0].Status)
	})
}

func TestACME_OneOrderReplacesACertificate(t *testing.T) {
	t.Parallel()
	eachACME(t, func(t *testing.T, store *sqlstore.ACME) {
		account := acmeAccount(t, store, "a")
		first := acmeOrder(t, store, account, func(o *acme.Order) { o.Replaces = "0a" })
		second := first
		second.ID = id(t)
		require.ErrorIs(t, store.InsertOrder(t.Context(), second), acme.ErrReplaced)
		found, err := store.OrderReplacing(t.Context(), "a", "0a")
		require.NoError(t, err)
		assert.Equal(t, first.ID, found.ID)
		first.Status = acme.OrderInvalid
		require.NoError(t, store.UpdateOrder(t.Context(), first))
		require.NoError(t, store.InsertOrder(t.Context(), second))
		acmeOrder(t, store, account, nil)
		acmeOrder(t, store, account, nil) // any number replace nothing
		_, err = store.OrderReplacing(t.Context(), "a", "")
		require.ErrorIs(t, err, acme.ErrNotFound)
		_, err = store.OrderBySerial(t.Context(), "a", "")
		require.ErrorIs(t, err, acme.ErrNotFound)
	})
}

func TestACME_ExternalKeysBindOnce(t *testing.T) {
	t.Parallel()
	eachACME(t, func(t *testing.T, store *sqlstore.ACME) {
		ctx := t.Context()
		keys := make([]acme.ExternalKey, 3)
		for i := range keys {
			keys[i] = acme.ExternalKey{Tenant: "a", ID: id(t), Directory: "main", Label: "l", Wrapped: strings.Repeat("w", i+1), CreatedAt: instant}
		}
		keys[1].ExpiresAt = instant.Add(time.Minute)
		for _, k := range keys {
			require.NoError(t, store.InsertExternalKey(ctx, k))
		}
		got, err := store.ExternalKeys(ctx, "a", "", 10)
		require.NoError(t, err)
		assert.Equal(t, keys, got)
		got, err = store.ExternalKeys(ctx, "a", keys[0].ID, 1)
		require.NoError(t, err)
		assert.Equal(t, keys[1:2], got)
		require.NoError(t, store.BindExternalKey(ctx, "a", keys[0].ID, "account", instant))
		require.ErrorIs(t, store.BindExternalKey(ctx, "a", keys[0].ID, "another", instant), acme.ErrStale)
		require.ErrorIs(t, store.BindExternalKey(ctx, "a", keys[1].ID, "account", instant.Add(time.Minute)), acme.ErrStale, "it has expired")

		values := sqlstore.NewACMEValues(store, func(_ context.Context, after string, _ int) ([]string, error) {
			if after == "" {
				return []string{"a"}, nil
			}
			return nil, nil
		})
		items, err := values.Next(ctx, "", 10)
		require.NoError(t, err)
		require.Len(t, items, 2, "the secret of the one that is bound is gone")
		assert.Equal(t, acme.ExternalKeyBinding(keys[1]), items[0].Binding)
		replaced, err := values.Replace(ctx, items[1], "new")
		require.NoError(t, err)
		assert.True(t, replaced)
		replaced, err = values.Replace(ctx, items[1], "newer")
		require.NoError(t, err)
		assert.False(t, replaced, "it is not as it was")
		items, err = values.Next(ctx, items[1].Position, 10)
		require.NoError(t, err)
		assert.Empty(t, items)

		require.NoError(t, store.RevokeExternalKey(ctx, "a", keys[2].ID, instant))
		require.ErrorIs(t, store.BindExternalKey(ctx, "a", keys[2].ID, "account", instant), acme.ErrStale)
	})
}

func TestACME_SweepsInParts(t *testing.T) {
	t.Parallel()
	eachACME(t, func(t *testing.T, store *sqlstore.ACME) {
		ctx := t.Context()
		account := acmeAccount(t, store, "a")
		for i := range 5 {
			require.NoError(t, store.UseNonce(ctx, "a", []byte{byte(i)}, instant))
			z := acmeAuthorization(t, store, account, "a.example.com")
			acmeOrder(t, store, account, func(o *acme.Order) { o.Authorizations = []acme.Authorization{z} })
		}
		z := acmeAuthorization(t, store, account, "kept.example.com")
		kept := acmeOrder(t, store, account, func(o *acme.Order) { o.Authorizations = []acme.Authorization{z} })
		kept.Serial = "0a"
		require.NoError(t, store.UpdateOrder(ctx, kept))
		require.NoError(t, store.CancelOrders(ctx, "a", account.ID, instant))
		late := instant.Add(2 * time.Hour)
		n, err := store.Sweep(ctx, "a", late, late, 2)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		for n > 0 {
			n, err = store.Sweep(ctx, "a", late, late, 2)
			require.NoError(t, err)
		}
		require.NoError(t, store.UseNonce(ctx, "a", []byte{0}, instant), "it is forgotten")
		_, err = store.Order(ctx, "a", kept.ID)
		require.NoError(t, err)
		_, err = store.Authorization(ctx, "a", z.ID)
		require.NoError(t, err)
	})
}
