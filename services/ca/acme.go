package ca

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/httpapi/acmeapi"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/sqlstore"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// ACMEConfig is about automatic clients (RFC 8555). Each profile that offers ACME has a directory of its name: /acme/{profile}/directory.
type ACMEConfig struct {
	// Resolver is the address, with a port, of the resolver that looks names up and validates DNSSEC: of this machine, or elsewhere over TLS with
	// resolver_name. Empty: there is no ACME.
	Resolver string `koanf:"resolver"`
	// ResolverName is the name in the certificate of a resolver that is asked over TLS (RFC 7858).
	ResolverName string `koanf:"resolver_name"`
	// BaseURL is the URL under which clients reach this service, by which accounts are named. Empty takes the host that each request names.
	BaseURL string `koanf:"base_url"`
	// Terms and Website are URLs for people. Where there are terms, accounts must agree to them.
	Terms string `koanf:"terms"`
	// Website is a URL for people.
	Website string `koanf:"website"`
	// ExternalAccounts lets nobody have an account who was not given a key for it (RFC 8555 section 7.3.4).
	ExternalAccounts bool `koanf:"external_accounts"`
	// CAA are the issuer domain names that CAA records may name (RFC 8659). Empty: the records are not looked at, which the family br forbids.
	CAA []string `koanf:"caa"`
	// AllowAddresses are addresses and prefixes that challenges are looked for at although they are not public.
	AllowAddresses []string `koanf:"allow_addresses"`
	// HTTPPort and TLSPort are where challenges are looked for; 0 for 80 and 443, which the standards fix. Others are for tests.
	HTTPPort uint16 `koanf:"http_port"`
	// TLSPort is the port of tls-alpn-01; 0 for 443.
	TLSPort uint16 `koanf:"tls_port"`
}

// Validate implements config.Validator.
func (c ACMEConfig) Validate() []config.Problem {
	var problems []config.Problem
	if c.Resolver != "" {
		if _, err := validation.NewDNS(validation.DNSConfig{Address: c.Resolver, Name: c.ResolverName}); err != nil {
			problems = append(problems, config.Problem{Path: "resolver", Message: err.Error(), Suggestion: "127.0.0.1:53, or an address with resolver_name"})
		}
	}
	for path, text := range map[string]string{"base_url": c.BaseURL, "terms": c.Terms, "website": c.Website} {
		u, err := url.Parse(text)
		if text != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
			problems = append(problems, config.Problem{Path: path, Message: "is no https URL", Suggestion: "https://ca.example.org"})
		}
	}
	for i, text := range c.AllowAddresses {
		if _, err := prefixOf(text); err != nil {
			problems = append(problems, config.Problem{Path: fmt.Sprintf("allow_addresses[%d]", i), Message: err.Error(), Suggestion: "10.0.0.0/8"})
		}
	}
	return problems
}

// prefixOf reads an address or a prefix.
func prefixOf(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return address.Prefix(address.BitLen())
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no address and no prefix", text)
	}
	return prefix.Masked(), nil
}

// sweepInterval is how often what automatic clients have left behind is deleted.
const sweepInterval = time.Minute

// automation is the part of the service for automatic clients; nil where there is none.
type automation struct {
	platform *service.Platform
	server   *acme.Server
	routes   []server.Protocol
	values   rewrap.Source
}

