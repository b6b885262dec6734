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
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// eventually waits for what another replica learns through the change sequence.
func eventually(t *testing.T, condition func() bool, text string) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, 5*time.Millisecond, text)
}

func TestRevoke_EndsASessionEverywhereWhateverItsFormat(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		for _, format := range []session.Format{session.Opaque, session.JWS, session.JWE} {
			one, two := f.manager(t, ofFormat(format)), f.manager(t, ofFormat(format))
			issued, other := f.begin(t, one, billing, session.ClientService), f.begin(t, one, billing, session.ClientService)
			for _, m := range []replica{one, two} {
				_, err := m.byBearer(t, issued.Token)
				require.NoError(t, err)
			}
			require.NoError(t, one.Revoke(t.Context(), "default", issued.Principal.SessionID, session.ReasonRevoked))
			_, err := one.byBearer(t, issued.Token)
			assert.Equal(t, "unauthenticated", code(err), "at once on the same replica")
			eventually(t, func() bool { _, err := two.byBearer(t, issued.Token); return code(err) == "unauthenticated" }, "on the other")
			_, err = two.byBearer(t, other.Token)
			require.NoError(t, err, "another session stays")
			assert.Equal(t, "not_found", code(one.Revoke(t.Context(), "default", issued.Principal.SessionID, session.ReasonRevoked)))
		}
	})
}

func TestRevoke_TouchesNobodyElses(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		issued := f.begin(t, m, alice, session.ClientBrowser)
		id := issued.Principal.SessionID
		assert.Equal(t, "not_found", code(m.Revoke(t.Context(), "acme", id, session.ReasonRevoked)), "from another tenant")
		assert.Equal(t, "not_found", code(m.RevokeOwn(t.Context(), &billing, id, session.ReasonRevoked)), "another principal's")
		_, err := m.byCookie(t, issued)
		require.NoError(t, err)
		require.NoError(t, m.RevokeOwn(t.Context(), &alice, id, session.ReasonLogout))
		_, err = m.byCookie(t, issued)
		assert.Equal(t, "session_required", code(err))
		assert.Equal(t, []string{"session.begin ", "session.end logout"}, f.journal.actions())
	})
}

func TestRevokeAll_SparesOneAndKeepsOldAuthenticationsOut(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m, other := f.manager(t, nil), f.manager(t, nil)
		before := alice
		before.AuthenticatedAt = f.clock.Now()
		kept := f.begin(t, m, alice, session.ClientBrowser)
		var ended []session.Issued
		for range 9 {
			ended = append(ended, f.begin(t, m, alice, session.ClientBrowser))
		}
		foreign := f.begin(t, m, billing, session.ClientService)
		for _, one := range ended {
			_, err := other.byCookie(t, one)
			require.NoError(t, err)
		}
		n, err := m.RevokeAll(t.Context(), "default", alice.Kind, alice.ID, kept.Principal.SessionID, session.ReasonPasswordChanged)
		require.NoError(t, err)
		assert.Equal(t, 9, n)
		for _, one := range ended {
			_, err = m.byCookie(t, one)
			assert.Equal(t, "session_required", code(err))
		}
		eventually(t, func() bool { _, err := other.byCookie(t, ended[0]); return code(err) == "session_required" }, "on the other replica")
		_, err = m.byCookie(t, kept)
		require.NoError(t, err)
		_, err = m.byBearer(t, foreign.Token)
		require.NoError(t, err)

		_, err = m.Create(t.Context(), session.Ask{Principal: &before, Client: session.ClientBrowser})
		assert.Equal(t, "unauthenticated", code(err), "a login that was under way with the old password")
		f.begin(t, m, alice, session.ClientBrowser)
	})
}

// Logins and the end of all sessions at the same time leave nothing from before, whatever their order.
func TestRevokeAll_RacesWithLogins(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, func(cfg *session.Config, _ *session.Deps) { cfg.Browser.MaxPerPrincipal = 1000 })
		who := alice
		who.AuthenticatedAt = f.clock.Now()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 6 {
					_, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientBrowser})
					if code(err) == "unauthenticated" {
						return
					}
					assert.NoError(t, err)
				}
			})
		}
		wg.Go(func() {
			_, err := m.RevokeAll(t.Context(), "default", alice.Kind, alice.ID, "", session.ReasonPasswordChanged)
			assert.NoError(t, err)
		})
		wg.Wait()
		list, err := m.List(t.Context(), "default", session.Filter{}, "", 1000)
		require.NoError(t, err)
		assert.Empty(t, list)
	})
}

