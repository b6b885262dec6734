package directory

import (
	"database/sql"
	"errors"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

func notFound() error { return problem.New(problem.NotFound, "there is no such object") }

func stale() error {
	return problem.New(problem.PreconditionFailed, "the object has changed; read it again")
}

func taken(what string) error {
	return problem.New(problem.Conflict, "the %s is taken", what)
}

func invalid(pointer, detail string) error {
	return problem.New(problem.ValidationFailed, "the request does not fit").With(problem.Field{Pointer: pointer, Detail: detail})
}

// exceeds is the answer to whoever would give away, or get hold of, what he does not have.
func exceeds() error {
	return problem.New(problem.Forbidden, "the request would give scopes that the caller does not have")
}

// missing turns "no row" into not_found.
func missing(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return notFound()
	}
	return err
}

// unavailable is what callers hear while the database cannot be asked.
func unavailable(err error) error {
	var coded problem.Coded
	if errors.As(err, &coded) {
		return err
	}
	return problem.New(problem.StateUnavailable, "the service cannot see its current state").Because(err)
}

// ignoreUnknown is for those who want nothing of somebody who does not exist.
func ignoreUnknown(err error) error {
	if errors.Is(err, auth.ErrUnknown) {
		return nil
	}
	return err
}
