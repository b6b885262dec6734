package cli_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func TestKeyCreate_TakesAllSettings(t *testing.T) {
	t.Parallel()
	s := shell{kms: newFakeKMS(t)}
	s.must(t, "", "key", "create", "--name", "ledger", "--algorithm", "A256GCM/dir", "--tag", "team=payroll", "--tag", "empty=", "--exportable",
		"--operations", "encrypt,decrypt", "--quorum", "2", "--approvers", "alice,bob,carol", "--rotate-every", "90d", "--rotate-uses", "1000", "--notify-before", "36h")
	out := s.must(t, "", "key", "get", "ledger")
	assert.Contains(t, out, "Tags             empty= team=payroll\n")
	assert.Contains(t, out, "Properties       exportable\n")
	assert.Contains(t, out, "Operations       encrypt decrypt\n")
	assert.Contains(t, out, "Quorum           2 of alice bob carol\n")
	assert.Contains(t, out, "Rotation         every 90d, after 1000 uses, announced before 36h0m0s\n")
	assert.NotContains(t, out, "Clients")
}

func TestKeyUpdate_ChangesWhatTheFlagsName(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	out := s.must(t, "", "key", "update", "payroll", "--description", "salaries", "--roles", "app, admin,", "--rotate-every", "12h", "--rotate-bytes", "5", "--published")
	assert.Contains(t, out, "Description      salaries\n")
	assert.Contains(t, out, "Roles            app admin\n")
	assert.Contains(t, out, "Rotation         every 12h0m0s, after 5 bytes\n")
	assert.Equal(t, []string{"GET /elastic-keys/payroll", "PATCH /elastic-keys/payroll"}, f.asked())

	var key client.ElasticKey
	require.NoError(t, json.Unmarshal([]byte(s.must(t, "", "key", "update", "payroll", "--output", "json",
		"--description", "", "--roles", "", "--rotate-every", "0", "--published=false", "--min-decrypt-version", "1", "--versioning-allowed=false")), &key))
	assert.Empty(t, key.Description)
	assert.Nil(t, key.Policy.Roles)
	assert.Nil(t, key.Rotation.EverySeconds)
	assert.EqualValues(t, 5, *key.Rotation.Bytes, "what is not named stays")
	assert.EqualValues(t, 1, key.MinDecryptVersion)
	assert.False(t, key.VersioningAllowed)
	assert.Contains(t, s.must(t, "", "key", "get", "payroll"), "Properties       no further versions\nDecrypts from    version 1\n")

	f.refusals["payroll"] = refusal(http.StatusPreconditionFailed, "precondition_failed", "changed")
	require.ErrorContains(t, s.run(t, "", "key", "update", "payroll", "--description", "x").err, "somebody else changed it at the same time")
}

func TestKeyTag_SetsAndRemoves(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	f.add(t, "letters", "A256GCM/A256KW")
	assert.Contains(t, s.must(t, "", "key", "tag", "payroll", "team=hr", "env=test"), "Tags             env=test team=hr\n")
	assert.Contains(t, s.must(t, "", "key", "tag", "payroll", "team=pay", "--remove", "env"), "Tags             team=pay\n")
	assert.Contains(t, s.must(t, "", "key", "list", "--tag", "team=pay"), "payroll")
	assert.NotContains(t, s.must(t, "", "key", "list", "--tag", "team"), "letters")
	assert.NotContains(t, s.must(t, "", "key", "list", "--tag", "team=hr"), "payroll")
}

func TestKeyList_PassesFilterAndOrder(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "a", "ES256")
	f.add(t, "b", "ES256")
	out := s.must(t, "", "key", "list", "--sort", "-name")
	assert.Less(t, strings.Index(out, "\nb "), strings.Index(out, "\na "))
	f.asked()
	s.must(t, "", "key", "list", "--id", "018f0000-0000-7000-8000-000000000001", "--tag", "x", "--versioning-allowed=false", "--import-allowed", "--sort", "name")
	assert.Equal(t, []string{"GET /elastic-keys?limit=1000&sort=name&id=018f0000-0000-7000-8000-000000000001&tag=x&versioning_allowed=false&import_allowed=true"}, f.asked())
}

func TestKey_IsDisabledAndEnabled(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	assert.Equal(t, "key payroll is disabled\n", s.must(t, "", "key", "disable", "payroll"))
	require.ErrorContains(t, s.run(t, "", "key", "disable", "payroll").err, "`key get` and `key version list` show the states")
	assert.Equal(t, "key payroll is active\n", s.must(t, "", "key", "enable", "payroll"))
	assert.Contains(t, s.must(t, "", "key", "disable", "payroll", "--output", "json"), `"status": "disabled"`)
}

