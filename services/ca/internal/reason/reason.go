// Package reason names why a certificate was revoked: the CRLReason of RFC 5280 section 5.3.1, as lists and OCSP responses carry it and as the API
// spells it. Its type is [Reason].
package reason

import (
	"fmt"
	"slices"
)

// Reason is a CRLReason. The zero value is unspecified, which is left out of what is signed.
type Reason int

// Reasons of RFC 5280 section 5.3.1; 7 is not used.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
	RemoveFromCRL        Reason = 8
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

var names = map[Reason]string{
	Unspecified: "unspecified", KeyCompromise: "keyCompromise", CACompromise: "cACompromise", AffiliationChanged: "affiliationChanged",
	Superseded: "superseded", CessationOfOperation: "cessationOfOperation", CertificateHold: "certificateHold", RemoveFromCRL: "removeFromCRL",
	PrivilegeWithdrawn: "privilegeWithdrawn", AACompromise: "aACompromise",
}

// Valid says whether the standard knows r.
func (r Reason) Valid() bool {
	_, ok := names[r]
	return ok
}

// String is the standard's name of r, or its number.
func (r Reason) String() string {
	if name, ok := names[r]; ok {
		return name
	}
	return fmt.Sprintf("reason %d", int(r))
}

// Parse reads a name as the standard spells it.
func Parse(text string) (Reason, error) {
	for r, name := range names {
		if name == text {
			return r, nil
		}
	}
	return 0, fmt.Errorf("%q is no reason of a revocation; one of %v", text, Names())
}

// Names are all names, in the order of their numbers.
func Names() []string {
	numbers := make([]Reason, 0, len(names))
	for r := range names {
		numbers = append(numbers, r)
	}
	slices.Sort(numbers)
	out := make([]string, len(numbers))
	for i, r := range numbers {
		out[i] = names[r]
	}
	return out
}
