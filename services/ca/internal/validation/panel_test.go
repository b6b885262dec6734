package validation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// witness is a perspective that says what it was told.
type witness struct {
	region string
	says   error
	asked  bool
}

func (w *witness) Place() validation.Place { return validation.Place{Name: "w", Region: w.region} }

func (w *witness) Prove(context.Context, validation.Attempt) error {
	w.asked = true
	return w.says
}

func (w *witness) Allowed(ctx context.Context, a validation.Attempt) error { return w.Prove(ctx, a) }

func TestPanel_NeedsItsQuorumFromTwoRegions(t *testing.T) {
	t.Parallel()
	wrong := errors.New("nothing there")
	for name, test := range map[string]struct {
		remotes []*witness
		right   bool
	}{
		"none":                      {nil, true},
		"one that agrees":           {[]*witness{{region: "a"}}, true},
		"one that does not":         {[]*witness{{region: "a", says: wrong}}, false},
		"four":                      {[]*witness{{region: "a"}, {region: "a"}, {region: "b"}, {region: "c"}}, true},
		"one of four does not":      {[]*witness{{region: "a"}, {region: "a"}, {region: "b"}, {region: "c", says: wrong}}, true},
		"two of four do not":        {[]*witness{{region: "a"}, {region: "a"}, {region: "b", says: wrong}, {region: "c", says: wrong}}, false},
		"two of six do not":         {[]*witness{{region: "a"}, {region: "a"}, {region: "b"}, {region: "c"}, {says: wrong}, {says: wrong}}, true},
		"three of six do not":       {[]*witness{{region: "a"}, {region: "a"}, {region: "b"}, {says: wrong}, {says: wrong}, {says: wrong}}, false},
		"those who agree are close": {[]*witness{{region: "a"}, {region: "a"}, {region: "a"}, {region: "b", says: wrong}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var remotes []validation.Perspective
			for _, w := range test.remotes {
				remotes = append(remotes, w)
			}
			p, err := validation.NewPanel(&witness{}, remotes...)
			require.NoError(t, err)
			c, err := p.Prove(t.Context(), validation.Attempt{})
			assert.Equal(t, len(test.remotes), c.Asked)
			if test.right {
				require.NoError(t, err)
				_, err = p.Allowed(t.Context(), validation.Attempt{})
				require.NoError(t, err)
				return
			}
			refused(t, validation.KindUnauthorized, err)
		})
	}
}

func TestPanel_ThePrimaryMustAgreeAndIsAskedFirst(t *testing.T) {
	t.Parallel()
	wrong := errors.New("nothing there")
	remote := &witness{region: "a"}
	p, err := validation.NewPanel(&witness{says: wrong}, remote)
	require.NoError(t, err)
	_, err = p.Prove(t.Context(), validation.Attempt{})
	assert.ErrorIs(t, err, wrong)
	assert.False(t, remote.asked)
	_, err = validation.NewPanel(nil)
	assert.Error(t, err)
}

func TestRequiredRemotes_GrowWithTheDate(t *testing.T) {
	t.Parallel()
	for day, n := range map[string]int{"2025-01-01": 0, "2026-06-14": 3, "2026-06-15": 4, "2026-12-14": 4, "2026-12-15": 5, "2030-01-01": 5} {
		at, err := time.Parse(time.DateOnly, day)
		require.NoError(t, err)
		assert.Equal(t, n, validation.RequiredRemotes(at), day)
		assert.NoError(t, validation.Corroboration{Asked: n}.Sufficient(at))
		if n > 0 {
			assert.Error(t, validation.Corroboration{Asked: n - 1}.Sufficient(at))
		}
	}
}
