package config_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// service is the configuration that the tests load.
type service struct {
	Common   `koanf:",squash"`
	Public   listener            `koanf:"public"`
	Admin    *listener           `koanf:"admin"`
	Database database            `koanf:"database"`
	Limits   map[string]int      `koanf:"limits"`
	Peers    map[string]listener `koanf:"peers"`
	Realms   []realm             `koanf:"realms"`
	Secrets  config.Policy       `koanf:"secrets"`
	Skipped  func()              `koanf:"-"`
}

type Common struct {
	LogLevel string  `koanf:"log_level"`
	Ratio    float64 `koanf:"ratio"`
}

type listener struct {
	Address string          `koanf:"address"`
	Body    config.ByteSize `koanf:"max_body"`
	Idle    time.Duration   `koanf:"idle_timeout"`
	Names   []string        `koanf:"dns_names"`
	HTTP2   bool            `koanf:"http2"`
}

type database struct {
	Path        config.Path   `koanf:"path"`
	Password    config.Secret `koanf:"password"`
	Connections int           `koanf:"max_connections"`
	Small       uint8         `koanf:"small"`
	Level       slog.Level    `koanf:"level"`
	Root        string        `koanf:"root,path"`
}

type realm struct {
	Name string        `koanf:"name"`
	Key  config.Secret `koanf:"key"`
}

func (c Common) Validate() []config.Problem {
	return config.OneOf("log_level", c.LogLevel, "debug", "info", "warn", "error")
}

func (l listener) Validate() []config.Problem {
	if l.Idle < 0 {
		return []config.Problem{{Path: "idle_timeout", Message: "is negative"}}
	}
	return nil
}

func (r *realm) Validate() []config.Problem {
	if r.Name == "" {
		return []config.Problem{{Path: "name", Message: "is missing", Suggestion: "give the realm a name"}}
	}
	return nil
}

func defaults() service {
	return service{
		Common:   Common{LogLevel: "info", Ratio: 0.1},
		Public:   listener{Address: "127.0.0.1:8080", Body: config.MiB, Idle: 2 * time.Minute, Names: []string{"localhost"}},
		Database: database{Path: ":memory:", Connections: 10},
		Limits:   map[string]int{"read": 10, "write": 5},
	}
}

// write puts a configuration file into a folder of its own.
func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kms.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// problems loads a configuration that must be refused.
func problems(t *testing.T, src config.Source) config.Problems {
	t.Helper()
	dst := defaults()
	err := config.Load(&dst, src)
	require.Error(t, err)
	var found config.Problems
	require.ErrorAs(t, err, &found)
	assert.Equal(t, defaults(), dst, "a refused configuration changes nothing")
	return found
}

func TestLoad_KeepsDefaultsWithoutSources(t *testing.T) {
	t.Parallel()
	dst := defaults()
	require.NoError(t, config.Load(&dst, config.Source{}))
	assert.Equal(t, defaults(), dst)
}

func TestLoad_ReadsEveryTypeFromYAML(t *testing.T) {
	t.Parallel()
	file := write(t, `
log_level: warn
ratio: 0.25
public:
  address: 0.0.0.0:8443
  max_body: 64KiB
  idle_timeout: 10s
  dns_names: [kms.example, "kms.internal"]
  http2: true
admin:
  address: 127.0.0.1:9090
database:
  path: data/kms.sqlite
  max_connections: 0x14
  small: 255
  level: warn+1
  root: ../root.pem
limits:
  write: 7
  admin.only: 1
peers:
  ca: {address: "ca:8443"}
realms:
- name: first
- name: second
secrets:
  allow_group_read: true
`)
	dst := defaults()
	require.NoError(t, config.Load(&dst, config.Source{File: file}))
	assert.Equal(t, service{
		Common: Common{LogLevel: "warn", Ratio: 0.25},
		Public: listener{
			Address: "0.0.0.0:8443", Body: 64 * config.KiB, Idle: 10 * time.Second,
			Names: []string{"kms.example", "kms.internal"}, HTTP2: true,
		},
		Admin: &listener{Address: "127.0.0.1:9090"},
		Database: database{
			Path: config.Path(filepath.Join(filepath.Dir(file), "data", "kms.sqlite")), Connections: 20, Small: 255, Level: slog.LevelWarn + 1,
			Root: filepath.Join(filepath.Dir(filepath.Dir(file)), "root.pem"),
		},
		Limits:  map[string]int{"read": 10, "write": 7, "admin.only": 1},
		Peers:   map[string]listener{"ca": {Address: "ca:8443"}},
		Realms:  []realm{{Name: "first"}, {Name: "second"}},
		Secrets: config.Policy{AllowGroupRead: true},
	}, dst)
}

