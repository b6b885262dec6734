package accesstoken_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/accesstoken"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// administrator are the claims of a token with administrative scopes.
func (f *fixture) administrator() object {
	return with(f.person(), object{"scope": "kms:admin kms:read"})
}

// active is the answer that a token is in force.
func active(claims object) object { return with(claims, object{"active": true}) }

func TestIntrospection_DecidesOverAdministrativeScopes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	claims := f.administrator()
	token := f.token(t, claims)
	_, err := f.present(t, token)
	requireCode(t, "unauthenticated", err, "the signature is right, yet the server says no")
	f.identity.says(active(claims))
	f.clock.Add(time.Second)
	for range 5 {
		p, err := f.present(t, token)
		require.NoError(t, err)
		assert.Equal(t, []string{"kms:admin", "kms:read"}, p.Scopes)
		assert.Equal(t, "sales", p.Tenant)
	}
	_, asked := f.identity.counts()
	assert.Equal(t, 2, asked)

	f.identity.says(object{"active": false})
	f.clock.Add(999 * time.Millisecond)
	_, err = f.present(t, token)
	require.NoError(t, err, "an answer serves for less than a second")
	f.clock.Add(time.Millisecond)
	_, err = f.present(t, token)
	requireCode(t, "unauthenticated", err, "and no longer")
}

func TestIntrospection_IsDemandedByLongLivesAndTheServicesOwnRule(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(_ *federation.IdentityConfig, deps *accesstoken.Deps) {
		deps.AdminScope = func(scope string) bool { return scope == "kms:export" }
	})
	now := f.clock.Now().Unix()
	for name, c := range map[string]struct {
		change object
		asked  bool
	}{
		"five minutes":       {object{}, false},
		"a second more":      {object{"exp": now + 301}, true},
		"issued long ago":    {object{"iat": now - 290, "exp": now + 11, "auth_time": now - 300}, true},
		"step-up scope":      {object{"scope": "kms:read kms:export"}, true},
		"another's scope":    {object{"scope": "kms:read ca:export ca:admin"}, false},
		"no longer an admin": {object{"scope": "kms:admin"}, false},
	} {
		_, err := f.present(t, f.token(t, with(f.person(), c.change)))
		if c.asked {
			requireCode(t, "unauthenticated", err, name)
			continue
		}
		require.NoError(t, err, name)
	}
}

