package auth

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// mapping is a YAML mapping that is written member by member; what has no value is left out.
type mapping struct{ yaml.Node }

func newMapping() *mapping { return &mapping{yaml.Node{Kind: yaml.MappingNode}} }

func scalar(value string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(value)
	return node
}

func (m *mapping) member(name string, value *yaml.Node) {
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
}

func (m *mapping) text(name, value string) {
	if value != "" {
		m.member(name, scalar(value))
	}
}

func (m *mapping) list(name string, values []string) {
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, value := range values {
		list.Content = append(list.Content, scalar(value))
	}
	m.member(name, list)
}

func (m *mapping) flag(name string, value bool) {
	if value {
		m.member(name, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
}

func (m *mapping) end(at time.Time) {
	if !at.IsZero() {
		m.text("expires_at", at.UTC().Format(time.RFC3339))
	}
}

// node is the entry as YAML.
func (e Entry) node() *yaml.Node {
	m := newMapping()
	m.text("id", e.ID)
	m.text("tenant", e.Tenant)
	m.text("name", e.Name)
	m.text("secret_hash", e.SecretHash)
	if len(e.Scopes) > 0 || len(e.Roles) == 0 {
		m.list("scopes", e.Scopes)
	}
	if len(e.Roles) > 0 {
		m.list("roles", e.Roles)
	}
	if len(e.Certificates) > 0 {
		m.member("certificates", certificateNodes(e.Certificates))
	}
	m.flag("operator", e.Operator)
	m.end(e.ExpiresAt)
	return &m.Node
}

func certificateNodes(names []MappedCertificate) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, name := range names {
		one := newMapping()
		one.text("thumbprint", name.Thumbprint)
		one.text("uri", name.URI)
		one.text("dns", name.DNS)
		one.text("subject", name.Subject)
		list.Content = append(list.Content, &one.Node)
	}
	return list
}

// node is the user as YAML.
func (u User) node() *yaml.Node {
	m := newMapping()
	m.text("id", u.ID)
	m.text("tenant", u.Tenant)
	m.text("email", u.Email)
	m.text("name", u.Name)
	m.text("password_hash", u.PasswordHash)
	if len(u.Scopes) > 0 {
		m.list("scopes", u.Scopes)
	}
	if len(u.Roles) > 0 {
		m.list("roles", u.Roles)
	}
	m.flag("operator", u.Operator)
	m.end(u.ExpiresAt)
	return &m.Node
}
