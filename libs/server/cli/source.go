package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// sourceFlags are the flags that say where the configuration comes from.
type sourceFlags struct {
	file      string
	overrides map[string]*string // by key path
	cmd       *cobra.Command
}

// overrideFlags name the key path that a flag overrides.
var overrideFlags = []struct{ flag, path, usage string }{
	{"public-address", "public.address", "override public.address, IP:port of the public listener"},
	{"mtls-address", "mtls.address", "override mtls.address, IP:port of the listener for client certificates"},
	{"admin-address", "admin.address", "override admin.address, IP:port of the admin listener (loopback)"},
	{"data", "data_dir", "override data_dir, the data directory"},
	{"log-level", "telemetry.log_level", "override telemetry.log_level: debug, info, warn or error"},
}

func addSourceFlags(cmd *cobra.Command) *sourceFlags {
	f := &sourceFlags{overrides: map[string]*string{}, cmd: cmd}
	cmd.Flags().StringVar(&f.file, "config", "", "configuration file (YAML)")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // fails only for a flag that the command lacks
	for _, o := range overrideFlags {
		f.overrides[o.path] = cmd.Flags().String(o.flag, "", o.usage)
	}

	return f
}

// given tells whether a configuration was named.
func (f *sourceFlags) given() bool { return f.file != "" }

// source is what the flags and the environment say.
func (f *sourceFlags) source() config.Source {
	src := config.Source{File: f.file, Environ: os.Environ(), Overrides: map[string]string{}}
	for _, o := range overrideFlags {
		if f.cmd.Flags().Changed(o.flag) {
			src.Overrides[o.path] = *f.overrides[o.path]
		}
	}

	return src
}

// required is source, for commands that cannot do without a file.
func (f *sourceFlags) required() (config.Source, error) {
	if !f.given() {
		return config.Source{}, Usage("name the configuration with --config FILE")
	}

	return f.source(), nil
}
