package statetest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func keyChanges() []kmstest.StateChange {
	return []kmstest.StateChange{
		{What: "a disabled key", Steps: []string{"disable"}, Makes: kmstest.InvalidState, Reads: kmstest.InvalidState, Override: kmstest.InvalidState, Undo: []string{"enable"}},
		{What: "a key that waits for its deletion", Steps: []string{"schedule-deletion"}, Makes: kmstest.InvalidState, Reads: kmstest.InvalidState, Override: kmstest.InvalidState, Undo: []string{"cancel-deletion", "enable"}},
		{What: "a deleted key", Steps: []string{"schedule-deletion", " delete"}, Makes: kmstest.NotFound, Reads: kmstest.NotFound, Override: kmstest.NotFound, Undo: nil},
	}
}

func versionChanges() []kmstest.StateChange {
	of := func(actions ...string) (paths []string) {
		for _, action := range actions {
			spaces := action[:len(action)-len(strings.TrimLeft(action, " "))]
			paths = append(paths, spaces+"material-keys/1/"+strings.TrimLeft(action, " "))
		}
		return paths
	}
	return []kmstest.StateChange{
		{What: "a disabled version", Steps: of("disable"), Makes: kmstest.InvalidState, Reads: kmstest.InvalidState, Override: kmstest.InvalidState, Undo: of("enable")},
		{What: "a compromised version", Steps: of("mark-compromised"), Makes: kmstest.InvalidState, Reads: "version_compromised", Override: "", Undo: nil},
		{What: "a version that waits for its destruction", Steps: of("schedule-destruction"), Makes: kmstest.InvalidState, Reads: kmstest.InvalidState, Override: kmstest.InvalidState, Undo: of("restore", "enable")},
		{
			What: "a compromised version that waits for its destruction", Steps: of("mark-compromised", "schedule-destruction"),
			Makes: kmstest.InvalidState, Reads: kmstest.InvalidState, Override: kmstest.InvalidState, Undo: nil,
		},
		{What: "a compromised version whose destruction is called off", Steps: of("mark-compromised", "schedule-destruction", "restore"), Makes: kmstest.InvalidState, Reads: "version_compromised", Override: "", Undo: nil},
		{What: "a destroyed version", Steps: of("schedule-destruction", " destroy"), Makes: kmstest.InvalidState, Reads: kmstest.InvalidState, Override: kmstest.InvalidState, Undo: nil},
	}
}

// Every operation in every form, alone, in a batch and of octets, is refused by its code on every replica within a second of the change, and works
// again when the change is undone.
func TestStates_EveryUseIsRefusedOnEveryReplica(t *testing.T) {
	t.Parallel()
	kmstest.EachState(t, func(t *testing.T, c *kmstest.States) {
		for i, change := range keyChanges() {
			c.Play(t, c.Keys(t, fmt.Sprintf("key-%d", i)), change, false)
		}
		for i, change := range versionChanges() {
			c.Play(t, c.Keys(t, fmt.Sprintf("version-%d", i)), change, false)
		}
	})
}

// An older version is refused where a message names it, and the primary one works on.
func TestStates_AnOlderVersionIsRefusedAlone(t *testing.T) {
	t.Parallel()
	kmstest.EachState(t, func(t *testing.T, c *kmstest.States) {
		for i, change := range versionChanges() {
			c.Play(t, c.Keys(t, fmt.Sprintf("older-%d", i)), change, true)
		}
	})
}