func TestCreate_TheLimitHoldsWhenManyBeginAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, func(cfg *session.Config, _ *session.Deps) { cfg.Service.MaxPerPrincipal = 3 })
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 3 {
					who := billing
					_, err := m.Create(t.Context(), session.Ask{Principal: &who, Client: session.ClientService})
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		list, err := m.List(t.Context(), "default", session.Filter{}, "", 1000)
		require.NoError(t, err)
		assert.Len(t, list, 3)
	})
}

func TestRotate_TheOldIdEndsAndTheEndStays(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m, other := f.manager(t, nil), f.manager(t, nil)
		old := f.begin(t, m, alice, session.ClientBrowser)
		_, err := other.byCookie(t, old)
		require.NoError(t, err)
		f.clock.add(10 * time.Minute)
		p, err := m.byCookie(t, old)
		require.NoError(t, err)
		p.AuthenticatedAt, p.Methods = f.clock.Now(), []string{"pwd", "otp"}
		fresh, err := m.Rotate(t.Context(), p, request(t, "/"))
		require.NoError(t, err)
		assert.NotEqual(t, old.Principal.SessionID, fresh.Principal.SessionID)
		assert.Equal(t, old.Principal.ExpiresAt, fresh.Principal.ExpiresAt)
		_, err = m.byCookie(t, old)
		assert.Equal(t, "session_required", code(err))
		eventually(t, func() bool { _, err := other.byCookie(t, old); return code(err) == "session_required" }, "on the other replica")
		now, err := other.byCookie(t, fresh)
		require.NoError(t, err)
		assert.Equal(t, p.AuthenticatedAt, now.AuthenticatedAt)
		assert.Equal(t, []string{"pwd", "otp"}, now.Methods)
		_, err = m.Rotate(t.Context(), p, request(t, "/"))
		assert.Equal(t, "session_required", code(err), "the old one cannot be rotated again")
	})
}

func TestRotate_OfTwoAtOnceOneSucceeds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		p, err := m.byCookie(t, f.begin(t, m, alice, session.ClientBrowser))
		require.NoError(t, err)
		p.AuthenticatedAt = f.clock.Now()
		results := make([]string, 6)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				_, err := m.Rotate(t.Context(), p, nil)
				results[i] = code(err)
			})
		}
		wg.Wait()
		assert.Equal(t, []string{"", "session_required", "session_required", "session_required", "session_required", "session_required"}, sorted(results))
	})
}

func TestList_GoesPageByPageThroughWhatIsInForce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		var want []string
		for range 7 {
			want = append(want, f.begin(t, m, billing, session.ClientService).Principal.SessionID)
		}
		var got []string
		for after := ""; ; {
			page, err := m.List(t.Context(), "default", session.Filter{}, after, 3)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, one := range page {
				got = append(got, one.ID)
			}
			after = got[len(got)-1]
		}
		assert.Equal(t, want, got)
		f.clock.add(2 * time.Hour)
		page, err := m.List(t.Context(), "default", session.Filter{}, "", 100)
		require.NoError(t, err)
		assert.Empty(t, page)
	})
}

func TestSweep_RemovesWhatHasExpiredAndNothingElse(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		all := database.WithTenant(t.Context(), database.AllTenants)
		_, err := f.db.Exec(all, `INSERT INTO sessions (tenant_id, id, client, format, realm, kind, principal_id, name, login, scopes, roles, methods, secret_hash,
			confirmation, address, user_agent, authenticated_at, created_at, last_used_at, idle_seconds, idle_expires_at, expires_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
			SELECT 'tenant-' || (i % 5), 'old-' || i, 'browser', 'opaque', '', 'user', 'u', '', '', '[]', '[]', '[]', '', $1, '', '', 0, 0, 0, 60, 0, 0 FROM n`, []byte{})
		require.NoError(t, err)
		f.clock.add(25 * time.Hour)
		kept := f.begin(t, m, alice, session.ClientBrowser)
		idle := f.begin(t, m, bob, session.ClientBrowser)
		_ = idle
		require.NoError(t, m.Sweep(t.Context()))
		assert.Equal(t, 2, f.count(t, "sessions"))
		f.clock.add(29 * time.Minute)
		_, err = m.byCookie(t, kept)
		require.NoError(t, err)
		require.NoError(t, m.Flush(t.Context()))
		f.clock.add(5 * time.Minute)
		require.NoError(t, m.Sweep(t.Context()))
		assert.Equal(t, 1, f.count(t, "sessions"))
		assert.Equal(t, 2, f.count(t, "session_owners"))
		f.clock.add(25 * time.Hour)
		require.NoError(t, m.Sweep(t.Context()))
		assert.Zero(t, f.count(t, "sessions"))
		assert.Zero(t, f.count(t, "session_owners"))
	})
}

