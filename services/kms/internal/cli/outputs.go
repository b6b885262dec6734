package cli

import (
	"github.com/spf13/cobra"
)

// output is a flag that names a file to write, and what it names. "" is standard output for the first of several, and nothing for the others.
type output struct{ flag, path string }

// produceAll is produce for several files, which appear together. f gets a destination for each, nil for what is not wanted.
func (c *commands) produceAll(cmd *cobra.Command, f func([]*destination) error, outputs ...output) error {
	standard := ""
	destinations := make([]*destination, len(outputs))
	defer func() {
		for _, d := range destinations {
			if d != nil {
				d.discard()
			}
		}
	}()
	for n, out := range outputs {
		if n > 0 && out.path == "" {
			continue
		}
		if out.path == "" || out.path == stdio {
			if standard != "" {
				return usage("--%s and --%s cannot both be standard output: name a file for one of them", standard, out.flag)
			}
			standard = out.flag
		}
		to, err := c.create(cmd, out.path)
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
