package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"", "public: {address: a, dns_names: [b, 1]}\nrealms: [{name: c, key: file:///x}]\n", "a: &x 1\nb: *x\n", "<<: {a: 1}\n", "? [a]\n: b\n", "limits: {a: 1, a: 2}",
		"--- !!binary x\n...\n--- 7\n", "public: null\nlog_level: ~\n", "database: {small: 0x1_0, max_connections: -0o7}", "peers: {'': {idle_timeout: 1s}}",
	} {
		f.Add(text, "CRYPTOUTIL_PUBLIC__ADDRESS=x", "public.address")
	}
	f.Add("", "CRYPTOUTIL___=x", "..")
	file := filepath.Join(f.TempDir(), "fuzz.yaml")
	f.Fuzz(func(t *testing.T, text, environ, override string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		dst := defaults()
		err := config.Load(&dst, config.Source{File: file, Environ: []string{environ}, Overrides: map[string]string{override: "1"}})
		if err != nil {
			require.ErrorAs(t, err, new(config.Problems))
			require.NotEmpty(t, err.Error())
		}
	})
}
