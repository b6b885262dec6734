package contract

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
)

// newShape makes the shape of a request schema: with all rules that the scan knows if the scan is to be all there is, else with
// the names of members alone. The schema does not contain itself.
func newShape(ref *openapi3.SchemaRef, all bool) (*jsonscan.Shape, error) {
	if ref == nil || ref.Value == nil {
		return nil, nil //nolint:nilnil // no schema, no shape
	}
	o := outline{members: map[string]*openapi3.SchemaRef{}, required: map[string]bool{}}
	if err := o.add(ref.Value, true); err != nil {
		return nil, err
	}
	shape := &jsonscan.Shape{}
	if all {
		shape.Kinds = kindsOf(ref.Value)
		bound(shape, ref.Value)
	}
	var err error
	if shape.Items, err = newShape(o.items, all); err != nil {
		return nil, err
	}
	if shape.Rest, err = newShape(o.rest, all); err != nil {
		return nil, err
	}
	shape.Closed = o.object && !o.open
	if len(o.members) == 0 {
		return shape, nil
	}
	var members []jsonscan.Member
	for _, name := range sortedKeys(o.members) {
		child, err := newShape(o.members[name], all)
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", name, err)
		}
		members = append(members, jsonscan.Member{Name: name, Shape: child, Required: all && o.required[name]})
	}

	if err := shape.SetMembers(members); err != nil {
		return nil, err
	}

	return shape, nil
}

// outline gathers what a schema and the schemas it is composed of say about structure.
type outline struct {
	members  map[string]*openapi3.SchemaRef
	required map[string]bool
	items    *openapi3.SchemaRef
	rest     *openapi3.SchemaRef
	object   bool
	open     bool
}

// add gathers one schema; always tells that it applies to every value, so that its required members are required.
func (o *outline) add(s *openapi3.Schema, always bool) error {
	if s.Items != nil {
		o.items = s.Items
	}
	if err := o.addObject(s); err != nil {
		return err
	}
	if always {
		for _, name := range s.Required {
			o.required[name] = true
		}
	}
	for _, part := range s.AllOf {
		if err := o.add(part.Value, always); err != nil {
			return err
		}
	}
	for _, part := range slices.Concat(s.AnyOf, s.OneOf) {
		if err := o.add(part.Value, false); err != nil {
			return err
		}
	}

	return nil
}

// addObject gathers members.
func (o *outline) addObject(s *openapi3.Schema) error {
	if s.Type.Is(openapi3.TypeObject) || len(s.Properties) > 0 {
		o.object = true
		extra := s.AdditionalProperties
		stated := extra.Schema != nil || extra.Has != nil
		composed := len(s.AllOf)+len(s.AnyOf)+len(s.OneOf) > 0
		if len(s.Properties) == 0 && !stated && !composed {
			return errors.New("an object without properties must state additionalProperties")
		}
		if extra.Schema != nil || extra.Has != nil && *extra.Has {
			o.open = true
			o.rest = extra.Schema
		}
	}
	for name, ref := range s.Properties {
		if ref.Value.ReadOnly {
			continue // only answers have it: in a request it is unknown
		}
		if other, described := o.members[name]; described && other.Value != ref.Value {
			return fmt.Errorf("the member %q is described twice", name)
		}
		o.members[name] = ref
	}

	return nil
}

var kinds = map[string]jsonscan.Kinds{
	openapi3.TypeString: jsonscan.String, openapi3.TypeInteger: jsonscan.Integer, openapi3.TypeNumber: jsonscan.Number,
	openapi3.TypeBoolean: jsonscan.Bool, openapi3.TypeArray: jsonscan.Array, openapi3.TypeObject: jsonscan.Object,
}

// kindsOf finds the types that a schema allows; zero for all.
func kindsOf(s *openapi3.Schema) jsonscan.Kinds {
	var out jsonscan.Kinds
	if s.Type != nil {
		for _, name := range s.Type.Slice() {
			out |= kinds[name]
		}
		if s.Nullable {
			out |= jsonscan.Null
		}
	}
	meet := func(other jsonscan.Kinds) {
		if out == 0 {
			out = other
		} else if other != 0 {
			out &= other
		}
	}
	for _, part := range s.AllOf {
		meet(kindsOf(part.Value))
	}
	for _, parts := range []openapi3.SchemaRefs{s.AnyOf, s.OneOf} {
		var either jsonscan.Kinds
		for _, part := range parts {
			k := kindsOf(part.Value)
			if k == 0 {
				either = 0

				break
			}
			either |= k
		}
		meet(either)
	}

	return out
}

// bound takes over the bounds that the scan can check.
func bound(shape *jsonscan.Shape, s *openapi3.Schema) {
	shape.MinLength = max(shape.MinLength, s.MinLength)
	shape.MinItems = max(shape.MinItems, s.MinItems)
	for to, from := range map[*uint64]*uint64{
		&shape.MaxLength: s.MaxLength, &shape.MaxItems: s.MaxItems, &shape.MaxMembers: s.MaxProps,
	} {
		if from != nil && (*to == 0 || *from < *to) {
			*to = *from
		}
	}
	if s.Type.Is(openapi3.TypeInteger) {
		shape.Minimum = integerBound(s.Min, s.ExclusiveMin, 1)
		shape.Maximum = integerBound(s.Max, s.ExclusiveMax, -1)
	}
	for _, v := range s.Enum {
		if text, ok := v.(string); ok {
			shape.Enum = append(shape.Enum, text)
		}
	}
	for _, part := range s.AllOf {
		bound(shape, part.Value)
	}
}

// integerBound is the outermost integer within a bound, nil when every int64 is; inward leads from an exclusive bound to it.
func integerBound(limit *float64, exclusive openapi3.ExclusiveBound, inward int64) *int64 {
	if limit == nil || math.Abs(*limit) >= math.MaxInt64 {
		return nil
	}
	whole := math.Ceil(*limit)
	if inward < 0 {
		whole = math.Floor(*limit)
	}
	n := int64(whole)
	if exclusive.IsTrue() && whole == *limit {
		n += inward
	}

	return &n
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
