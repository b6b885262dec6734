package clientcli_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
)

// slow yields a piece of a source each time an interval has passed.
type slow struct {
	interval time.Duration
	piece    int
	left     int
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	<-time.After(s.interval)
	n := min(s.piece, s.left, len(p))
	s.left -= n
	return n, nil
}

func TestProgress_ShowsOnlyLongWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		assert.Empty(t, clientcli.ShowProgress(&slow{interval: 90 * time.Millisecond, piece: 1 << 10, left: 10 << 10}, 10<<10, "hashing"))
		assert.Equal(t,
			"\r\x1b[Khashing 3 KiB of 4 KiB (75%)\r\x1b[Khashing 4 KiB of 4 KiB (100%)\r\x1b[K",
			clientcli.ShowProgress(&slow{interval: 400 * time.Millisecond, piece: 1 << 10, left: 4 << 10}, 4<<10, "hashing"))
		assert.Equal(t,
			"\r\x1b[Kencrypting 4 KiB\r\x1b[K",
			clientcli.ShowProgress(&slow{interval: time.Minute, piece: 4 << 10, left: 4 << 10}, -1, "encrypting"))
	})
}
