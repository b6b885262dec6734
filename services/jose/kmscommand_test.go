package jose_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/cli"
)

// typed runs a client command, whose words hold no blanks, and returns its output.
func (s *service) typed(t *testing.T, token, in, line string) (string, error) {
	t.Helper()
	everyday := func(*cobra.Command) (*client.JOSE, error) {
		return client.New(client.Config{URL: s.URL(), Roots: s.Roots(), Token: token})
	}
	var out bytes.Buffer
	root := &cobra.Command{Use: "jose", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(cli.Commands(everyday, everyday)...)
	root.SetIn(strings.NewReader(in))
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(strings.Fields(line))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestKMSKeys_AreAdoptedAndShownOnTheCommandLine(t *testing.T) {
	t.Parallel()
	eachKept(t, func(t *testing.T, s *service, k *keeper) {
		token := s.Operator(t)
		kept := k.lend(t, "releases", "ES256", "default")
		k.lend(t, "theirs", "ES256", "other")
		s.found(t, token)
		must := func(in, line string) string {
			out, err := s.typed(t, token, in, line)
			require.NoError(t, err, line)
			return out
		}
		id := strings.TrimSpace(must("", "key adopt --name signer --kms-key releases --token-lifetime 1h"))
		shown := must("", "key get signer")
		assert.Regexp(t, `ID +`+id+`\n`, shown)
		assert.Regexp(t, `Key in the KMS +`+kept+`\n`, shown)
		assert.Regexp(t, `Token lifetime +1h0m0s\n`, shown)
		assert.Regexp(t, `Version in the KMS +1\n`, must("", "key version get signer 1"))
		assert.Equal(t, "hello", must(must("hello", "jws sign --key signer"), "jws verify"))

		_, err := s.typed(t, token, "", "key adopt --name other --kms-key theirs")
		require.ErrorContains(t, err, "validation_failed")
		k.ask(t, "POST", "elastic-keys/releases/disable", nil)
		_, err = s.typed(t, token, "hello", "jws sign --key signer")
		require.ErrorContains(t, err, "enables it there")
	})
}
