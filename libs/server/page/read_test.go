package page_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// upTo reads a list of the numbers 1 to n, whose sort key is the number.
func upTo(n int) func(after string, limit int) ([]int64, error) {
	return func(after string, limit int) ([]int64, error) {
		number, err := page.Number(after)
		if err != nil {
			return nil, err
		}
		var items []int64
		for number++; number <= int64(n) && len(items) < limit; number++ {
			items = append(items, number)
		}

		return items, nil
	}
}

func key(n int64) string { return strconv.FormatInt(n, 10) }

func TestRead_HasEachItemOnce(t *testing.T) {
	t.Parallel()
	const size = 3
	for total, pages := range map[int]int{0: 1, 1: 1, size: 1, size + 1: 2, 2 * size: 2, 2*size + 1: 3} {
		var (
			all    []int64
			cursor *string
		)
		for number := 1; ; number++ {
			limit := size
			items, next, err := page.Read(cursors(t, 1), list, &limit, cursor, upTo(total), key)
			require.NoError(t, err)
			assert.LessOrEqual(t, len(items), size)
			all = append(all, items...)
			if next == nil {
				assert.Equal(t, pages, number, total)
				break
			}
			require.Less(t, number, pages, total)
			assert.Len(t, items, size, "only the last page is shorter")
			cursor = next
		}
		require.Len(t, all, total)
		for i, item := range all {
			assert.Equal(t, int64(i+1), item)
		}
	}
}

func TestRead_BoundsWhatItAsksFor(t *testing.T) {
	t.Parallel()
	for asked, want := range map[int]int{-1: 1, 0: 1, 1: 1, 7: 7, page.MaxLimit: page.MaxLimit, page.MaxLimit + 1: page.MaxLimit} {
		items, next, err := page.Read(cursors(t, 1), list, &asked, nil, upTo(2*page.MaxLimit), key)
		require.NoError(t, err)
		assert.Len(t, items, want)
		assert.NotNil(t, next)
	}
	empty := ""
	items, _, err := page.Read(cursors(t, 1), list, nil, &empty, upTo(2*page.MaxLimit), key)
	require.NoError(t, err)
	assert.Len(t, items, page.DefaultLimit)
	assert.Equal(t, int64(1), items[0], "an empty cursor begins the list")
}

func TestRead_RefusesTheCursorOfAnotherListBeforeItReads(t *testing.T) {
	t.Parallel()
	limit := 1
	_, next, err := page.Read(cursors(t, 1), list, &limit, nil, upTo(2), key)
	require.NoError(t, err)
	require.NotNil(t, next)
	other := list
	other.Tenant = "umbrella"
	_, _, err = page.Read(cursors(t, 1), other, &limit, next, func(string, int) ([]int64, error) {
		t.Error("it was read")
		return nil, nil
	}, key)
	var refusal *problem.Error
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, problem.InvalidCursor, refusal.ErrorCode())
}

func TestRead_PassesErrorsOn(t *testing.T) {
	t.Parallel()
	broken, limit := errors.New("broken"), 1
	_, next, err := page.Read(cursors(t, 1), list, &limit, nil, func(string, int) ([]int64, error) { return []int64{1, 2}, broken }, key)
	require.ErrorIs(t, err, broken)
	assert.Nil(t, next)
	sealed, err := page.New(&keys{sealed: true})
	require.NoError(t, err)
	_, _, err = page.Read(sealed, list, &limit, nil, upTo(2), key)
	require.ErrorIs(t, err, errSealed)
}

func TestNumber_IsADecimal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"": 0, "1": 1, "9223372036854775807": 1<<63 - 1} {
		got, err := page.Number(text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"x", "1 ", "0x1", "9223372036854775808", "0199-id"} {
		_, err := page.Number(text)
		var refusal *problem.Error
		require.ErrorAs(t, err, &refusal, text)
		assert.Equal(t, problem.InvalidCursor, refusal.ErrorCode())
	}
}