func TestIntrospection_LeavesNoMoreThanItSays(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	claims := f.administrator()
	token := f.token(t, claims)
	now := f.clock.Now().Unix()
	for name, c := range map[string]struct {
		answer object
		scopes []string // nil: refused
	}{
		"all":                {active(claims), []string{"kms:admin", "kms:read"}},
		"only active":        {object{"active": true}, []string{"kms:admin", "kms:read"}},
		"fewer scopes":       {with(active(claims), object{"scope": "kms:read"}), []string{"kms:read"}},
		"no scopes":          {with(active(claims), object{"scope": ""}), []string{}},
		"more scopes":        {with(active(claims), object{"scope": "kms:admin kms:read kms:tenants"}), []string{"kms:admin", "kms:read"}},
		"another issuer":     {with(active(claims), object{"iss": redIssuer}), nil},
		"another subject":    {with(active(claims), object{"sub": "bob"}), nil},
		"another client":     {with(active(claims), object{"client_id": "x"}), nil},
		"another token":      {with(active(claims), object{"jti": "x"}), nil},
		"another audience":   {with(active(claims), object{"aud": "https://ca.example"}), nil},
		"a binding of late":  {with(active(claims), object{"cnf": object{"jkt": strings.Repeat("a", 43)}}), nil},
		"expired":            {with(active(claims), object{"exp": now - 60}), nil},
		"inactive, the rest": {with(active(claims), object{"active": false}), nil},
		"active left out":    {claims, nil},
	} {
		f.clock.Add(time.Second)
		f.identity.says(c.answer)
		p, err := f.present(t, token)
		if c.scopes == nil {
			requireCode(t, "unauthenticated", err, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, c.scopes, p.Scopes, name)
	}
}

func TestIntrospection_GarbageIsNoAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *federation.IdentityConfig, _ *accesstoken.Deps) { c.Timeout = 300 * time.Millisecond })
	token := f.token(t, f.administrator())
	never := make(chan struct{})
	defer close(never)
	for name, answer := range map[string]func(w http.ResponseWriter){
		"a page": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(`{"active":true}`))
		},
		"not JSON": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`active`)) },
		"twice":    func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"active":false,"active":true}`)) },
		"as text":  func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"active":"true"}`)) },
		"as null":  func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"active":null}`)) },
		"an array": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`[true]`)) },
		"trailing": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"active":true}{}`)) },
		"huge": func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(`{"active":true,"x":"` + strings.Repeat("x", 70_000) + `"}`))
		},
		"not let in": func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) },
		"created": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{"active":true}`))
		},
		"broken off": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"active":true}`))
		},
		"wrong claims": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"active":true,"exp":"soon"}`)) },
		"nothing":      func(http.ResponseWriter) {},
		"too slow":     func(w http.ResponseWriter) { <-never; _, _ = w.Write([]byte(`{"active":true}`)) },
	} {
		f.identity.set(func(i *identity) {
			i.answer = func(w http.ResponseWriter, _, _ string) {
				w.Header().Set("Content-Type", "application/json")
				answer(w)
			}
		})
		start := time.Now()
		_, err := f.present(t, token)
		requireCode(t, "dependency_unavailable", err, name)
		assert.Less(t, time.Since(start), 900*time.Millisecond, name)
	}
	f.identity.says(object{"active": true})
	_, err := f.present(t, token)
	require.NoError(t, err, "at the same instant")
}

func TestIntrospection_OfOneTokenIsSharedByThoseThatComeMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	claims := f.administrator()
	token := f.token(t, claims)
	_, err := f.present(t, f.token(t, f.person())) // the keys are there
	require.NoError(t, err)
	begun, release := make(chan struct{}, 100), make(chan struct{})
	f.identity.set(func(i *identity) {
		i.answer = func(w http.ResponseWriter, _, _ string) {
			begun <- struct{}{}
			<-release
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(active(claims))
		}
	})
	var group sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		r := request(t, "Bearer", token)
		group.Go(func() { _, errs[i] = f.Authenticate(r.Context(), r, token) })
	}
	<-begun
	close(release)
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	_, asked := f.identity.counts()
	assert.Equal(t, 1, asked)
}

func TestOpaque_IsWhatTheServerSays(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	const token = "2YotnFZFEjr1zCsicMWpAA"
	_, err := f.present(t, token)
	requireCode(t, "unauthenticated", err)
	said := active(f.person())
	now := f.clock.Now().Unix()
	for name, c := range map[string]struct {
		change object
		tenant string
	}{
		"blue":               {nil, "sales"},
		"red":                {object{"iss": redIssuer}, "research"},
		"lives long":         {object{"exp": now + 9000}, "sales"},
		"without a token id": {object{"jti": nil}, "sales"},
		"unknown issuer":     {object{"iss": "https://evil.example"}, ""},
		"no issuer":          {object{"iss": nil}, ""},
		"no audience":        {object{"aud": nil}, ""},
		"another audience":   {object{"aud": "https://ca.example"}, ""},
		"expired":            {object{"exp": now - 60}, ""},
		"without expiry":     {object{"exp": nil}, ""},
		"without subject":    {object{"sub": nil}, ""},
		"without client":     {object{"client_id": nil}, ""},
		"bound":              {object{"cnf": object{"jkt": strings.Repeat("a", 43)}}, ""},
	} {
		f.clock.Add(time.Second)
		f.identity.says(with(said, c.change))
		p, err := f.present(t, token)
		if c.tenant == "" {
			requireCode(t, "unauthenticated", err, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, c.tenant, p.Tenant, name)
		assert.Equal(t, []string{"kms:read", "kms:encrypt"}, p.Scopes, name)
		assert.Equal(t, server.KindUser, p.Kind, name)
	}
}

func TestOpaque_WithOneIssuerItsTenantNeedsNoName(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *federation.IdentityConfig, _ *accesstoken.Deps) {
		c.Issuers = map[string]string{redIssuer: "research"}
	})
	f.identity.set(func(i *identity) {
		i.answer = func(w http.ResponseWriter, tenant, token string) {
			w.Header().Set("Content-Type", "application/json")
			said := with(f.program(), object{"iss": nil, "active": tenant == "red" && token == "opaque"})
			_ = json.NewEncoder(w).Encode(said)
		}
	})
	p, err := f.present(t, "opaque")
	require.NoError(t, err)
	assert.Equal(t, "research", p.Tenant)
	assert.Equal(t, server.KindClient, p.Kind)
}

// epochs is a double.
type epochs map[string]int64

func (e epochs) Current(tenant, subject string) (int64, error) { return e[tenant+"/"+subject], nil }

func TestEpochs_WithdrawTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(_ *federation.IdentityConfig, deps *accesstoken.Deps) { deps.Epochs = epochs{"sales/alice": 3} })
	for epoch, ok := range map[any]bool{2: false, 3: true, 4: true, nil: true, "3": false} {
		_, err := f.present(t, f.token(t, with(f.person(), object{"epoch": epoch})))
		if ok {
			require.NoError(t, err, epoch)
			continue
		}
		requireCode(t, "unauthenticated", err, epoch)
	}
}
