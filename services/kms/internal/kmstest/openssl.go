package kmstest

import (
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// OpenSSL is the program as somebody uses it who has nothing of ours. It may be used by many goroutines.
type OpenSSL struct {
	program, folder string
	files           atomic.Int64
}

// NewOpenSSL finds the program.
func NewOpenSSL(t *testing.T) *OpenSSL {
	t.Helper()
	return &OpenSSL{program: testkit.RequireTool(t, "openssl"), folder: t.TempDir()}
}

// Run returns what a command writes.
func (o *OpenSSL) Run(t testing.TB, arguments ...string) []byte {
	t.Helper()
	out, err := o.Try(t, arguments...)
	require.NoError(t, err)
	return out
}

// Try runs the program, which may refuse.
func (o *OpenSSL) Try(t testing.TB, arguments ...string) ([]byte, error) {
	t.Helper()
	var complaint strings.Builder
	command := exec.CommandContext(t.Context(), o.program, arguments...)
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("openssl %s: %w: %s", strings.Join(arguments, " "), err, &complaint)
	}
	return out, nil
}

// File writes what a command is to read.
func (o *OpenSSL) File(t testing.TB, content []byte) string {
	t.Helper()
	name := filepath.Join(o.folder, strconv.FormatInt(o.files.Add(1), 10))
	require.NoError(t, os.WriteFile(name, content, 0o600))
	return name
}

// PEM writes DER to a PEM file and returns its path.
func (o *OpenSSL) PEM(t testing.TB, kind string, der []byte) string {
	t.Helper()
	return o.File(t, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// Private writes a private key to a PEM file and returns its path.
func (o *OpenSSL) Private(t testing.TB, pkcs8 []byte) string {
	t.Helper()
	return o.PEM(t, "PRIVATE KEY", pkcs8)
}

// Generate makes a key pair: PKCS #8 and SubjectPublicKeyInfo.
func (o *OpenSSL) Generate(t testing.TB, arguments ...string) (pkcs8, spki []byte) {
	t.Helper()
	made := o.Run(t, append([]string{"genpkey", "-quiet"}, arguments...)...)
	pkcs8 = o.Run(t, "pkcs8", "-topk8", "-nocrypt", "-in", o.File(t, made), "-outform", "DER")
	return pkcs8, o.Run(t, "pkey", "-in", o.Private(t, pkcs8), "-pubout", "-outform", "DER")
}
