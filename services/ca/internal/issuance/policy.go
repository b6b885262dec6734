package issuance

import (
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// Policy is a profile as issuance needs it.
type Policy interface {
	// Name is the profile's.
	Name() string
	// Family is private or br.
	Family() string
	// Authority tells whether the certificates are those of CAs.
	Authority() bool
	// Approvals is how many people must agree to a certificate.
	Approvals() int
	// Admits refuses callers whom the profile is not for.
	Admits(caller access.Caller) error
	// Apply decides what stands in the certificate.
	Apply(request *certificate.Request, asked Asked, now time.Time) (certificate.Intent, error)
	// Check holds the bytes that are about to be signed to the rules of the family. An error says all that is wrong.
	Check(tbs []byte, intent certificate.Intent, now time.Time) error
}

// Policies finds profiles.
type Policies interface {
	Policy(name string) (Policy, bool)
}

// Asked is what an order says beside the certificate request. It goes before what the request says, where the profile lets callers choose.
type Asked struct {
	// Subject are the attributes of the subject by their names in RFC 4519, such as CN; nil for the request's.
	Subject []Attribute
	// SAN are the names; nil for the request's.
	SAN *certificate.SAN
	// NotBefore is when the certificate begins; zero for now.
	NotBefore time.Time
	// Validity is how long it lives; 0 for the profile's default.
	Validity time.Duration
}

// Attribute is one of a subject.
type Attribute struct{ Name, Value string }
