//go:build e2e

package cryptoutil_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// installation is a data directory, and the service that runs on it.
type installation struct {
	*process

	product       product
	dir           string
	public, admin string        // URLs
	ready         time.Duration // from the start of the process to its word that it is ready
}

// The last words of a service that has started.
var (
	devWords    = regexp.MustCompile(`(?s)KMS +(https://\S+)\n +KMS administration +(https://\S+)\n.*keys survive\.\n`)
	serverWords = regexp.MustCompile(`-server serves (https://\S+), administration (https://\S+), root certificate \S+\n`)
	mutualWords = regexp.MustCompile(`-server serves (https://\S+) for client certificates\n`)
)

// devServices is how many services the suite has.
const devServices = 3

// dev starts `cryptoutil dev` on a directory and waits until it is ready.
func dev(t testing.TB, dir string, env ...string) *installation {
	t.Helper()
	p := launch(t, call{path: program(t, suite), args: []string{"dev", "--data", dir, "--ephemeral-ports"}, env: environment(t.TempDir(), env...)})
	return started(t, p, dir, "keys survive.\n", devWords)
}

// serve starts kms-server on a directory that init has made, and waits until it serves. Its context file then names the real ports.
func serve(t testing.TB, dir string) *installation {
	t.Helper()
	i := kmsProduct.serve(t, dir)
	i.sayPorts(t)
	return i
}

func started(t testing.TB, p *process, dir, last string, words *regexp.Regexp) *installation {
	t.Helper()
	text := p.await(t, last)
	i := &installation{process: p, product: kmsProduct, dir: dir, ready: time.Since(p.begun)}
	found := words.FindStringSubmatch(text)
	require.NotNil(t, found, text)
	i.public, i.admin = found[1], found[2]
	return i
}

// initialize makes a data directory for kms-server.
func initialize(t testing.TB, args ...string) (dir string, said outcome) {
	t.Helper()
	return kmsProduct.initialize(t, args...)
}

func (i *installation) file(elements ...string) string {
	return filepath.Join(append([]string{i.dir}, elements...)...)
}

func (i *installation) context() string { return i.file("context.yaml") }

func (i *installation) root() string { return i.file("tls", "root.pem") }

// mutual is the URL for client certificates, which the context file has.
func (i *installation) mutual(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(i.context())
	require.NoError(t, err)
	found := regexp.MustCompile(`(?s)\n +` + string(i.product) + `:\n.*?mtls_url: (\S+)`).FindSubmatch(text)
	require.NotNil(t, found, "%s", text)
	return string(found[1])
}

// token is the credential that the installation came with.
func (i *installation) token(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(i.file("credentials", string(i.product)+".token"))
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

// kms calls `cryptoutil kms` as a user of this installation.
func (i *installation) kms(args ...string) call {
	return i.suite(append([]string{"kms"}, args...)...)
}

// suite calls `cryptoutil` as a user of this installation. The program is found like one in PATH.
func (i *installation) suite(args ...string) call {
	return call{path: filepath.Join(os.Getenv(binVariable), suite), args: args, env: environment(i.dir, "CRYPTOUTIL_CONTEXT="+i.context())}
}

// run calls `cryptoutil kms`, which succeeds, and returns what it printed.
func (i *installation) run(t testing.TB, args ...string) string {
	t.Helper()
	got := i.kms(args...).run(t)
	require.Zero(t, got.exit, "%s: %s", strings.Join(args, " "), got.stderr)
	require.Empty(t, got.stderr, strings.Join(args, " "))
	return got.stdout
}

// createKey makes a key by the command line and returns its id.
func (i *installation) createKey(t testing.TB, name, algorithm string) string {
	t.Helper()
	return strings.TrimSpace(i.run(t, "key", "create", "--name", name, "--algorithm", algorithm))
}

// api is a client of the service's HTTP API that repeats nothing by itself.
type api struct {
	client *http.Client
	base   string // ends in /
	token  string
}

func (i *installation) api(t testing.TB) *api {
	t.Helper()
	pem, err := os.ReadFile(i.root())
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &api{client: &http.Client{Transport: transport, Timeout: patience}, base: i.public + "/service/api/v1/", token: i.token(t)}
}

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request; in is sent as JSON unless it is nil, an answer of 2xx is read into out unless it is nil. header are pairs.
func (a *api) do(ctx context.Context, method, path string, in, out any, header ...string) (reply, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return reply{}, err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for n := 0; n+1 < len(header); n += 2 {
		request.Header.Set(header[n], header[n+1])
	}
	response, err := a.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	text, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return reply{}, err
	}
	r := reply{status: response.StatusCode, header: response.Header, body: text}
	if out != nil && r.status/100 == 2 {
		err = json.Unmarshal(text, out)
	}
	return r, err
}

func replaceInFile(t testing.TB, file string, pattern *regexp.Regexp, replacement string) {
	t.Helper()
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Regexp(t, pattern, string(before))
	require.NoError(t, os.WriteFile(file, pattern.ReplaceAll(before, []byte(replacement)), 0o600))
}

// editListener sets the address of a listener in kms.yaml.
func editListener(t testing.TB, file, listener, address string) {
	t.Helper()
	replaceInFile(t, file, regexp.MustCompile(`(?m)(^`+listener+`:\n  address: )\S+`), "${1}"+address)
}
