package cli_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// auditFiles are an export of five events, the public key, and a log with the checkpoint of the last.
type auditFiles struct{ dir, export, key, log string }

func newAuditFiles(t *testing.T) auditFiles {
	t.Helper()
	key, err := jwk.FromMaterial(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, ed25519.SeedSize)), jwk.Attributes{})
	require.NoError(t, err)
	var export []byte
	var last auditchain.Entry
	checkpoint := ""
	for seq := int64(1); seq <= 5; seq++ {
		e := auditchain.Entry{Seq: seq, Prev: last.Hash, Event: fmt.Appendf(nil, `{"tenant":"acme","action":"key.create","n":%d}`, seq)}
		e.Hash = auditchain.Link("acme", seq, e.Prev, e.Event)
		export, last = e.AppendLine(export), e
		if seq == 3 || seq == 5 {
			checkpoint, err = auditchain.Checkpoint{Service: "kms", Chain: "acme", Seq: seq, Hash: e.Hash, First: 1, Time: time.Unix(1, 0)}.Sign(key)
			require.NoError(t, err)
		}
		if seq == 3 {
			export = auditchain.AppendCheckpointLine(export, checkpoint)
		}
	}
	public, err := key.MarshalPublic()
	require.NoError(t, err)
	dir := t.TempDir()
	f := auditFiles{dir, filepath.Join(dir, "acme.jsonl"), filepath.Join(dir, "key.json"), filepath.Join(dir, "kms.log")}
	require.NoError(t, os.WriteFile(f.export, export, 0o600))
	require.NoError(t, os.WriteFile(f.key, public, 0o600))
	require.NoError(t, os.WriteFile(f.log, fmt.Appendf(nil, "{\"msg\":\"audit checkpoint\",\"checkpoint\":%q}\n", checkpoint), 0o600))

	return f
}

func auditVerify(t *testing.T, args ...string) (code int, out, errors string) {
	t.Helper()
	root := &cobra.Command{Use: "kms-server"}
	root.AddCommand(cli.Audit("kms-server"))
	var stdout, stderr bytes.Buffer
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetArgs(append([]string{"audit", "verify"}, args...))

	return cli.Main(t.Context(), root), stdout.String(), stderr.String()
}

func TestAuditVerify_SaysWhetherAnExportIsIntact(t *testing.T) {
	t.Parallel()
	f := newAuditFiles(t)
	code, out, _ := auditVerify(t, f.export, "--key", f.key)
	assert.Zero(t, code)
	assert.Contains(t, out, "no checkpoint vouches for events 4 to 5")
	code, out, _ = auditVerify(t, f.export, "--key", f.key, "--checkpoint", f.log)
	assert.Zero(t, code, out)
	assert.Contains(t, out, "up to 5")
}

func TestAuditVerify_NamesTheFirstBreak(t *testing.T) {
	t.Parallel()
	f := newAuditFiles(t)
	text, err := os.ReadFile(f.export)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(text), "\n")

	altered := filepath.Join(f.dir, "altered")
	require.NoError(t, os.WriteFile(altered, []byte(strings.Replace(string(text), `"n":2`, `"n":9`, 1)), 0o600))
	code, out, _ := auditVerify(t, altered, "--key", f.key, "--output", "json")
	assert.Equal(t, cli.ExitFailure, code)
	var verdict struct {
		Intact bool
		Chain  string
		Break  struct {
			Kind      string
			Seq, Line int64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &verdict))
	assert.False(t, verdict.Intact)
	assert.Equal(t, "acme", verdict.Chain)
	assert.Equal(t, "altered", verdict.Break.Kind)
	assert.Equal(t, []int64{2, 2}, []int64{verdict.Break.Seq, verdict.Break.Line})

	cut := filepath.Join(f.dir, "cut")
	require.NoError(t, os.WriteFile(cut, []byte(strings.Join(lines[:5], "")), 0o600))
	code, _, _ = auditVerify(t, cut, "--key", f.key)
	assert.Zero(t, code)
	code, out, _ = auditVerify(t, cut, "--key", f.key, "--checkpoint", f.log)
	assert.Equal(t, cli.ExitFailure, code)
	assert.Contains(t, out, "Cut, event 5, at the end")
}

func TestAuditVerify_RefusesWhatProvesNothing(t *testing.T) {
	t.Parallel()
	f := newAuditFiles(t)
	empty := filepath.Join(f.dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for name, args := range map[string][]string{
		"no key":             {f.export},
		"no such key":        {f.export, "--key", empty},
		"no such export":     {filepath.Join(f.dir, "missing"), "--key", f.key},
		"log without any":    {f.export, "--key", f.key, "--checkpoint", empty},
		"no such checkpoint": {f.export, "--key", f.key, "--checkpoint", filepath.Join(f.dir, "missing")},
		"empty export":       {empty, "--key", f.key},
	} {
		code, out, errors := auditVerify(t, args...)
		assert.NotZero(t, code, name)
		assert.NotEmpty(t, out+errors, name)
	}
}
