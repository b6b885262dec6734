package jsonscan

import (
	"bytes"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/cryptoutil/cryptoutil/libs/server/internal/wording"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// manyNames is from how many names on a set finds a name faster than a walk along the list.
const manyNames = 16

// members follows the members of one open object.
type members struct {
	scanner *scanner
	shape   *Shape
	base    int // where this object's names begin in scanner.names
	seen    uint64
	set     map[string]struct{}
	count   uint64
}

// see takes note of a member and returns the shape of its value. The scanner's path names the member already.
func (o *members) see(name text) (*Shape, *problem.Error) {
	o.count++
	if o.shape != nil && o.shape.members != nil {
		m, known := o.known(name)
		if known {
			if o.seen&m.bit != 0 {
				return nil, o.scanner.duplicate()
			}
			o.seen |= m.bit

			return m.shape, nil
		}
	}
	if o.shape != nil && o.shape.Closed {
		return nil, o.scanner.unknown()
	}
	if o.remember(name.decoded()) {
		return nil, o.scanner.duplicate()
	}
	if o.shape != nil {
		return o.shape.Rest, nil
	}

	return nil, nil
}

func (o *members) known(name text) (member, bool) {
	m, ok := o.shape.members[string(name.decoded())]

	return m, ok
}

// remember tells whether the name was there before, and keeps it.
func (o *members) remember(name []byte) bool {
	s := o.scanner
	if o.set == nil {
		for _, n := range s.names[o.base:] {
			if bytes.Equal(n, name) {
				return true
			}
		}
		s.names = append(s.names, name)
		if len(s.names)-o.base == manyNames {
			o.set = make(map[string]struct{}, 2*manyNames)
			for _, n := range s.names[o.base:] {
				o.set[string(n)] = struct{}{}
			}
		}

		return false
	}
	if _, twice := o.set[string(name)]; twice {
		return true
	}
	o.set[string(name)] = struct{}{}

	return false
}

// end checks the object as a whole; the scanner has left it.
func (o *members) end() {
	s := o.scanner
	s.names = s.names[:o.base]
	if o.shape == nil {
		return
	}
	for missing := o.shape.required &^ o.seen; missing != 0; missing &= missing - 1 {
		name := o.shape.names[bits.TrailingZeros64(missing)]
		s.fault(s.pointer(name), wording.Required)
	}
	if o.shape.MaxMembers > 0 && o.count > o.shape.MaxMembers {
		s.fault(s.pointer(), wording.MaxMembers(o.shape.MaxMembers))
	}
}

// allowed tells whether the shape takes this type, and notes the fault when it does not. It is false without a shape.
func (s *scanner) allowed(shape *Shape, kind Kinds) bool {
	if shape == nil {
		return false
	}
	if shape.Kinds == 0 || shape.Kinds&kind != 0 || kind == Integer && shape.Kinds&Number != 0 {
		return true
	}
	s.fault(s.pointer(), wording.Type(shape.Kinds.names()))

	return false
}

func (s *scanner) checkString(shape *Shape, t text) {
	if shape.MinLength > 0 || shape.MaxLength > 0 && uint64(len(t.raw)) > shape.MaxLength {
		length := uint64(utf8.RuneCount(t.decoded())) //nolint:gosec // not negative
		if length < shape.MinLength {
			s.fault(s.pointer(), wording.MinLength(shape.MinLength))
		}
		if shape.MaxLength > 0 && length > shape.MaxLength {
			s.fault(s.pointer(), wording.MaxLength(shape.MaxLength))
		}
	}
	if len(shape.Enum) > 0 && !slices.Contains(shape.Enum, string(t.decoded())) {
		s.fault(s.pointer(), wording.Enum(shape.Enum))
	}
}

func (s *scanner) checkInteger(shape *Shape, digits []byte) {
	if shape.Minimum == nil && shape.Maximum == nil {
		return
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	switch {
	case err != nil:
		s.fault(s.pointer(), wording.NotInRange)
	case shape.Minimum != nil && n < *shape.Minimum:
		s.fault(s.pointer(), wording.Minimum(strconv.FormatInt(*shape.Minimum, 10), false))
	case shape.Maximum != nil && n > *shape.Maximum:
		s.fault(s.pointer(), wording.Maximum(strconv.FormatInt(*shape.Maximum, 10), false))
	}
}

func (s *scanner) checkItems(shape *Shape, count uint64) {
	if shape == nil {
		return
	}
	if count < shape.MinItems {
		s.fault(s.pointer(), wording.MinItems(shape.MinItems))
	}
	if shape.MaxItems > 0 && count > shape.MaxItems {
		s.fault(s.pointer(), wording.MaxItems(shape.MaxItems))
	}
}
