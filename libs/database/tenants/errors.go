package tenants

import (
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// Error is a refusal that the client is told.
type Error struct {
	code, text string
}

func (e *Error) Error() string { return e.text }

// ErrorCode is the stable code of the API.
func (e *Error) ErrorCode() string { return e.code }

// ErrorDetail is the text for the client.
func (e *Error) ErrorDetail() string { return e.text }

var (
	// ErrNotFound has the code not_found.
	ErrNotFound = &Error{"not_found", "there is no such tenant"}
	// ErrSuspended has the code tenant_suspended; it also stands for a tenant that is being deleted.
	ErrSuspended = &Error{"tenant_suspended", "the tenant is suspended"}
	// ErrExists has the code conflict.
	ErrExists = &Error{"conflict", "a tenant has, or had, this id; ids are not given out again"}
	// ErrState has the code invalid_state.
	ErrState = &Error{"invalid_state", "the tenant is in another state"}
	// ErrStale has the code precondition_failed.
	ErrStale = &Error{"precondition_failed", "the tenant has changed"}
	// ErrDefault has the code conflict.
	ErrDefault = &Error{"conflict", "the default tenant can neither be suspended nor deleted"}
	// ErrLimit has the code conflict.
	ErrLimit = &Error{"conflict", "no further tenant can have a schema of its own"}
	// ErrInvalid has the code validation_failed.
	ErrInvalid = &Error{"validation_failed", "the id is a-z, 0-9 and hyphens, at most 31 characters, and the name at most 200 bytes"}
	// ErrSchemaUnsupported has the code validation_failed.
	ErrSchemaUnsupported = &Error{"validation_failed", "schemas for tenants are not switched on (database.schema_tenants)"}
)

// schemaError puts the database's refusals into the API's words.
func schemaError(err error) error {
	if errors.Is(err, database.ErrTenantSchemas) {
		return fmt.Errorf("%w (%w)", ErrLimit, err)
	}
	return err
}
