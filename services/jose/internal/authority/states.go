package authority

import (
	"slices"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// KeyStatus is the state of a key.
type KeyStatus string

// States of a key.
const (
	KeyActive    KeyStatus = "active"
	KeyDisabled  KeyStatus = "disabled"
	KeyDestroyed KeyStatus = "destroyed"
)

// VersionStatus is the state of a version.
type VersionStatus string

// States of a version.
const (
	VersionPending   VersionStatus = "pending"   // published, and not used yet
	VersionActive    VersionStatus = "active"    // signs and encrypts
	VersionRetired   VersionStatus = "retired"   // verifies and decrypts what it has made
	VersionDestroyed VersionStatus = "destroyed" // without material
)

// Transition is a change of state that may happen: to one state from any of some.
type Transition[S ~string] struct {
	Action string
	From   []S
	To     S
}

// The transitions of keys. What is not here does not happen; an UPDATE states From in its WHERE.

func keyEnable() Transition[KeyStatus] {
	return Transition[KeyStatus]{"enable", []KeyStatus{KeyDisabled}, KeyActive}
}

func keyDisable() Transition[KeyStatus] {
	return Transition[KeyStatus]{"disable", []KeyStatus{KeyActive}, KeyDisabled}
}

func keyDestroy() Transition[KeyStatus] {
	return Transition[KeyStatus]{"destroy", []KeyStatus{KeyActive, KeyDisabled}, KeyDestroyed}
}

// The transitions of versions. activate and retire come about by time, or by a rotation that does not wait.

func versionActivate() Transition[VersionStatus] {
	return Transition[VersionStatus]{"activate", []VersionStatus{VersionPending}, VersionActive}
}

func versionRetire() Transition[VersionStatus] {
	return Transition[VersionStatus]{"retire", []VersionStatus{VersionPending, VersionActive}, VersionRetired}
}

// A version that is in use is not destroyed: its key is, or a successor takes over first.
func versionDestroy() Transition[VersionStatus] {
	return Transition[VersionStatus]{"destroy", []VersionStatus{VersionPending, VersionRetired}, VersionDestroyed}
}

// KeyTransitions is the whole table for keys.
func KeyTransitions() []Transition[KeyStatus] {
	return []Transition[KeyStatus]{keyEnable(), keyDisable(), keyDestroy()}
}

// VersionTransitions is the whole table for versions.
func VersionTransitions() []Transition[VersionStatus] {
	return []Transition[VersionStatus]{versionActivate(), versionRetire(), versionDestroy()}
}

// Allows tells whether the change may begin in a state.
func (t Transition[S]) Allows(from S) bool { return slices.Contains(t.From, from) }

// refuse is the answer to a change that may not begin in the state that the thing is in; it names both.
func (t Transition[S]) refuse(what string, is S) error {
	from := make([]string, len(t.From))
	for i, s := range t.From {
		from[i] = string(s)
	}
	return errState(what, string(is), t.Action, strings.Join(from, " or "))
}

// errState says in which state something is, and in which it must be for what was asked.
func errState(what, is, action, must string) error {
	return problem.New(problem.InvalidState, "%s is %s; to %s it must be %s", what, is, action, must)
}
