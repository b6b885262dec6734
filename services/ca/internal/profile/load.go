package profile

import (
	"embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// Set are the profiles of a program. It does not change.
type Set struct {
	byName   map[string]*Profile
	warnings []string
}

// Load reads the profiles that are built in and those of the folder, "" for none. A file of the folder takes the place of the built-in profile
// with its name. What is wrong with any of them is returned as one [config.Problems]; now decides what the family br allows.
func Load(folder string, now time.Time) (*Set, error) {
	set := &Set{byName: map[string]*Profile{}}
	var problems config.Problems
	add := func(file string, text []byte) error {
		p, err := Parse(file, text, now)
		var found config.Problems
		if errors.As(err, &found) {
			problems = append(problems, found...)
			return nil
		}
		if err != nil {
			return err
		}
		set.byName[p.Name] = p
		return nil
	}
	entries, err := builtin.ReadDir("builtin")
	if err != nil {
		return nil, fmt.Errorf("load profiles: %w", err)
	}
	for _, entry := range entries {
		text, err := builtin.ReadFile(path.Join("builtin", entry.Name()))
		if err == nil {
			err = add("built in/"+entry.Name(), text)
		}
		if err != nil {
			return nil, fmt.Errorf("load profiles: %w", err)
		}
	}
	if err := eachFile(folder, add); err != nil {
		return nil, fmt.Errorf("load profiles: %w", err)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	for _, name := range set.Names() {
		set.warnings = append(set.warnings, set.byName[name].Warnings(now)...)
	}
	return set, nil
}

// maxFile bounds a profile in bytes.
const maxFile = 1 << 20

// eachFile reads the YAML files of a folder in order.
func eachFile(folder string, use func(file string, text []byte) error) error {
	if folder == "" {
		return nil
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if extension := filepath.Ext(entry.Name()); extension != ".yaml" && extension != ".yml" {
			continue
		}
		info, err := root.Stat(entry.Name())
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Size() > maxFile {
			return fmt.Errorf("%s: not a regular file of at most %d bytes", entry.Name(), maxFile)
		}
		text, err := root.ReadFile(entry.Name())
		if err != nil {
			return err
		}
		if err := use(filepath.Join(folder, entry.Name()), text); err != nil {
			return err
		}
	}
	return nil
}

// sshProfiles are the profiles of another kind of certificates.
var sshProfiles = []string{"ssh-host", "ssh-user"}

// Parse reads one profile, whose name is that of its file without the ending. What is wrong with it is returned as [config.Problems].
func Parse(file string, text []byte, now time.Time) (*Profile, error) {
	base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".yaml"), ".yml")
	if slices.Contains(sshProfiles, base) {
		return nil, config.Problems{{
			File: file, Message: "profile " + base + " issues OpenSSH certificates, which this program does not issue",
			Suggestion: "remove the file; the profiles for X.509 are all others",
		}}
	}
	p := &Profile{
		Validity: Validity{Min: Period(time.Hour)}, BasicConstraints: BasicConstraints{PathLength: -1},
		Subject:    Subject{Others: othersRefuse, CommonName: nameFree},
		Revocation: Revocation{CRL: true, OCSP: true, Issuer: true}, NameConstraints: NameConstraints{Critical: true},
		Lint: Lint{Native: lintError, ZLint: lintOff}, SubjectKeyID: true, now: now,
	}
	if text == nil {
		text = []byte{}
	}
	if err := config.Load(p, config.Source{File: file, Text: text}); err != nil {
		return nil, err
	}
	if p.Name != base {
		return nil, config.Problems{{
			File: file, Path: "name", Message: fmt.Sprintf("%q is not the name of the file", p.Name), Suggestion: "write " + base + ", or rename the file",
		}}
	}
	if err := p.compile(); err != nil {
		return nil, err
	}
	p.text = string(text)
	return p, nil
}

// Find returns a profile by its name.
func (s *Set) Find(name string) (*Profile, error) {
	if p, found := s.byName[name]; found {
		return p, nil
	}
	if slices.Contains(sshProfiles, name) {
		return nil, fmt.Errorf("profile %s issues OpenSSH certificates, which this program does not issue", name)
	}
	return nil, fmt.Errorf("there is no profile %q; there are %s", name, listed(s.Names()))
}

// Names are those of all profiles, sorted.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.byName)) }

// Warnings say what will be forbidden at dates that are already known; see [Profile.Warnings].
func (s *Set) Warnings() []string { return s.warnings }
