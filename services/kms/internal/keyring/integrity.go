package keyring

import (
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

// IntegrityError says that something about a key stands in the database otherwise than the service wrote it. Nothing is done with it then.
type IntegrityError struct {
	Tenant       string
	ElasticKeyID string
	Version      int64  // 0 for the key as a whole
	Name         string // of a name that does not stand for the key
}

// ActionIntegrity is the event about one.
const ActionIntegrity = "key.integrity-failed"

// What says what it is.
func (e *IntegrityError) What() string {
	switch {
	case e.Name != "":
		return fmt.Sprintf("name %q", e.Name)
	case e.Version != 0:
		return fmt.Sprintf("version %d", e.Version)
	default:
		return "key"
	}
}

// Error names the row.
func (e *IntegrityError) Error() string {
	return fmt.Sprintf("%s of key %s of tenant %s was changed in the database by somebody else", e.What(), e.ElasticKeyID, e.Tenant)
}

// ErrorCode and ErrorDetail are what a caller hears.
func (*IntegrityError) ErrorCode() string { return "integrity_failed" }

// ErrorDetail tells the caller that the operator must look.
func (*IntegrityError) ErrorDetail() string {
	return "what is stored of the key is not what the service stored; it is not used, and its operator has been told"
}

// Is takes it for what the barrier says of a wrapped key that is not where it was.
func (*IntegrityError) Is(target error) bool { return target == barrier.ErrMoved }
