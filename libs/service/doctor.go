package service

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// Outcomes of an examination.
const (
	doctorOK      = "ok"
	doctorWarning = "warning"
	doctorFailing = "failing"
)

// finding is what one examination came to.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
	Fix    string `json:"fix,omitempty"`
}

// doctor examines the surroundings of one service.
type doctor struct {
	description Description
	path        string // of the commands
	file        string // the configuration
	cfg         *Config
	findings    []finding
}

func (d *doctor) report(check, status, detail, fix string) {
	d.findings = append(d.findings, finding{check, status, detail, fix})
}

// outcome reports ok, or the error as failing.
func (d *doctor) outcome(check string, err error, detail, fix string) bool {
	if err != nil {
		d.report(check, doctorFailing, err.Error(), fix)
		return false
	}
	d.report(check, doctorOK, detail, "")
	return true
}

func (c setupCommands) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor --config FILE",
		Short: "Find common faults and say how to mend them",
		Long: `Doctor looks at what a service stands on: its configuration, FIPS mode, who can read and write
its files, disk space, ports, certificates, the database with its schema and its clock, and the
names of its peers. It changes nothing, and the service may run or not. Run it as the user that
the service runs as.

Exits with 1 if anything would keep the service from working.`,
		Example: fmt.Sprintf("  %[1]s doctor --config %[2]s.yaml\n  %[1]s doctor --config %[2]s.yaml --output json", c.path, c.Product),
		Args:    cobra.NoArgs,
	}
	file := cmd.Flags().String("config", "", "configuration file (YAML)")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // fails only for a flag that the command lacks
	format := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *file == "" {
			return cli.Usage("name the configuration with --config FILE")
		}
		cfg, err := c.load(*file)
		if err != nil {
			return err
		}
		d := &doctor{description: c.Description, path: c.path, file: *file, cfg: cfg}
		d.examine(cmd.Context())
		return d.print(cmd.OutOrStdout(), format)
	}
	return cmd
}

// examine looks at everything; a fault keeps it from looking only at what cannot be seen then.
func (d *doctor) examine(ctx context.Context) {
	d.report("configuration", doctorOK, d.file, "")
	d.outcome("fips", fips.Check(), "Go Cryptographic Module "+fips.Module(), "use a released binary, or build with GOFIPS140=certified")
	d.files()
	d.secrets()
	d.space()
	d.ports(ctx)
	d.certificates()
	d.database(ctx)
	d.peers(ctx)
}

func (d *doctor) print(w io.Writer, format *cli.Output) error {
	failing := false
	rows := [][]string{{"CHECK", "STATUS", "DETAIL", "FIX"}}
	for _, f := range d.findings {
		failing = failing || f.Status == doctorFailing
		rows = append(rows, []string{f.Check, f.Status, f.Detail, f.Fix})
	}
	if err := format.Write(w, map[string]any{"healthy": !failing, "checks": d.findings}, rows); err != nil {
		return err
	}
	if failing {
		return cli.ErrNegative
	}
	return nil
}
