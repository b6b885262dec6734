package keyring

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const day = 24 * time.Hour

// noon is when the tables begin.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// step is what happens between two looks at the clocks: time passes, and the wall clock is set by something.
type step struct {
	pass, set time.Duration
}

func TestSteady_NeverRunsAheadOfWhatCanBeKnown(t *testing.T) {
	t.Parallel()
	hours := func(n int, of step) []step {
		all := make([]step, n)
		for i := range all {
			all[i] = of
		}
		return all
	}
	hour := step{pass: time.Hour}
	for what, c := range map[string]struct {
		away  time.Duration // from the witness to the wall clock at the start
		none  bool          // without a witness
		steps []step
		want  time.Duration // since the start by the wall clock
	}{
		"nothing happens":                        {steps: hours(3, hour), want: 3 * time.Hour},
		"nothing happens for a week":             {steps: hours(7*24, hour), want: 7 * day},
		"the first start of all":                 {none: true, steps: hours(1, hour), want: time.Hour},
		"a restart":                              {away: time.Minute, steps: hours(1, hour), want: time.Hour},
		"away for a day":                         {away: day, steps: hours(1, hour), want: time.Hour},
		"away for longer is not believed":        {away: 40 * day, steps: hours(23, hour), want: -40*day + 23*time.Hour},
		"away for longer, and proven":            {away: 40 * day, steps: hours(24, hour), want: day},
		"proof begins anew when the clock jumps": {away: 40 * day, steps: append(hours(23, hour), step{set: time.Hour, pass: time.Hour}), want: -40*day + day},
		"back at the start":                      {away: -40 * day, steps: hours(48, hour), want: 40*day + 2*day},
		"forward":                                {steps: append(hours(1, hour), step{set: 40 * day}, hour), want: 2 * time.Hour},
		"forward and proven":                     {steps: append([]step{{set: 40 * day}}, hours(24, hour)...), want: 41 * day},
		"forward and back":                       {steps: append(append([]step{{set: 40 * day}}, hours(23, hour)...), step{set: -40 * day, pass: time.Hour}, hour), want: 25 * time.Hour},
		"back":                                   {steps: append([]step{{set: -40 * day}}, hours(72, hour)...), want: 3 * day},
		"back and forward":                       {steps: append(append([]step{{set: -40 * day}}, hours(72, hour)...), step{set: 40 * day, pass: time.Hour}), want: 3*day + time.Hour},
		"small steps add up to a jump":           {steps: hours(23, step{pass: time.Hour, set: 59 * time.Second}), want: 23 * time.Hour},
		"a small step is caught up with":         {steps: append([]step{{set: 59 * time.Second}}, hours(24, hour)...), want: day + 59*time.Second},
	} {
		wall, elapsed := noon, time.Duration(0)
		witness := wall.Add(-c.away)
		if c.none {
			witness = time.Time{}
		}
		s := begin(witness, wall, elapsed)
		for _, step := range c.steps {
			before := s.time(elapsed)
			wall, elapsed = wall.Add(step.pass+step.set), elapsed+step.pass
			s.observe(wall, elapsed)
			assert.False(t, s.time(elapsed).Before(before), "%s: it goes back", what)
		}
		assert.Equal(t, c.want, s.time(elapsed).Sub(noon), what)
	}
}

// Whatever is done to the wall clock of a running service, within a day nothing comes early; and a wait that began is never shortened by a
// clock that was behind.
func TestSteady_AnyJumps(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 1000 {
		shift, elapsed := time.Duration(0), time.Duration(0)
		clock, err := NewSteady(SteadyConfig{
			Wall: func() time.Time { return noon.Add(elapsed + shift) }, Elapsed: func() time.Duration { return elapsed }, Witness: noon.Add(-time.Hour),
		})
		require.NoError(t, err)
		wait := time.Duration(random.Int64N(int64(day)))
		began, end := time.Duration(-1), time.Time{}
		for elapsed < day-time.Hour {
			elapsed += time.Duration(random.Int64N(int64(time.Hour)))
			shift = time.Duration(random.Int64N(int64(100*day))) - 50*day
			if began < 0 {
				began, end = elapsed, clock.Latest().Add(wait)
				continue
			}
			if !clock.Earliest().Before(end) {
				require.GreaterOrEqual(t, elapsed-began, wait-time.Microsecond, "the wait was shortened")
			}
			require.False(t, clock.Earliest().After(noon.Add(elapsed)), "it is earlier than that")
		}
	}
}

func TestSteady_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	shift, elapsed := time.Duration(0), time.Duration(0)
	var jumps []time.Duration
	clock, err := NewSteady(SteadyConfig{
		Wall: func() time.Time { return noon.Add(elapsed + shift) }, Elapsed: func() time.Duration { return elapsed },
		Jumped: func(by time.Duration) { jumps = append(jumps, by) },
	})
	require.NoError(t, err)
	require.NoError(t, clock.Check())
	shift = 40 * day
	require.ErrorContains(t, clock.Check(), "960h0m0s ahead")
	elapsed = 23 * time.Hour
	require.ErrorContains(t, clock.Check(), "it is believed in 1h0m0s")
	shift = 0
	require.NoError(t, clock.Check())
	shift = -time.Hour
	require.ErrorContains(t, clock.Check(), "1h0m0s behind")
	assert.Equal(t, []time.Duration{40 * day, -40 * day, -time.Hour}, jumps)
	_, err = NewSteady(SteadyConfig{})
	require.Error(t, err)
}
