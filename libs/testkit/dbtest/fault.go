package dbtest

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// Fault loses the connection to a PostgreSQL database at the worst moment, at COMMIT, or for a while.
type Fault struct {
	mu     sync.Mutex
	next   loss                  // guarded by mu
	state  away                  // guarded by mu
	spoken chan struct{}         // closed when the silence ends; guarded by mu
	open   map[net.Conn]struct{} // the clients' ends; guarded by mu
}

// loss says what becomes of the next COMMIT.
type loss int

const (
	lossNone   loss = iota
	lossCommit      // the server does not receive it
	lossAnswer      // the server commits, and its answer does not arrive
)

const bufferSize = 64 << 10

// Faulty returns cfg, a PostgreSQL database's from [Fresh], with a proxy in front that the Fault controls.
func Faulty(t testing.TB, cfg database.Config) (database.Config, *Fault) {
	t.Helper()
	u, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	ctx, server := context.WithoutCancel(t.Context()), u.Host // what ends with the test still says good-bye
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	u.Host = listener.Addr().String()
	cfg.URL = u.String()

	fault := &Fault{open: map[net.Conn]struct{}{}}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			connections.Go(func() { fault.relay(ctx, client, server) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		fault.Refuse() // who still waits hears the end
		connections.Wait()
	})
	return cfg, fault
}

// LoseNextCommit cuts the connection before the next COMMIT reaches the server, which rolls back.
func (f *Fault) LoseNextCommit() { f.set(lossCommit) }

// LoseNextAnswer cuts the connection after the server has committed and before the client hears of it.
func (f *Fault) LoseNextAnswer() { f.set(lossAnswer) }

func (f *Fault) set(next loss) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = next
}

// take returns the loss that message is to suffer, once.
func (f *Fault) take(message []byte) loss {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !bytes.Contains(message, []byte("commit\x00")) {
		return lossNone
	}
	next := f.next
	f.next = lossNone
	return next
}

// relay copies both directions of one connection until either side ends.
func (f *Fault) relay(ctx context.Context, client net.Conn, address string) {
	if !f.enter(client) {
		_ = client.Close()
		return
	}
	defer f.leave(client)
	server, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		_ = client.Close()
		return
	}
	var mute atomic.Bool // answers do not arrive any more
	var answers sync.WaitGroup
	answers.Go(func() {
		buffer := make([]byte, bufferSize)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				break
			}
			if mute.Load() {
				continue
			}
			f.pass()
			if _, err := client.Write(buffer[:n]); err != nil {
				break
			}
		}
		_ = client.Close()
	})
	defer answers.Wait()
	defer func() { _ = server.Close() }()

	// pgx sends COMMIT as one short message of the simple protocol, and waits for the answer before it sends more.
	buffer := make([]byte, bufferSize)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		message := buffer[:n]
		f.pass()
		switch f.take(message) {
		case lossCommit:
			_ = client.Close()
			return
		case lossAnswer:
			mute.Store(true)
			message = append(message, 'X', 0, 0, 0, 4) // Terminate: the server ends the session when it has committed
			_, _ = server.Write(message)
			answers.Wait()
			return
		}
		if _, err := server.Write(message); err != nil {
			return
		}
	}
}
