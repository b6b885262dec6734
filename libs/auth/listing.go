package auth

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
)

// Statuses of a tenant.
const (
	TenantActive    = "active"
	TenantSuspended = "suspended" // its credentials are refused
)

// Tenant is a party whose data is kept apart from all others'.
type Tenant struct {
	// ID is a slug, a-z, 0-9 and hyphens, at most 31 characters. It never changes.
	ID string `koanf:"id"`
	// Status is active (also when absent) or suspended.
	Status string `koanf:"status"`
}

// Entry is a client or an API token.
type Entry struct {
	// ID is unique among the tenant's clients, or tokens.
	ID string `koanf:"id"`
	// Tenant is the id of a listed tenant.
	Tenant string `koanf:"tenant"`
	// Name is for people.
	Name string `koanf:"name"`
	// SecretHash is the hash of the secret (package secrethash).
	SecretHash string `koanf:"secret_hash"`
	// Scopes are what it may do, such as kms:encrypt.
	Scopes []string `koanf:"scopes"`
	// Disabled entries are refused.
	Disabled bool `koanf:"disabled"`
	// ExpiresAt is when the entry stops working, in RFC 3339; absent: never.
	ExpiresAt time.Time `koanf:"expires_at"`
}

// listing is the content of a realm file.
type listing struct {
	Tenants   []Tenant `koanf:"tenants"`
	Clients   []Entry  `koanf:"clients"`
	APITokens []Entry  `koanf:"api_tokens"`
}

// readListing reads a realm file strictly: the error lists everything that is wrong with it.
func readListing(file string, hashes *secrethash.Registry) (listing, error) {
	info, err := os.Stat(file)
	if err != nil {
		return listing{}, fmt.Errorf("read realm: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 { // whoever writes it decides who gets in
		return listing{}, fmt.Errorf("read realm: %s can be written by others than its owner: chmod go-w %s", file, file)
	}
	var l listing
	if err := config.Load(&l, config.Source{File: file}); err != nil {
		return listing{}, fmt.Errorf("read realm: %w", err)
	}
	if problems := l.check(file, hashes); len(problems) > 0 {
		return listing{}, fmt.Errorf("read realm: %w", problems)
	}
	return l, nil
}

// check finds what the types cannot say.
func (l listing) check(file string, hashes *secrethash.Registry) config.Problems {
	var problems config.Problems
	report := func(path, message string) {
		problems = append(problems, config.Problem{File: file, Path: path, Message: message})
	}
	tenants := map[string]bool{}
	for i, tenant := range l.Tenants {
		path := fmt.Sprintf("tenants[%d]", i)
		if !credential.ValidTenant(tenant.ID) {
			report(path+".id", "is not a tenant's id: 1 to 31 of a-z, 0-9 and hyphens, the first no hyphen")
		}
		if tenants[tenant.ID] {
			report(path+".id", "is listed twice")
		}
		tenants[tenant.ID] = true
		if !slices.Contains([]string{"", TenantActive, TenantSuspended}, tenant.Status) {
			report(path+".status", "is neither active nor suspended")
		}
	}
	for name, entries := range map[string][]Entry{"clients": l.Clients, "api_tokens": l.APITokens} {
		seen := map[[2]string]bool{}
		for i, entry := range entries {
			path := fmt.Sprintf("%s[%d]", name, i)
			for _, fault := range entry.faults(hashes) {
				report(path+"."+fault[0], fault[1])
			}
			if !tenants[entry.Tenant] {
				report(path+".tenant", "is not listed under tenants")
			}
			if seen[[2]string{entry.Tenant, entry.ID}] {
				report(path+".id", "is listed twice")
			}
			seen[[2]string{entry.Tenant, entry.ID}] = true
		}
	}
	return problems
}

// scopeShape is how a scope is written: the product, then what may be done.
var scopeShape = regexp.MustCompile(`^[a-z][a-z0-9]*:[a-z][a-z0-9-]*$`)

// faults lists what is wrong with an entry by itself, as member and text.
func (e Entry) faults(hashes *secrethash.Registry) [][2]string {
	var faults [][2]string
	if !credential.ValidID(e.ID) {
		faults = append(faults, [2]string{"id", "is not an id: 1 to 63 of a-z, 0-9, dots, hyphens and underscores, the first a letter or digit"})
	}
	if err := hashes.Check(e.SecretHash); err != nil {
		faults = append(faults, [2]string{"secret_hash", err.Error()})
	}
	for _, scope := range e.Scopes {
		if !scopeShape.MatchString(scope) {
			faults = append(faults, [2]string{"scopes", "a scope is written product:action, such as kms:encrypt"})
			break
		}
	}
	return faults
}
