package jsonscan

import (
	"fmt"
	"slices"
	"sort"
)

// Kinds is a set of JSON types.
type Kinds uint8

// The JSON types, and Integer: a Number without fraction and exponent. The zero Kinds allows all.
const (
	Null Kinds = 1 << iota
	Bool
	Integer
	Number
	String
	Array
	Object
)

// names returns the types in words.
func (k Kinds) names() []string {
	var out []string
	for _, n := range []struct {
		kind Kinds
		name string
	}{
		{String, "string"}, {Integer, "integer"}, {Number, "number"}, {Bool, "boolean"}, {Array, "array"}, {Object, "object"}, {Null, "null"},
	} {
		if k&n.kind != 0 {
			out = append(out, n.name)
		}
	}

	return out
}

// Shape is what a value must look like. The zero Shape, and a nil one, allow everything that is well-formed. A Shape may contain
// itself, and is not changed once it is used.
type Shape struct {
	// Kinds are the allowed types.
	Kinds Kinds

	// Closed refuses members that SetMembers did not list; otherwise Rest is the shape of their values.
	Closed bool
	Rest   *Shape
	// MaxMembers bounds the members of an object; 0 does not.
	MaxMembers uint64

	// Items is the shape of an array's elements. MaxItems 0 does not bound.
	Items              *Shape
	MinItems, MaxItems uint64

	// MinLength and MaxLength bound a string in characters; MaxLength 0 does not. Enum, when not empty, lists the allowed strings.
	MinLength, MaxLength uint64
	Enum                 []string

	// Minimum and Maximum bound an Integer.
	Minimum, Maximum *int64

	members  map[string]member
	required uint64 // bit i: the member with that bit must be there
	names    []string
}

// Member is a member that an object may have.
type Member struct {
	Name     string
	Shape    *Shape
	Required bool
}

// Member is the shape of the values of a member that SetMembers has listed; nil for any other.
func (s *Shape) Member(name string) *Shape { return s.members[name].shape }

type member struct {
	shape *Shape
	bit   uint64
}

// maxMembers is how many members a Shape can list: what is seen and what is required are sets in one word each.
const maxMembers = 64

// SetMembers lists the members that an object of this shape may have.
func (s *Shape) SetMembers(list []Member) error {
	if len(list) > maxMembers {
		return fmt.Errorf("an object with %d members; at most %d can be listed", len(list), maxMembers)
	}
	list = slices.Clone(list)
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	s.members, s.required, s.names = make(map[string]member, len(list)), 0, make([]string, len(list))
	for i, m := range list {
		if _, twice := s.members[m.Name]; twice {
			return fmt.Errorf("the member %q is listed twice", m.Name)
		}
		bit := uint64(1) << i
		s.members[m.Name] = member{shape: m.Shape, bit: bit}
		s.names[i] = m.Name
		if m.Required {
			s.required |= bit
		}
	}

	return nil
}
