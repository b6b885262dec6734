package admincli

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// values are the flags of an operation's fields.
type values struct {
	texts      map[string]*string
	lists      map[string]*[]string
	numbers    map[string]*int64
	flags      map[string]*bool
	noPassword bool
}

// subjectFlags are the kinds of principals, and how their names become ids.
var subjectFlags = []struct {
	flag, kind, usage string
	lookup            lookup
}{
	{"user", "user", "to the person of this login or id", byLogin()},
	{"client", "client", "to the client of this name or id", lookup{"/clients", "name", "name"}},
	{"token", "api_token", "to the API token of this name or id", byToken()},
	{"to-role", "role", "to everybody with the role of this name or id", lookup{}},
}

func (v *values) add(cmd *cobra.Command, fields []field) {
	*v = values{texts: map[string]*string{}, lists: map[string]*[]string{}, numbers: map[string]*int64{}, flags: map[string]*bool{}}
	for _, f := range fields {
		switch f.kind {
		case kindList:
			v.lists[f.flag] = cmd.Flags().StringSlice(f.flag, nil, f.usage)
		case kindCertificate:
			v.lists[f.flag] = cmd.Flags().StringArray(f.flag, nil, f.usage)
		case kindNumber:
			v.numbers[f.flag] = cmd.Flags().Int64(f.flag, 0, f.usage)
		case kindFlag:
			v.flags[f.flag] = cmd.Flags().Bool(f.flag, false, f.usage)
		case kindPassword:
			v.texts[f.flag] = new(string)
			cli.AddPasswordFlag(cmd, v.texts[f.flag])
			if !f.required {
				cmd.Flags().BoolVar(&v.noPassword, "no-password", false, "without a password; nobody can log in yet")
			}
			continue // it is asked for
		case kindSubject:
			v.addSubject(cmd, f)
			continue
		default:
			v.texts[f.flag] = cmd.Flags().String(f.flag, "", f.usage)
		}
		if f.required {
			_ = cmd.MarkFlagRequired(f.flag) // fails only for a flag that the command lacks
		}
	}
}

func (v *values) addSubject(cmd *cobra.Command, f field) {
	var names []string
	for _, s := range subjectFlags {
		if s.kind == "role" && f.member != "role" {
			continue
		}
		v.texts[s.flag] = cmd.Flags().String(s.flag, "", s.usage)
		names = append(names, s.flag)
	}
	cmd.MarkFlagsMutuallyExclusive(names...)
	cmd.MarkFlagsOneRequired(names...)
}

// read makes body and query of the flags that were given.
func (v *values) read(cmd *cobra.Command, fields []field, c *client) (body map[string]any, query url.Values, err error) {
	body, query = map[string]any{}, url.Values{}
	for _, f := range fields {
		switch {
		case f.kind == kindSubject:
			if err := v.subject(cmd, c, body); err != nil {
				return nil, nil, err
			}
			continue
		case f.kind == kindPassword:
			if v.noPassword {
				continue
			}
			if body[f.member], err = cli.ReadPassword(cmd, *v.texts[f.flag]); err != nil {
				return nil, nil, err
			}
			continue
		case !cmd.Flags().Changed(f.flag):
			continue
		}
		value, err := v.value(f)
		if err != nil {
			return nil, nil, err
		}
		if f.query {
			query.Set(f.member, fmt.Sprint(value))
		} else {
			body[f.member] = value
		}
	}
	return body, query, nil
}

// value is what a flag says.
func (v *values) value(f field) (any, error) {
	switch f.kind {
	case kindList:
		return nonNil(*v.lists[f.flag]), nil
	case kindNumber:
		return *v.numbers[f.flag], nil
	case kindFlag:
		return *v.flags[f.flag], nil
	case kindTime:
		return moment(f, *v.texts[f.flag], time.Now())
	case kindCertificate:
		return certificateNames(*v.lists[f.flag])
	}
	if text := *v.texts[f.flag]; text != "" || !f.nullable {
		return text, nil
	}
	return nil, nil //nolint:nilnil // null removes the member (RFC 7396)
}

// nonNil is the list without empty items: "" empties it.
func nonNil(list []string) []string {
	kept := []string{}
	for _, item := range list {
		if item != "" {
			kept = append(kept, item)
		}
	}
	return kept
}

// moment reads a time: RFC 3339, a duration from now (in filters: ago), or never.
func moment(f field, text string, now time.Time) (any, error) {
	if f.nullable && (text == "never" || text == "") {
		return nil, nil //nolint:nilnil // as in value
	}
	if d, err := time.ParseDuration(text); err == nil {
		if f.query {
			d = -d
		}
		return now.Add(d).UTC().Format(time.RFC3339Nano), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, cli.Usage("--%s: %q is no time; write 2027-01-31T12:00:00Z, or a duration such as 720h", f.flag, text)
	}
	return at.UTC().Format(time.RFC3339Nano), nil
}

// certificateNames reads kind=value, or the certificate in a PEM file.
func certificateNames(texts []string) (any, error) {
	kinds := map[string]string{"uri": "uri", "dns": "dns", "subject": "subject", "thumbprint": "x5t#S256", "x5t#S256": "x5t#S256"}
	var names []map[string]string
	for _, text := range nonNil(texts) {
		kind, value, found := strings.Cut(text, "=")
		if known := kinds[kind]; found && known != "" {
			names = append(names, map[string]string{"kind": known, "value": value})
			continue
		}
		content, err := os.ReadFile(text)
		if err != nil {
			return nil, fmt.Errorf("--certificate: %w; or write uri=, dns=, subject= or thumbprint= and the name", err)
		}
		block, _ := pem.Decode(content)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("--certificate: %s holds no PEM certificate", text)
		}
		sum := sha256.Sum256(block.Bytes) // RFC 8705 section 3.1
		names = append(names, map[string]string{"kind": "x5t#S256", "value": base64.RawURLEncoding.EncodeToString(sum[:])})
	}
	if names == nil {
		return nil, nil //nolint:nilnil // as in value
	}
	return names, nil
}

// subject reads who is meant.
func (v *values) subject(cmd *cobra.Command, c *client, body map[string]any) error {
	for _, s := range subjectFlags {
		if v.texts[s.flag] == nil || !cmd.Flags().Changed(s.flag) {
			continue
		}
		id, err := c.find(cmd.Context(), s.lookup, *v.texts[s.flag])
		if err != nil {
			return fmt.Errorf("--%s: %w", s.flag, err)
		}
		body["subject_kind"], body["subject_id"] = s.kind, id
	}
	return nil
}

// member finds a member of an object; a.b is member b of member a.
func member(object map[string]any, path string) any {
	name, rest, within := strings.Cut(path, ".")
	if !within {
		return object[name]
	}
	inner, _ := object[name].(map[string]any)
	return member(inner, rest)
}

// label is a member's name for people.
func label(path string) string {
	path = strings.TrimPrefix(path, "event.")
	text := strings.NewReplacer("_", " ", ".", " ").Replace(path)
	switch text {
	case "id":
		return "ID"
	case "seq":
		return "Number"
	}
	text = strings.ReplaceAll(text+" ", " id ", " ID ")
	return strings.ToUpper(text[:1]) + strings.TrimSpace(text[1:])
}

// show is a value for people.
func show(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case []any:
		var texts []string
		for _, item := range v {
			texts = append(texts, show(item))
		}
		return strings.Join(texts, " ")
	case map[string]any:
		return fmt.Sprintf("%v=%v", v["kind"], v["value"])
	default:
		return fmt.Sprint(v)
	}
}
