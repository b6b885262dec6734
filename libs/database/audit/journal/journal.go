// Package journal is a local file of JSON lines for events that cannot go to the database now. Each is on disk when [Journal.Append] returns.
package journal
