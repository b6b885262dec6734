// Command cryptoutil is the whole suite in one binary.

//go:debug fips140=only
package main

import (
	"os"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/cryptoutil"
)

func main() {
	fips.Require()
	os.Exit(cryptoutil.Main(os.Args[1:]))
}
