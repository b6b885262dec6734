package auth

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/config"
)

// faults collects what is wrong with a realm file.
type faults struct {
	file     string
	problems config.Problems
}

func (f *faults) report(path, message string) {
	f.problems = append(f.problems, config.Problem{File: f.file, Path: path, Message: message})
}

// check finds what the types cannot say.
func (r reader) check(l listing, file string) config.Problems {
	f := &faults{file: file}
	tenants := map[string]bool{}
	for i, tenant := range l.Tenants {
		path := fmt.Sprintf("tenants[%d]", i)
		if !credential.ValidTenant(tenant.ID) {
			f.report(path+".id", "is not a tenant's id: 1 to 31 of a-z, 0-9 and hyphens, the first no hyphen")
		}
		if tenants[tenant.ID] {
			f.report(path+".id", "is listed twice")
		}
		tenants[tenant.ID] = true
		if !slices.Contains([]string{"", TenantActive, TenantSuspended}, tenant.Status) {
			f.report(path+".status", "is neither active nor suspended")
		}
	}
	r.checkEntries(f, "clients", l.Clients, tenants)
	r.checkEntries(f, "api_tokens", l.APITokens, tenants)
	r.checkUsers(f, l.Users, tenants)
	return f.problems
}

func (r reader) checkEntries(f *faults, name string, entries []Entry, tenants map[string]bool) {
	seen := map[[2]string]bool{}
	for i, entry := range entries {
		path := fmt.Sprintf("%s[%d]", name, i)
		for _, fault := range r.faults(entry) {
			f.report(path+"."+fault[0], fault[1])
		}
		if name != "clients" && len(entry.Certificates) > 0 {
			f.report(path+".certificates", "are for clients")
		}
		if entry.SecretHash == "" && len(entry.Certificates) == 0 {
			f.report(path+".secret_hash", "is missing")
		}
		f.unique(path, entry.Tenant, entry.ID, tenants, seen)
	}
}

func (f *faults) unique(path, tenant, id string, tenants map[string]bool, seen map[[2]string]bool) {
	if !tenants[tenant] {
		f.report(path+".tenant", "is not listed under tenants")
	}
	if seen[[2]string{tenant, id}] {
		f.report(path+".id", "is listed twice")
	}
	seen[[2]string{tenant, id}] = true
}

func (r reader) checkUsers(f *faults, users []User, tenants map[string]bool) {
	seen, logins, operators := map[[2]string]bool{}, map[[2]string]bool{}, map[string]bool{}
	for i, user := range users {
		path := fmt.Sprintf("users[%d]", i)
		for _, fault := range r.faults(user.entry()) {
			f.report(path+"."+fault[0], fault[1])
		}
		switch {
		case r.passwords != nil:
			if err := r.passwords.Check(user.PasswordHash); err != nil {
				f.report(path+".password_hash", err.Error())
			}
		case !r.anyHash:
			f.report(path+".password_hash", "cannot be verified: the service takes no passwords")
		}
		f.unique(path, user.Tenant, user.ID, tenants, seen)
		for _, login := range user.logins() {
			if logins[[2]string{user.Tenant, login}] {
				f.report(path, "another user of the tenant logs in by this id or e-mail address")
			}
			logins[[2]string{user.Tenant, login}] = true
		}
		if user.Operator && operators[strings.ToLower(user.ID)] {
			f.report(path+".id", "is another operator's; the admin listener knows no tenants")
		}
		operators[strings.ToLower(user.ID)] = operators[strings.ToLower(user.ID)] || user.Operator
	}
}

// scopeShape is how a scope is written: the product, then what may be done.
var scopeShape = regexp.MustCompile(`^[a-z][a-z0-9-]*:[a-z][a-z0-9_-]*$`)

// ValidScope tells whether a text can be a scope.
func ValidScope(scope string) bool { return len(scope) <= 64 && scopeShape.MatchString(scope) }

// faults lists what is wrong with an entry by itself, as member and text.
func (r reader) faults(e Entry) [][2]string {
	var faults [][2]string
	if !credential.ValidID(e.ID) {
		faults = append(faults, [2]string{"id", "is not an id: 1 to 63 of a-z, 0-9, dots, hyphens and underscores, the first a letter or digit"})
	}
	if e.SecretHash != "" && r.hashes != nil {
		if err := r.hashes.Check(e.SecretHash); err != nil {
			faults = append(faults, [2]string{"secret_hash", err.Error()})
		}
	}
	if slices.ContainsFunc(e.Scopes, func(scope string) bool { return !ValidScope(scope) }) {
		faults = append(faults, [2]string{"scopes", "a scope is written product:action, such as kms:encrypt"})
	}
	for _, role := range e.Roles {
		if !r.anyRole && !slices.ContainsFunc(r.roles, func(known Role) bool { return known.ID == role }) {
			faults = append(faults, [2]string{"roles", fmt.Sprintf("there is no role %q", role)})
		}
	}
	for _, certificate := range e.Certificates {
		if len(certificate.names()) != 1 {
			faults = append(faults, [2]string{"certificates", "each names exactly one of thumbprint, uri, dns and subject"})
		}
	}
	return faults
}
