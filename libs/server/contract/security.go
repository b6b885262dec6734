package contract

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// scopeShape is what a scope looks like: the product, then what is allowed.
var scopeShape = regexp.MustCompile(`^[a-z][a-z0-9-]*:[a-z][a-z0-9_-]*$`)

// productScope begins a scope of whatever product serves the document.
const productScope = "$product:"

// readSecurity finds who may call the operation. Authentication is never optional: an alternative without a scheme is refused.
func (o *Operation) readSecurity(doc *openapi3.T, op *openapi3.Operation) error {
	listed, stated, err := extension[[]string](op.Extensions, extScopes)
	if err != nil {
		return err
	}
	requirements := doc.Security
	if op.Security != nil {
		requirements = *op.Security
		o.Anonymous = len(requirements) == 0
	}
	if o.Anonymous {
		if stated {
			return fmt.Errorf("it needs no caller and states %s", extScopes)
		}
		if o.StepUp {
			return fmt.Errorf("it needs no caller and states %s", extStepUp)
		}

		return nil
	}
	if len(requirements) == 0 {
		return errors.New("it states no security; an operation that anybody may call states security: []")
	}

	for _, requirement := range requirements {
		var all []string
		for scheme, scopes := range requirement {
			if doc.Components == nil || doc.Components.SecuritySchemes[scheme] == nil {
				return fmt.Errorf("the security scheme %q is not defined", scheme)
			}
			all = append(all, scopes...) // a copy: the requirements of the document may be shared
		}
		if len(requirement) == 0 {
			return errors.New("an empty alternative in security would let anybody in")
		}
		if len(all) > 0 {
			o.Scopes = append(o.Scopes, all)
		}
	}
	switch {
	case stated && len(o.Scopes) > 0:
		return fmt.Errorf("it states scopes in security and in %s", extScopes)
	case !stated && len(o.Scopes) < len(requirements):
		return fmt.Errorf("it states no scopes; any caller may use it if it states %s: []", extScopes)
	}
	for _, scope := range listed {
		o.Scopes = append(o.Scopes, []string{scope})
	}

	return o.nameScopes()
}

// nameScopes puts the product's name into scopes, and refuses those that are malformed.
func (o *Operation) nameScopes() error {
	for _, all := range o.Scopes {
		for i, scope := range all {
			if permission, ok := strings.CutPrefix(scope, productScope); ok && o.product != "" {
				scope = o.product + ":" + permission
				all[i] = scope
			}
			if !scopeShape.MatchString(scope) {
				return fmt.Errorf("the scope %q is not of the form product:permission", scope)
			}
		}
	}

	return nil
}

// Permits tells whether these scopes suffice.
func (o *Operation) Permits(held []string) bool { return Permits(o.Scopes, held) }

// Permits tells whether the scopes that somebody holds cover one of the alternatives; no alternative permits anybody.
func Permits(alternatives [][]string, held []string) bool {
	if len(alternatives) == 0 {
		return true
	}
	for _, all := range alternatives {
		missing := false
		for _, scope := range all {
			if !slices.Contains(held, scope) {
				missing = true

				break
			}
		}
		if !missing {
			return true
		}
	}

	return false
}
