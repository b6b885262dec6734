package ca

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
)

// rules hold what is about to be signed to the family of its profile, whatever the profile says.
type rules struct{}

// Check implements issuance.Rules: the bytes can be read as a certificate (RFC 5280), it does not live longer than its family allows on the day, and one of
// family br has public names alone (Baseline Requirements section 7.1.2.7.12).
func (rules) Check(tbs []byte, p *profile.Profile, intent certificate.Intent, _ time.Time) error {
	const placeholder = "no signature yet"
	der, err := certificate.Assemble(tbs, []byte(placeholder))
	if err != nil {
		return err
	}
	if _, err := x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("read the certificate that is about to be signed: %w", err)
	}
	var broken []string
	most := ruleset.MaxValidity(ruleset.Family(p.Family), intent.NotBefore)
	if lives := intent.NotAfter.Sub(intent.NotBefore) + time.Second; !p.IsAuthority() && most > 0 && lives > most {
		broken = append(broken, fmt.Sprintf("it would live for %s, and family %s allows %s", lives, p.Family, most))
	}
	if p.Family == string(ruleset.BR) && !p.IsAuthority() {
		for _, name := range intent.SAN.DNS {
			if ruleset.IsInternalName(name) {
				broken = append(broken, fmt.Sprintf("%q is no public name", name))
			}
		}
		for _, address := range intent.SAN.IP {
			if ruleset.IsReservedAddress(address) {
				broken = append(broken, fmt.Sprintf("%s is no public address", address))
			}
		}
	}
	if len(broken) > 0 {
		return problem.New("rules_violated", "%s", strings.Join(broken, "; "))
	}
	return nil
}
