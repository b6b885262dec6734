package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
)

// ErrExists is an entry that the realm has already.
var ErrExists = errors.New("exists already")

// ErrAbsent is an entry that the realm does not have.
var ErrAbsent = errors.New("does not exist")

// ErrBusy is a realm file that somebody else is editing.
var ErrBusy = errors.New("is being edited")

// header is the first lines of a realm file.
const header = `# Who may call this service: tenants, clients (Basic) and API tokens (Bearer).
# Secrets stand here as hashes. A change takes effect within a second.
`

// CreateFile writes a realm file with these tenants and nobody in them. It fails if the file exists.
func CreateFile(file string, tenants ...string) error {
	var text bytes.Buffer
	text.WriteString(header + "tenants:\n")
	for _, tenant := range tenants {
		if !credential.ValidTenant(tenant) {
			return fmt.Errorf("create realm: %q is not a tenant's id", tenant)
		}
		fmt.Fprintf(&text, "  - id: %s\n", tenant)
	}
	text.WriteString("clients: []\napi_tokens: []\n")
	r, err := replace(file)
	if err != nil {
		return fmt.Errorf("create realm: %w", err)
	}
	defer r.cancel()
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("create realm: %s %w", file, ErrExists)
	}
	if err := errors.Join(r.write(text.Bytes()), r.commit()); err != nil {
		return fmt.Errorf("create realm: %w", err)
	}
	return nil
}

// NewEntry is what Add needs to know of a client or an API token.
type NewEntry struct {
	Kind      credential.Kind // APIToken or ClientSecret
	Tenant    string
	ID        string
	Name      string
	Scopes    []string
	Roles     []string
	Operator  bool      // may use the admin listener
	ExpiresAt time.Time // zero: never
}

// Add writes a new client or API token into a realm file and returns its credential, whose text exists nowhere else. Comments in the file
// stay. ErrExists if there is an entry of that kind, tenant and id.
func Add(file string, hashes *secrethash.Registry, ask NewEntry) (credential.Credential, error) {
	list, err := listName(ask.Kind)
	if err != nil {
		return credential.Credential{}, err
	}
	made, err := credential.Generate(ask.Kind, ask.Tenant, ask.ID)
	if err != nil {
		return credential.Credential{}, fmt.Errorf("add credential: %w", err)
	}
	hash, err := hashes.Hash(context.Background(), made.Secret()) // of this kind it does not wait
	if err != nil {
		return credential.Credential{}, fmt.Errorf("add credential: %w", err)
	}
	entry := Entry{
		ID: ask.ID, Tenant: ask.Tenant, Name: ask.Name, SecretHash: hash, Scopes: ask.Scopes, Roles: ask.Roles, Operator: ask.Operator, ExpiresAt: ask.ExpiresAt,
	}
	if faults := editor(hashes).faults(entry); len(faults) > 0 {
		return credential.Credential{}, fmt.Errorf("add credential: %s: %s", faults[0][0], faults[0][1])
	}
	err = edit(file, editor(hashes), func(l listing, root *yaml.Node) error {
		if err := l.admits(ask.Tenant, ask.ID, l.entriesOf(ask.Kind)); err != nil {
			return err
		}
		appendTo(root, list, entry.node())
		return nil
	})
	if err != nil {
		return credential.Credential{}, fmt.Errorf("add credential: %w", err)
	}
	return made, nil
}

// Remove takes a client or an API token out of a realm file; ErrAbsent if it is not there.
func Remove(file string, hashes *secrethash.Registry, kind credential.Kind, tenant, id string) error {
	list, err := listName(kind)
	if err != nil {
		return err
	}
	err = edit(file, editor(hashes), func(l listing, root *yaml.Node) error {
		at := slices.IndexFunc(l.entriesOf(kind), func(e Entry) bool { return e.Tenant == tenant && e.ID == id })
		if at < 0 {
			return fmt.Errorf("%q of tenant %q %w", id, tenant, ErrAbsent)
		}
		items := sequence(root, list)
		items.Content = slices.Delete(items.Content, at, at+1)
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove credential: %w", err)
	}
	return nil
}

// admits refuses what is there already, or is for a tenant that is not.
func (l listing) admits(tenant, id string, entries []Entry) error {
	if !slices.ContainsFunc(l.Tenants, func(t Tenant) bool { return t.ID == tenant }) {
		return fmt.Errorf("tenant %q %w in the realm", tenant, ErrAbsent)
	}
	if slices.ContainsFunc(entries, func(e Entry) bool { return e.Tenant == tenant && e.ID == id }) {
		return fmt.Errorf("%q of tenant %q %w", id, tenant, ErrExists)
	}
	return nil
}

// appendTo adds an entry to the list of that name.
func appendTo(root *yaml.Node, list string, entry *yaml.Node) {
	items := sequence(root, list)
	items.Style &^= yaml.FlowStyle
	items.Content = append(items.Content, entry)
}

func (l listing) entriesOf(kind credential.Kind) []Entry {
	if kind == credential.ClientSecret {
		return l.Clients
	}
	return l.APITokens
}

func listName(kind credential.Kind) (string, error) {
	switch kind {
	case credential.ClientSecret:
		return "clients", nil
	case credential.APIToken:
		return "api_tokens", nil
	case credential.SessionToken:
	}
	return "", fmt.Errorf("a realm file has no credentials of kind %q", kind)
}

// editor reads a file for a change: what roles the service has, and how it hashes passwords, is left to the service.
func editor(hashes *secrethash.Registry) reader {
	return reader{hashes: hashes, anyRole: true, anyHash: true}
}

// edit changes the YAML tree of a realm file that is sound before and after.
func edit(file string, by reader, change func(listing, *yaml.Node) error) error {
	file, err := filepath.EvalSymlinks(file) // a link stays one
	if err != nil {
		return err
	}
	r, err := replace(file)
	if err != nil {
		return err
	}
	defer r.cancel()
	before, err := by.read(file)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return fmt.Errorf("read realm: %w", err)
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return fmt.Errorf("%s holds no mapping", file)
	}
	if err := change(before, document.Content[0]); err != nil {
		return err
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&document), encoder.Close()); err != nil {
		return fmt.Errorf("write realm: %w", err)
	}
	if err := errors.Join(r.inherit(), r.write(text.Bytes())); err != nil {
		return err
	}
	if _, err := by.read(r.beside); err != nil {
		return fmt.Errorf("the change would spoil the realm: %w", err)
	}
	return r.commit()
}

// sequence finds the list of that name, or makes it.
func sequence(root *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == name {
			if root.Content[i+1].Kind != yaml.SequenceNode { // null
				*root.Content[i+1] = yaml.Node{Kind: yaml.SequenceNode}
			}
			return root.Content[i+1]
		}
	}
	items := &yaml.Node{Kind: yaml.SequenceNode}
	root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, items)
	return items
}
