package config_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// brief is a problem without its file.
type brief struct {
	line                      int
	path, message, suggestion string
}

func briefs(found config.Problems) []brief {
	var list []brief
	for _, p := range found {
		list = append(list, brief{p.Line, p.Path, p.Message, p.Suggestion})
	}
	return list
}

func TestLoad_ReportsWhatIsWrongInTheFile(t *testing.T) {
	t.Parallel()
	const keys = "its keys are address, dns_names, http2, idle_timeout, max_body"
	for name, c := range map[string]struct {
		text string
		want []brief
	}{
		"unknown key, near": {
			"public:\n  adrss: x\n",
			[]brief{{2, "public.adrss", "unknown key", `did you mean "address"?`}},
		},
		"unknown key, other case": {
			"Public:\n  address: x\n",
			[]brief{{1, "Public", "unknown key", `did you mean "public"?`}},
		},
		"unknown key, known elsewhere": {
			"max_connections: 5\n",
			[]brief{{1, "max_connections", "unknown key", "there is database.max_connections"}},
		},
		"unknown key, unlike anything": {
			"secrets:\n  zzz: {a: 1}\n",
			[]brief{{2, "secrets.zzz", "unknown key", "known here: allow_group_read"}},
		},
		"unknown key in a list": {
			"realms:\n- name: a\n  naem: b\n",
			[]brief{{3, "realms[0].naem", "unknown key", `did you mean "name"?`}},
		},
		"field without a key": {
			"'-': 1\n",
			[]brief{{1, "-", "unknown key", "known here: admin, database, limits, log_level, peers, public, ratio, realms, secrets"}},
		},
		"duplicate key": {
			"log_level: info\npublic:\n  http2: true\n  http2: false\n",
			[]brief{{4, "public.http2", "is written twice; the first is on line 3", "keep one of them"}},
		},
		"text for a number": {
			"database: {max_connections: ten}\n",
			[]brief{{1, "database.max_connections", `"ten" is not a whole number`, ""}},
		},
		"quoted number": {
			"database: {max_connections: \"10\"}\n",
			[]brief{{1, "database.max_connections", `"10" is text, not a whole number`, "write it without quotes"}},
		},
		"fraction for a whole number": {
			"database: {max_connections: 1.0}\n",
			[]brief{{1, "database.max_connections", `"1.0" is not a whole number`, ""}},
		},
		"number out of range": {
			"database: {small: 256}\n",
			[]brief{{1, "database.small", `"256" is out of range`, ""}},
		},
		"negative for unsigned": {
			"database: {small: -1}\n",
			[]brief{{1, "database.small", `"-1" is out of range`, ""}},
		},
		"number for text": {
			"log_level: 5\n",
			[]brief{{1, "log_level", `"5" is not text`, `put it in quotes: "5"`}},
		},
		"not a number": {
			"ratio: .nan\n",
			[]brief{{1, "ratio", `".nan" is not a number`, ""}},
		},
		"quoted boolean": {
			"public: {http2: 'true'}\n",
			[]brief{{1, "public.http2", `"true" is text, not true or false`, "write true or false, without quotes"}},
		},
		"yes for true": {
			"public: {http2: yes}\n",
			[]brief{{1, "public.http2", `"yes" is text, not true or false`, "write true or false, without quotes"}},
		},
		"duration without unit": {
			"public: {idle_timeout: 10}\n",
			[]brief{{1, "public.idle_timeout", `"10" is not a duration`, `write the unit: "10s" for seconds`}},
		},
		"bad duration": {
			"public: {idle_timeout: soon}\n",
			[]brief{{1, "public.idle_timeout", `"soon" is not a duration`, `write a number with a unit, such as "10s", "5m" or "24h"`}},
		},
		"bad size": {
			"public: {max_body: 1KB}\n",
			[]brief{{1, "public.max_body", `"1KB": is not a size; write bytes, or a whole number with KiB, MiB, GiB or TiB, such as "64KiB"`, ""}},
		},
		"no value": {
			"public:\n  address:\n",
			[]brief{{2, "public.address", "has no value", `remove the key, or write a value ("" for none)`}},
		},
		"value for a section": {
			"public: x\n",
			[]brief{{1, "public", "is a section and takes keys, not a value", keys}},
		},
		"list for a section": {
			"public: [x]\n",
			[]brief{{1, "public", "is a section and takes keys, not a value", keys}},
		},
		"value for a table": {
			"limits: 5\n",
			[]brief{{1, "limits", "takes keys and values, not one value", ""}},
		},
		"value for a list": {
			"public: {dns_names: a}\n",
			[]brief{{1, "public.dns_names", "is not a list", "write [a, b], or one element per line after a dash"}},
		},
		"keys for a list": {
			"public:\n  dns_names: {a: b}\n",
			[]brief{{2, "public.dns_names", "is not a list", "write [a, b], or one element per line after a dash"}},
		},
		"list for a value": {
			"log_level: [info]\n",
			[]brief{{1, "log_level", "takes one value, not a list or keys", ""}},
		},
		"keys for a value": {
			"log_level:\n  a: b\n",
			[]brief{{1, "log_level", "takes one value, not a list or keys", ""}},
		},
		"element of another type": {
			"public:\n  dns_names:\n  - a\n  - 7\n",
			[]brief{{4, "public.dns_names[1]", `"7" is not text`, `put it in quotes: "7"`}},
		},
		"anchor and alias": {
			"log_level: &a info\npublic: {address: *a}\n",
			[]brief{
				{1, "log_level", "has an anchor", "anchors and aliases are not supported; put a value that begins with & in quotes"},
				{2, "public.address", "is an alias", "anchors and aliases are not supported; write the value out"},
			},
		},
		"unknown alias": {
			"ratio: 1.0\nlog_level: *a\n",
			[]brief{{2, "", "is not YAML: a value begins with a star and is read as an alias; put it in quotes", ""}},
		},
		"merge key": {
			"public:\n  <<: {http2: true}\n",
			[]brief{{2, "public", "has a key that is not plain text", "anchors, aliases and merge keys are not supported; write the keys out"}},
		},
		"tag": {
			"log_level: !secret info\n",
			[]brief{{1, "log_level", "has a tag that is not supported", "write the value without a tag"}},
		},
		"two documents": {
			"log_level: info\n---\nlog_level: warn\n",
			[]brief{{0, "", "holds more than one YAML document", "keep one; what follows a line of --- is not read"}},
		},
		"a list": {
			"\n- a\n",
			[]brief{{2, "", "is not a mapping of keys to values", ""}},
		},
		"value that a choice refuses": {
			"log_level: wran\n",
			[]brief{{1, "log_level", `"wran" is not one of debug, error, info, warn`, `did you mean "warn"?`}},
		},
		"missing value in a list": {
			"realms:\n- name: a\n- key: file:///dev/null/x\n",
			[]brief{
				{3, "realms[1].key", "secret file /dev/null/x: not a directory", ""},
				{3, "realms[1].name", "is missing", "give the realm a name"},
			},
		},
		"refused in a table": {
			"peers:\n  ca: {idle_timeout: -1s}\n",
			[]brief{{2, "peers.ca.idle_timeout", "is negative", ""}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := write(t, c.text)
			found := problems(t, config.Source{File: file})
			assert.Equal(t, c.want, briefs(found))
			for _, p := range found {
				assert.Equal(t, file, p.File)
			}
		})
	}
}