func TestLoad_LaterSourceWinsKeyByKey(t *testing.T) {
	t.Parallel()
	file := write(t, "public:\n  address: from-file:1\n  max_body: 1KiB\n  dns_names: [a, b]\n  idle_timeout: 1s\n")
	dst := defaults()
	require.NoError(t, config.Load(&dst, config.Source{
		File: file,
		Environ: []string{
			"CRYPTOUTIL_PUBLIC__ADDRESS=from-environment:2", "CRYPTOUTIL_PUBLIC__DNS_NAMES=c, d", "CRYPTOUTIL_PUBLIC__MAX_BODY=2048",
			"CRYPTOUTIL_LIMITS__READ=3", "CRYPTOUTIL_DATABASE__PATH=relative.sqlite", "PATH=/bin",
		},
		Overrides: map[string]string{"public.address": "from-flag:3", "public.http2": "true"},
	}))
	assert.Equal(t, listener{
		Address: "from-flag:3", Body: 2 * config.KiB, Idle: time.Second, Names: []string{"c", "d"}, HTTP2: true,
	}, dst.Public)
	assert.Equal(t, map[string]int{"read": 3, "write": 5}, dst.Limits)
	assert.Equal(t, config.Path("relative.sqlite"), dst.Database.Path)
}

func TestLoad_EmptyFilesAndSectionsMeanDefaults(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n", "public:\n", "public: {}\nlimits:\n"} {
		dst := defaults()
		require.NoError(t, config.Load(&dst, config.Source{File: write(t, text)}), "%q", text)
		assert.Equal(t, defaults(), dst)
	}
}

func TestLoad_EmptyListReplacesDefault(t *testing.T) {
	t.Parallel()
	dst := defaults()
	require.NoError(t, config.Load(&dst, config.Source{File: write(t, "public: {dns_names: []}")}))
	assert.Empty(t, dst.Public.Names)
}

func TestLoad_DoesNotChangeWhatTheDefaultsReferTo(t *testing.T) {
	t.Parallel()
	limits, admin := map[string]int{"read": 1}, &listener{Address: "a"}
	dst := service{Common: Common{LogLevel: "info"}, Limits: limits, Admin: admin}
	file := write(t, "limits: {read: 2}\nadmin: {address: b}\n")
	require.NoError(t, config.Load(&dst, config.Source{File: file}))
	assert.Equal(t, map[string]int{"read": 1}, limits)
	assert.Equal(t, "a", admin.Address)
	assert.Equal(t, 2, dst.Limits["read"])
	assert.Equal(t, "b", dst.Admin.Address)
}

func TestLoad_RefusesTypesItCannotFill(t *testing.T) {
	t.Parallel()
	for name, dst := range map[string]any{
		"not a pointer": service{},
		"nil":           (*service)(nil),
		"no tag":        &struct{ A string }{},
		"channel": &struct {
			A chan int `koanf:"a"`
		}{},
		"any": &struct {
			A any `koanf:"a"`
		}{},
		"map with number keys": &struct {
			A map[int]string `koanf:"a"`
		}{},
		"option that does not exist": &struct {
			A string `koanf:"a,omitempty"`
		}{},
		"path that is no text": &struct {
			A int `koanf:"a,path"`
		}{},
		"squash of a value": &struct {
			A int `koanf:",squash"`
		}{},
		"same key twice": &struct {
			A string `koanf:"a"`
			B string `koanf:"a"`
		}{},
	} {
		err := config.Load(dst, config.Source{})
		require.Error(t, err, name)
		var found config.Problems
		assert.NotErrorAs(t, err, &found, name)
	}
}

func ExampleLoad() {
	type listener struct {
		Address string        `koanf:"address"`
		Timeout time.Duration `koanf:"timeout"`
	}
	type program struct {
		Public listener `koanf:"public"`
	}
	dst := program{Public: listener{Address: "127.0.0.1:8080", Timeout: 5 * time.Second}}
	err := config.Load(&dst, config.Source{
		Environ:   []string{"CRYPTOUTIL_PUBLIC__ADRSS=:1"},
		Overrides: map[string]string{"public.timeout": "10"},
	})
	_, _ = fmt.Fprintln(os.Stdout, err)
	// Output:
	// configuration refused
	//   CRYPTOUTIL_PUBLIC__ADRSS                  names no key of the configuration
	//                                             did you mean "CRYPTOUTIL_PUBLIC__ADDRESS"?
	//   command line              public.timeout  "10" is not a duration
	//                                             write the unit: "10s" for seconds
	// 2 problems
}

func TestLoad_ReadsAFileThatWasHandedIn(t *testing.T) {
	t.Parallel()
	dst := struct {
		Name string `koanf:"name"`
	}{}
	require.NoError(t, config.Load(&dst, config.Source{File: "within.yaml", Text: []byte("name: a")}))
	assert.Equal(t, "a", dst.Name)
	err := config.Load(&dst, config.Source{File: "within.yaml", Text: []byte("\nnom: a")})
	require.ErrorContains(t, err, "within.yaml:2")
	require.NoError(t, config.Load(&dst, config.Source{File: "within.yaml", Text: []byte{}}))
}
