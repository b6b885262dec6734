package clientcli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

// Progress passes a source on and tells a terminal how much of it was read, once
// that takes longer than a moment.
type Progress struct {
	source  io.Reader
	screen  io.Writer // nil when nobody watches
	verb    string
	size    int64 // -1 when unknown
	done    int64
	started time.Time
	shown   time.Time
}

// Progress reads s as verb says what is done with it. It has an end: [Progress.End].
func (t Terminal) Progress(cmd *cobra.Command, s *Source, verb string) *Progress {
	p := &Progress{source: s, verb: verb, size: s.size, started: time.Now()}
	if t(cmd.ErrOrStderr()) {
		p.screen = cmd.ErrOrStderr()
	}
	return p
}

// Read implements io.Reader.
func (p *Progress) Read(b []byte) (int, error) {
	n, err := p.source.Read(b)
	p.done += int64(n)
	if p.screen == nil {
		return n, err
	}
	if now := time.Now(); now.Sub(p.started) >= progressAfter && now.Sub(p.shown) >= progressEvery {
		p.shown = now
		fmt.Fprintf(p.screen, "\r\x1b[K%s %s", p.verb, p.text())
	}
	return n, err
}

func (p *Progress) text() string {
	if p.size <= 0 {
		return bytesText(p.done)
	}
	return fmt.Sprintf("%s of %s (%d%%)", bytesText(p.done), bytesText(p.size), min(100, p.done*100/p.size))
}

// End clears the line.
func (p *Progress) End() {
	if p.screen != nil && !p.shown.IsZero() {
		fmt.Fprint(p.screen, "\r\x1b[K")
	}
}

// bytesText writes a size with binary prefixes (IEC 80000-13).
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	default:
		return fmt.Sprintf("%d KiB", n>>10)
	}
}
