package server

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"
)

// headerRequestID names the request to its sender. An id that comes with a request is not taken over: two requests could then carry
// the same, and a trace context (traceparent) is there to join a request to the sender's own records.
const headerRequestID = "X-Request-Id"

// Sizes in bytes: what an id takes of randomness, and how much is fetched at once. The generator of random bits works for at least as
// long for ten bytes as for a hundred times as many.
const (
	idRandom   = 10
	idReserve  = 128 * idRandom
	uuidLength = 36
)

// reserve is randomness that waits to be used. Ids are no secrets: they only have to differ.
type reserve struct {
	bytes [idReserve]byte
	next  int
}

// requestIDs makes the ids of requests, UUIDs of version 7 (RFC 9562 section 5.7).
type requestIDs struct {
	reserves sync.Pool
}

func newRequestIDs() *requestIDs {
	return &requestIDs{reserves: sync.Pool{New: func() any { return &reserve{next: idReserve} }}}
}

func (g *requestIDs) next() string {
	var id [16]byte
	r := g.reserves.Get().(*reserve) //nolint:forcetypeassert // nothing else is in the pool
	if r.next == idReserve {
		_, _ = rand.Read(r.bytes[:]) // ends the process instead of failing
		r.next = 0
	}
	copy(id[6:], r.bytes[r.next:r.next+idRandom])
	r.next += idRandom
	g.reserves.Put(r)

	now := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint16(id[:], uint16(now>>32)) //nolint:gosec // 48 bits
	binary.BigEndian.PutUint32(id[2:], uint32(now))    //nolint:gosec // the lower 32 of them
	id[6] = id[6]&0x0f | 0x70                          // version
	id[8] = id[8]&0x3f | 0x80                          // variant

	var text [uuidLength]byte
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:36], id[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'

	return string(text[:])
}
