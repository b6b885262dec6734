//go:build unix

package coredump_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/coredump"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func TestOff_NoCoreFileCanBeWritten(t *testing.T) {
	t.Parallel()
	require.NoError(t, coredump.Off())
	require.NoError(t, coredump.Off(), "again")
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_CORE, &limit))
	assert.Zero(t, limit)
}
