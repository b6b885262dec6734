package session

import (
	"embed"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the schema of sessions.
func Migrations() database.Set { return database.Set{Name: "session", FS: migrations} }
