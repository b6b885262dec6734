package acmeapi

import (
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// directoryView is section 7.1.1 of RFC 8555, with RFC 9773 section 3 and draft-ietf-acme-profiles section 3.
type directoryView struct {
	NewNonce    string   `json:"newNonce"`
	NewAccount  string   `json:"newAccount"`
	NewOrder    string   `json:"newOrder"`
	NewAuthz    string   `json:"newAuthz"`
	RevokeCert  string   `json:"revokeCert"`
	KeyChange   string   `json:"keyChange"`
	RenewalInfo string   `json:"renewalInfo"`
	Meta        metaView `json:"meta"`
}

type metaView struct {
	TermsOfService          string            `json:"termsOfService,omitempty"`
	Website                 string            `json:"website,omitempty"`
	CAAIdentities           []string          `json:"caaIdentities,omitempty"`
	ExternalAccountRequired bool              `json:"externalAccountRequired"`
	Profiles                map[string]string `json:"profiles"`
}

func viewDirectory(site acme.Site) directoryView {
	d := site.Directory
	profiles := make(map[string]string, len(d.Profiles))
	for _, p := range d.Profiles {
		profiles[p.Name] = p.Description
	}
	return directoryView{
		NewNonce: site.Base + "/new-nonce", NewAccount: site.Base + "/new-account", NewOrder: site.Base + "/new-order", NewAuthz: site.Base + "/new-authz",
		RevokeCert: site.Base + "/revoke-cert", KeyChange: site.Base + "/key-change", RenewalInfo: site.Base + "/renewal-info",
		Meta: metaView{
			TermsOfService: d.Terms, Website: d.Website, CAAIdentities: d.CAA, ExternalAccountRequired: d.ExternalAccounts, Profiles: profiles,
		},
	}
}

// accountView is section 7.1.2.
type accountView struct {
	Status               acme.AccountStatus `json:"status"`
	Contact              []string           `json:"contact,omitempty"`
	TermsOfServiceAgreed bool               `json:"termsOfServiceAgreed,omitempty"`
	Orders               string             `json:"orders"`
}

func viewAccount(site acme.Site, a acme.Account) accountView {
	return accountView{Status: a.Status, Contact: a.Contacts, TermsOfServiceAgreed: a.Terms != "", Orders: site.AccountURL(a.ID) + "/orders"}
}

// orderView is section 7.1.3, with RFC 9773 section 5.
type orderView struct {
	Status         acme.OrderStatus        `json:"status"`
	Expires        string                  `json:"expires"`
	Identifiers    []validation.Identifier `json:"identifiers"`
	Profile        string                  `json:"profile"`
	Replaces       string                  `json:"replaces,omitempty"`
	NotBefore      string                  `json:"notBefore,omitempty"`
	NotAfter       string                  `json:"notAfter,omitempty"`
	Error          *acme.Error             `json:"error,omitempty"`
	Authorizations []string                `json:"authorizations"`
	Finalize       string                  `json:"finalize"`
	Certificate    string                  `json:"certificate,omitempty"`
}

func viewOrder(site acme.Site, o acme.Order, now time.Time) orderView {
	state, why := o.State(now)
	v := orderView{
		Status: state, Expires: stamp(o.ExpiresAt), Identifiers: o.Names, Profile: o.Profile, Replaces: o.Replaces, NotBefore: stamp(o.NotBefore), NotAfter: stamp(o.NotAfter), Error: why,
		Finalize: site.OrderURL(o.ID) + "/finalize",
	}
	for _, a := range o.Authorizations {
		v.Authorizations = append(v.Authorizations, site.AuthorizationURL(a.ID))
	}
	if o.Serial != "" {
		v.Certificate = site.CertificateURL(o.Serial)
	}
	return v
}

// authorizationView is section 7.1.4.
type authorizationView struct {
	Identifier validation.Identifier    `json:"identifier"`
	Status     acme.AuthorizationStatus `json:"status"`
	Expires    string                   `json:"expires"`
	Challenges []challengeView          `json:"challenges"`
	Wildcard   bool                     `json:"wildcard,omitempty"`
}

func viewAuthorization(site acme.Site, a acme.Authorization, now time.Time) authorizationView {
	v := authorizationView{Identifier: a.Identifier.Base(), Status: a.State(now), Expires: stamp(a.ExpiresAt), Wildcard: a.Identifier.Wildcard()}
	for _, c := range a.Challenges {
		// Section 7.1.4: of one that is decided, the challenge that decided it.
		if a.Status == acme.AuthorizationValid && c.Status != acme.ChallengeValid || a.Status == acme.AuthorizationInvalid && c.Status != acme.ChallengeInvalid {
			continue
		}
		v.Challenges = append(v.Challenges, viewChallenge(site, a, c))
	}
	return v
}

// challengeView is section 8.
type challengeView struct {
	Type      validation.Method    `json:"type"`
	URL       string               `json:"url"`
	Status    acme.ChallengeStatus `json:"status"`
	Token     string               `json:"token"`
	Validated string               `json:"validated,omitempty"`
	Error     *acme.Error          `json:"error,omitempty"`
}

func viewChallenge(site acme.Site, a acme.Authorization, c acme.Challenge) challengeView {
	v := challengeView{Type: c.Method, URL: site.ChallengeURL(a.ID, c.Method), Status: c.Status, Token: c.Token, Error: c.Error}
	if c.ValidatedAt != nil {
		v.Validated = stamp(*c.ValidatedAt)
	}
	return v
}

// renewalView is RFC 9773 section 4.2.
type renewalView struct {
	SuggestedWindow struct {
		Start string `json:"start"`
		End   string `json:"end"`
	} `json:"suggestedWindow"`
}

// stamp writes a time (RFC 3339) to the second: some clients read no fractions. The zero time is "".
func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
