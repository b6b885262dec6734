package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// commandLine is the place of problems in overrides.
const commandLine = "command line"

// Names of the environment: the prefix of configuration, what separates levels, and the names under the prefix that are not configuration.
const (
	environPrefix     = "CRYPTOUTIL_"
	environSeparator  = "__"
	environContext    = "CRYPTOUTIL_CONTEXT" // the client's context file
	environVectors    = "CRYPTOUTIL_VECTORS" // public test vectors
	environTestPrefix = "CRYPTOUTIL_TEST_"
	environE2EPrefix  = "CRYPTOUTIL_E2E_"
)

// isConfiguration tells whether a variable is meant for Load.
func isConfiguration(name string) bool {
	return strings.HasPrefix(name, environPrefix) && name != environContext && name != environVectors &&
		!strings.HasPrefix(name, environTestPrefix) && !strings.HasPrefix(name, environE2EPrefix)
}

// serviceLink matches the variables that Kubernetes sets in every pod for each service of the name space, after the prefix.
var serviceLink = regexp.MustCompile(`(^|_)(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// readEnviron turns the variables with the prefix into a tree.
func (l *loader) readEnviron(environ []string) map[string]any {
	values := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if isConfiguration(name) {
			values[name] = value
		}
	}
	tree := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		at := origin{layer: layerEnviron, file: name}
		path, ok := environPath(l.schema, strings.Split(strings.TrimPrefix(name, environPrefix), environSeparator))
		switch {
		case ok:
			l.set(tree, path, input{origin: at, text: values[name]})
		case !serviceLink.MatchString(strings.TrimPrefix(name, environPrefix)):
			l.report(at, "", "names no key of the configuration", didYouMean(name, environNames(l.schema, environPrefix)))
		}
	}
	return tree
}

// environPath finds the keys that the parts of a variable's name stand for.
func environPath(t reflect.Type, parts []string) ([]string, bool) {
	if len(parts) == 0 {
		return nil, true
	}
	t = indirect(t)
	switch kindOf(t) {
	case kindSection:
		for _, f := range fieldsOf(t) {
			if environKey(f.key) != parts[0] {
				continue
			}
			if rest, ok := environPath(f.typ, parts[1:]); ok {
				return append([]string{f.key}, rest...), true
			}
		}
	case kindTable:
		if rest, ok := environPath(t.Elem(), parts[1:]); ok && parts[0] != "" {
			return append([]string{strings.ToLower(parts[0])}, rest...), true
		}
	}
	return nil, false
}

// environNames lists the variables that set a value in t, for suggestions.
func environNames(t reflect.Type, prefix string) []string {
	var names []string
	for _, f := range fieldsOf(indirect(t)) {
		name := prefix + environKey(f.key)
		switch kindOf(f.typ) {
		case kindSection:
			names = append(names, environNames(f.typ, name+environSeparator)...)
		case kindScalar, kindList:
			names = append(names, name)
		}
	}
	return names
}

// environKey is a key as part of a variable's name.
func environKey(key string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(key))
}

// readOverrides turns the values of flags into a tree.
func (l *loader) readOverrides(overrides map[string]string) map[string]any {
	tree := map[string]any{}
	for _, path := range slices.Sorted(maps.Keys(overrides)) {
		at := origin{layer: layerOverride, file: commandLine}
		l.set(tree, strings.Split(path, "."), input{origin: at, text: overrides[path]})
	}
	return tree
}

// set puts a value into a tree of one source, whose keys come in order: a shorter path before those that begin with it.
func (l *loader) set(tree map[string]any, keys []string, in input) {
	path := strings.Join(keys, ".")
	for i, key := range keys[:len(keys)-1] {
		if above := strings.Join(keys[:i+1], "."); l.origins[above] == (origin{}) {
			l.origins[above] = in.origin
		}
		below, exists := tree[key]
		if !exists {
			below = map[string]any{}
			tree[key] = below
		}
		next, ok := below.(map[string]any)
		if !ok {
			l.report(in.origin, path, fmt.Sprintf("cannot be set: %s has a value", strings.Join(keys[:i+1], ".")), "")
			return
		}
		tree = next
	}
	tree[keys[len(keys)-1]] = l.add(in)
	l.origins[path] = in.origin
}
