package database

import "time"

// Micros is t as the database stores it: microseconds since 1970 UTC. What is finer is cut off.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time is the time in UTC that the database stores as us.
func Time(us int64) time.Time { return time.UnixMicro(us).UTC() }
