package clientcli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// Output is a flag that names a file to write, and what it names. "" is standard output for the first of several, and nothing for the others.
type Output struct{ Flag, Path string }

// ProduceAll is [Terminal.Produce] for several files, which appear together. f gets a destination for each, nil for what is not wanted.
func (t Terminal) ProduceAll(cmd *cobra.Command, f func([]*Destination) error, outputs ...Output) error {
	standard := ""
	destinations := make([]*Destination, len(outputs))
	defer func() {
		for _, d := range destinations {
			if d != nil {
				d.discard()
			}
		}
	}()
	for n, out := range outputs {
		if n > 0 && out.Path == "" {
			continue
		}
		if out.Path == "" || out.Path == Stdio {
			if standard != "" {
				return cli.Usage("--%s and --%s cannot both be standard output: name a file for one of them", standard, out.Flag)
			}
			standard = out.Flag
		}
		to, err := t.create(cmd, out.Path)
		if err != nil {
			return err
		}
		destinations[n] = to
	}
	if err := f(destinations); err != nil {
		return err
	}
	for _, d := range destinations {
		if d != nil {
			if err := d.commit(); err != nil {
				return err
			}
		}
	}
	return nil
}
