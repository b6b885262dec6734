package service

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// rightsFlags say what an entry of a realm file may do.
type rightsFlags struct {
	scopes, roles []string
	operator      bool
}

func (f *rightsFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.scopes, "scopes", nil, "what it may do")
	flags.StringSliceVar(&f.roles, "role", nil, "roles, which are bundles of scopes; may be given several times")
	flags.BoolVar(&f.operator, "operator", false, "it may also use the admin listener, even while the database is away")
}

// check refuses rights that mean nothing to the service.
func (f *rightsFlags) check(c setupCommands) error {
	if len(f.scopes) == 0 && len(f.roles) == 0 {
		return cli.Usage("say what it may do with --scopes or --role")
	}
	for _, scope := range f.scopes {
		if all := c.allScopes(); !slices.Contains(all, scope) {
			return cli.Usage("--scopes: there is no scope %q; there are %s", scope, strings.Join(all, ", "))
		}
	}
	for _, role := range f.roles {
		if all := c.roleNames(); !slices.Contains(all, role) {
			return cli.Usage("--role: there is no role %q; there are %s", role, strings.Join(all, ", "))
		}
	}
	return nil
}

// allScopes are the service's own and the platform's.
func (d Description) allScopes() []string {
	all := slices.Clone(d.Scopes)
	for _, scope := range []string{auth.UsersScope(d.Product), auth.AuditScope(d.Product), auth.TenantsScope(d.Product)} {
		if !slices.Contains(all, scope) {
			all = append(all, scope)
		}
	}
	return all
}

func (d Description) roleNames() []string {
	var names []string
	for _, role := range d.roles() {
		names = append(names, role.ID)
	}
	return names
}

// explainRights lists scopes and roles for a help text.
func (d Description) explainRights() string {
	text := "Scopes, of which the first one allows everything but tenants:\n  " + strings.Join(d.allScopes(), "\n  ") + "\n\nRoles:"
	for _, role := range d.roles() {
		text += fmt.Sprintf("\n  %-10s %s", role.ID, strings.Join(role.Scopes, " "))
	}
	return text
}
