package httpapi

import "sync"

// buffers are for answers, of use to every request.
var buffers = sync.Pool{New: func() any { return new([]byte) }} //nolint:gochecknoglobals // buffers

// maxKept is the length in bytes of the longest buffer that is kept for the next use.
const maxKept = 128 << 10

// release clears what an answer held, which may be secret, and keeps the buffer.
func release(buffer *[]byte, out []byte) {
	clear(out)
	if cap(out) > maxKept {
		return
	}
	*buffer = out[:0]
	buffers.Put(buffer)
}
