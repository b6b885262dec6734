//go:build e2e

package cryptoutil_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// curl calls curl as somebody who was given the root certificate, and adds the answer's status to the output.
func (i *installation) curl(t testing.TB, args ...string) (status, body string, got outcome) {
	t.Helper()
	args = append([]string{"--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code} %{content_type}", "--cacert", i.root()}, args...)
	got = call{path: testkit.RequireTool(t, "curl"), args: args, env: environment(t.TempDir())}.run(t)
	at := strings.LastIndexByte(got.stdout, '\n')
	require.GreaterOrEqual(t, at, 0, got.stdout)
	return got.stdout[at+1:], got.stdout[:at], got
}

// secretHeader puts a header into a file for curl, so that it does not show among the processes.
func secretHeader(t testing.TB, header string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "header")
	require.NoError(t, os.WriteFile(file, []byte(header+"\n"), 0o600))
	return "@" + file
}

func TestCurl_NeedsTheRootCertificateAndACredentialOnly(t *testing.T) {
	t.Parallel()
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	token := secretHeader(t, "Authorization: Bearer "+i.token(t))
	post := func(path, body string, credential ...string) map[string]any {
		args := append([]string{"--header", "Content-Type: application/json", "--data", body, i.public + "/service/api/v1/" + path}, credential...)
		status, answer, _ := i.curl(t, args...)
		require.Regexp(t, `^20[01] application/json`, status, answer)
		var object map[string]any
		require.NoError(t, json.Unmarshal([]byte(answer), &object), answer)
		return object
	}
	bearer := []string{"--header", token}
	assert.Equal(t, "payroll", post("elastic-keys", `{"name":"payroll","algorithm":"A256GCM/A256KW"}`, bearer...)["name"])
	sealed := post("elastic-keys/payroll/encrypt", `{"plaintext":"aGVsbG8"}`, bearer...)["ciphertext"]
	assert.Equal(t, "aGVsbG8", post("elastic-keys/payroll/decrypt", fmt.Sprintf(`{"ciphertext":%q}`, sealed), bearer...)["plaintext"])

	// A client has credentials of its own, by HTTP Basic (RFC 7617), which the service knows without a restart.
	secret := strings.TrimSpace(i.run(t, "credential", "add", "--config", i.file("kms.yaml"),
		"--kind", "client", "--id", "billing", "--scopes", "kms:decrypt"))
	netrc := filepath.Join(t.TempDir(), "netrc")
	require.NoError(t, os.WriteFile(netrc, []byte("machine localhost login billing password "+secret+"\n"), 0o600))
	basic := []string{"--netrc-file", netrc}
	eventually(t, "the new client is known", func() bool {
		status, _, _ := i.curl(t, append(basic, i.public+"/service/api/v1/self")...)
		return strings.HasPrefix(status, "200 ")
	})
	assert.Equal(t, "aGVsbG8", post("elastic-keys/payroll/decrypt", fmt.Sprintf(`{"ciphertext":%q}`, sealed), basic...)["plaintext"])
	status, body, _ := i.curl(t, append(basic, "--header", "Content-Type: application/json", "--data", `{"plaintext":"aGVsbG8"}`,
		i.public+"/service/api/v1/elastic-keys/payroll/encrypt")...)
	assert.Equal(t, "403 application/problem+json", status)
	assert.Contains(t, body, `"code":"insufficient_scope"`)
}

func TestCurl_IsRefusedWithoutWhatItNeeds(t *testing.T) {
	t.Parallel()
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	token := secretHeader(t, "Authorization: Bearer "+i.token(t))
	keys := i.public + "/service/api/v1/elastic-keys"

	status, body, got := i.curl(t, "--include", keys)
	assert.Equal(t, "401 application/problem+json", status)
	assert.Contains(t, body, `"code":"unauthenticated"`)
	assert.Contains(t, strings.ToLower(got.stdout), "www-authenticate: bearer")
	status, body, _ = i.curl(t, "--header", secretHeader(t, "Authorization: Bearer "+i.token(t)+"x"), keys)
	assert.Equal(t, "401 application/problem+json", status, body)

	status, body, _ = i.curl(t, "--header", token, i.public+"/browser/api/v1/elastic-keys")
	assert.Equal(t, "403 application/problem+json", status)
	assert.Contains(t, body, `"code":"wrong_client_type"`)
	status, body, _ = i.curl(t, i.public+"/browser/api/v1/elastic-keys")
	assert.Equal(t, "401 application/problem+json", status)
	assert.Contains(t, body, `"code":"session_required"`)

	for _, url := range []string{keys, i.admin + "/admin/v1/livez"} {
		_, _, got = i.curl(t, "--tls-max", "1.2", "--header", token, url)
		assert.NotZero(t, got.exit, "TLS 1.2 is spoken at %s", url)
		assert.Contains(t, got.stderr, "protocol version")
		status, body, got = i.curl(t, "--header", token, strings.Replace(url, "https:", "http:", 1))
		if got.exit == 0 {
			assert.True(t, strings.HasPrefix(status, "400 "), "plain HTTP is answered at %s: %s %s", url, status, body)
		}
		assert.NotContains(t, body, "{", "plain HTTP is answered")
		_, _, got = i.curl(t, "--cacert", systemRoots(t), url)
		assert.NotZero(t, got.exit, "%s is trusted without its root certificate", url)
	}
}

