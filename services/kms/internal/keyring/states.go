package keyring

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// ElasticStatus is the state of an elastic key.
type ElasticStatus string

// States of an elastic key.
const (
	ElasticCreating        ElasticStatus = "creating"
	ElasticPendingGenerate ElasticStatus = "pending_generate"
	ElasticPendingImport   ElasticStatus = "pending_import"
	ElasticGenerateFailed  ElasticStatus = "generate_failed"
	ElasticImportFailed    ElasticStatus = "import_failed"
	ElasticActive          ElasticStatus = "active"
	ElasticDisabled        ElasticStatus = "disabled"
	ElasticPendingDelete   ElasticStatus = "pending_delete"
	ElasticDeleted         ElasticStatus = "deleted"
)

// VersionStatus is the state of a material key.
type VersionStatus string

// States of a material key.
const (
	VersionPendingImport    VersionStatus = "pending_import"
	VersionEnabled          VersionStatus = "enabled"
	VersionDisabled         VersionStatus = "disabled"
	VersionCompromised      VersionStatus = "compromised"
	VersionDestroyScheduled VersionStatus = "destroy_scheduled"
	VersionDestroyed        VersionStatus = "destroyed"
)

// Transition is a change of state that may happen: to one state from any of some.
type Transition[S ~string] struct {
	Action string
	From   []S
	To     S
}

// The transitions of elastic keys. What is not here does not happen; an UPDATE states From in its WHERE. docs/kms-states.md has the same table.

func elasticGenerate() Transition[ElasticStatus] {
	return Transition[ElasticStatus]{"generate", []ElasticStatus{ElasticCreating, ElasticGenerateFailed}, ElasticPendingGenerate}
}

func elasticGenerated() Transition[ElasticStatus] {
	return Transition[ElasticStatus]{"generated", []ElasticStatus{ElasticCreating, ElasticPendingGenerate}, ElasticActive}
}

func elasticNotGenerated() Transition[ElasticStatus] {
	return Transition[ElasticStatus]{"not-generated", []ElasticStatus{ElasticPendingGenerate}, ElasticGenerateFailed}
}

func elasticAwaitImport() Transition[ElasticStatus] {
	return Transition[ElasticStatus]{"await-import", []ElasticStatus{ElasticCreating}, ElasticPendingImport}
}

func elasticImported() Transition[ElasticStatus] {
	return Transition[ElasticStatus]{"imported", []ElasticStatus{ElasticPendingImport, ElasticImportFailed}, ElasticActive}
}

func elasticNotImported() Transition[ElasticStatus] {
	return Transition[ElasticStatus]{"not-imported", []ElasticStatus{ElasticPendingImport}, ElasticImportFailed}
}

func elasticEnable() Transition[ElasticStatus] {
	return Transition[ElasticStatus]{"enable", []ElasticStatus{ElasticDisabled}, ElasticActive}
}

func elasticDisable() Transition[ElasticStatus] {
	return Transition[ElasticStatus]{"disable", []ElasticStatus{ElasticActive}, ElasticDisabled}
}

func elasticSchedule() Transition[ElasticStatus] {
	return Transition[ElasticStatus]{
		"schedule-deletion",
		[]ElasticStatus{ElasticActive, ElasticDisabled, ElasticPendingImport, ElasticImportFailed, ElasticGenerateFailed},
		ElasticPendingDelete,
	}
}

func elasticCancelDeletion() Transition[ElasticStatus] {
	return Transition[ElasticStatus]{"cancel-deletion", []ElasticStatus{ElasticPendingDelete}, ElasticDisabled}
}

func elasticDelete() Transition[ElasticStatus] {
	return Transition[ElasticStatus]{"delete", []ElasticStatus{ElasticPendingDelete}, ElasticDeleted}
}

// The transitions of material keys. A version that was compromised never becomes usable again: restore brings it back to compromised.

func versionEnable() Transition[VersionStatus] {
	return Transition[VersionStatus]{"enable", []VersionStatus{VersionDisabled}, VersionEnabled}
}

func versionDisable() Transition[VersionStatus] {
	return Transition[VersionStatus]{"disable", []VersionStatus{VersionEnabled}, VersionDisabled}
}

func versionCompromise() Transition[VersionStatus] {
	return Transition[VersionStatus]{"mark-compromised", []VersionStatus{VersionEnabled, VersionDisabled}, VersionCompromised}
}

func versionSchedule() Transition[VersionStatus] {
	return Transition[VersionStatus]{
		"schedule-destruction",
		[]VersionStatus{VersionEnabled, VersionDisabled, VersionCompromised, VersionPendingImport},
		VersionDestroyScheduled,
	}
}

func versionRestore() Transition[VersionStatus] {
	return Transition[VersionStatus]{"restore", []VersionStatus{VersionDestroyScheduled}, VersionDisabled}
}

func versionDestroy() Transition[VersionStatus] {
	return Transition[VersionStatus]{"destroy", []VersionStatus{VersionDestroyScheduled}, VersionDestroyed}
}

func versionExpire() Transition[VersionStatus] {
	return Transition[VersionStatus]{"expire", []VersionStatus{VersionEnabled, VersionDisabled}, VersionPendingImport}
}

func versionImport() Transition[VersionStatus] {
	return Transition[VersionStatus]{"import", []VersionStatus{VersionPendingImport}, VersionEnabled}
}

// ElasticTransitions is the whole table for elastic keys.
func ElasticTransitions() []Transition[ElasticStatus] {
	return []Transition[ElasticStatus]{
		elasticGenerate(), elasticGenerated(), elasticNotGenerated(), elasticAwaitImport(), elasticImported(), elasticNotImported(),
		elasticEnable(), elasticDisable(), elasticSchedule(), elasticCancelDeletion(), elasticDelete(),
	}
}

// VersionTransitions is the whole table for material keys.
func VersionTransitions() []Transition[VersionStatus] {
	return []Transition[VersionStatus]{
		versionEnable(), versionDisable(), versionCompromise(), versionSchedule(), versionRestore(), versionDestroy(), versionExpire(), versionImport(),
	}
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
	return problem.New("invalid_state", "%s", fmt.Sprintf("%s is %s; to %s it must be %s", what, is, action, must))
}
