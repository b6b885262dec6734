// Package contract derives from an OpenAPI 3.0 document what the server must know of each operation before a handler runs: who may
// call it, how large its body may be, what the body and the parameters look like.
//
// The document is the only place where this is stated, and a gap in it is an error at start. Every operation says:
//
//   - its operationId, unique;
//   - `security`, its own or the document's. An operation that anybody may call says `security: []`; silence is refused;
//   - its scopes: `x-scopes`, a list of which the caller needs one, empty for any authenticated caller; or scopes inside `security`,
//     of which the caller needs all of one alternative. In a document that several products serve, a scope may begin with $product:,
//     which stands for the name of the product that serves it;
//   - for a POST: the header parameter Idempotency-Key, or `x-stateless: true` because it changes nothing;
//   - optionally `x-max-body`, the largest body in bytes (1 MiB without it), and `x-hot: true`, for an operation whose body is checked
//     by the token scan alone: names, types, required members, lengths, enumerations and integer bounds, but no patterns, formats or
//     alternatives, which are then the handler's;
//   - optionally `x-step-up: true`, for what demands a fresh authentication, and `x-feature`, the name of the feature without which the
//     operation does not exist;
//   - optionally `x-resource`, the kind of the one resource that the operation is about, where the scopes can be granted for single resources:
//     the handler then decides about each.
//
// A path may say `x-alias`, another path at which programs find it too.
//
// Objects in requests are closed unless they state additionalProperties.
package contract

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// Contract is what one document states.
type Contract struct {
	operations []*Operation
}

// Load reads a document, YAML or JSON, that is one product's own. All its faults are reported at once.
func Load(document []byte) (*Contract, error) { return LoadFor("", document) }

// reading is what a Contract was made of.
type reading struct {
	product  string
	document [sha256.Size]byte
}

// read holds what was read: it takes a tenth of a second, and a Contract never changes. Services of one process share it.
var read sync.Map //nolint:gochecknoglobals // a *Contract by its reading

// LoadFor reads a document as it is served by a product, whose name stands for $product in scopes.
func LoadFor(product string, document []byte) (*Contract, error) {
	of := reading{product, sha256.Sum256(document)}
	if known, ok := read.Load(of); ok {
		return known.(*Contract), nil //nolint:forcetypeassert // nothing else is stored
	}
	made, err := load(product, document)
	if err != nil {
		return nil, err
	}
	read.Store(of, made)

	return made, nil
}

func load(product string, document []byte) (*Contract, error) {
	loader := &openapi3.Loader{Context: context.Background()}
	doc, err := loader.LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.0.") {
		return nil, fmt.Errorf("read OpenAPI document: version %q; 3.0 is expected", doc.OpenAPI)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", err)
	}

	var c Contract
	var faults []error
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o, err := newOperation(doc, product, method, path, item, op)
			if err != nil {
				faults = append(faults, fmt.Errorf("%s %s: %w", method, path, err))

				continue
			}
			c.operations = append(c.operations, o)
		}
	}
	if len(faults) > 0 {
		slices.SortFunc(faults, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })

		return nil, fmt.Errorf("read OpenAPI document: %w", errors.Join(faults...))
	}
	slices.SortFunc(c.operations, func(a, b *Operation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})

	return &c, nil
}

// Operations returns every operation, in the order of path and method.
func (c *Contract) Operations() []*Operation { return c.operations }
