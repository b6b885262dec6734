package session_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

func TestKeys_RotateAndOldTokensStayGood(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		for i, format := range []session.Format{session.JWS, session.JWE} {
			m := f.manager(t, func(cfg *session.Config, _ *session.Deps) {
				ofFormat(format)(cfg, nil)
				cfg.KeyRotation = 2 * time.Hour
				cfg.Service.Lifetime = 24 * time.Hour
				cfg.Service.IdleTimeout = 24 * time.Hour
			})
			first := f.begin(t, m, billing, session.ClientService)
			assert.Equal(t, 2*i+1, f.count(t, "session_keys"))
			f.begin(t, m, billing, session.ClientService)
			assert.Equal(t, 2*i+1, f.count(t, "session_keys"))
			f.clock.add(2 * time.Hour)
			second := f.begin(t, m, billing, session.ClientService)
			assert.Equal(t, 2*i+2, f.count(t, "session_keys"))
			for _, one := range []session.Issued{first, second} {
				_, err := f.manager(t, nil).byBearer(t, one.Token)
				require.NoError(t, err, format)
			}
		}
		m := f.manager(t, nil)
		assert.Equal(t, 4, f.count(t, "session_keys"))
		f.clock.add(31 * 24 * time.Hour)
		require.NoError(t, m.Sweep(t.Context()))
		assert.Equal(t, 2, f.count(t, "session_keys"), "only the newest of each format")
	})
}

func TestKeys_ReplicasThatStartTogetherShareOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		var managers []replica
		for range 4 {
			managers = append(managers, f.manager(t, nil))
		}
		tokens := make([]string, len(managers))
		var wg sync.WaitGroup
		for i, m := range managers {
			wg.Go(func() {
				who := billing
				issued, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService})
				if assert.NoError(t, err) {
					tokens[i] = issued.Token
				}
			})
		}
		wg.Wait()
		assert.Equal(t, 1, f.count(t, "session_keys"))
		for _, token := range tokens {
			for _, m := range managers {
				_, err := m.byBearer(t, token)
				require.NoError(t, err)
			}
		}
	})
}

func TestKeys_AreUnreadableInAnotherPlace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		token := f.begin(t, f.manager(t, nil), billing, session.ClientService).Token
		ctx := database.WithTenant(t.Context(), database.AllTenants)
		_, err := f.db.Exec(ctx, "UPDATE session_keys SET version = 7")
		require.NoError(t, err)
		_, err = f.manager(t, nil).byBearer(t, token)
		require.Error(t, err)
		assert.Contains(t, err.Error(), "moved")
	})
}

func TestValues_AreWrappedAnewAndStayReadable(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		var tokens []string
		for i := range 5 {
			who := billing
			who.Tenant = fmt.Sprint("tenant-", i)
			f.people.set(who)
			tokens = append(tokens, f.begin(t, m, who, session.ClientService).Token)
		}
		source := m.Values()
		var seen []string
		for after := ""; ; {
			items, err := source.Next(t.Context(), after, 2)
			require.NoError(t, err)
			if len(items) == 0 {
				break
			}
			for _, item := range items {
				seen = append(seen, item.Binding.Tenant)
				value, err := f.barrier.Unwrap(t.Context(), item.Binding, item.JWE)
				require.NoError(t, err)
				require.NoError(t, f.barrier.Rotate(t.Context(), item.Binding.Tenant, barrier.LevelContent))
				wrapper, err := f.barrier.Tenant(t.Context(), item.Binding.Tenant)
				require.NoError(t, err)
				wrapped, err := wrapper.Wrap(item.Binding, value)
				require.NoError(t, err)
				replaced, err := source.Replace(t.Context(), item, wrapped)
				require.NoError(t, err)
				assert.True(t, replaced)
				replaced, err = source.Replace(t.Context(), item, wrapped)
				require.NoError(t, err)
				assert.False(t, replaced, "the old value is not there any more")
				after = item.Position
			}
		}
		assert.Equal(t, []string{"tenant-0", "tenant-1", "tenant-2", "tenant-3", "tenant-4"}, seen)
		again := f.manager(t, nil)
		for _, token := range tokens {
			_, err := again.byBearer(t, token)
			require.NoError(t, err)
		}
	})
}

func TestKeys_AreForgottenWhenTheBarrierIsSealed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		token := f.begin(t, m, billing, session.ClientService).Token
		_, err := m.byBearer(t, token)
		require.NoError(t, err)
		f.barrier.Seal()
		m.Forget()
		_, err = m.byBearer(t, token)
		assert.Equal(t, "sealed", code(err), "nobody can tell, which is not the same as refused")
		who := billing
		_, err = m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService})
		assert.Equal(t, "sealed", code(err))
		require.NoError(t, f.barrier.Unseal(t.Context(), make([]byte, barrier.UnsealKeySize), "test"))
		_, err = m.byBearer(t, token)
		require.NoError(t, err)
	})
}
