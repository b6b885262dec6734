package refusaltest_test

import (
	"strings"
	"testing"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// readdressed is kmstest.Readdress of what stands in a body.
func readdressed(t testing.TB, body map[string]any, kid string) map[string]any {
	t.Helper()
	body = kmstest.Merge(body)
	for _, member := range []string{"ciphertext", "signature", "wrapped"} {
		if message, _ := body[member].(string); strings.Contains(message, ".") {
			body[member] = kmstest.Readdress(t, message, kid)
		}
	}
	return body
}
