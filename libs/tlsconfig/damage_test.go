package tlsconfig_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// damages are what may happen to a file.
var damages = map[string]func(t *testing.T, file string, content []byte){
	"removed": func(t *testing.T, file string, _ []byte) {
		t.Helper()
		require.NoError(t, os.Remove(file))
	},
	"empty":         func(t *testing.T, file string, _ []byte) { t.Helper(); write(t, file, nil) },
	"garbage":       func(t *testing.T, file string, _ []byte) { t.Helper(); write(t, file, []byte("garbage")) },
	"half":          func(t *testing.T, file string, c []byte) { t.Helper(); write(t, file, c[:len(c)/2]) },
	"without a end": func(t *testing.T, file string, c []byte) { t.Helper(); write(t, file, c[:len(c)-10]) },
}

func TestOpen_RebuildsFromTheSameRootOrSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	const lost = "restore the folder from a backup, or remove it to make a new root"
	for _, c := range []struct {
		name    string
		dev     bool
		files   []string // that are damaged
		removed string   // the error when they are removed; empty: it works
		damaged string   // the error when they are damaged in another way; empty: it works
	}{
		{"root certificate", false, []string{"root.pem"}, "", ""},
		{"root certificate in development", true, []string{"root.pem"}, "", ""},
		{"root key", false, []string{"root.key"}, "", ""}, // it is not needed now
		{"issuer", false, []string{"issuer.pem"}, "", ""},
		{"issuer in development", true, []string{"issuer.pem"}, "issuer.pem is missing, and there is no root.key to replace it with; " + lost, "issuer.pem is damaged"},
		{"issuer and root key", false, []string{"issuer.pem", "root.key"}, "issuer.pem is missing, and there is no root.key", lost},
		{"root certificate and root key", false, []string{"root.pem", "root.key"}, "", ""},
		{"all certificates", false, []string{"root.pem", "issuer.pem"}, "", lost}, // removed: made again for the same key
	} {
		for name, damage := range damages {
			t.Run(c.name+" "+name, func(t *testing.T) {
				t.Parallel()
				dir, lines := t.TempDir(), &log{}
				o := tlsconfig.Options{Dir: dir, Dev: c.dev, Log: slog.New(slog.NewTextHandler(lines, nil))}
				before := open(t, o)
				trusted := tlsconfig.ClientConfig(before.RootPool())
				contents := map[string][]byte{"root.pem": read(t, dir, "root.pem"), "issuer.pem": read(t, dir, "issuer.pem")}
				for _, file := range c.files {
					damage(t, filepath.Join(dir, file), read(t, dir, file))
				}
				want := c.damaged
				if name == "removed" {
					want = c.removed
				}
				after, err := tlsconfig.Open(tlsconfig.Config{}, o)
				if want != "" {
					require.ErrorContains(t, err, want)
					require.ErrorContains(t, err, dir)
					return
				}
				require.NoError(t, err)
				_, err = dial(t, serve(t, after.ServerConfig()), trusted)
				require.NoError(t, err, "who trusted the root before goes on trusting it")
				if len(c.files) == 1 {
					assert.Equal(t, contents["root.pem"], read(t, dir, "root.pem"), "the root is the same")
				}
				open(t, o)
			})
		}
	}
}

func TestOpen_FinishesACreationThatWasCutOff(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string][]string{
		"before anything":     {},
		"after the root key":  {"root.key"},
		"after the issuer":    {"root.key", "issuer.pem"},
		"in development":      {"issuer.pem"},
		"everything is there": {"root.key", "issuer.pem", "root.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole, dir := t.TempDir(), t.TempDir()
			dev := name == "in development"
			open(t, tlsconfig.Options{Dir: whole, Dev: dev})
			for _, file := range kept {
				write(t, filepath.Join(dir, file), read(t, whole, file))
			}
			write(t, filepath.Join(dir, ".writing-123"), []byte("-----BEGIN PRIV"))
			m := open(t, tlsconfig.Options{Dir: dir, Dev: dev})
			presented(t, m)
			for _, file := range kept {
				assert.Equal(t, read(t, whole, file), read(t, dir, file))
			}
			if len(kept) < 2 && !dev {
				assert.NoFileExists(t, filepath.Join(dir, ".writing-123"))
			}
		})
	}
}

func TestOpen_RefusesFilesThatDoNotBelongTogether(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"root.pem":   "root.pem is not the root of issuer.pem",
		"issuer.pem": "root.pem is not the root of issuer.pem",
	} {
		dir, other := t.TempDir(), t.TempDir()
		open(t, tlsconfig.Options{Dir: dir})
		open(t, tlsconfig.Options{Dir: other})
		write(t, filepath.Join(dir, file), read(t, other, file))
		_, err := tlsconfig.Open(tlsconfig.Config{}, tlsconfig.Options{Dir: dir})
		require.ErrorContains(t, err, want)
	}

	dir, other := t.TempDir(), t.TempDir()
	open(t, tlsconfig.Options{Dir: dir})
	open(t, tlsconfig.Options{Dir: other})
	write(t, filepath.Join(dir, "root.key"), read(t, other, "root.key"))
	require.NoError(t, os.Remove(filepath.Join(dir, "issuer.pem")))
	root := read(t, dir, "root.pem")
	_, err := tlsconfig.Open(tlsconfig.Config{}, tlsconfig.Options{Dir: dir})
	require.ErrorContains(t, err, "root.key does not belong to root.pem")
	assert.Equal(t, root, read(t, dir, "root.pem"))
}

func TestOpen_RefusesWhatIsOpenToEverybody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, tlsconfig.Options{Dir: dir})
	issuer := read(t, dir, "issuer.pem")
	require.NoError(t, os.Chmod(filepath.Join(dir, "issuer.pem"), 0o644))
	_, err := tlsconfig.Open(tlsconfig.Config{}, tlsconfig.Options{Dir: dir})
	require.ErrorContains(t, err, "issuer.pem is open to everybody (mode 0644); chmod 600 it")
	assert.Equal(t, issuer, read(t, dir, "issuer.pem"), "it is not replaced")
	require.NoError(t, os.Chmod(filepath.Join(dir, "issuer.pem"), 0o660))
	open(t, tlsconfig.Options{Dir: dir})

	require.NoError(t, os.Chmod(dir, 0o777))
	_, err = tlsconfig.Open(tlsconfig.Config{}, tlsconfig.Options{Dir: dir})
	require.ErrorContains(t, err, "everybody can write the folder (mode 0777); chmod 700 it")
}

func TestOpen_SaysThatItCannotWrite(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	_, err := tlsconfig.Open(tlsconfig.Config{}, tlsconfig.Options{Dir: filepath.Join(file, "tls")})
	require.ErrorContains(t, err, "not a directory")
	_, err = tlsconfig.Open(tlsconfig.Config{}, tlsconfig.Options{Dir: "/proc/self/tls"})
	require.Error(t, err)
}
