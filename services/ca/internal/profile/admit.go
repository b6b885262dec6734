package profile

import "slices"

// Caller is what is known of who asks.
type Caller struct {
	Client string
	Roles  []string
	Scopes []string
}

// Admits says whether the profile is for the caller: each of access.roles, access.scopes and access.clients that is not empty must hold it.
// The error names what is missing.
func (p *Profile) Admits(caller Caller) error {
	a := p.Access
	among := func(wanted, have []string) bool {
		return len(wanted) == 0 || slices.ContainsFunc(wanted, func(name string) bool { return slices.Contains(have, name) })
	}
	r := &Refusals{Profile: p.Name}
	if !among(a.Roles, caller.Roles) {
		r.add("caller", "holders of a role among "+listed(a.Roles), "the caller has none of the roles that may use the profile")
	}
	if !among(a.Scopes, caller.Scopes) {
		r.add("caller", "holders of a scope among "+listed(a.Scopes), "the caller has none of the scopes that may use the profile")
	}
	if len(a.Clients) > 0 && !slices.Contains(a.Clients, caller.Client) {
		r.add("caller", "certain clients", "the caller is none of the clients that may use the profile")
	}
	if len(r.List) > 0 {
		return r
	}
	return nil
}
