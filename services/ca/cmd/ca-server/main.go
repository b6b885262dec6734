// Command ca-server is the X.509 certification authority by itself.

//go:debug fips140=only
package main

import (
	"os"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca"
)

func main() {
	fips.Require()
	os.Exit(ca.Main(os.Args[1:]))
}
