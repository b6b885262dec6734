package profile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
)

// Asked is what a requester says beside the certificate request. It goes before what the request says.
type Asked struct {
	// Subject are the attributes of the subject in order; nil for the request's.
	Subject []Named
	// SAN are the names; nil for the request's.
	SAN *certificate.SAN
	// NotBefore is when the certificate begins; zero for now, less the profile's backdate.
	NotBefore time.Time
	// Validity is how long it lives, its last second included; 0 for the profile's default.
	Validity time.Duration
	// Hash is that of the signature; 0 for the profile's, or else the issuer's.
	Hash crypto.Hash
	// Requester is who asks, for {requester} in values.
	Requester string
	// Lab leaves out the reserved policies, as br_lab does.
	Lab bool
}

// Named is an attribute of a subject by its short name, such as CN, or its dotted object identifier.
type Named struct{ Name, Value string }

// Apply makes of a request, and of what was asked beside it, all of the certificate that does not depend on its issuer. Every refusal is found, and
// returned as [*Refusals]. The extensions that a request asks for, but for its names, are not certified: those are the profile's.
func (p *Profile) Apply(request *certificate.Request, asked Asked, now time.Time) (certificate.Intent, error) {
	r := &Refusals{Profile: p.Name}
	intent := certificate.Intent{SPKI: request.SPKI, Hash: p.hash(asked, r)}
	usage := p.applyKey(request.PublicKey, r)
	intent.NotBefore, intent.NotAfter = p.applyValidity(asked, now, r)
	san, subject := request.SAN, asked.Subject
	if asked.SAN != nil {
		checked, err := asked.SAN.Normalized()
		if err != nil {
			r.add("san", "well-formed names", "%s", err)
		}
		san = checked
	}
	if subject == nil {
		subject = namedOf(request, r)
	}
	san, subject = p.applyCommonName(san, subject)
	intent.SAN = p.applySAN(san, r)
	intent.Subject = p.applySubject(subject, intent.SAN, asked.Requester, r)
	if len(r.List) == 0 && intent.SAN.IsEmpty() && len(intent.Subject) <= len("\x30\x00") {
		r.add("subject", "a subject, or a subject alternative name", "the certificate would name nobody")
	}
	if len(r.List) > 0 {
		return certificate.Intent{}, r
	}
	intent.Extensions = append(intent.Extensions, p.compiled.usages[usage])
	for _, e := range p.compiled.fixed {
		if !(asked.Lab && !p.BRLab && e.Id.String() == "2.5.29.32") {
			intent.Extensions = append(intent.Extensions, e)
		}
	}
	if err := p.applyLab(asked, &intent); err != nil {
		return certificate.Intent{}, err
	}
	return intent, nil
}

// applyLab writes the policies of a laboratory in place of the profile's.
func (p *Profile) applyLab(asked Asked, intent *certificate.Intent) error {
	if !asked.Lab || p.BRLab || len(p.Policies) == 0 {
		return nil
	}
	lab := *p
	lab.BRLab = true
	policies := lab.policies()
	if len(policies) == 0 {
		return nil
	}
	extension, err := certificate.CertificatePolicies(policies...)
	if err != nil {
		return fmt.Errorf("apply profile %s: %w", p.Name, err)
	}
	intent.Extensions = append(intent.Extensions, extension)
	return nil
}

func (p *Profile) hash(asked Asked, r *Refusals) crypto.Hash {
	own := hashes[p.SignatureHash]
	switch {
	case asked.Hash == 0:
		return own
	case own != 0 && asked.Hash != own:
		r.add("hash", p.SignatureHash, "the profile signs with another hash than %s", asked.Hash)
	case asked.Hash != crypto.SHA256 && asked.Hash != crypto.SHA384 && asked.Hash != crypto.SHA512:
		r.add("hash", "SHA-256, SHA-384, SHA-512", "certificates are not signed with %s", asked.Hash)
	}
	return asked.Hash
}

// applyKey returns the kind of the key.
func (p *Profile) applyKey(public crypto.PublicKey, r *Refusals) (kind string) {
	accepted := p.acceptedKeys()
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); p.Keys.RSAMax == 0 || bits < p.Keys.RSAMin || bits > p.Keys.RSAMax {
			r.add("public_key", accepted, "an RSA key of %d bits is not allowed", bits)
		}
		return "RSA"
	case *ecdsa.PublicKey:
		if curve := key.Curve.Params().Name; !slices.Contains(p.Keys.Curves, curve) {
			r.add("public_key", accepted, "a key on curve %s is not allowed", curve)
		}
		return "EC"
	case ed25519.PublicKey:
		if !p.Keys.Ed25519 {
			r.add("public_key", accepted, "an Ed25519 key is not allowed")
		}
		return "Ed25519"
	default:
		r.add("public_key", accepted, "this kind of key is not known")
		return ""
	}
}

func (p *Profile) acceptedKeys() string {
	var kinds []string
	if p.Keys.RSAMax > 0 {
		kinds = append(kinds, "RSA of "+strconv.Itoa(p.Keys.RSAMin)+" to "+strconv.Itoa(p.Keys.RSAMax)+" bits")
	}
	kinds = append(kinds, p.Keys.Curves...)
	if p.Keys.Ed25519 {
		kinds = append(kinds, "Ed25519")
	}
	return listed(kinds)
}

// applyValidity decides when the certificate begins and ends: the last second counts. A validity that was asked for is refused where it is too long; the
// default is cut to what the family allows on the day.
func (p *Profile) applyValidity(asked Asked, now time.Time, r *Refusals) (begins, ends time.Time) {
	v := p.Validity
	begins = now.Add(-time.Duration(v.Backdate))
	if !asked.NotBefore.IsZero() {
		begins = asked.NotBefore
		earliest, latest := now.Add(-time.Duration(v.Backdate)-time.Second), now.Add(time.Duration(v.Ahead))
		if begins.Before(earliest) || begins.After(latest) {
			r.add("not_before", "from "+earliest.UTC().Format(time.RFC3339)+" to "+latest.UTC().Format(time.RFC3339),
				"the certificate may not begin at %s", begins.UTC().Format(time.RFC3339))
		}
	}
	begins = begins.UTC().Truncate(time.Second)
	longest := v.Max
	if bound := Period(ruleset.MaxValidity(ruleset.Family(p.Family), begins)); bound > 0 && !p.IsAuthority() {
		longest = min(longest, bound)
	}
	length := Period(asked.Validity)
	switch {
	case length == 0:
		length = min(v.Default, longest)
	case length > longest:
		r.add("validity", v.Min.String()+" to "+longest.String(), "%s is too long", length)
	}
	if length < v.Min {
		r.add("validity", v.Min.String()+" to "+longest.String(), "%s is too short", length)
	}
	if time.Duration(length)%time.Second != 0 {
		r.add("validity", "whole seconds", "%s has a part of a second", time.Duration(length))
	}
	return begins, begins.Add(time.Duration(length) - time.Second)
}
