// Package keyringtest plays random sequences of operations on keys against a small model of what must happen. Its entry is Play; what is
// played against is a Driver: the domain itself, or a service over HTTPS.
package keyringtest

import (
	"fmt"
	"slices"
)

// T is the part of *testing.T that a play needs.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
}

// Random is a source of choices, which the caller logs the seed of.
type Random interface {
	// IntN is from 0 to below n.
	IntN(n int) int
}

// Driver does one thing to a key and returns the problem code of the refusal, "" for success. ref is a name or an alias.
type Driver interface {
	Create(name string) (code string)
	// Key makes enable, disable, schedule-deletion, cancel-deletion and rotate.
	Key(ref, action string) (code string)
	// Version makes enable, disable, mark-compromised, schedule-destruction, restore and set-primary.
	Version(ref string, version int, action string) (code string)
	Minima(ref string, decrypt, encrypt int) (code string)
	Alias(name, ref string) (code string)
	MoveAlias(name, ref string) (code string)
	DeleteAlias(name string) (code string)
	Encrypt(ref string) (ciphertext, code string)
	Decrypt(ref, ciphertext string) (code string)
	// Look reads a key's status, its primary version and the status of each version from 1.
	Look(ref string) (status string, primary int, versions []string)
}

// key is what the model knows of a key.
type key struct {
	name             string
	status           string
	primary          int
	versions         []string // status, from version 1
	marked           []bool   // compromised at some time
	messages         []string // one made by each version, or ""
	decrypt, encrypt int      // minima
}

// model is the state of the world as it must be.
type model struct {
	keys    []*key
	aliases map[string]*key
}

// conflict and the others are codes.
const (
	conflict     = "conflict"
	invalidState = "invalid_state"
	notFound     = "not_found"
	validation   = "validation_failed"
	belowMinimum = "version_below_minimum"
	compromised  = "version_compromised"
)

// transitions are, by action, from where to where; written down once more, by hand, from the specification.
var transitions = map[string]struct {
	from []string
	to   string
}{
	"enable":            {[]string{"disabled"}, "active"},
	"disable":           {[]string{"active"}, "disabled"},
	"schedule-deletion": {[]string{"active", "disabled"}, "pending_delete"},
	"cancel-deletion":   {[]string{"pending_delete"}, "disabled"},
}

var versionTransitions = map[string]struct {
	from []string
	to   string
}{
	"enable":               {[]string{"disabled"}, "enabled"},
	"disable":              {[]string{"enabled"}, "disabled"},
	"mark-compromised":     {[]string{"enabled", "disabled"}, "compromised"},
	"schedule-destruction": {[]string{"enabled", "disabled", "compromised"}, "destroy_scheduled"},
	"restore":              {[]string{"destroy_scheduled"}, "disabled"},
}

// Play makes steps random operations and compares each answer, and the state after it, with the model.
func Play(t T, driver Driver, random Random, steps int) {
	t.Helper()
	m := &model{aliases: map[string]*key{}}
	for i := range 3 {
		m.create(t, driver, fmt.Sprint("key-", i))
	}
	for step := range steps {
		m.step(t, driver, random, step)
		if t.Failed() {
			t.Fatalf("the model and the keys part at step %d", step)
		}
	}
	for _, k := range m.keys {
		m.compare(t, driver, k, "at the end")
	}
}

func (m *model) create(t T, driver Driver, name string) {
	t.Helper()
	expect(t, "", driver.Create(name), "create "+name)
	m.keys = append(m.keys, &key{name: name, status: "active", primary: 1, versions: []string{"enabled"}, marked: []bool{false}, messages: []string{""}})
}

// pick is a key, and what it is called now.
func (m *model) pick(random Random) (*key, string) {
	k := m.keys[random.IntN(len(m.keys))]
	names := []string{k.name}
	for alias, of := range m.aliases {
		if of == k {
			names = append(names, alias)
		}
	}
	slices.Sort(names)
	return k, names[random.IntN(len(names))]
}

func expect(t T, want, got, what string) {
	t.Helper()
	if want != got {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// compare holds what is there against the model.
func (m *model) compare(t T, driver Driver, k *key, what string) {
	t.Helper()
	status, primary, versions := driver.Look(k.name)
	if status != k.status || primary != k.primary || !slices.Equal(versions, k.versions) {
		t.Errorf("%s: %s is %s with primary version %d of %v; want %s with %d of %v", what, k.name, status, primary, versions, k.status, k.primary, k.versions)
	}
}
