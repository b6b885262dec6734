package database_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// childVariable makes this test binary a program that a test starts and may kill; its value is the name of the program.
const childVariable = "CRYPTOUTIL_TEST_CHILD"

func TestMain(m *testing.M) {
	fips.Require()
	programs := map[string]func(arguments []string) error{"writer": writer, "migrator": migrator, "schemas": schemaMigrator}
	if name := os.Getenv(childVariable); name != "" {
		program, ok := programs[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "no program %q\n", name)
			os.Exit(2)
		}
		if err := program(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	m.Run()
}

// child is a command that runs one of the programs in a process of its own.
func child(t *testing.T, name string, arguments ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), self, arguments...)
	command.Env = append(os.Environ(), childVariable+"="+name)
	command.Stderr = t.Output()
	return command
}

// accounts is a schema with one table of two rows.
func accounts() database.Set {
	return database.Set{Name: "accounts", FS: fstest.MapFS{"0001_accounts.sql": {Data: []byte(`-- +goose Up
CREATE TABLE accounts (id TEXT PRIMARY KEY, amount BIGINT NOT NULL, note BYTEA, closed BOOLEAN NOT NULL);
INSERT INTO accounts (id, amount, closed) VALUES ('a', 100, FALSE), ('b', 100, FALSE);
`)}}}
}

var errRefused = errors.New("refused")

func set(ctx context.Context, db *database.DB, id string, amount int64) error {
	_, err := db.Exec(ctx, "UPDATE accounts SET amount = $1 WHERE id = $2", amount, id)
	return err
}

func amount(t *testing.T, ctx context.Context, db *database.DB, id string) int64 { //nolint:revive // t first reads better in tests
	t.Helper()
	var n int64
	require.NoError(t, db.QueryRow(ctx, "SELECT amount FROM accounts WHERE id = $1", id).Scan(&n))
	return n
}