func (f fixture) count(t *testing.T, table string) (n int) {
	t.Helper()
	ctx := database.WithTenant(t.Context(), database.AllTenants)
	require.NoError(t, f.db.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

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
		require.NoError(t, m.RotateKeys(t.Context(), "default"))
		assert.Equal(t, 6, f.count(t, "session_keys"))
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

func TestFederated_OldSessionsMayStayForAWhileWithoutAdministration(t *testing.T) {
	t.Parallel()
	eachTenancy(t, func(t *testing.T, f fixture) {
		alone := f.manager(t, nil)
		person, program := f.begin(t, alone, alice, session.ClientBrowser), f.begin(t, alone, billing, session.ClientService)
		lifetimes := func(cfg *session.Config) {
			cfg.Federated = true
			cfg.Browser.IdleTimeout, cfg.Service.IdleTimeout, cfg.Service.Lifetime = 12*time.Hour, 12*time.Hour, 12*time.Hour
		}
		strict := f.manager(t, func(cfg *session.Config, _ *session.Deps) { lifetimes(cfg) })
		_, err := strict.byCookie(t, person)
		assert.Equal(t, "session_required", code(err), "no grace unless it is asked for")
		_, err = strict.byBearer(t, program.Token)
		assert.Equal(t, "unauthenticated", code(err))
		after := f.begin(t, strict, billing, session.ClientService)
		_, err = strict.byBearer(t, after.Token)
		require.NoError(t, err, "a program that came in since then")
		local := f.begin(t, strict, alice, session.ClientBrowser)
		_, err = strict.byCookie(t, local)
		assert.Equal(t, "session_required", code(err), "a person cannot")
		federated := alice
		federated.Realm = "identity"
		f.people.set(federated)
		_, err = strict.byCookie(t, f.begin(t, strict, federated, session.ClientBrowser))
		require.NoError(t, err)
		f.people.set(alice)

		gentle := f.manager(t, func(cfg *session.Config, _ *session.Deps) {
			lifetimes(cfg)
			cfg.GracePeriod = 20 * time.Minute
		})
		p, err := gentle.byCookie(t, person)
		require.NoError(t, err)
		assert.Equal(t, []string{"kms:read", "kms:encrypt"}, p.Scopes)
		assert.Empty(t, p.Roles)
		f.clock.add(21 * time.Minute)
		_, err = gentle.byCookie(t, person)
		assert.Equal(t, "session_required", code(err), "the grace period is over")
	})
}

func TestConfig_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	assert.Empty(t, session.Defaults().Validate())
	cfg := session.Defaults()
	cfg.Browser.Format, cfg.Browser.IdleTimeout, cfg.Service.Lifetime, cfg.Service.MaxPerPrincipal = "paseto", time.Minute, 31*24*time.Hour, 0
	cfg.SameSite, cfg.KeyRotation, cfg.GracePeriod = "none", time.Minute, 25*time.Hour
	var paths []string
	for _, problem := range cfg.Validate() {
		paths = append(paths, problem.Path)
	}
	assert.Equal(t, []string{
		"browser.format", "browser.idle_timeout", "grace_period", "key_rotation", "same_site", "service.lifetime", "service.max_per_principal",
	}, paths)
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

func TestRevoke_TheEventNamesWhoDidIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f fixture) {
		m := f.manager(t, nil)
		issued := f.begin(t, m, billing, session.ClientService)
		require.NoError(t, m.Revoke(server.WithPrincipal(t.Context(), &alice), "default", issued.Principal.SessionID, session.ReasonRevoked))
		f.journal.mu.Lock()
		defer f.journal.mu.Unlock()
		require.Len(t, f.journal.events, 2)
		assert.Equal(t, billing.ID, f.journal.events[0].By.ID)
		assert.Equal(t, alice.ID, f.journal.events[1].By.ID)
		assert.Equal(t, billing.ID, f.journal.events[1].Owner.ID)
	})
}