func TestLoad_ReportsAFileThatIsNoYAMLAndNothingThatFollowsFromIt(t *testing.T) {
	t.Parallel()
	found := problems(t, config.Source{File: write(t, "public:\n  address: \"unclosed\nlog_level: x\n"), Environ: []string{"CRYPTOUTIL_LOG_LEVEL=loud"}})
	require.Len(t, found, 1)
	assert.Positive(t, found[0].Line)
	assert.True(t, strings.HasPrefix(found[0].Message, "is not YAML: "), found[0].Message)
}

func TestLoad_ReportsAFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	large := write(t, "# "+strings.Repeat("x", 1<<20))
	for file, want := range map[string]string{
		filepath.Join(folder, "absent.yaml"): "cannot be read: no such file or directory",
		folder:                               "cannot be read: is not a regular file",
		large:                                "cannot be read: is larger than 1MiB",
	} {
		assert.Equal(t, config.Problems{{File: file, Message: want}}, problems(t, config.Source{File: file}))
	}
}

func TestLoad_ReportsEnvironmentAndCommandLine(t *testing.T) {
	t.Parallel()
	found := problems(t, config.Source{
		File: write(t, "database: {small: 1}\npublic: 7\n"),
		Environ: []string{
			"CRYPTOUTIL_PUBLIC__HTTP2=maybe", "CRYPTOUTIL_SECRETS__ALLOW_GROUP_READ=maybe", "CRYPTOUTIL_PUBLC__ADDRESS=x", "CRYPTOUTIL_PUBLIC=x", "CRYPTOUTIL_REALMS=a,b",
			"CRYPTOUTIL_DATABASE__PASSWORD=file:///run/secrets/password", "CRYPTOUTIL_LIMITS__A=many", "CRYPTOUTIL_LIMITS__=1",
		},
		Overrides: map[string]string{"log_level": "loud", "database.smal": "2", "admin": "x", "admin.address": "y"},
	})
	places := map[string]brief{}
	for _, p := range found {
		if p.Line == 0 {
			places[p.File+" "+p.Path] = brief{0, "", p.Message, p.Suggestion}
		}
	}
	assert.Equal(t, map[string]brief{
		"CRYPTOUTIL_SECRETS__ALLOW_GROUP_READ secrets.allow_group_read": {0, "", `"maybe" is not true or false`, ""},
		"CRYPTOUTIL_PUBLC__ADDRESS ":                                    {0, "", "names no key of the configuration", `did you mean "CRYPTOUTIL_PUBLIC__ADDRESS"?`},
		"CRYPTOUTIL_PUBLIC public":                                      {0, "", "is a section and takes keys, not a value", "its keys are address, dns_names, http2, idle_timeout, max_body"},
		"CRYPTOUTIL_PUBLIC__HTTP2 public.http2":                         {0, "", "cannot be set: public has a value", ""},
		"CRYPTOUTIL_REALMS realms":                                      {0, "", "cannot be set from the environment", "write it in the configuration file"},
		"CRYPTOUTIL_DATABASE__PASSWORD database.password": {
			0, "", "is a secret, and secrets are never taken from the environment",
			"unset the variable and write file:///run/secrets/<name> in the configuration file",
		},
		"CRYPTOUTIL_LIMITS__A limits.a": {0, "", `"many" is not a whole number`, ""},
		"CRYPTOUTIL_LIMITS__ ":          {0, "", "names no key of the configuration", ""},
		"command line log_level":        {0, "", `"loud" is not one of debug, error, info, warn`, ""},
		"command line database.smal":    {0, "", "unknown key", `did you mean "small"?`},
		"command line admin":            {0, "", "is a section and takes keys, not a value", "its keys are address, dns_names, http2, idle_timeout, max_body"},
		"command line admin.address":    {0, "", "cannot be set: admin has a value", ""},
	}, places)
	assert.Equal(t, "public", found[0].Path, "the file comes first, although the environment hides its fault")
	assert.Equal(t, 2, found[0].Line)
}

