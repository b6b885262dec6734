package reference_test

import (
	"crypto/fips140"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config/reference"
)

// example is what a program could be configured with.
type example struct {
	// Address is where it listens,
	// as IP:port.
	Address string `koanf:"address"`
	Limits  bounds `koanf:"limits"`
}

type bounds struct {
	// Read and Write are for requests | answers.
	Read  time.Duration `koanf:"read"`
	Write time.Duration `koanf:"write"`

	Burst int `koanf:"burst" live:"true"` // Burst may come at once.
}

type bare struct {
	Nothing string `koanf:"nothing"`
}

func here(string) string { return "." }

func TestMain(m *testing.M) {
	if !fips140.Enabled() || !fips140.Enforced() {
		fmt.Fprintln(os.Stderr, "fips: FIPS 140-3 mode is not enforced: build with GOFIPS140=certified, run with GODEBUG=fips140=only")
		os.Exit(78)
	}
	m.Run()
}

func TestWrite_TakesKeysFromTheStructAndMeaningsFromItsComments(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := reference.Write(&out, "# Example\n", example{Limits: bounds{Read: time.Second}}, func(string) string { return "testdata" })
	require.NoError(t, err)
	assert.Equal(t, "# Example\n\n## At the top\n\n| key | takes | default | live | meaning |\n|---|---|---|---|---|\n"+
		"| `address` | text |  |  | Address is where it listens, as IP:port. |\n"+
		"\n## limits\n\n| key | takes | default | live | meaning |\n|---|---|---|---|---|\n"+
		"| `read` | duration | `1s` |  | Read and Write are for requests \\| answers. |\n"+
		"| `write` | duration | `0s` |  | Read and Write are for requests \\| answers. |\n"+
		"| `burst` | whole number | `0` | yes | Burst may come at once. |\n", out.String())
}

func TestWrite_AKeyWithoutACommentIsAnError(t *testing.T) {
	t.Parallel()
	err := reference.Write(&strings.Builder{}, "", bare{}, here)
	require.ErrorContains(t, err, "nothing: field Nothing of reference_test.bare has no comment")
}
