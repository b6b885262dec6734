// Command jose-server is the JWK Authority by itself.

//go:debug fips140=only
package main

import (
	"os"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/jose"
)

func main() {
	fips.Require()
	os.Exit(jose.Main(os.Args[1:]))
}
