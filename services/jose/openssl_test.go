package jose_test

import (
	"encoding/json"
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

// openSSL is the program as somebody uses it who has nothing of ours. It may be used by many goroutines.
type openSSL struct {
	program, folder string
	files           atomic.Int64
}

func newOpenSSL(t testing.TB) *openSSL {
	t.Helper()
	return &openSSL{program: testkit.RequireTool(t, "openssl"), folder: t.TempDir()}
}

// run returns what a command writes.
func (o *openSSL) run(t testing.TB, arguments ...string) string {
	t.Helper()
	out, err := o.try(t, arguments...)
	require.NoError(t, err)
	return out
}

func (o *openSSL) try(t testing.TB, arguments ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), o.program, arguments...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("openssl %s: %w: %s", strings.Join(arguments, " "), err, out)
	}
	return string(out), err
}

// path is where a file can be written.
func (o *openSSL) path() string {
	return filepath.Join(o.folder, strconv.FormatInt(o.files.Add(1), 10))
}

// file writes what a command is to read.
func (o *openSSL) file(t testing.TB, content string) string {
	t.Helper()
	name := o.path()
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

func (o *openSSL) read(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(content)
}

// certifier is a certification authority of openssl's: a certificate and the file of its key.
type certifier struct {
	*openSSL

	pem, key string
}

// authorityExtensions make a certificate one of a certification authority.
const authorityExtensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"

// root makes a certification authority.
func (o *openSSL) root(t testing.TB, name string) certifier {
	t.Helper()
	c := certifier{openSSL: o, key: o.path()}
	o.run(t, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", c.key)
	out := o.path()
	o.run(t, "req", "-x509", "-new", "-key", c.key, "-subj", "/CN="+name, "-days", "30", "-out", out,
		"-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
	c.pem = o.read(t, out)
	return c
}

// subordinate makes a certification authority below this one.
func (c certifier) subordinate(t testing.TB, name, extensions string) certifier {
	t.Helper()
	below := certifier{openSSL: c.openSSL, key: c.path()}
	c.run(t, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", below.key)
	csr := c.path()
	c.run(t, "req", "-new", "-key", below.key, "-subj", "/CN="+name, "-out", csr)
	below.pem = c.sign(t, c.read(t, csr), extensions, "-days", "20")
	return below
}

// leafExtensions are those of a certificate for signatures.
const leafExtensions = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"

// sign makes a certificate of a request, with the names that it asks for.
func (c certifier) sign(t testing.TB, csr, extensions string, options ...string) string {
	t.Helper()
	out := c.path()
	arguments := []string{
		"x509", "-req", "-in", c.file(t, csr), "-CA", c.file(t, c.pem), "-CAkey", c.key, "-copy_extensions", "copyall", "-out", out,
		"-extfile", c.file(t, extensions),
	}
	c.run(t, append(arguments, options...)...)
	return c.read(t, out)
}

// certify has a version of a key certified (0: the active one), and returns the leaf.
func (s *service) certify(t testing.TB, token, key string, version int, by certifier, options ...string) string {
	t.Helper()
	ask := object{"subject": object{"common_name": key}}
	if version != 0 {
		ask["version"] = version
	}
	return by.sign(t, s.post(t, token, "keys/"+key+"/csr", ask).Member(t, "pem"), leafExtensions, options...)
}

// protectedOf is the header of a message in compact serialization.
func protectedOf(t testing.TB, message string) object {
	t.Helper()
	text := apiText(t, strings.Split(message, ".")[0])
	var header object
	require.NoError(t, json.Unmarshal([]byte(text), &header))
	return header
}
