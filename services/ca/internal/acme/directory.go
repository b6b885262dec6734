package acme

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// Directory is one ACME server of a tenant: its own accounts, and the profiles that they may order by.
type Directory struct {
	// Name is its element of the path.
	Name string
	// Profiles are those of certificates that may be ordered; the first one unless the client asks for another.
	Profiles []Profile
	// Terms and Website are URLs for people; "" for none. Where there are terms, accounts must agree to them.
	Terms, Website string
	// ExternalAccounts tells that an account needs a key that was given out elsewhere (RFC 8555 section 7.3.4).
	ExternalAccounts bool
	// CAA are the issuer domain names that CAA records may name; none where the records are not asked.
	CAA []string
	// Methods are the challenges that are offered; none for all.
	Methods []validation.Method
	// Targets are addresses that validation may connect to although they are not public.
	Targets []netip.Prefix
	// Quorum tells that certificates are publicly trusted: validation needs the remote perspectives of its date.
	Quorum bool
	// MaxNames is how many identifiers an order may have; 0 for 100.
	MaxNames int
	// Reasons are the codes that a client may give with a revocation (RFC 5280 section 5.3.1); none for the usual ones.
	Reasons []int
	// PendingLifetime is how long an order and an unproved authorization last (0: a day), ProvedLifetime how long a proof can be used again (0: a
	// week).
	PendingLifetime, ProvedLifetime time.Duration
}

// Profile is a kind of certificate.
type Profile struct{ Name, Description string }

// Directories knows the directories.
type Directories interface {
	// Directory returns one of a tenant's; ErrNotFound.
	Directory(ctx context.Context, tenant, name string) (Directory, error)
}

// Defaults of [Directory].
const (
	defaultMaxNames = 100
	defaultPending  = 24 * time.Hour
	defaultProved   = 7 * 24 * time.Hour
)

func (d Directory) maxNames() int {
	if d.MaxNames > 0 {
		return d.MaxNames
	}
	return defaultMaxNames
}

func (d Directory) pendingLifetime() time.Duration {
	if d.PendingLifetime > 0 {
		return d.PendingLifetime
	}
	return defaultPending
}

func (d Directory) provedLifetime() time.Duration {
	if d.ProvedLifetime > 0 {
		return d.ProvedLifetime
	}
	return defaultProved
}

// Reasons that subscribers may give (RFC 5280 section 5.3.1): unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation and
// privilegeWithdrawn.
const (
	ReasonUnspecified   = 0
	ReasonKeyCompromise = 1
	reasonAffiliation   = 3
	reasonSuperseded    = 4
	reasonCessation     = 5
	reasonWithdrawn     = 9
)

func (d Directory) permitsReason(code int) bool {
	if len(d.Reasons) > 0 {
		return slices.Contains(d.Reasons, code)
	}
	return slices.Contains([]int{ReasonUnspecified, ReasonKeyCompromise, reasonAffiliation, reasonSuperseded, reasonCessation, reasonWithdrawn}, code)
}

// profile finds a profile by name, the first one for "".
func (d Directory) profile(name string) (Profile, bool) {
	for _, p := range d.Profiles {
		if p.Name == name || name == "" {
			return p, true
		}
	}
	return Profile{}, false
}

// methods are the challenges for an identifier.
func (d Directory) methods(i validation.Identifier) []validation.Method {
	methods := i.Methods()
	if len(d.Methods) > 0 {
		methods = slices.DeleteFunc(methods, func(m validation.Method) bool { return !slices.Contains(d.Methods, m) })
	}
	return methods
}

// Site is a directory as a client has reached it.
type Site struct {
	Tenant    string
	Directory Directory
	// Base is the URL that those of all its resources begin with, such as https://ca.example/acme/tls-server.
	Base string
}

// AccountURL is the URL of an account, by which requests name it ("kid").
func (s Site) AccountURL(id string) string { return s.accounts() + id }

func (s Site) accounts() string { return s.Base + "/account/" }

// OrderURL is the URL of an order.
func (s Site) OrderURL(id string) string { return s.Base + "/order/" + id }

// AuthorizationURL is the URL of an authorization.
func (s Site) AuthorizationURL(id string) string { return s.Base + "/authz/" + id }

// ChallengeURL is the URL of a challenge.
func (s Site) ChallengeURL(authorization string, method validation.Method) string {
	return s.Base + "/challenge/" + authorization + "/" + string(method)
}

// CertificateURL is the URL of a certificate with its chain.
func (s Site) CertificateURL(serial string) string { return s.Base + "/certificate/" + serial }