// systemRoots is a file of other certificates than the installation's: those of another one.
func systemRoots(t testing.TB) string {
	t.Helper()
	return dev(t, filepath.Join(t.TempDir(), "other")).root()
}

func TestCurl_TheAdminListenerIsForThisMachineAndNotForBrowsers(t *testing.T) {
	t.Parallel()
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	ready := i.admin + "/admin/v1/readyz"
	status, _, _ := i.curl(t, ready)
	assert.Equal(t, "200 application/json", status)
	for _, header := range []string{"Host: evil.example", "Host: evil.example:9090", "Host: 192.0.2.1", "Origin: https://evil.example", "Origin: null", "Origin: " + i.admin} {
		status, body, _ := i.curl(t, "--header", header, ready)
		assert.Equal(t, "403 application/problem+json", status, "%s: %s", header, body)
		status, _, _ = i.curl(t, "--http1.1", "--header", header, ready)
		assert.Equal(t, "403 application/problem+json", status, header)
	}
	// Without the admin's own token nobody ends the service; the credential of the API is none.
	for _, header := range []string{"X-None: 1", secretHeader(t, "Authorization: Bearer "+i.token(t))} {
		status, body, _ := i.curl(t, "--request", "POST", "--header", header, i.admin+"/admin/v1/shutdown")
		assert.Equal(t, "401 application/problem+json", status, body)
	}
	// The public listener has none of it.
	for _, path := range []string{"/admin/v1/livez", "/admin/v1/shutdown", "/livez"} {
		status, _, _ = i.curl(t, i.public+path)
		assert.Equal(t, "404 application/problem+json", status, path)
	}

	found := listening(t, i.cmd.Process.Pid)
	assert.Len(t, found, 3*devServices, "of each service one public listener, one for client certificates, and one for the admin")
	var ports []string
	for _, address := range found {
		assert.Equal(t, "127.0.0.1", address.IP.String())
		ports = append(ports, strconv.Itoa(address.Port))
	}
	assert.Subset(t, ports, []string{portOf(t, i.public), portOf(t, i.mutual(t)), portOf(t, i.admin)})
}

func portOf(t testing.TB, url string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "https://"))
	require.NoError(t, err)
	return port
}

// listening returns the addresses that a process listens on, as the kernel tells (proc(5): /proc/PID/fd, /proc/net/tcp).
func listening(t testing.TB, pid int) (found []net.TCPAddr) {
	t.Helper()
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(folder)
	if err != nil {
		testkit.Missing(t, "no /proc, which tells where a process listens")
	}
	var sockets []string
	for _, file := range files {
		if target, err := os.Readlink(filepath.Join(folder, file.Name())); err == nil {
			if inode, is := strings.CutPrefix(target, "socket:["); is {
				sockets = append(sockets, strings.TrimSuffix(inode, "]"))
			}
		}
	}
	const listen, inodeField = "0A", 9
	for _, table := range []string{"tcp", "tcp6"} {
		file, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if os.IsNotExist(err) {
			continue // no IPv6
		}
		require.NoError(t, err)
		for lines := bufio.NewScanner(file); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) > inodeField && fields[3] == listen && slices.Contains(sockets, fields[inodeField]) {
				found = append(found, address(t, fields[1]))
			}
		}
		require.NoError(t, file.Close())
	}
	return found
}

// address reads 0100007F:1F90: words in the machine's byte order, which is taken for little-endian, and a port.
func address(t testing.TB, text string) net.TCPAddr {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	ip, err := hex.DecodeString(host)
	require.NoError(t, err)
	for word := 0; word < len(ip); word += 4 {
		slices.Reverse(ip[word : word+4])
	}
	number, err := strconv.ParseUint(port, 16, 16)
	require.NoError(t, err)
	return net.TCPAddr{IP: ip, Port: int(number)}
}
