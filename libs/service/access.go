package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/accesstoken"
	"github.com/cryptoutil/cryptoutil/libs/auth/admin"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/ratelimit"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// roles are those that the service has without anybody making them.
func (d Description) roles() []auth.Role { return auth.BuiltInRoles(d.Product, d.Operate, d.Use) }

// OpenHashes opens the registries that a configuration describes. dev is development mode, which can do without peppers.
func OpenHashes(cfg *Config) (*secrethash.Set, error) {
	peppers := map[int][]byte{}
	defer func() {
		for _, secret := range peppers {
			clear(secret)
		}
	}()
	for _, pepper := range cfg.Hashes.Peppers {
		secret, err := pepper.Secret.Read()
		if err != nil {
			return nil, fmt.Errorf("pepper of version %d: %w", pepper.Version, err)
		}
		peppers[pepper.Version] = secret
	}
	return secrethash.Open(secrethash.Config{
		Registries: cfg.Hashes.Registries, Peppers: peppers, Concurrency: cfg.Hashes.Concurrency, Dev: cfg.Secrets.Dev,
	})
}

// openFileRealm opens the realm of a file; nil where the configuration names none.
func openFileRealm(d Description, cfg *Config, hashes *secrethash.Set, log *slog.Logger) (*auth.FileRealm, error) {
	if cfg.Realm.File == "" {
		return nil, nil //nolint:nilnil // no realm is no fault
	}
	return auth.OpenFileRealm(auth.FileRealmConfig{
		File: cfg.Realm.File.String(), Hashes: hashes.Registry(secrethash.HighEntropyRandom), Passwords: hashes.Registry(secrethash.LowEntropyRandom),
		Roles: d.roles(), Log: log, Now: time.Now,
	})
}

func (p *Platform) openRealms(ctx context.Context, cfg *Config) (err error) {
	if p.hashes, err = OpenHashes(cfg); err != nil {
		return err
	}
	secrets, passwords := p.hashes.Registry(secrethash.HighEntropyRandom), p.hashes.Registry(secrethash.LowEntropyRandom)
	if p.file, err = openFileRealm(p.description, cfg, p.hashes, p.Log); err != nil {
		return err
	}
	if p.file != nil {
		if err := p.importTenants(ctx); err != nil {
			return err
		}
	}
	p.directory, err = directory.New(directory.Config{
		DB: p.DB, Barrier: p.Barrier, Changes: p.Changes, Secrets: secrets, Passwords: passwords, Product: p.description.Product,
		Roles: p.description.roles(), Record: admin.Recorder(p.Audit), End: p.endSessions, Now: p.Now, Log: p.Log,
	})
	if err != nil {
		return err
	}
	p.Access = auth.NewAccess(p.directory, p.Now)
	var realms []auth.Realm
	for _, name := range cfg.Realm.Order {
		if name == realmFile {
			realms = append(realms, p.file)
		} else {
			realms = append(realms, p.directory)
		}
	}
	bearers := []auth.Bearer{sessionBearer{p}}
	if accesstoken.Configured(cfg.Federation) {
		tokens, err := accesstoken.Open(p.Federation, cfg.Federation.Identity, accesstoken.Deps{
			Product: p.description.Product, Now: p.Now,
		})
		if err != nil {
			return err
		}
		bearers = append(bearers, tokens) // last: every text that is nobody else's may be one
	}
	p.gate, err = auth.New(auth.Config{
		Realms: realms, Bearers: bearers, Secrets: secrets, Fresh: p.fresh,
		UsersByAdminOnly: p.federated(cfg), Log: p.Log, Now: p.Now,
	})
	if err != nil {
		return err
	}
	p.passwords, err = auth.NewPasswords(auth.PasswordsConfig{
		Gate: p.gate, Hashes: passwords, Limiter: exactLimiter{p.limiter}, Store: p.directory,
	})
	return err
}

// fresh tells whether this replica knows what others have changed.
func (p *Platform) fresh() error { return p.Changes.Ensure(context.Background()) } // which bounds itself

