package certificate

import "fmt"

// Reason says in which way a request is refused, so that each protocol can answer in its own words.
type Reason string

// The reasons.
const (
	Malformed      Reason = "malformed"       // not the DER of a request, or not well formed within
	BadSignature   Reason = "bad_signature"   // the requester has not proved possession of the private key
	WeakSignature  Reason = "weak_signature"  // signed with SHA-1 or MD5
	BadPublicKey   Reason = "bad_public_key"  // a key that is weak, not well formed, or of an unknown kind
	Unsupported    Reason = "unsupported"     // an algorithm or name that this program does not know
	BadName        Reason = "bad_name"        // a name that is not well formed
	DuplicatedPart Reason = "duplicated_part" // an attribute or extension that is there twice
)

// Refusal is why a request or a name is refused. Detail is meant for who asked: it holds nothing secret.
type Refusal struct { //nolint:errname // it reads as what it is
	Reason Reason
	Detail string
}

func (r *Refusal) Error() string { return r.Detail }

func refuse(reason Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
