package keyring

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTransitions_LeaveNoStateWithoutAWayInAndNoEndWithAWayOut(t *testing.T) {
	t.Parallel()
	into := map[ElasticStatus]bool{ElasticCreating: true} // keys begin in it
	for _, transition := range ElasticTransitions() {
		into[transition.To] = true
		assert.False(t, transition.Allows(ElasticDeleted), "%s leads out of the grave", transition.Action)
		assert.False(t, transition.Allows(transition.To), "%s changes nothing", transition.Action)
	}
	for _, status := range allElastic() {
		assert.True(t, into[status], "nothing leads to %s", status)
	}
	reached := map[VersionStatus]bool{}
	for _, transition := range VersionTransitions() {
		reached[transition.To] = true
		assert.False(t, transition.Allows(VersionDestroyed), "%s leads out of the grave", transition.Action)
		if transition.To == VersionEnabled || transition.To == VersionPendingImport {
			assert.False(t, transition.Allows(VersionCompromised), "%s makes a compromised version usable", transition.Action)
		}
	}
	for _, status := range allVersions() {
		assert.True(t, reached[status], "nothing leads to %s", status)
	}
}

func TestTransitions_OnlyAWaitLeadsToTheEnd(t *testing.T) {
	t.Parallel()
	for _, transition := range ElasticTransitions() {
		if transition.To == ElasticDeleted {
			assert.Equal(t, []ElasticStatus{ElasticPendingDelete}, transition.From)
		}
		if slices.Contains(transition.From, ElasticPendingDelete) {
			assert.Contains(t, []ElasticStatus{ElasticDeleted, ElasticDisabled}, transition.To, "a deletion that is cancelled leaves the key disabled")
		}
	}
	for _, transition := range VersionTransitions() {
		if transition.To == VersionDestroyed {
			assert.Equal(t, []VersionStatus{VersionDestroyScheduled}, transition.From)
		}
	}
}
