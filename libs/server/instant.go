package server

import "time"

// Instant is a time in an answer: RFC 3339 in UTC with microseconds.
type Instant time.Time

// instantLayout is RFC 3339 with all six digits.
const instantLayout = `"2006-01-02T15:04:05.000000Z"`

// MarshalJSON implements json.Marshaler.
func (i Instant) MarshalJSON() ([]byte, error) {
	return time.Time(i).UTC().AppendFormat(make([]byte, 0, len(instantLayout)), instantLayout), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (i *Instant) UnmarshalJSON(text []byte) error { return (*time.Time)(i).UnmarshalJSON(text) }
