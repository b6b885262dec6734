package weakkey

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Blocklist are keys that are never certified, by the SHA-256 of their SubjectPublicKeyInfo: keys that were published or compromised, and the
// predictable keys of Debian (CVE-2008-0166). The latter are no part of this program: the lists that go with Debian are of SHA-1 hashes, which are
// not computed in FIPS mode. Whoever has the keys makes a list of them:
//
//	openssl pkey -in KEY.pem -pubout -outform DER | sha256sum
//
// A Blocklist does not change: it is safe for concurrent use.
type Blocklist struct {
	reasons map[[sha256.Size]byte]string
}

// Entry is one key of a list.
type Entry struct {
	Hash   [sha256.Size]byte
	Reason string
}

// maxReason bounds the text of a reason in bytes.
const maxReason = 200

// Parse reads a list: in each line 64 hexadecimal digits, the SHA-256 of the DER of a SubjectPublicKeyInfo, and after blanks the reason, such as "Debian
// CVE-2008-0166"; reason is used where a line has none. Empty lines and those that begin with # say nothing. The error names the first bad line.
func Parse(text []byte, reason string) ([]Entry, error) {
	var entries []Entry
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		digits, why, _ := strings.Cut(line, " ")
		digits, tabbed, found := strings.Cut(digits, "\t")
		if found {
			why = tabbed + " " + why
		}
		e := Entry{Reason: reason}
		if n, err := hex.Decode(e.Hash[:], []byte(digits[:min(len(digits), 2*sha256.Size)])); err != nil || n != sha256.Size || len(digits) != 2*sha256.Size {
			return nil, fmt.Errorf("line %d: does not begin with the 64 hexadecimal digits of a SHA-256", number)
		}
		if why = strings.TrimSpace(strings.TrimLeft(why, "*- \t")); why != "" {
			e.Reason = why
		}
		if len(e.Reason) > maxReason {
			return nil, fmt.Errorf("line %d: the reason is longer than %d bytes", number, maxReason)
		}
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read blocked keys: %w", err)
	}
	return entries, nil
}

// NewBlocklist makes a list. Of two reasons for a key the first counts.
func NewBlocklist(entries ...Entry) *Blocklist {
	b := &Blocklist{reasons: make(map[[sha256.Size]byte]string, len(entries))}
	for _, e := range entries {
		if _, known := b.reasons[e.Hash]; !known {
			b.reasons[e.Hash] = e.Reason
		}
	}
	return b
}

// Blocked says whether the key with this SubjectPublicKeyInfo is on the list, and why. A nil list has no key.
func (b *Blocklist) Blocked(spki []byte) (reason string, blocked bool) {
	if b == nil {
		return "", false
	}
	reason, blocked = b.reasons[sha256.Sum256(spki)]
	return reason, blocked
}

// Len is how many keys are on the list.
func (b *Blocklist) Len() int {
	if b == nil {
		return 0
	}
	return len(b.reasons)
}
