package revocation

import (
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
)

// Codes of problems.
const (
	codeBadReason      = "bad_reason"
	codeAlreadyRevoked = "already_revoked"
)

// reasonsFor are those for which a certificate can be revoked.
//
// The Baseline Requirements, section 7.2.2, know six for subscribers, and for certificates of CAs want a reason and forbid to suspend. Others follow
// RFC 5280 section 5.3.1; removeFromCRL is what [Registry.Release] does.
func reasonsFor(family hierarchy.Family, authority bool) []reason.Reason {
	switch {
	case family == hierarchy.BR && authority:
		return []reason.Reason{
			reason.KeyCompromise, reason.CACompromise, reason.AffiliationChanged, reason.Superseded, reason.CessationOfOperation, reason.PrivilegeWithdrawn,
		}
	case family == hierarchy.BR:
		return []reason.Reason{
			reason.Unspecified, reason.KeyCompromise, reason.AffiliationChanged, reason.Superseded, reason.CessationOfOperation, reason.PrivilegeWithdrawn,
		}
	default:
		return []reason.Reason{
			reason.Unspecified, reason.KeyCompromise, reason.CACompromise, reason.AffiliationChanged, reason.Superseded, reason.CessationOfOperation,
			reason.CertificateHold, reason.PrivilegeWithdrawn, reason.AACompromise,
		}
	}
}

// checkReason refuses a reason that the family does not know.
func checkReason(family hierarchy.Family, authority bool, r reason.Reason) error {
	allowed := reasonsFor(family, authority)
	if slices.Contains(allowed, r) {
		return nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = a.String()
	}
	return problem.New(codeBadReason, "a certificate of the family %s is not revoked for %s, but for one of %v", family, r, names)
}

// amends tells whether a revoked certificate's reason may become another: that its key is compromised outweighs what was said before (Baseline
// Requirements section 7.2.2), and one that was suspended can be revoked for good.
func amends(from, to reason.Reason) bool {
	return from != to && (to == reason.KeyCompromise || from == reason.CertificateHold)
}
