package auth

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
)

// Statuses of a tenant.
const (
	TenantActive    = "active"
	TenantSuspended = "suspended" // its credentials are refused
)

// Tenant is a party whose data is kept apart from all others'.
type Tenant struct {
	// ID is a slug, a-z, 0-9 and hyphens, at most 31 characters. It never changes.
	ID string `koanf:"id"`
	// Status is active (also when absent) or suspended.
	Status string `koanf:"status"`
}

// Entry is a client or an API token.
type Entry struct {
	// ID is unique among the tenant's clients, or tokens.
	ID string `koanf:"id"`
	// Tenant is the id of a listed tenant.
	Tenant string `koanf:"tenant"`
	// Name is for people.
	Name string `koanf:"name"`
	// SecretHash is the hash of the secret (package secrethash). A client with certificates needs none.
	SecretHash string `koanf:"secret_hash"`
	// Scopes are what it may do, such as kms:encrypt; Roles name bundles of them, such as operator.
	Scopes []string `koanf:"scopes"`
	Roles  []string `koanf:"roles"`
	// Certificates are names of client certificates that stand for the client.
	Certificates []MappedCertificate `koanf:"certificates"`
	// Operator entries may use the admin listener.
	Operator bool `koanf:"operator"`
	// Disabled entries are refused.
	Disabled bool `koanf:"disabled"`
	// ExpiresAt is when the entry stops working, in RFC 3339; absent: never.
	ExpiresAt time.Time `koanf:"expires_at"`
}

// MappedCertificate is one name of a certificate; exactly one member is set.
type MappedCertificate struct {
	// Thumbprint is the base64url SHA-256 of the certificate, unpadded (x5t#S256).
	Thumbprint string `koanf:"thumbprint"`
	// URI and DNS are subject alternative names, exactly as the certificate has them.
	URI string `koanf:"uri"`
	DNS string `koanf:"dns"`
	// Subject is the distinguished name as RFC 4514 writes it, such as CN=billing,O=Example.
	Subject string `koanf:"subject"`
}

func (m MappedCertificate) names() []CertificateName {
	var names []CertificateName
	for _, name := range []CertificateName{
		{CertificateThumbprint, m.Thumbprint}, {CertificateURI, m.URI}, {CertificateDNS, m.DNS}, {CertificateSubject, m.Subject},
	} {
		if name.Value != "" {
			names = append(names, name)
		}
	}
	return names
}

// User is a person who logs in with a password.
type User struct {
	// ID is what the user logs in with, unique in the tenant; Email, if given, is another such name.
	ID     string `koanf:"id"`
	Tenant string `koanf:"tenant"`
	Email  string `koanf:"email"`
	Name   string `koanf:"name"`
	// PasswordHash is the hash of the password (package secrethash, low entropy random).
	PasswordHash string    `koanf:"password_hash"`
	Scopes       []string  `koanf:"scopes"`
	Roles        []string  `koanf:"roles"`
	Operator     bool      `koanf:"operator"`
	Disabled     bool      `koanf:"disabled"`
	ExpiresAt    time.Time `koanf:"expires_at"`
}

// entry is what a user has in common with programs.
func (u User) entry() Entry {
	return Entry{
		ID: u.ID, Tenant: u.Tenant, Name: u.Name, Scopes: u.Scopes, Roles: u.Roles, Operator: u.Operator, Disabled: u.Disabled, ExpiresAt: u.ExpiresAt,
	}
}

func (u User) logins() []string {
	if u.Email == "" {
		return []string{NormalizeLogin(u.ID)}
	}
	return []string{NormalizeLogin(u.ID), NormalizeLogin(u.Email)}
}

// NormalizeLogin brings login names and e-mail addresses into the form in which they are compared: without space around them, in lower case
// and in normalization form KC (RFC 8265 section 3.3).
func NormalizeLogin(login string) string {
	return strings.ToLower(norm.NFKC.String(strings.TrimSpace(login)))
}

// listing is the content of a realm file.
type listing struct {
	Tenants   []Tenant `koanf:"tenants"`
	Users     []User   `koanf:"users"`
	Clients   []Entry  `koanf:"clients"`
	APITokens []Entry  `koanf:"api_tokens"`
}

// reader reads realm files; what it does not know of hashes and roles it takes as it stands.
type reader struct {
	hashes, passwords *secrethash.Registry
	roles             []Role
	anyRole, anyHash  bool
}

func (c FileRealmConfig) reader() reader {
	return reader{hashes: c.Hashes, passwords: c.Passwords, roles: c.Roles}
}

// read reads a realm file strictly: the error lists everything that is wrong with it.
func (r reader) read(file string) (listing, error) {
	info, err := os.Stat(file)
	if err != nil {
		return listing{}, fmt.Errorf("read realm: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 { // whoever writes it decides who gets in
		return listing{}, fmt.Errorf("read realm: %s can be written by others than its owner: chmod go-w %s", file, file)
	}
	var l listing
	if err := config.Load(&l, config.Source{File: file}); err != nil {
		return listing{}, fmt.Errorf("read realm: %w", err)
	}
	if problems := r.check(l, file); len(problems) > 0 {
		return listing{}, fmt.Errorf("read realm: %w", problems)
	}
	return l, nil
}
