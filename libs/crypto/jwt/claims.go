package jwt

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

// Claims are the content of a token (RFC 7519 section 4). A claim that is absent has its zero value.
type Claims struct {
	Issuer    string    // "iss"
	Subject   string    // "sub"
	Audience  []string  // "aud"
	Expires   time.Time // "exp"
	NotBefore time.Time // "nbf"
	IssuedAt  time.Time // "iat"
	ID        string    // "jti"
	// Extra are all other claims. Reading them gives string, bool, nil, json.Number, []any or
	// map[string]any.
	Extra map[string]any
}

// maxAudience is the number of audiences that a token may name.
const maxAudience = 64

// Has says whether a claim is there. An empty text or list, and null, count as absent.
func (c *Claims) Has(name string) bool {
	switch name {
	case "iss":
		return c.Issuer != ""
	case "sub":
		return c.Subject != ""
	case "aud":
		return len(c.Audience) > 0
	case "exp":
		return !c.Expires.IsZero()
	case "nbf":
		return !c.NotBefore.IsZero()
	case "iat":
		return !c.IssuedAt.IsZero()
	case "jti":
		return c.ID != ""
	default:
		return c.Extra[name] != nil
	}
}

func registered(name string) bool {
	switch name {
	case "iss", "sub", "aud", "exp", "nbf", "iat", "jti":
		return true
	default:
		return false
	}
}

// append writes the claims in a fixed order: the registered ones as RFC 7519 lists them, then the others
// by name. An audience of one is a text, as most readers expect.
func (c *Claims) append(out []byte) ([]byte, error) {
	out = append(out, '{')
	for _, member := range [...][2]string{{"iss", c.Issuer}, {"sub", c.Subject}} {
		if member[1] != "" {
			out = strictjson.AppendMember(out, member[0], member[1])
		}
	}
	switch len(c.Audience) {
	case 0:
	case 1:
		out = strictjson.AppendMember(out, "aud", c.Audience[0])
	default:
		out = append(strictjson.AppendName(out, "aud"), '[')
		for i, audience := range c.Audience {
			if i > 0 {
				out = append(out, ',')
			}
			out = strictjson.AppendString(out, audience)
		}
		out = append(out, ']')
	}
	for _, date := range [...]struct {
		name string
		at   time.Time
	}{{"exp", c.Expires}, {"nbf", c.NotBefore}, {"iat", c.IssuedAt}} {
		out = strconv.AppendInt(strictjson.AppendName(out, date.name), date.at.Unix(), 10)
	}
	out = strictjson.AppendMember(out, "jti", c.ID)
	if len(c.Extra) == 0 {
		return append(out, '}'), nil
	}
	out, err := strictjson.AppendMembers(out, c.Extra)
	if err != nil {
		return nil, err
	}
	out = append(out, '}')
	return out, strictjson.Object(out, nil) // what a claim brought along is as strict as the rest
}

// parse reads the payload of a token.
func parse(payload []byte) (c Claims, err error) {
	err = strictjson.Object(payload, func(name, value []byte) (err error) {
		switch string(name) {
		case "iss":
			c.Issuer, err = strictjson.String(value)
		case "sub":
			c.Subject, err = strictjson.String(value)
		case "aud":
			c.Audience, err = parseAudience(value)
		case "exp":
			c.Expires, err = parseDate(value)
		case "nbf":
			c.NotBefore, err = parseDate(value)
		case "iat":
			c.IssuedAt, err = parseDate(value)
		case "jti":
			c.ID, err = strictjson.String(value)
		default:
			if c.Extra == nil {
				c.Extra = make(map[string]any)
			}
			c.Extra[string(name)], err = strictjson.Value(value)
		}
		if err != nil {
			return fmt.Errorf("claim %.64q: %w", name, err)
		}
		return nil
	})
	return c, err
}

// parseAudience reads a text or a list of texts (RFC 7519 section 4.1.3).
func parseAudience(value []byte) ([]string, error) {
	if value[0] == '"' {
		text, err := strictjson.String(value)
		return []string{text}, err
	}
	list, err := strictjson.Strings(value)
	if err == nil && (len(list) == 0 || len(list) > maxAudience) {
		return nil, errors.New("the list is empty or too long")
	}
	return list, err
}
