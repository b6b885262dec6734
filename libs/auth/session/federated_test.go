package session_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/session"
)

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
