// Package browser drives a headless Chromium in tests. Its main type is [Page].
//
// It speaks the Chrome DevTools Protocol over a pipe, not over a WebSocket, whose handshake needs SHA-1 and is therefore out of reach under
// enforced FIPS mode. Pages are used as a person does: by typing and pressing keys, so that it also works with scripts switched off.
package browser

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

const (
	// patience is how long the browser may take for one thing. Machines that build at the same time are slow.
	patience = 60 * time.Second
	// farewell is how long it may take to end before it is killed.
	farewell = 10 * time.Second
	// maxMessage is the size of the largest message, such as a screenshot.
	maxMessage = 64 << 20
)

// Browser is a running Chromium.
type Browser struct {
	t        testing.TB
	command  *exec.Cmd
	to, from *os.File

	mu      sync.Mutex
	last    int                     // guarded by mu
	waiting map[int]chan message    // guarded by mu: answers by id
	events  map[string]chan message // guarded by mu: by session and method
	ended   chan struct{}           // closed when the pipe is
}

// message is one of the protocol, in either direction.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// Start starts a Chromium that ends with the test. It takes these certificates for genuine whoever issued them, and no others. Without Chromium
// the test ends as [testkit.RequireTool] says.
func Start(t testing.TB, certificates ...*x509.Certificate) *Browser {
	t.Helper()
	program := testkit.RequireTool(t, "chromium")
	pins := make([]string, len(certificates))
	for i, certificate := range certificates {
		sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
		pins[i] = base64.StdEncoding.EncodeToString(sum[:])
	}
	home := t.TempDir()
	theirRead, ourWrite := pipe(t)
	ourRead, theirWrite := pipe(t)
	ctx := context.WithoutCancel(t.Context()) // it is asked to end before it is killed
	b := &Browser{
		t: t, to: ourWrite, from: ourRead, waiting: map[int]chan message{}, events: map[string]chan message{}, ended: make(chan struct{}),
		command: exec.CommandContext(ctx, program, "--headless", //nolint:gosec // the program that the test requires
			"--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
			"--remote-debugging-pipe", "--user-data-dir="+home, "--ignore-certificate-errors-spki-list="+strings.Join(pins, ",")),
	}
	b.command.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	b.command.ExtraFiles = []*os.File{theirRead, theirWrite} // 3 and 4
	b.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.command.Start(); err != nil {
		t.Fatalf("browser: %v", err)
	}
	_, _ = theirRead.Close(), theirWrite.Close()
	go b.receive()
	t.Cleanup(b.close)
	return b
}

func pipe(t testing.TB) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatalf("browser: %v", err)
	}
	return read, write
}

// close ends the browser and every process that it started.
func (b *Browser) close() {
	_ = b.send(message{ID: -1, Method: "Browser.close"})
	done := make(chan struct{})
	go func() {
		_ = b.command.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(farewell):
	}
	_ = syscall.Kill(-b.command.Process.Pid, syscall.SIGKILL)
	<-done
	_, _ = b.to.Close(), b.from.Close()
	<-b.ended
}

func (b *Browser) send(m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err = b.to.Write(append(text, 0)) // every message ends with a zero
	return err
}

// receive hands messages to those who wait for them, until the pipe ends.
func (b *Browser) receive() {
	defer close(b.ended)
	lines := bufio.NewScanner(b.from)
	lines.Buffer(make([]byte, 0, 64<<10), maxMessage)
	lines.Split(func(data []byte, _ bool) (int, []byte, error) {
		if end := strings.IndexByte(string(data), 0); end >= 0 {
			return end + 1, data[:end], nil
		}
		return 0, nil, nil
	})
	for lines.Scan() {
		var m message
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue
		}
		b.mu.Lock()
		to := b.waiting[m.ID]
		if m.ID == 0 {
			to = b.events[m.Session+m.Method]
		}
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		select {
		case to <- m:
		default: // nobody waits
		}
	}
}

// call runs a command of the protocol and reads its result.
func (b *Browser) call(session, method string, params, result any) {
	b.t.Helper()
	text, err := json.Marshal(params)
	if err != nil {
		b.t.Fatalf("browser: %s: %v", method, err)
	}
	answer := make(chan message, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.waiting[id] = answer
	b.mu.Unlock()
	if err := b.send(message{ID: id, Session: session, Method: method, Params: text}); err != nil {
		b.t.Fatalf("browser: %s: %v", method, err)
	}
	m := b.wait(method, answer)
	if m.Error != nil {
		b.t.Fatalf("browser: %s: %s", method, m.Error.Message)
	}
	if result != nil {
		if err := json.Unmarshal(m.Result, result); err != nil {
			b.t.Fatalf("browser: %s: %v", method, err)
		}
	}
}

func (b *Browser) wait(what string, from chan message) message {
	b.t.Helper()
	select {
	case m := <-from:
		return m
	case <-b.ended:
		b.t.Fatalf("browser: %s: it has ended", what)
	case <-time.After(patience):
		b.t.Fatalf("browser: %s: nothing within %s", what, patience)
	}
	return message{}
}

// on returns where events of a page arrive, before what causes them is begun.
func (b *Browser) on(session, method string) chan message {
	arrived := make(chan message, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events[session+method] = arrived
	return arrived
}

// params are the parameters of a command.
type params map[string]any
