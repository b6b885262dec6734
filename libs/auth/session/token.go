package session

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

const (
	// tokenType is the "typ" of signed and encrypted sessions.
	tokenType = "cu-session+jwt" //nolint:gosec // no credential
	// maxToken is the length of the longest token that is looked at.
	maxToken = 4096
)

// errToken is a text that stands for no session of this service.
var errToken = errors.New("not a session token of this service")

// reading is what a genuine token says: which session it is, and the secret that proves it.
type reading struct {
	tenant, id string
	secret     []byte
	known      bool // it was read before
}

// claims are those of RFC 7519 section 4.1, with "sid" of OpenID Connect. The random secret is the "jti".
type claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Subject  string `json:"sub"`
	Tenant   string `json:"tenant"`
	Session  string `json:"sid"`
	ID       string `json:"jti"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

// formatOf tells the format of a token by its form: opaque ones have a prefix, a JWS has three parts and a JWE five, and both name their type.
func formatOf(token string) (format Format, keyID string, ok bool) {
	if len(token) > maxToken {
		return "", "", false
	}
	if strings.HasPrefix(token, "cu_"+string(credential.SessionToken)+"_") {
		return Opaque, "", true
	}
	switch strings.Count(token, ".") {
	case 2:
		h, err := jws.ParseHeader(token)
		return JWS, h.KeyID, err == nil && h.Type == tokenType
	case 4:
		h, err := jwe.ParseHeader(token)
		return JWE, h.KeyID, err == nil && h.Type == tokenType
	}
	return "", "", false
}

// write makes the token of a session.
func (m *Manager) write(r *record, made credential.Credential, key *tokenKey) (string, error) {
	if r.format == Opaque {
		return made.Text(), nil
	}
	payload, err := json.Marshal(claims{
		Issuer: m.deps.Service, Audience: m.deps.Service, Subject: r.kind + ":" + r.principal, Tenant: r.tenant, Session: r.id,
		ID: base64.RawURLEncoding.EncodeToString(made.Secret()), IssuedAt: r.createdAt.Unix(), Expires: r.expiresAt.Unix(),
	})
	if err != nil {
		return "", err
	}
	if r.format == JWS {
		return jws.Sign(key.key, jws.Header{Type: tokenType}, payload)
	}
	return jwe.Encrypt(key.key, jwe.Header{Encryption: contentEncryption, Type: tokenType}, payload)
}

// decode reads a token and checks everything that does not need the session's row. errToken if it is not genuine.
func (m *Manager) decode(ctx context.Context, token string) (reading, error) {
	if known, ok := m.read.get(token); ok {
		return known, nil
	}
	format, keyID, ok := formatOf(token)
	switch {
	case !ok:
		return reading{}, errToken
	case format == Opaque:
		c, err := credential.Parse(token)
		if err != nil {
			return reading{}, fmt.Errorf("%w: %w", errToken, err)
		}
		return reading{tenant: c.Tenant(), id: c.ID(), secret: c.Secret()}, nil
	}
	payload, tenant, err := m.open(ctx, format, keyID, token)
	if err != nil {
		return reading{}, err
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return reading{}, fmt.Errorf("%w: %w", errToken, err)
	}
	secret, err := base64.RawURLEncoding.Strict().DecodeString(c.ID)
	switch {
	case err != nil, len(secret) != credential.SecretSize, c.Issuer != m.deps.Service, c.Audience != m.deps.Service, c.Tenant != tenant:
		return reading{}, errToken
	case !m.deps.Now().Before(time.Unix(c.Expires, 0)):
		return reading{}, fmt.Errorf("%w: expired", errToken)
	}
	return reading{tenant: tenant, id: c.Session, secret: secret}, nil
}

// open verifies or decrypts a token with the key that it names.
func (m *Manager) open(ctx context.Context, format Format, keyID, token string) (payload []byte, tenant string, err error) {
	key, err := m.keyByID(ctx, format, keyID)
	if err != nil {
		return nil, "", err
	}
	var header string
	if format == JWS {
		var h jws.Header
		payload, h, err = jws.Verify(key.key, token, jws.Expect{Type: tokenType})
		header = h.Type
	} else {
		var h jwe.Header
		payload, h, err = jwe.Decrypt(key.key, token, jwe.Expect{Encryption: contentEncryption})
		header = h.Type
	}
	if err != nil || header != tokenType {
		return nil, "", fmt.Errorf("%w: %w", errToken, errors.Join(err))
	}
	return payload, key.tenant, nil
}
