package auditchain_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

const chain = "acme"

func signer(t testing.TB, seed byte) *jwk.Key {
	t.Helper()
	key, err := jwk.FromMaterial(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)), jwk.Attributes{})
	require.NoError(t, err)
	return key
}

func public(t testing.TB, key *jwk.Key) *jwk.Key {
	t.Helper()
	p, err := key.Public()
	require.NoError(t, err)
	return p
}

// sample is a chain under construction.
type sample struct {
	t     testing.TB
	key   *jwk.Key
	first int64
	seq   int64
	hash  auditchain.Hash
	lines []string
}

func newSample(t testing.TB) *sample {
	t.Helper()
	return &sample{t: t, key: signer(t, 1), first: 1}
}

func (s *sample) events(n int) *sample {
	for range n {
		s.event(fmt.Sprintf(`{"tenant":%q,"action":"key.use","number":%d}`, chain, s.seq+1))
	}
	return s
}

func (s *sample) event(text string) {
	e := auditchain.Entry{Seq: s.seq + 1, Prev: s.hash, Event: []byte(text)}
	e.Hash = auditchain.Link(chain, e.Seq, e.Prev, e.Event)
	s.seq, s.hash = e.Seq, e.Hash
	s.lines = append(s.lines, string(e.AppendLine(nil)))
}

func (s *sample) state() auditchain.Checkpoint {
	return auditchain.Checkpoint{Service: "kms", Chain: chain, Seq: s.seq, Hash: s.hash, First: s.first, Time: time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC)}
}

func (s *sample) sign() *sample {
	jws, err := s.state().Sign(s.key)
	require.NoError(s.t, err)
	s.lines = append(s.lines, string(auditchain.AppendCheckpointLine(nil, jws)))
	return s
}

func (s *sample) verify(lines []string, trusted ...auditchain.Checkpoint) (auditchain.Result, error) {
	return auditchain.Verify(strings.NewReader(strings.Join(lines, "")), auditchain.Options{Keys: []*jwk.Key{public(s.t, s.key)}, Trusted: trusted})
}

func (s *sample) broken(lines []string, kind auditchain.Kind, seq int64, trusted ...auditchain.Checkpoint) {
	s.t.Helper()
	_, err := s.verify(lines, trusted...)
	var b *auditchain.BreakError
	require.ErrorAs(s.t, err, &b)
	assert.Equal(s.t, kind, b.Kind, b.Text)
	assert.Equal(s.t, seq, b.Seq, b.Text)
}

// without is the lines without those from i on, n of them.
func without(lines []string, i, n int) []string {
	return append(append([]string(nil), lines[:i]...), lines[i+n:]...)
}

// with is the lines with another one at i.
func with(lines []string, i int, line string) []string {
	changed := append([]string(nil), lines...)
	changed[i] = line
	return changed
}

