// Command clidoc writes the reference of the command line, from the help texts, into a folder.
//
//	go run ./services/cryptoutil/internal/clidoc docs/cli

//go:debug fips140=only
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/cryptoutil"
)

func main() {
	fips.Require()
	const arguments = 2
	if len(os.Args) != arguments {
		fmt.Fprintln(os.Stderr, "usage: clidoc FOLDER")
		os.Exit(arguments)
	}
	root := cryptoutil.Command()
	if err := os.WriteFile(filepath.Join(os.Args[1], root.Name()+".md"), reference(root), 0o644); err != nil { //nolint:gosec // a document
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
