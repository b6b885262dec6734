package page

import (
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Read reads one page of a list: at most as many items as were asked for (see [Limit]), and the cursor of the next page, nil on the last one. read
// returns up to limit items that come after the one with the sort key after, "" for the beginning; key is an item's sort key.
func Read[T any](
	c *Cursors, of List, asked *int, cursor *string, read func(after string, limit int) ([]T, error), key func(T) string,
) (items []T, next *string, err error) {
	var after string
	if cursor != nil {
		after = *cursor
	}
	if after, err = c.Decode(of, after); err != nil {
		return nil, nil, err
	}
	limit := Limit(asked)
	if items, err = read(after, limit+1); err != nil || len(items) <= limit {
		return items, nil, err
	}
	items = items[:limit]
	text, err := c.Encode(of, key(items[limit-1]))

	return items, &text, err
}

// Number is a sort key that is a number, 0 for "".
func Number(key string) (int64, error) {
	if key == "" {
		return 0, nil
	}
	number, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		return 0, problem.New(problem.InvalidCursor, "start again without a cursor").Because(err)
	}

	return number, nil
}