func TestLoad_LeavesAloneWhatIsNoConfiguration(t *testing.T) {
	t.Parallel()
	dst := defaults()
	require.NoError(t, config.Load(&dst, config.Source{Environ: []string{
		"CRYPTOUTIL_CONTEXT=/home/me/context.yaml", "CRYPTOUTIL_TEST_POSTGRES=postgres://x", "HOME=/", "=x",
		"CRYPTOUTIL_VECTORS=/vectors", "CRYPTOUTIL_E2E_BYTES=1",
		"CRYPTOUTIL_KMS_SERVICE_HOST=10.0.0.1", "CRYPTOUTIL_KMS_SERVICE_PORT_HTTPS=443", "CRYPTOUTIL_SERVICE_PORT=1",
		"CRYPTOUTIL_KMS_PORT=tcp://10.0.0.1:443", "CRYPTOUTIL_KMS_PORT_443_TCP=tcp://10.0.0.1:443", "CRYPTOUTIL_KMS_PORT_443_TCP_ADDR=10.0.0.1",
	}}))
	assert.Equal(t, defaults(), dst)
}

func TestProblems_RenderAsATableThatEndsWithTheirNumber(t *testing.T) {
	t.Parallel()
	text := config.Problems{
		{File: "kms.yaml", Line: 3, Path: "public.adres", Message: "unknown key", Suggestion: `did you mean "address"?`},
		{File: "kms.yaml", Line: 12, Path: "database.max_connections", Message: `"ten" is not a whole number`},
		{File: "CRYPTOUTIL_LOG_LEVEL", Path: "log_level", Message: `"loud" is not one of debug, info`},
	}.Error()
	assert.Equal(t, `configuration refused
  kms.yaml:3            public.adres              unknown key
                                                  did you mean "address"?
  kms.yaml:12           database.max_connections  "ten" is not a whole number
  CRYPTOUTIL_LOG_LEVEL  log_level                 "loud" is not one of debug, info
3 problems`, text)
	assert.Equal(t, "configuration refused\n  x\n1 problem", config.Problems{{Message: "x"}}.Error())
	assert.Equal(t, `a.yaml:1: b: c (d)`, config.Problem{File: "a.yaml", Line: 1, Path: "b", Message: "c", Suggestion: "d"}.String())
}

// foreign is a section of a module that does not import config.
type foreign struct {
	Level string `koanf:"level"`
	Ratio int    `koanf:"ratio"`
}

type foreignError struct{ path string }

func (e foreignError) Error() string      { return e.path + ": " + e.KeyMessage() }
func (e foreignError) KeyPath() string    { return e.path }
func (e foreignError) KeyMessage() string { return "is wrong" }

func (f foreign) Validate() error {
	if f.Ratio == 0 {
		return nil
	}
	return errors.Join(foreignError{"level"}, errors.Join(errors.New("does not fit"), foreignError{"ratio"}))
}

func TestLoad_TakesErrorsOfTypesThatDoNotKnowIt(t *testing.T) {
	t.Parallel()
	var dst struct {
		Foreign foreign `koanf:"foreign"`
	}
	require.NoError(t, config.Load(&dst, config.Source{File: write(t, "foreign: {level: x}")}))
	err := config.Load(&dst, config.Source{File: write(t, "foreign:\n  level: x\n  ratio: 1\n")})
	var found config.Problems
	require.ErrorAs(t, err, &found)
	assert.Equal(t, []brief{
		{1, "foreign", "does not fit", ""}, {2, "foreign.level", "is wrong", ""}, {3, "foreign.ratio", "is wrong", ""},
	}, briefs(found))
}
