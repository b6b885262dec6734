package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// Lengths in bytes to which texts are cut, so that an event stays below about 20 KiB whatever a caller has sent.
const (
	maxName   = 128
	maxID     = 256
	maxText   = 512
	maxFields = 32
)

// timeLayout has microseconds, always six digits, in UTC (RFC 3339).
const timeLayout = "2006-01-02T15:04:05.000000Z07:00"

// record is an event as it is stored; its JSON is the event of an export. Name and Address stand in the journal only, as long as the key
// of their hashes is not at hand.
type record struct {
	ID        string          `json:"id"`
	Tenant    string          `json:"tenant"`
	Time      string          `json:"time"`
	Until     string          `json:"until,omitempty"` // of the last one counted
	Count     int64           `json:"count,omitempty"` // absent: one
	Action    string          `json:"action"`
	Outcome   string          `json:"outcome"`
	Code      string          `json:"code,omitempty"`
	Actor     *recordActor    `json:"actor,omitempty"`
	Object    *recordObject   `json:"object,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Address   string          `json:"address,omitempty"`
	AddrHash  string          `json:"address_hash,omitempty"`
	Fields    json.RawMessage `json:"fields,omitempty"`
}

type recordActor struct {
	Kind     string `json:"kind,omitempty"`
	ID       string `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	NameHash string `json:"name_hash,omitempty"`
}

type recordObject struct {
	Kind    string `json:"kind,omitempty"`
	ID      string `json:"id,omitempty"`
	Version int64  `json:"version,omitempty"`
}

// newRecord checks and cleans an event.
func newRecord(e Event, now time.Time) (*record, error) {
	if e.Time.IsZero() {
		e.Time = now
	}
	if e.Outcome == "" {
		e.Outcome = Allowed
	}
	switch {
	case e.Action == "":
		return nil, errors.New("an event needs an action")
	case e.Outcome != Allowed && e.Outcome != Denied && e.Outcome != Failed:
		return nil, fmt.Errorf("%q is no outcome", e.Outcome)
	case e.Tenant == "" || e.Tenant == database.AllTenants:
		return nil, errors.New("an event needs a tenant, or audit.System")
	case len(e.Fields) > maxFields:
		return nil, fmt.Errorf("an event has at most %d fields", maxFields)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make event id: %w", err)
	}
	r := &record{
		ID: id.String(), Tenant: clean(e.Tenant, maxName), Time: e.Time.UTC().Format(timeLayout), Action: clean(e.Action, maxName),
		Outcome: e.Outcome, Code: clean(e.Code, maxName), RequestID: clean(e.RequestID, maxID),
	}
	if e.Actor != (Actor{}) {
		r.Actor = &recordActor{Kind: clean(e.Actor.Kind, maxName), ID: clean(e.Actor.ID, maxID), Name: clean(e.Actor.Name, maxText)}
	}
	if e.Object != (Object{}) {
		r.Object = &recordObject{clean(e.Object.Kind, maxName), clean(e.Object.ID, maxID), e.Object.Version}
	}
	if e.Address.IsValid() {
		r.Address = plainAddress(e.Address)
	}
	r.Fields, err = encodeFields(e.Fields)
	return r, err
}

// plainAddress writes an address in one way.
func plainAddress(a netip.Addr) string { return a.Unmap().WithZone("").String() }

func encodeFields(fields []Field) (json.RawMessage, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	members := make(map[string]any, len(fields))
	for _, f := range fields {
		if text, ok := f.value.(string); ok {
			f.value = clean(text, maxText)
		}
		members[clean(f.name, maxName)] = f.value
	}
	if len(members) != len(fields) {
		return nil, errors.New("two fields of an event have the same name")
	}
	return encode(members)
}

// encode is JSON on one line.
func encode(value any) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// clean makes a text one that PostgreSQL, JSON and a terminal take as it is, and cuts it to n bytes.
func clean(text string, n int) string {
	plain := len(text) <= n
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] >= ' ' && text[i] < 0x7f
	}
	if plain {
		return text
	}
	if len(text) > n {
		const mark = "…"
		n -= len(mark)
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n] + mark
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(text, string(utf8.RuneError)))
}

// at is the event's time in microseconds.
func (r *record) at() int64 {
	t, err := time.Parse(time.RFC3339Nano, r.Time)
	if err != nil {
		return 0
	}
	return database.Micros(t)
}
