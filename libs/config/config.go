// Package config fills a program's configuration struct from its defaults, a YAML file, the environment and the command line.
//
// The struct is the schema: every exported field carries a `koanf:"key"` tag (`koanf:"-"` leaves it out, `koanf:",squash"` lifts the keys
// of an embedded struct, `koanf:"key,path"` makes a string a [Path]), and the values it holds when [Load] is called are the defaults. A later source wins key by key; a list is
// replaced as a whole. Fields may be strings, booleans, numbers, [time.Duration], [ByteSize], [Path], [Secret], anything with
// UnmarshalText, nested structs, lists of these, and maps from text to these.
//
// Load is strict: unknown and duplicate keys, values of another type, inline secrets, secret files that are missing or open to others, and
// everything that a [Validator] finds come back together as [Problems], each with its place, key and a way out. YAML is read as
// version 1.2 describes it, without anchors, aliases, merge keys and custom tags.
package config

import (
	"fmt"
	"reflect"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// Source names what is laid over the defaults, in this order.
type Source struct {
	// File is the YAML file, at most 1 MiB; empty for none. Relative [Path] values in it are relative to its folder.
	File string
	// Text is the content of File where it lies nowhere, such as in the program itself; nil where it is to be read.
	Text []byte
	// Environ is the environment as os.Environ returns it; nil for none. A variable is CRYPTOUTIL_ and the key path in upper case
	// with __ between levels (CRYPTOUTIL_PUBLIC__TLS__MODE is public.tls.mode); lists of scalars are separated by commas.
	// Secrets are never taken from it. See [Load] for the variables that it leaves alone.
	Environ []string
	// Overrides are the values of command-line flags: dotted key path to text.
	Overrides map[string]string
}

// Load lays the sources over the defaults in dst, a pointer to a struct, and validates the result. What is wrong with the
// sources is returned as [Problems], complete, and dst is then left as it was; any other error is a fault in the type of dst.
//
// Of the environment it leaves alone what is no configuration: CRYPTOUTIL_CONTEXT (the client's context file), the set-up of tests
// (CRYPTOUTIL_TEST_*, CRYPTOUTIL_E2E_*, CRYPTOUTIL_VECTORS), and unknown names in the form that Kubernetes gives to links of services (CRYPTOUTIL_KMS_SERVICE_HOST).
func Load(dst any, src Source) error {
	target := reflect.ValueOf(dst)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("load configuration: dst is a %T, not a pointer to a struct", dst)
	}
	target = target.Elem()
	if err := checkType(target.Type(), ""); err != nil {
		return fmt.Errorf("load configuration: %w", err)
	}

	l := &loader{schema: target.Type(), file: src.File, origins: map[string]origin{}}
	merged, err := l.merge(
		func() map[string]any { return l.readFile(src.File, src.Text) },
		func() map[string]any { return l.readEnviron(src.Environ) },
		func() map[string]any { return l.readOverrides(src.Overrides) },
	)
	if err != nil {
		return fmt.Errorf("load configuration: %w", err)
	}
	result := reflect.New(target.Type()).Elem()
	result.Set(target)
	l.decode(result, merged, "")
	if !l.broken {
		l.checkSecrets(result)
		l.validate(result)
	}
	if len(l.problems) > 0 {
		return l.sorted()
	}
	target.Set(result)
	return nil
}

// loader is the state of one Load.
type loader struct {
	schema   reflect.Type
	file     string
	broken   bool // the file could not be read, so that what is missing says nothing
	inputs   []input
	origins  map[string]origin // where the value at a key path was last written
	problems Problems
}

// origin is the place of a value: a line of the file, a variable, or the command line.
type origin struct {
	layer layer
	file  string
	line  int
}

// layer says from which source a value comes.
type layer int

const (
	layerFile layer = iota
	layerEnviron
	layerOverride
)

// input is a value other than a mapping as its source wrote it. A tree is a map[string]any (a mapping) or an int: an index into
// loader.inputs, which is all that koanf sees of a value, so that the merge neither converts nor loses its type and place.
type input struct {
	origin origin
	tag    string // YAML's short tag, "" for text from the environment and the command line
	text   string
	list   bool
	items  []any // trees, when list
}

// open tells the two kinds of trees apart: the mapping, or else (mapping is nil) the input.
func (l *loader) open(tree any) (mapping map[string]any, in input) {
	switch t := tree.(type) {
	case map[string]any:
		return t, input{}
	case int:
		return nil, l.inputs[t]
	default:
		panic(fmt.Sprintf("config: a tree holds a %T", tree)) // the readers in this package build nothing else
	}
}

// add keeps an input and returns the tree that stands for it.
func (l *loader) add(in input) int {
	l.inputs = append(l.inputs, in)
	return len(l.inputs) - 1
}

// merge reads each layer, checks its shape by itself, so that a fault is found even where a later layer hides it, and merges them.
func (l *loader) merge(layers ...func() map[string]any) (map[string]any, error) {
	k := koanf.New(".")
	for _, read := range layers {
		tree := read()
		l.checkShape(l.schema, tree, "")
		if err := k.Load(confmap.Provider(tree, ""), nil); err != nil {
			return nil, fmt.Errorf("merge sources: %w", err)
		}
	}
	return k.Raw(), nil
}
