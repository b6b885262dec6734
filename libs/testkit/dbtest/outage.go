package dbtest

import "net"

// away says what becomes of what the client and the server say to each other.
type away int

const (
	awayNot     away = iota
	awayRefused      // connections are cut, and new ones too
	awaySilent       // connections stay, and nothing arrives any more
)

// Refuse cuts all connections, and every new one at once, as a server that has gone does.
func (f *Fault) Refuse() { f.become(awayRefused) }

// Silence lets connections begin and stay, and holds back what is said on them, as a network that loses everything does.
func (f *Fault) Silence() { f.become(awaySilent) }

// Restore ends what Refuse or Silence began. What was held back arrives.
func (f *Fault) Restore() { f.become(awayNot) }

func (f *Fault) become(state away) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == awaySilent {
		close(f.spoken)
	}
	f.state = state
	switch state {
	case awaySilent:
		f.spoken = make(chan struct{})
	case awayRefused:
		for connection := range f.open {
			_ = connection.Close()
		}
	case awayNot:
	}
}

// enter takes note of a connection; false when there is to be none.
func (f *Fault) enter(connection net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == awayRefused {
		return false
	}
	f.open[connection] = struct{}{}
	return true
}

func (f *Fault) leave(connection net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, connection)
}

// pass waits while nothing arrives.
func (f *Fault) pass() {
	f.mu.Lock()
	silent, spoken := f.state == awaySilent, f.spoken
	f.mu.Unlock()
	if silent {
		<-spoken
	}
}
