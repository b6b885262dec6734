package tlsconfig_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// openDirVariable makes the test binary open a folder, print the fingerprint of its root and end: another process for tests.
const openDirVariable = "CRYPTOUTIL_TEST_TLS_OPEN"

func TestMain(m *testing.M) {
	fips.Require()
	if dir := os.Getenv(openDirVariable); dir != "" {
		os.Exit(openAndPrint(dir))
	}
	m.Run()
}

func openAndPrint(dir string) int {
	material, err := tlsconfig.Open(tlsconfig.Config{}, tlsconfig.Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	root, err := os.ReadFile(material.RootFile())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _ = fmt.Fprint(os.Stdout, hex.EncodeToString(root))
	return 0
}
