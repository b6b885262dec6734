// Command kms-server is the key management service by itself.

//go:debug fips140=only
package main

import (
	"os"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

func main() {
	fips.Require()
	os.Exit(kms.Main(os.Args[1:]))
}