// openAutomation builds it; nil without a resolver.
func openAutomation(
	cfg ACMEConfig, p *service.Platform, store *sqlstore.Store, profiles *profile.Set, issuer acmeIssuer, now func() time.Time,
) (*automation, error) {
	if cfg.Resolver == "" {
		return nil, nil //nolint:nilnil // off
	}
	resolver, err := validation.NewDNS(validation.DNSConfig{Address: cfg.Resolver, Name: cfg.ResolverName})
	if err != nil {
		return nil, fmt.Errorf("acme.resolver: %w", err)
	}
	local, err := validation.NewLocal(validation.LocalConfig{Resolver: resolver, HTTPPort: cfg.HTTPPort, TLSPort: cfg.TLSPort})
	if err != nil {
		return nil, err
	}
	panel, err := validation.NewPanel(local)
	if err != nil {
		return nil, err
	}
	rates, err := acme.NewRates(p.Limiter(), nil)
	if err != nil {
		return nil, err
	}
	directories, err := directoriesOf(cfg, profiles)
	if err != nil {
		return nil, err
	}
	a := &automation{platform: p, values: sqlstore.NewACMEValues(store.ACME(), p.Tenants)}
	a.server, err = acme.New(acme.Config{
		Store: store.ACME(), Directories: directories, Issuer: issuer, Validator: panel, Barrier: p.Barrier, Limits: rates, Events: acmeEvents{p},
		Tenants: p.Tenants, Now: now, Log: p.Log,
	})
	if err != nil {
		return nil, err
	}
	a.routes, err = acmeapi.Protocols(acmeapi.Config{Server: a.server, Log: p.Log, BaseURL: cfg.BaseURL})
	return a, err
}

// tasks run beside the requests.
func (a *automation) tasks() []func(context.Context) {
	sweep := func(ctx context.Context) {
		err := a.platform.Leases.Every(ctx, "ca-acme-sweep", sweepInterval, a.server.Sweep)
		if err != nil && ctx.Err() == nil {
			a.platform.Log.Error("a task has ended; restart the service", "task", "ca-acme-sweep", "error", err)
		}
	}
	return []func(context.Context){a.server.Run, sweep}
}

// directories are one for each profile that offers ACME, the same for every tenant.
type directories map[string]acme.Directory

// directoriesOf makes the directories.
func directoriesOf(cfg ACMEConfig, profiles *profile.Set) (directories, error) {
	var targets []netip.Prefix
	for _, text := range cfg.AllowAddresses {
		prefix, err := prefixOf(text)
		if err != nil {
			return nil, fmt.Errorf("acme.allow_addresses: %w", err)
		}
		targets = append(targets, prefix)
	}
	all := directories{}
	for _, name := range profiles.Names() {
		p, err := profiles.Find(name)
		if err != nil || !p.ACME || p.IsAuthority() {
			continue
		}
		all[name] = acme.Directory{
			Name: name, Profiles: []acme.Profile{{Name: name, Description: p.Description}}, Terms: cfg.Terms, Website: cfg.Website,
			ExternalAccounts: cfg.ExternalAccounts, CAA: cfg.CAA, Targets: targets,
		}
	}
	return all, nil
}

// Directory implements acme.Directories.
func (d directories) Directory(_ context.Context, _, name string) (acme.Directory, error) {
	found, ok := d[name]
	if !ok {
		return acme.Directory{}, acme.ErrNotFound
	}
	return found, nil
}

// acmeEvents writes what automatic clients do into the audit trail. They are no principals: the account is the object.
type acmeEvents struct{ platform *service.Platform }

// Record implements acme.Events.
func (e acmeEvents) Record(ctx context.Context, event acme.Event) error {
	var fields []audit.Field
	if event.Detail != "" {
		fields = append(fields, audit.Text("detail", event.Detail))
	}
	prepared, err := e.platform.Event(ctx, event.Tenant, event.Action, audit.Object{Kind: event.Kind, ID: event.ID}, fields...)
	if err != nil {
		return fmt.Errorf("prepare event: %w", err)
	}
	return e.platform.Audit.Record(ctx, prepared)
}

// errNoCA says that whoever runs the service has something to do first.
var errNoCA = errors.New("no CA issues by the profile")

// newACMEIssuer is how automatic clients reach issuance.
func newACMEIssuer(issuer *issuance.Issuer, cas *hierarchy.Hierarchy, told *revocations) acmeIssuer {
	return acmeIssuer{issuer: issuer, hierarchy: cas, registry: told.registry}
}
