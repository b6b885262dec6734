// Command guarded is a program that may run only under enforcement.
package main

import (
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func main() {
	fips.Require()
	fmt.Println(fips.Module())
}
