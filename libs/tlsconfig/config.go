package tlsconfig

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// Modes of [Config].
const (
	ModeAuto     = "auto"
	ModeExternal = "external"
	ModeMixed    = "mixed"
)

// Config is the TLS section of a listener.
type Config struct {
	// Mode is auto (a private hierarchy in the data directory; default), external (certificate and key from files) or mixed (an issuing
	// authority from files; the certificate is issued at start and renewed).
	Mode string `koanf:"mode"`
	// Certificate is, in mode external, a PEM file with the leaf certificate and then its issuers, each after the one that it issued. The
	// root may be left out.
	Certificate config.Path `koanf:"certificate"`
	// Key is, in mode external, a PEM file with the private key: PKCS #8, SEC 1 or PKCS #1, not encrypted, for its owner only.
	Key config.Path `koanf:"key"`
	// IssuerCertificate is, in mode mixed, a PEM file with the certificate of the issuing authority and then its issuers, each after the one
	// that it issued. Clients trust what it holds.
	IssuerCertificate config.Path `koanf:"issuer_certificate"`
	// IssuerKey is, in mode mixed, a PEM file with the authority's private key, as Key.
	IssuerKey config.Path `koanf:"issuer_key"`
	// DNSNames and IPAddresses are what clients call this service. In mode auto the certificate is made for them and for localhost,
	// 127.0.0.1 and ::1; in mode mixed for them alone, at least one; in mode external it must hold them.
	DNSNames    []string `koanf:"dns_names"`
	IPAddresses []string `koanf:"ip_addresses"`
	// ClientCertificates says whether clients show certificates, and whose.
	ClientCertificates ClientCertificates `koanf:"client_certificates"`
}

// dnsName matches what may stand in a certificate (RFC 5280 section 4.2.1.6, RFC 6125 section 6.4.3 for the wildcard).
var dnsName = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// Validate finds what does not go together.
func (c Config) Validate() []config.Problem {
	var problems []config.Problem
	add := func(path, message, suggestion string) {
		problems = append(problems, config.Problem{Path: path, Message: message, Suggestion: suggestion})
	}
	for _, file := range []struct {
		path, mode string
		name       config.Path
	}{
		{"certificate", ModeExternal, c.Certificate},
		{"key", ModeExternal, c.Key},
		{"issuer_certificate", ModeMixed, c.IssuerCertificate},
		{"issuer_key", ModeMixed, c.IssuerKey},
	} {
		switch mode := c.mode(); {
		case mode == file.mode && file.name == "":
			add(file.path, "is missing; mode "+mode+" needs it", "")
		case slices.Contains(modes(), mode) && mode != file.mode && file.name != "":
			add(file.path, "is not used in mode "+mode, "set mode to "+file.mode+", or remove it")
		}
	}
	if c.mode() == ModeMixed && len(c.DNSNames)+len(c.IPAddresses) == 0 {
		add("dns_names", "is missing; mode mixed issues a certificate for these names", "")
	}
	if c.mode() == ModeExternal && c.ClientCertificates.asked() && len(c.ClientCertificates.Authorities) == 0 {
		add("client_certificates.authorities", "is missing; mode external has no authority of its own", "name the PEM files of the authorities whose clients may enter")
	}
	if c.Mode != "" {
		problems = append(problems, config.OneOf("mode", c.Mode, modes()...)...)
	}
	for i, name := range c.DNSNames {
		if _, err := netip.ParseAddr(name); err == nil {
			add(fmt.Sprintf("dns_names[%d]", i), fmt.Sprintf("%q is an IP address", name), "write it under ip_addresses")
		} else if len(name) > 253 || !dnsName.MatchString(name) {
			add(fmt.Sprintf("dns_names[%d]", i), fmt.Sprintf("%q is not a DNS name", name), "write a host name without scheme and port")
		}
	}
	for i, text := range c.IPAddresses {
		if address, err := netip.ParseAddr(text); err != nil || address.Zone() != "" {
			add(fmt.Sprintf("ip_addresses[%d]", i), fmt.Sprintf("%q is not an IP address", text), "")
		}
	}
	return problems
}

// modes are the values of Config.Mode.
func modes() []string { return []string{ModeAuto, ModeExternal, ModeMixed} }

// mode is Mode or the default.
func (c Config) mode() string {
	if c.Mode == "" {
		return ModeAuto
	}
	return c.Mode
}
