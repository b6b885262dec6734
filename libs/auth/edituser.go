package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
)

// FileHashes are the registries with which a realm file is changed: Secrets of kind high entropy random, Passwords of kind low entropy random.
type FileHashes struct{ Secrets, Passwords *secrethash.Registry }

// editor reads a file for a change by those who can hash passwords.
func (h FileHashes) editor() reader {
	return reader{hashes: h.Secrets, passwords: h.Passwords, anyRole: true}
}

// AddUser writes a new user with this password into a realm file; u.PasswordHash is not looked at. ErrExists if there is a user of that tenant
// and id.
func AddUser(ctx context.Context, file string, hashes FileHashes, u User, password string) error {
	names := []string{u.ID, u.Email, u.Name}
	if err := CheckPassword(password, names...); err != nil {
		return fmt.Errorf("add user: %w", err)
	}
	hash, err := hashes.Passwords.Hash(ctx, PreparePassword(password))
	if err != nil {
		return fmt.Errorf("add user: %w", err)
	}
	u.PasswordHash = hash
	if faults := hashes.editor().faults(u.entry()); len(faults) > 0 {
		return fmt.Errorf("add user: %s: %s", faults[0][0], faults[0][1])
	}
	err = edit(file, hashes.editor(), func(l listing, root *yaml.Node) error {
		var users []Entry
		for _, other := range l.Users {
			users = append(users, other.entry())
			if u.Operator && other.Operator && strings.EqualFold(other.ID, u.ID) {
				return fmt.Errorf("%q is an operator of tenant %q and %w; the admin listener knows no tenants", other.ID, other.Tenant, ErrExists)
			}
		}
		if err := l.admits(u.Tenant, u.ID, users); err != nil {
			return err
		}
		appendTo(root, "users", u.node())
		return nil
	})
	if err != nil {
		return fmt.Errorf("add user: %w", err)
	}
	return nil
}

// RemoveUser takes a user out of a realm file; ErrAbsent if there is none of that id.
func RemoveUser(file string, hashes FileHashes, tenant, id string) error {
	err := edit(file, hashes.editor(), func(l listing, root *yaml.Node) error {
		at := slices.IndexFunc(l.Users, func(u User) bool { return u.Tenant == tenant && u.ID == id })
		if at < 0 {
			return fmt.Errorf("%q of tenant %q %w", id, tenant, ErrAbsent)
		}
		items := sequence(root, "users")
		items.Content = slices.Delete(items.Content, at, at+1)
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove user: %w", err)
	}
	return nil
}

// MapClient writes a client that authenticates by this certificate alone into a realm file, or gives the client that is there the
// certificate in place of those before. ask.Kind is not looked at.
func MapClient(file string, hashes FileHashes, ask NewEntry, certificate MappedCertificate) error {
	if len(certificate.names()) != 1 {
		return errors.New("map certificate: exactly one name of it is wanted")
	}
	entry := Entry{
		ID: ask.ID, Tenant: ask.Tenant, Name: ask.Name, Scopes: ask.Scopes, Roles: ask.Roles, Operator: ask.Operator,
		Certificates: []MappedCertificate{certificate}, ExpiresAt: ask.ExpiresAt.Truncate(time.Second),
	}
	if faults := hashes.editor().faults(entry); len(faults) > 0 {
		return fmt.Errorf("map certificate: %s: %s", faults[0][0], faults[0][1])
	}
	err := edit(file, hashes.editor(), func(l listing, root *yaml.Node) error {
		at := slices.IndexFunc(l.Clients, func(e Entry) bool { return e.Tenant == ask.Tenant && e.ID == ask.ID })
		if at >= 0 {
			setMember(sequence(root, "clients").Content[at], "certificates", certificateNodes(entry.Certificates))
			return nil
		}
		if err := l.admits(ask.Tenant, ask.ID, nil); err != nil {
			return err
		}
		appendTo(root, "clients", entry.node())
		return nil
	})
	if err != nil {
		return fmt.Errorf("map certificate: %w", err)
	}
	return nil
}

// setMember replaces a member of a mapping, or adds it.
func setMember(of *yaml.Node, name string, value *yaml.Node) {
	for i := 0; i+1 < len(of.Content); i += 2 {
		if of.Content[i].Value == name {
			of.Content[i+1] = value
			return
		}
	}
	of.Content = append(of.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
}