// relink makes the event lines from i on follow each other again, as somebody does who can write to the database and knows how hashes are made.
func relink(t testing.TB, lines []string, i int) []string {
	t.Helper()
	var before struct {
		Seq        int64
		Prev, Hash string
		Event      json.RawMessage
	}
	changed := append([]string(nil), lines[:i]...)
	require.NoError(t, json.Unmarshal([]byte(lines[i-1]), &before))
	prev, err := auditchain.ParseHash(before.Hash)
	require.NoError(t, err)
	seq := before.Seq
	for _, line := range lines[i:] {
		var l struct {
			Type  string
			Event json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		if l.Type == "event" {
			seq++
			e := auditchain.Entry{Seq: seq, Prev: prev, Event: l.Event}
			e.Hash = auditchain.Link(chain, e.Seq, e.Prev, e.Event)
			prev, line = e.Hash, string(e.AppendLine(nil))
		}
		changed = append(changed, line)
	}
	return changed
}

func TestVerify_AcceptsWhatWasRecorded(t *testing.T) {
	t.Parallel()
	s := newSample(t).events(3).sign().events(2).sign().events(1)
	result, err := s.verify(s.lines, s.state())
	require.NoError(t, err)
	assert.Equal(t, auditchain.Result{Service: "kms", Chain: chain, First: 1, Last: 6, Signed: 6, Events: 6, Checkpoints: 2}, result)
	result, err = s.verify(s.lines)
	require.NoError(t, err)
	assert.Equal(t, int64(5), result.Signed, "the last event is under no checkpoint yet")
}

func TestVerify_NamesAnAlteredEvent(t *testing.T) {
	t.Parallel()
	s := newSample(t).events(5).sign()
	changed := strings.Replace(s.lines[2], "key.use", "key.see", 1)
	s.broken(with(s.lines, 2, changed), auditchain.Altered, 3)

	// with its own hash made to fit, and with everything after it made to fit
	s.broken(append(relink(t, with(s.lines, 2, changed)[:3], 2), s.lines[3:]...), auditchain.Altered, 3)
	s.broken(relink(t, with(s.lines, 2, changed), 2), auditchain.Rewritten, 1)
}

func TestVerify_NamesARemovedEvent(t *testing.T) {
	t.Parallel()
	s := newSample(t).events(2).sign().events(3).sign()
	s.broken(without(s.lines, 1, 1), auditchain.Missing, 2)
	s.broken(without(s.lines, 0, 1), auditchain.Missing, 1)
	s.broken(without(s.lines, 4, 1), auditchain.Missing, 4)
	s.broken(without(s.lines, 5, 1), auditchain.Missing, 5)
	s.broken(relink(t, without(s.lines, 4, 1), 4), auditchain.Missing, 5) // renumbered, the checkpoint counts more
	s.broken(without(s.lines, 0, 4), auditchain.Missing, 1)
	s.broken(without(s.lines, 0, 3), auditchain.Missing, 1, s.state())
	// without the beginning, and with a checkpoint that vouches for what is left
	s.broken(without(s.lines, 0, 2), auditchain.Missing, 1)
}

func TestVerify_NamesAMovedEvent(t *testing.T) {
	t.Parallel()
	s := newSample(t).events(6).sign()
	moved := append([]string(nil), s.lines...)
	moved[2], moved[3] = moved[3], moved[2]
	s.broken(moved, auditchain.Reordered, 3)
	s.broken(relink(t, moved, 2), auditchain.Rewritten, 1)
}

func TestVerify_NamesAnInsertedEvent(t *testing.T) {
	t.Parallel()
	s := newSample(t).events(4).sign()
	s.broken(append(append(append([]string(nil), s.lines[:2]...), s.lines[1]), s.lines[2:]...), auditchain.Inserted, 2)
	inserted := append(append(append([]string(nil), s.lines[:2]...), s.lines[0]), s.lines[2:]...)
	s.broken(relink(t, inserted, 2), auditchain.Reordered, 4) // the checkpoint of event 4 after event 5
}

func TestVerify_FindsACutTailByACheckpointFromElsewhere(t *testing.T) {
	t.Parallel()
	s := newSample(t).events(3).sign().events(4)
	logged := s.state()
	_, err := s.verify(s.lines[:4])
	require.NoError(t, err, "nothing in the export itself tells")
	s.broken(s.lines[:4], auditchain.Cut, 4, logged)
	s.broken(s.lines[:6], auditchain.Cut, 6, logged)
	_, err = s.verify(s.lines, logged)
	require.NoError(t, err)

	// rewritten: all of it fits together
	rewritten := relink(t, with(s.lines, 5, strings.Replace(s.lines[5], "key.use", "key.see", 1)), 5)
	_, err = s.verify(rewritten)
	require.NoError(t, err)
	s.broken(rewritten, auditchain.Rewritten, 4, logged)
	s.broken(append(rewritten[:8:8], s.lines[8:]...), auditchain.Rewritten, 4, logged)
}

func TestVerify_WantsCheckpointsByTheServicesKey(t *testing.T) {
	t.Parallel()
	s := newSample(t).events(3)
	s.broken(s.lines, auditchain.Unsigned, 1)
	s.broken(nil, auditchain.Malformed, 0)
	s.key = signer(t, 2)
	s.sign()
	s.key = signer(t, 1)
	s.broken(s.lines, auditchain.Forged, 4)

	other := newSample(t).events(3)
	c := other.state()
	c.Chain = "another"
	jws, err := c.Sign(other.key)
	require.NoError(t, err)
	other.broken(append(other.lines, string(auditchain.AppendCheckpointLine(nil, jws))), auditchain.Foreign, 4)

	long := newSample(t).events(10).sign().events(auditchain.MaxUnsigned)
	_, err = long.verify(long.lines)
	require.NoError(t, err)
	long.events(1).sign()
	long.broken(long.lines, auditchain.Unsigned, 11)
}

func TestVerify_BeginsAtTheCutOfRetention(t *testing.T) {
	t.Parallel()
	s := newSample(t).events(5).sign().events(5)
	s.first = 6
	s.sign()
	cut := s.lines[5:]
	result, err := s.verify(cut)
	require.NoError(t, err)
	assert.Equal(t, int64(6), result.First)
	_, err = s.verify(s.lines)
	require.NoError(t, err, "what was exported before the cut")
	s.broken(without(cut, 0, 1)[1:], auditchain.Missing, 6)
	s.broken(without(cut, 1, 1), auditchain.Missing, 6)

	// Somebody else has removed the beginning: no checkpoint says that it may be gone.
	s = newSample(t).events(5).sign().events(5).sign()
	s.broken(s.lines[5:], auditchain.Missing, 1)
	result, err = auditchain.Verify(strings.NewReader(strings.Join(s.lines[5:], "")), auditchain.Options{Keys: []*jwk.Key{public(t, s.key)}, Partial: true})
	require.NoError(t, err)
	assert.Equal(t, int64(6), result.First)
}

func TestVerify_RefusesOtherLines(t *testing.T) {
	t.Parallel()
	s := newSample(t).events(2).sign()
	for _, line := range []string{
		"nonsense\n", "{}\n", `{"type":"event"}` + "\n",
		strings.Replace(s.lines[1], `"type":"event"`, `"type":"event","event":{}`, 1),
		strings.Replace(s.lines[1], `"type":"event"`, `"type":"event","note":"x"`, 1),
		`{"type":"checkpoint","jws":"` + strings.Repeat("x", auditchain.MaxLine) + "\"}\n",
	} {
		s.broken(with(s.lines, 1, line), auditchain.Malformed, 2)
	}
	_, err := s.verify(append(strings.SplitAfter(strings.ReplaceAll(strings.Join(s.lines, "\n"), "\n", "\r\n"), "\n"), ""))
	require.NoError(t, err, "line ends and empty lines do not matter")
}

// TestVerify_FindsEveryChangedByte changes one byte at a time, anywhere.
func TestVerify_FindsEveryChangedByte(t *testing.T) {
	t.Parallel()
	s := newSample(t).events(2).sign().events(1).sign()
	whole := []byte(strings.Join(s.lines, ""))
	opts := auditchain.Options{Keys: []*jwk.Key{public(t, s.key)}, Trusted: []auditchain.Checkpoint{s.state()}}
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		_, err := auditchain.Verify(bytes.NewReader(changed), opts)
		require.Error(t, err, "byte %d: %q", i, changed[max(i-10, 0):min(i+10, len(changed))])
	}
}

func FuzzVerify(f *testing.F) {
	s := newSample(f).events(3).sign().events(2).sign()
	whole := strings.Join(s.lines, "")
	f.Add([]byte(whole), 0, byte(0))
	f.Add([]byte(whole), 77, byte('x'))
	keys := []*jwk.Key{public(f, s.key)}
	f.Fuzz(func(t *testing.T, text []byte, at int, value byte) {
		_, _ = auditchain.Verify(bytes.NewReader(text), auditchain.Options{Keys: keys})

		// One byte changed anywhere is found, except where it means the same.
		changed := []byte(whole)
		at = ((at % len(changed)) + len(changed)) % len(changed)
		changed[at] = value
		_, err := auditchain.Verify(bytes.NewReader(changed), auditchain.Options{Keys: keys, Trusted: []auditchain.Checkpoint{s.state()}})
		space := strings.ContainsRune("\n\r\t ", rune(whole[at])) && strings.ContainsRune("\n\r\t ", rune(value))
		if err == nil && whole[at] != value && !space {
			t.Fatalf("byte %d changed from %q to %q is not found", at, whole[at], value)
		}
	})
}
