package rotation

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Figures are what a run has measured.
type Figures struct {
	Rotations    int
	Issued       int // tokens
	Verified     int // verifications by sets that are kept
	Asked        int // verifications by replicas
	Fetched      int // key sets by verifiers; NotModified of them had not changed
	NotModified  int
	Removed      int           // keys that have left a set, counted for each replica
	Notice       time.Duration // the shortest time from the moment when every replica showed a key to its first signature
	Median, P99  time.Duration // how long a token takes
	Slowest      time.Duration
	Lasted       time.Duration
	TokensSecond float64
}

// String tells them in one line.
func (f Figures) String() string {
	return fmt.Sprintf("%d rotations in %s: %d tokens (%.0f/s; p50 %s, p99 %s, max %s), %d verifications by kept sets, %d by replicas, "+
		"%d fetches of sets (%d not modified), shortest notice %s, %d removals", f.Rotations, f.Lasted.Round(time.Second), f.Issued, f.TokensSecond,
		f.Median.Round(time.Microsecond), f.P99.Round(time.Microsecond), f.Slowest.Round(time.Microsecond), f.Verified, f.Asked, f.Fetched, f.NotModified,
		f.Notice.Round(time.Millisecond), f.Removed)
}

// tally counts.
type tally struct {
	mu          sync.Mutex
	rotations   int             // guarded by mu, as all below
	verified    int             //
	asked       int             //
	fetches     int             //
	notModified int             //
	took        []time.Duration // by token
}

// count adds one to a count of the tally.
func (c *tally) count(what *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*what++
}

func (c *tally) issued(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, took)
}

func (c *tally) fetched(notModified bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetches++
	if notModified {
		c.notModified++
	}
}

// figures are those of a run that has ended.
func (r *run) figures(lasted time.Duration) Figures {
	c, h := r.tally, r.history
	f := Figures{
		Rotations: c.rotations, Issued: len(c.took), Verified: c.verified, Asked: c.asked, Fetched: c.fetches, NotModified: c.notModified,
		Removed: h.removed, Lasted: lasted, TokensSecond: float64(len(c.took)) / lasted.Seconds(),
	}
	if len(h.notice) > 0 {
		f.Notice = slices.Min(h.notice)
	}
	if slices.Sort(c.took); len(c.took) > 0 {
		const median, most, whole = 50, 99, 100
		f.Median, f.P99, f.Slowest = c.took[len(c.took)*median/whole], c.took[len(c.took)*most/whole], c.took[len(c.took)-1]
	}
	return f
}
