// Package auditchain is the form of an audit chain outside of the database, and checks one offline: it needs no SQL, no service and no secret.
//
// A chain is one tenant's events, numbered from 1 without gaps. Each has a hash ([Link]) over chain, number, previous hash and content, so
// whoever knows one hash can check everything before it. A [Checkpoint] states the hash at a number and is signed with Ed25519
// (a JSON Web Signature, RFC 7515). An export is JSON lines, events and checkpoints in order; [Verify] names the first place where it is
// not what was recorded.
package auditchain

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// linkLabel separates these hashes from all others.
const linkLabel = "cryptoutil audit link v1"

// Hash is SHA-256 over a link of the chain. That before the first event is all zeros.
type Hash [sha256.Size]byte

// String is base64url without padding.
func (h Hash) String() string { return base64.RawURLEncoding.EncodeToString(h[:]) }

// ParseHash reads what String writes.
func ParseHash(text string) (Hash, error) {
	var h Hash
	if base64.RawURLEncoding.DecodedLen(len(text)) != len(h) {
		return Hash{}, errors.New("a hash has 43 characters")
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(h[:], []byte(text)); err != nil {
		return Hash{}, fmt.Errorf("a hash is base64url: %w", err)
	}
	return h, nil
}

// Link is the hash of an event at its place in its chain: SHA-256 over a label, the chain's name and length, the number, the hash of
// the event before, and the SHA-256 of the event's exact text. Numbers are big-endian, 64 bits.
func Link(chain string, seq int64, prev Hash, event []byte) Hash {
	content := sha256.Sum256(event)
	buf := make([]byte, 0, len(linkLabel)+len(chain)+2*8+2*sha256.Size)
	buf = append(buf, linkLabel...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(len(chain)))
	buf = append(buf, chain...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(seq)) //nolint:gosec // the bit pattern is what is hashed
	buf = append(buf, prev[:]...)
	buf = append(buf, content[:]...)
	return sha256.Sum256(buf)
}

// Entry is an event at its place.
type Entry struct {
	// Seq counts from 1.
	Seq int64
	// Prev is the hash of the entry before, Hash that of this one.
	Prev, Hash Hash
	// Event is the event's JSON object, on one line, byte for byte as it was hashed.
	Event []byte
}

// AppendLine appends the entry as a line of an export.
func (e Entry) AppendLine(dst []byte) []byte {
	dst = append(dst, `{"type":"event","seq":`...)
	dst = strconv.AppendInt(dst, e.Seq, 10)
	dst = append(dst, `,"prev":"`...)
	dst = append(dst, e.Prev.String()...)
	dst = append(dst, `","hash":"`...)
	dst = append(dst, e.Hash.String()...)
	dst = append(dst, `","event":`...)
	dst = append(dst, e.Event...)
	return append(dst, "}\n"...)
}

// AppendCheckpointLine appends a signed checkpoint as a line of an export.
func AppendCheckpointLine(dst []byte, jws string) []byte {
	dst = append(dst, `{"type":"checkpoint","jws":"`...)
	dst = append(dst, jws...)
	return append(dst, "\"}\n"...)
}
