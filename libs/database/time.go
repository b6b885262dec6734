package database

import "time"

// Micros is t as the database stores it: microseconds since 1970 UTC, and 0 for the zero time. What is finer is cut off.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the time in UTC that the database stores as us; 0 is the zero time.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
