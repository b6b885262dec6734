// Package fips refuses to run outside FIPS 140-3 enforcement. Its main function
// is [Require], which every program and every test binary calls first.
//
// The mode can be lost in more than one way: the build may lack
// GOFIPS140=certified, and the environment variable GODEBUG=fips140=off (or =on)
// beats every setting of the build. So the process itself looks at what it got.
// Approved algorithms: FIPS 140-3, with Go's native cryptographic module.
package fips

import (
	"crypto/fips140"
	"errors"
	"fmt"
	"os"
)

// ExitCode is the exit status of a program that may not run here: EX_CONFIG of
// sysexits(3).
const ExitCode = 78

// certifiedModule is the version of Go's cryptographic module that has passed
// validation and that GOFIPS140=certified selects (GOROOT/lib/fips140/certified.txt).
const certifiedModule = "v1.0.0"

// release is set to "1" by the linker in release builds
// (-X github.com/cryptoutil/cryptoutil/libs/crypto/fips.release=1); they accept
// the certified module only.
var release string

var (
	// ErrNotEnforced is what [Check] returns when the process would also run
	// algorithms that are not approved.
	ErrNotEnforced = errors.New("FIPS 140-3 mode is not enforced: build with GOFIPS140=certified, run with GODEBUG=fips140=only")
	// ErrNotCertified is what [Check] returns in a release build that holds
	// another cryptographic module than the certified one.
	ErrNotCertified = errors.New("release build without the certified FIPS 140-3 module: build with GOFIPS140=certified")
)

// Check says whether the process enforces FIPS 140-3 and, in a release build,
// whether it holds the certified module.
func Check() error {
	if !fips140.Enabled() || !fips140.Enforced() {
		return ErrNotEnforced
	}
	if release == "1" && Module() != certifiedModule {
		return fmt.Errorf("%w (this one holds %s)", ErrNotCertified, Module())
	}
	return nil
}

// Require returns when [Check] passes; otherwise it writes one line to standard
// error and ends the process with [ExitCode].
func Require() {
	if err := Check(); err != nil {
		fmt.Fprintf(os.Stderr, "fips: %v\n", err)
		os.Exit(ExitCode)
	}
}

// Module returns the version of the cryptographic module in this binary:
// "v1.0.0", or "latest" for the unvalidated one that comes with the Go release.
func Module() string {
	return fips140.Version()
}
