package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// maxSecret bounds a secret file. Keys and passwords are far smaller.
const maxSecret = 1 << 20

// redacted stands for a secret wherever one would be printed.
const redacted = "[redacted]"

// Secret is a reference to a file that holds a secret: file:///run/secrets/name, an absolute path. The secret itself stays in the file until
// [Secret.Read]; neither it nor the reference shows when a Secret is printed, logged or marshalled. The zero Secret refers to nothing.
//
// The file, or what a symbolic link leads to, must be a regular one that only its owner can write and read; see [Policy].
type Secret struct {
	file   string
	policy Policy
}

// Policy says how strictly secret files are checked. A configuration has at most one field of this type, which Load applies to all
// Secrets; without one the zero Policy holds, the strict one.
type Policy struct {
	// Dev accepts any permissions. It is set by the program's development mode, never by configuration.
	Dev bool `koanf:"-"`
	// AllowGroupRead accepts files that their group can read (mode 0440 or 0640), as mounted for an unprivileged user with a group.
	AllowGroupRead bool `koanf:"allow_group_read"`
}

// NewSecret refers to a file as a configuration does, "file:///run/secrets/name". It does not look at the file.
func NewSecret(reference string, policy Policy) (Secret, error) {
	u, err := url.Parse(reference)
	if err != nil || u.Scheme != "file" || u.Host != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		!strings.HasPrefix(reference, "file:///") || !filepath.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0) {
		return Secret{}, errors.New("is not a reference to a secret file; the value is not shown") // nor is err, which quotes it
	}
	return Secret{file: filepath.Clean(u.Path), policy: policy}, nil
}

// IsSet says whether s refers to a file.
func (s Secret) IsSet() bool { return s.file != "" }

// File is the path of the file, for messages and for watching; "" when not set.
func (s Secret) File() string { return s.file }

// Read returns the content of the file, from 1 byte to 1 MiB, after checking it again.
func (s Secret) Read() (content []byte, err error) {
	if !s.IsSet() {
		return nil, errors.New("read secret: no file is configured")
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("read secret %s: %w", s.file, err)
		}
	}()
	file, err := os.Open(s.file)
	if err != nil {
		return nil, errors.New(cause(err))
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, errors.New(cause(err))
	}
	if complaint, _ := s.policy.complaint(info); complaint != "" {
		return nil, errors.New(complaint)
	}
	content, err = io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return nil, errors.New(cause(err))
	}
	switch {
	case len(content) == 0:
		return nil, errors.New("is empty")
	case len(content) > maxSecret:
		return nil, fmt.Errorf("is larger than %s", ByteSize(maxSecret))
	}
	return content, nil
}

// ReadText is Read without the newline that editors and echo leave at the end.
func (s Secret) ReadText() (string, error) {
	content, err := s.Read()
	if err != nil {
		return "", err
	}
	content = bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	if len(content) == 0 {
		return "", fmt.Errorf("read secret %s: is empty", s.file)
	}
	return string(content), nil
}

// String never shows the secret.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return redacted
}

// GoString is String.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// complaint says what is wrong with a secret file, "" when nothing is, and the mode that would be right.
func (p Policy) complaint(info fs.FileInfo) (message, mode string) {
	const (
		groupRead   = 0o040
		groupOther  = 0o077
		writeOthers = 0o022
		readOthers  = 0o004
	)
	if !info.Mode().IsRegular() {
		return "is not a regular file", ""
	}
	permissions := info.Mode().Perm()
	mode = "600"
	if p.AllowGroupRead {
		mode = "640"
	}
	switch {
	case p.Dev, permissions&groupOther == 0:
		return "", ""
	case permissions&writeOthers != 0:
		return fmt.Sprintf("can be written by others (mode %04o)", permissions), mode
	case permissions&readOthers != 0:
		return fmt.Sprintf("can be read by everybody (mode %04o)", permissions), mode
	case permissions&groupRead != 0 && !p.AllowGroupRead:
		return fmt.Sprintf("can be read by its group (mode %04o)", permissions), mode
	}
	return "", ""
}

// checkReference reports what one source gives for a secret when it is no reference, or the source is the environment. It shows no value.
func (l *loader) checkReference(in input, path string) {
	if in.origin.layer == layerEnviron {
		l.report(in.origin, path, "is a secret, and secrets are never taken from the environment",
			"unset the variable and write file:///run/secrets/<name> in the configuration file")
		return
	}
	if _, err := in.reference(); err != nil {
		l.report(in.origin, path, "is a secret and takes only a reference to a file; the value here is not shown",
			"move it into a file that only this service can read, write file:///run/secrets/<name> here, and replace the secret if it was real")
	}
}

// reference is the Secret that an input refers to; the zero Secret when it is empty.
func (in input) reference() (Secret, error) {
	if in.tag == "!!null" || in.text == "" {
		return Secret{}, nil
	}
	return NewSecret(in.text, Policy{})
}

// checkSecrets gives every Secret in v the policy that v contains, and reports files that are missing or refused by it.
func (l *loader) checkSecrets(v reflect.Value) {
	var policy Policy
	var policyPath string
	walk(v, "", func(v reflect.Value, path string) {
		if found, ok := v.Interface().(Policy); ok {
			policy, policyPath = found, path
		}
	})
	walk(v, "", func(v reflect.Value, path string) {
		secret, ok := v.Interface().(Secret)
		if !ok || !secret.IsSet() {
			return
		}
		secret.policy = policy
		v.Set(reflect.ValueOf(secret))
		info, err := os.Stat(secret.file)
		if l.problems.concern(path) {
			return // no reference
		}
		if err != nil {
			l.report(l.place(path), path, fmt.Sprintf("secret file %s: %s", secret.file, cause(err)), "")
			return
		}
		complaint, mode := policy.complaint(info)
		if complaint == "" {
			return
		}
		suggestion := ""
		if mode != "" {
			suggestion = fmt.Sprintf("chmod %s %s", mode, secret.file)
		}
		if policyPath != "" && !policy.AllowGroupRead && (Policy{AllowGroupRead: true}).accepts(info) {
			suggestion += fmt.Sprintf(", or set %s to true", join(policyPath, "allow_group_read"))
		}
		l.report(l.place(path), path, fmt.Sprintf("secret file %s %s", secret.file, complaint), suggestion)
	})
}

// accepts says whether the policy has no complaint.
func (p Policy) accepts(info fs.FileInfo) bool {
	complaint, _ := p.complaint(info)
	return complaint == ""
}
