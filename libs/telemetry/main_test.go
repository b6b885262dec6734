package telemetry_test

import (
	"crypto/fips140"
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if !fips140.Enabled() || !fips140.Enforced() {
		fmt.Fprintln(os.Stderr, "fips: FIPS 140-3 mode is not enforced: build with GOFIPS140=certified, run with GODEBUG=fips140=only")
		os.Exit(78)
	}
	m.Run()
}