func TestKeyDelete_ShowsWhatEndsAndCanBeCancelled(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	out := s.must(t, "", "key", "delete", "payroll", "--dry-run")
	assert.Equal(t, []string{"POST /elastic-keys/payroll/schedule-deletion?dry_run=true"}, f.asked())
	assert.Contains(t, out, "Status      active\nDeleted at  2026-12-02T09:30:00.000000Z\nLast used   2026-11-01T09:30:00.000000Z\n")
	assert.Contains(t, out, "Safe        no: a version was used in the last 30 days\n")
	assert.Contains(t, out, "nothing: this was a dry run\n")

	out = s.must(t, "", "key", "delete", "payroll", "--wait-days", "7")
	assert.Contains(t, out, "Deleted at  2026-11-09T09:30:00.000000Z\n")
	assert.Contains(t, out, "it is scheduled\n")
	assert.Contains(t, s.must(t, "", "key", "get", "payroll"), "Deleted at       2026-11-09T09:30:00.000000Z\n")
	assert.Equal(t, "key payroll is disabled\n", s.must(t, "", "key", "cancel-deletion", "payroll"))
}

func TestKeyVersion_ChangesStates(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	f.add(t, "payroll", "A256GCM/A256KW")
	s.must(t, "", "key", "rotate", "payroll")
	assert.Equal(t, "version 1 of key payroll is disabled\n", s.must(t, "", "key", "version", "disable", "payroll", "1"))
	assert.Equal(t, "version 1 of key payroll is enabled\n", s.must(t, "", "key", "version", "enable", "payroll", "1"))
	assert.Equal(t, "version 1 of key payroll is enabled and primary\n", s.must(t, "", "key", "version", "set-primary", "payroll", "1"))
	out := s.must(t, "", "key", "version", "destroy", "payroll", "2", "--wait-days", "8")
	assert.Contains(t, out, "Destroyed at  2026-11-10T09:30:00.000000Z\n")
	assert.Contains(t, out, "Safe          yes\n")
	assert.Equal(t, "version 2 of key payroll is disabled\n", s.must(t, "", "key", "version", "restore", "payroll", "2"))
	assert.Contains(t, s.must(t, "", "key", "version", "destroy", "payroll", "1", "--dry-run"), "no: it is primary, or was used")
	assert.Equal(t, "version 2 of key payroll is compromised\n", s.must(t, "", "key", "version", "mark-compromised", "payroll", "2"))
	require.ErrorContains(t, s.run(t, "", "key", "version", "enable", "payroll", "2").err, "invalid_state")

	out = s.must(t, "", "key", "version", "get", "payroll", "2")
	assert.Contains(t, out, "Status      compromised\n")
	assert.Contains(t, out, "Uses        17\nBytes       1712\nLast used   2026-11-02T10:30:00.000000Z\n")
	assert.Contains(t, s.must(t, "", "key", "version", "get", "payroll", "2", "--output", "json"), `"count": 17`)

	f.add(t, "letters", "A256GCM/A256KW")
	all := s.must(t, "", "key", "version", "list")
	assert.Len(t, strings.Split(strings.TrimSpace(all), "\n"), 4)
	assert.Len(t, strings.Split(strings.TrimSpace(s.must(t, "", "key", "version", "list", "--status", "compromised")), "\n"), 2)
}

func TestKeyAlias_IsPutMovedAndDeleted(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	first, second := f.add(t, "payroll-2026", "ES256"), f.add(t, "payroll-2027", "ES256")
	assert.Equal(t, "alias current is key "+first.ID+"\n", s.must(t, "", "key", "alias", "put", "current", "payroll-2026"))
	assert.Equal(t, "alias current is key "+second.ID+"\n", s.must(t, "", "key", "alias", "put", "current", "payroll-2027"))
	assert.Contains(t, s.must(t, "", "key", "get", "current"), "payroll-2027")
	for _, name := range []string{"x", "y"} {
		s.must(t, "", "key", "alias", "put", name, "payroll-2026")
	}
	assert.Len(t, strings.Split(strings.TrimSpace(s.must(t, "", "key", "alias", "list")), "\n"), 4, "every page")
	assert.Len(t, strings.Split(strings.TrimSpace(s.must(t, "", "key", "alias", "list", "current")), "\n"), 2)

	// A key that does not exist is told, whether or not the alias does; a key's own name cannot become another's.
	require.ErrorContains(t, s.run(t, "", "key", "alias", "put", "current", "nobody").err, `no elastic key "nobody"`)
	require.ErrorContains(t, s.run(t, "", "key", "alias", "put", "fresh", "nobody").err, `no elastic key "nobody"`)
	require.ErrorContains(t, s.run(t, "", "key", "alias", "put", "payroll-2026", "payroll-2027").err, "conflict")

	assert.Equal(t, "alias current is gone\n", s.must(t, "", "key", "alias", "delete", "current"))
	require.ErrorContains(t, s.run(t, "", "key", "alias", "delete", "current").err, "`key alias list`")
}

