package kmstest

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// Peer is an independent library outside of enforcement: the helper program of package jwe's own tests.
type Peer struct {
	In  *json.Encoder
	Out *json.Decoder
}

// StartPeer builds the peer and starts it. It is for tests whose folder lies beside this package, from where it finds the program.
func StartPeer(t *testing.T) *Peer {
	t.Helper()
	if testing.Short() {
		t.Skip("the peer program takes seconds to build: skipped under -short")
	}
	program := filepath.Join(t.TempDir(), "peer")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/peer")
	build.Dir = filepath.Join("..", "..", "..", "..", "libs", "crypto", "jwe")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	run := exec.CommandContext(context.WithoutCancel(t.Context()), program) // its end comes with that of its input
	run.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GODEBUG=") }), "GODEBUG=fips140=off")
	in, err := run.StdinPipe()
	require.NoError(t, err)
	out, err := run.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, run.Start())
	t.Cleanup(func() {
		_ = in.Close() // ends it
		assert.NoError(t, run.Wait())
	})
	return &Peer{json.NewEncoder(in), json.NewDecoder(bufio.NewReader(out))}
}

// Encrypt encrypts to a public key.
func (p *Peer) Encrypt(t *testing.T, spec alg.Spec, key json.RawMessage, text string) string {
	t.Helper()
	require.NoError(t, p.In.Encode(map[string]any{
		"operation": "encrypt", "algorithm": spec.KeyManagement, "encryption": spec.ContentEncryption, "key": key, "text": text,
	}))
	var answer struct{ Text, Error string }
	require.NoError(t, p.Out.Decode(&answer))
	require.Empty(t, answer.Error, spec.Algorithm)
	return answer.Text
}
