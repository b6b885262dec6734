package reason_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func TestReason_HasTheStandardsNames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{
		"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation", "certificateHold", "removeFromCRL",
		"privilegeWithdrawn", "aACompromise",
	}, reason.Names())
	for r := reason.Reason(-2); r < 13; r++ {
		parsed, err := reason.Parse(r.String())
		assert.Equal(t, r >= 0 && r <= 10 && r != 7, r.Valid())
		if r.Valid() {
			require.NoError(t, err)
			assert.Equal(t, r, parsed)
		} else {
			require.Error(t, err)
		}
	}
	_, err := reason.Parse("KeyCompromise")
	require.Error(t, err)
}
