package keyring

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Bounds of what a wall clock is believed.
const (
	// maxDrift is how far the wall clock may leave the monotonic one before it counts as set. Slewing by NTP moves both alike.
	maxDrift = time.Minute
	// maxGap is how long the service may have been away without anybody vouching for the time.
	maxGap = 24 * time.Hour
	// proving is how long both clocks must agree until a wall clock that is ahead is believed.
	proving = 24 * time.Hour
)

// steady is a time that never runs ahead of what can be known: within a process it advances by the monotonic clock alone, and what the wall
// clock says beyond it is believed when both have agreed for a day. It never goes back. See docs/adr/0016-kms-states-and-time.md.
type steady struct {
	at    time.Time     // the steady time when the process had run for since
	since time.Duration // of the monotonic clock
	wall  time.Time     // of the wall clock when the clocks began to agree, which was at began
	began time.Duration // of the monotonic clock
}

// begin is the steady time of a process. witness is how far the time had come when the service last ran; zero where it never did.
func begin(witness, wall time.Time, elapsed time.Duration) steady {
	s := steady{at: wall, since: elapsed, wall: wall, began: elapsed}
	if gap := wall.Sub(witness); !witness.IsZero() && (gap < 0 || gap > maxGap) {
		s.at = witness
	}
	return s
}

// time is the steady time.
func (s *steady) time(elapsed time.Duration) time.Time { return s.at.Add(elapsed - s.since) }

// observe takes note of both clocks. It returns by how much the wall clock was set; 0 where it was not.
func (s *steady) observe(wall time.Time, elapsed time.Duration) (jump time.Duration) {
	drift := wall.Sub(s.wall) - (elapsed - s.began)
	if drift > maxDrift || drift < -maxDrift {
		s.wall, s.began = wall, elapsed
		return drift
	}
	if elapsed-s.began >= proving {
		if wall.After(s.time(elapsed)) {
			s.at, s.since = wall, elapsed
		}
		s.wall, s.began = wall, elapsed
	}
	return 0
}

// Steady is the clock of waits. It may be used by many goroutines.
type Steady struct {
	wall    func() time.Time
	elapsed func() time.Duration
	jumped  func(by time.Duration)

	mu    sync.Mutex
	state steady // guarded by mu
}

// SteadyConfig is what a Steady needs. Wall and Elapsed are required.
type SteadyConfig struct {
	// Wall is the wall clock.
	Wall func() time.Time
	// Elapsed is the monotonic clock: how long the process has run.
	Elapsed func() time.Duration
	// Witness is how far the time had come when the service last ran; zero where it never did.
	Witness time.Time
	// Jumped is told when the wall clock was set, and by how much; nil for silence.
	Jumped func(by time.Duration)
}

// NewSteady returns a Steady that begins now.
func NewSteady(cfg SteadyConfig) (*Steady, error) {
	if cfg.Wall == nil || cfg.Elapsed == nil {
		return nil, errors.New("keyring: a steady clock needs a wall clock and a monotonic one")
	}
	return &Steady{
		wall: cfg.Wall, elapsed: cfg.Elapsed, jumped: cfg.Jumped, state: begin(cfg.Witness, exact(cfg.Wall()), cfg.Elapsed()),
	}, nil
}

// exact is a time at the precision that is stored, without the reading of a monotonic clock, by which it would be compared.
func exact(t time.Time) time.Time { return t.UTC().Round(0).Truncate(time.Microsecond) }

// read is both clocks now.
func (s *Steady) read() (wall, known time.Time, proven time.Duration) {
	s.mu.Lock()
	wall, elapsed := exact(s.wall()), s.elapsed()
	jump := s.state.observe(wall, elapsed)
	known, proven = s.state.time(elapsed).Truncate(time.Microsecond), elapsed-s.state.began
	s.mu.Unlock()
	if jump != 0 && s.jumped != nil {
		s.jumped(jump)
	}
	return wall, known, proven
}

// Earliest is the earliest that it can be: what has not come by then is not brought about.
func (s *Steady) Earliest() time.Time {
	wall, known, _ := s.read()
	if known.Before(wall) {
		return known
	}
	return wall
}

// Latest is the latest that it can be: waits begin then.
func (s *Steady) Latest() time.Time {
	wall, known, _ := s.read()
	if known.After(wall) {
		return known
	}
	return wall
}

// Known is how far the time has come for certain, for the witness.
func (s *Steady) Known() time.Time {
	_, known, _ := s.read()
	return known
}

// Check is an error while the clocks differ. Its text says what to do.
func (s *Steady) Check() error {
	wall, known, proven := s.read()
	switch ahead := wall.Sub(known); {
	case ahead > maxDrift:
		return fmt.Errorf("the clock is %s ahead of the time that the service knows of; nothing is deleted, destroyed or rotated by it yet: "+
			"set the clock right, or, if it is right, leave it alone, and it is believed in %s", rounded(ahead), rounded(proving-proven))
	case ahead < -maxDrift:
		return fmt.Errorf("the clock is %s behind the time that the service knows of; waits end by the clock, and begin later than it says: "+
			"set the clock right; if it was wrong before, stop every replica and delete the row of the table clock_witness", rounded(-ahead))
	default:
		return nil
	}
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Second) }