func TestReport_ShowsAlgorithms(t *testing.T) {
	t.Parallel()
	s := shell{kms: newFakeKMS(t)}
	out := s.must(t, "", "report", "algorithms")
	assert.Contains(t, out, "A256GCM/RSA-OAEP-256 2048  2     3        1             1            1712  90112  never\n")
	assert.Contains(t, out, "A256GCM/ECDH-ES P-384      1     1        0             0            0     0      2026-11-02T09:30:00.000000Z\n")
	assert.Contains(t, s.must(t, "", "report", "algorithms", "--output", "json"), `"old_versions_reading": 1`)
	assert.JSONEq(t, `{"keys":[{"kty":"EC","kid":"k.1"}]}`, s.must(t, "", "jwks"))
}

func TestLife_RefusesMistakenCommandLines(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	for line, want := range map[string]string{
		"key update a":                                 "say what to change",
		"key update a --rotate-every 3":                `--rotate-every "3" is no duration`,
		"key update a --rotate-every 1500ms":           "in whole seconds",
		"key update a --rotate-every -1d":              "is no duration",
		"key update a --rotate-every 99999999999d":     "is no duration",
		"key update a --notify-before soon":            "is no duration",
		"key update a --rotate-uses -1":                "--rotate-uses must be 0 or more",
		"key update a --min-decrypt-version -1":        "--min-decrypt-version must be 0 or more",
		"key update a --quorum -1 --approvers a":       "--quorum must be 0 or more",
		"key update":                                   "name one key",
		"key tag":                                      "name one key",
		"key tag a":                                    "say which tags to set",
		"key tag a b":                                  `the tag "b" is not NAME=VALUE`,
		"key tag a b=1 b=2":                            `the tag "b" is given twice`,
		"key tag a b=1 --remove b":                     `the tag "b" is to be set and to be removed`,
		"key create --name a --algorithm b --tag c":    `--tag "c" is not NAME=VALUE`,
		"key create --name a --algorithm b --origin x": "--origin is",
		"key list --sort size":                         "it must be one of id, -id, name, -name",
		"key delete a --wait-days 6":                   "--wait-days must be 7 to 30",
		"key delete a --wait-days 31":                  "--wait-days must be 7 to 30",
		"key delete a --output x":                      "it must be one of",
		"key enable a --output x":                      "it must be one of",
		"key version disable a":                        "name one key and one version",
		"key version disable a 0":                      `"0" is no version`,
		"key version disable a latest":                 `"latest" is no version`,
		"key version destroy a 1 --wait-days 0":        "--wait-days must be 7 to 30",
		"key version list a --status enabled":          "leave out the key",
		"key alias put a":                              "name the alias and the key",
		"key alias delete":                             "name one alias",
		"report algorithms --output x":                 "it must be one of",
	} {
		err := s.run(t, "", strings.Fields(line)...).err
		require.ErrorContains(t, err, want, line)
		assert.True(t, isUsageError(err), line)
	}
	for _, half := range []string{"--quorum 2", "--approvers alice"} {
		line := append([]string{"key", "update", "a"}, strings.Fields(half)...)
		require.ErrorContains(t, s.run(t, "", line...).err, " goes with --", half)
	}
	assert.Empty(t, f.asked())
}

func TestKeyCreate_NeedNotWait(t *testing.T) {
	t.Parallel()
	f := newFakeKMS(t)
	s := shell{kms: f}
	s.must(t, "", "key", "create", "--name", "soon", "--algorithm", "A256GCM/RSA-OAEP-256")
	assert.Empty(t, f.preferred)
	s.must(t, "", "key", "create", "--name", "later", "--algorithm", "A256GCM/RSA-OAEP-256", "--no-wait")
	assert.Equal(t, "respond-async", f.preferred)
	assert.Equal(t, "key later is pending_generate\n", s.must(t, "", "key", "retry-generation", "later"))
}