// knownTenants are the tenants of the table, and those that the realm file has come to list meanwhile.
type knownTenants struct{ *Platform }

// Tenant implements server.Tenants.
func (k knownTenants) Tenant(ctx context.Context, id string) error {
	err := k.tenants.Tenant(ctx, id)
	if !errors.Is(err, tenants.ErrNotFound) || k.file == nil || !slices.Contains(k.file.Tenants(), id) {
		return err
	}
	if failed := k.tenants.Import(ctx, map[string]string{id: ""}); failed != nil {
		return failed
	}
	return k.tenants.Tenant(ctx, id)
}

// federated tells whether people log in at Identity.
func (p *Platform) federated(cfg *Config) bool {
	return cfg.Federation.Enabled && cfg.Federation.Identity.AuthzURL != ""
}

// importTenants makes the tenants that the realm file names, and the default one.
func (p *Platform) importTenants(ctx context.Context) error {
	names := map[string]string{}
	for _, id := range p.file.Tenants() {
		names[id] = ""
	}
	return p.tenants.Import(ctx, names)
}

// sessionBearer is the sessions as bearer tokens; they are opened after the gate, on which they stand.
type sessionBearer struct{ *Platform }

// Recognizes implements auth.Bearer.
func (s sessionBearer) Recognizes(token string) bool { return s.sessions.Recognizes(token) }

// Authenticate implements auth.Bearer.
func (s sessionBearer) Authenticate(ctx context.Context, r *http.Request, token string) (*server.Principal, error) {
	return s.sessions.Authenticate(ctx, r, token)
}

// exactLimiter is the limiter in SQL with the server's types.
type exactLimiter struct{ limiter *ratelimit.Limiter }

// Allow implements server.Limiter.
func (l exactLimiter) Allow(ctx context.Context, key string, rate server.Rate, cost int) (server.Verdict, error) {
	verdict, err := l.limiter.Allow(ctx, key, ratelimit.Rate{Limit: rate.Limit, Per: rate.Per, Burst: rate.Burst}, cost)
	return server.Verdict(verdict), err
}

// Forgive gives back what was taken for the key.
func (l exactLimiter) Forgive(ctx context.Context, key string) error {
	return l.limiter.Forgive(ctx, key)
}

func (p *Platform) openSessions(_ context.Context, cfg *Config) (err error) {
	sessions := cfg.Sessions
	sessions.Federated = p.federated(cfg)
	p.sessions, err = session.New(sessions, session.Deps{
		DB: p.DB, Changes: p.Changes, Leases: p.Leases, Hashes: p.hashes.Registry(secrethash.HighEntropyRandom), Barrier: p.Barrier,
		Principals: p.gate, Recorder: sessionRecorder{p}, Service: p.description.Product, Now: p.Now, Log: p.Log,
	})
	return err
}

// endSessions ends all sessions of a principal in the transaction of ctx.
func (p *Platform) endSessions(ctx context.Context, tenant, kind, id string) error {
	_, err := p.sessions.RevokeAll(ctx, tenant, kind, id, "", "changed by an administrator")
	return err
}

// sessionRecorder writes the beginning and end of sessions into the audit trail.
type sessionRecorder struct{ *Platform }

// Record implements session.Recorder.
func (r sessionRecorder) Record(ctx context.Context, e session.Event) error {
	event := audit.Event{Time: e.Time, Tenant: e.Tenant, Action: e.Action, Object: audit.Object{Kind: "session", ID: e.SessionID}}
	if e.Owner != nil {
		event.Fields = append(event.Fields, audit.Text("owner_kind", e.Owner.Kind), audit.Text("owner_id", e.Owner.ID))
	}
	if e.By != nil {
		event.Actor = actorOf(e.By)
	}
	if e.Reason != "" {
		event.Fields = append(event.Fields, audit.Text("reason", e.Reason))
	}
	return r.record(ctx, event)
}

var errNoPrincipal = errors.New("nobody is authenticated")
