// Command configdoc writes the reference of every service's configuration, from the structs and their comments, into a folder.
//
//	go run ./services/cryptoutil/internal/configdoc docs/configuration

//go:debug fips140=only
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/config/reference"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca"
	"github.com/cryptoutil/cryptoutil/services/jose"
	"github.com/cryptoutil/cryptoutil/services/kms"
)

// modulePrefix is what import paths of this repository begin with; the rest is the folder.
const modulePrefix = "github.com/cryptoutil/cryptoutil/"

const introduction = `# Configuration of %s

Written from the comments of the configuration's structs; do not edit. A value comes from its default, then from the YAML file, then from
the environment (` + "`CRYPTOUTIL_`" + `, the path in upper case with ` + "`__`" + ` between levels; never secrets), then from flags; later wins. Keys that are live
are taken over on SIGHUP and when the file changes; the others need a restart, and the log says so.
`

func main() {
	fips.Require()
	const arguments = 2
	if len(os.Args) != arguments {
		fmt.Fprintln(os.Stderr, "usage: configdoc FOLDER, in the root of the repository")
		os.Exit(arguments)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(folder string) error {
	for name, defaults := range map[string]any{"kms": kms.Defaults(), "jose": jose.Defaults(), "ca": ca.Defaults()} {
		var text bytes.Buffer
		err := reference.Write(&text, fmt.Sprintf(introduction, name+"-server"), defaults, func(importPath string) string {
			return strings.TrimPrefix(importPath, modulePrefix)
		})
		if err != nil {
			return err
		}
		const mode = 0o644
		if err := os.WriteFile(filepath.Join(folder, name+".md"), text.Bytes(), mode); err != nil {
			return err
		}
	}
	return nil
}
