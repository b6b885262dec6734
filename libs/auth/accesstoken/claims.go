package accesstoken

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
)

// Bounds of what is read.
const (
	maxName    = 255 // length in bytes of a subject, a client's id or a token's id
	maxMethods = 16
	maxScopes  = 200
	maxDate    = 253_402_300_800 // the year 10000, in seconds
	// thumbprintLength is that of a SHA-256 hash in base64url without padding.
	thumbprintLength = 43
)

// claims are what a token says (RFC 9068 section 2.2), or what the authorization server says of one (RFC 7662 section 2.2).
type claims struct {
	issuer, subject, client, id string
	audience                    []string
	expires, notBefore, issued  time.Time
	authenticated               time.Time
	scopes                      []string // nil where there is no such claim
	methods                     []string
	binding                     binding
	epoch                       int64
	hasEpoch                    bool
	active                      bool // in answers
}

// binding says whose the token is (RFC 7800); both may be set.
type binding struct {
	key         string // thumbprint of the key that proves by DPoP (RFC 9449 section 6)
	certificate string // thumbprint of the client's certificate (RFC 8705 section 3.1)
}

// readClaims reads a JSON object. Members that are not known are left aside (RFC 7519 section 4); one that stands twice is refused.
func readClaims(text []byte) (c claims, err error) {
	if err := jsonscan.Scan(text, nil); err != nil {
		return claims{}, fmt.Errorf("read claims: %w", err)
	}
	var members map[string]json.RawMessage // not a struct, whose names would match in any letter case
	if err := json.Unmarshal(text, &members); err != nil {
		return claims{}, errors.New("read claims: not a JSON object")
	}
	for name, value := range members {
		if err := c.read(name, value); err != nil {
			return claims{}, fmt.Errorf("read claims: %q: %w", name, err)
		}
	}
	return c, nil
}

func (c *claims) read(name string, value json.RawMessage) error {
	switch name {
	case "iss":
		return readText(value, &c.issuer)
	case "sub":
		return readName(value, &c.subject)
	case "client_id":
		return readName(value, &c.client)
	case "jti":
		return readName(value, &c.id)
	case "aud":
		return c.readAudience(value)
	case "exp":
		return readDate(value, &c.expires)
	case "nbf":
		return readDate(value, &c.notBefore)
	case "iat":
		return readDate(value, &c.issued)
	case "auth_time":
		return readDate(value, &c.authenticated)
	case "scope":
		return c.readScope(value)
	case "amr":
		return c.readMethods(value)
	case "cnf":
		return c.readBinding(value)
	case "epoch":
		c.hasEpoch = true
		return readValue(value, &c.epoch)
	case "active":
		return readValue(value, &c.active)
	}
	return nil
}

// readValue reads a value of one type. Nothing is not a value: encoding/json would leave it out.
func readValue(value json.RawMessage, to any) error {
	if string(value) == "null" {
		return errors.New("is null")
	}
	return json.Unmarshal(value, to)
}

func readText(value json.RawMessage, to *string) error { return readValue(value, to) }

// readName reads an identifier: it is compared, logged and stored, so that it is short and printable.
func readName(value json.RawMessage, to *string) error {
	if err := readText(value, to); err != nil {
		return err
	}
	if *to == "" || len(*to) > maxName || strings.ContainsFunc(*to, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("is not a printable text of 1 to %d bytes", maxName)
	}
	return nil
}

// readDate reads a NumericDate (RFC 7519 section 2), to the second.
func readDate(value json.RawMessage, to *time.Time) error {
	var seconds float64
	if err := readValue(value, &seconds); err != nil {
		return err
	}
	if seconds < 0 || seconds > maxDate {
		return errors.New("is out of range")
	}
	*to = time.Unix(int64(math.Floor(seconds)), 0).UTC()
	return nil
}

// readAudience reads one text or several (RFC 7519 section 4.1.3).
func (c *claims) readAudience(value json.RawMessage) error {
	if value[0] == '"' {
		c.audience = make([]string, 1)
		return readText(value, &c.audience[0])
	}
	return readValue(value, &c.audience)
}

// readScope reads scopes (RFC 6749 section 3.3).
func (c *claims) readScope(value json.RawMessage) error {
	var text string
	if err := readValue(value, &text); err != nil {
		return err
	}
	c.scopes = strings.Fields(text)
	if len(c.scopes) > maxScopes {
		return fmt.Errorf("has more than %d scopes", maxScopes)
	}
	return nil
}

// readMethods reads how a person was authenticated (RFC 8176).
func (c *claims) readMethods(value json.RawMessage) error {
	if err := readValue(value, &c.methods); err != nil {
		return err
	}
	if len(c.methods) > maxMethods || slices.ContainsFunc(c.methods, func(m string) bool { return m == "" || len(m) > maxName }) {
		return errors.New("has too many or too long elements")
	}
	return nil
}

// readBinding reads a confirmation. One that is not known cannot be checked, and a bound token is not to be taken as an unbound one.
func (c *claims) readBinding(value json.RawMessage) error {
	var members map[string]json.RawMessage
	if err := readValue(value, &members); err != nil {
		return err
	}
	if len(members) == 0 {
		return errors.New("is empty")
	}
	for name, value := range members {
		to := &c.binding.key
		switch name {
		case "jkt":
		case "x5t#S256":
			to = &c.binding.certificate
		default:
			return errors.New("has a member that is neither jkt nor x5t#S256")
		}
		if err := readText(value, to); err != nil {
			return err
		}
		if len(*to) != thumbprintLength {
			return errors.New("has a value that is no SHA-256 thumbprint")
		}
	}
	return nil
}
