package sdjwt

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

// maxDepth bounds how deep objects and lists nest once everything is in its place: what the reader of claims
// takes.
const maxDepth = 16

var errDepth = errors.New("nested too deeply")

// processor puts disclosures in the place of their digests (RFC 9901 section 7.1 step 3).
type processor struct {
	found map[string]int // digests of the disclosures that are there, to their indices
	seen  map[string]bool
	paths []string // of the disclosures, as JSON pointers (RFC 6901); empty: not used
	list  []Disclosure
}

// process returns the payload with everything that is disclosed and without what stays hidden, and where
// each disclosure belongs.
func process(payload []byte, list []Disclosure) (map[string]any, []string, error) {
	value, err := strictjson.Value(payload)
	if err != nil {
		return nil, nil, err
	}
	claims, ok := value.(map[string]any)
	if !ok {
		return nil, nil, errors.New("the payload is not an object")
	}
	algorithm, err := hashOf(claims)
	if err != nil {
		return nil, nil, err
	}
	p := processor{found: map[string]int{}, seen: map[string]bool{}, paths: make([]string, len(list)), list: list}
	for i := range list {
		sum, _ := digest(algorithm, list[i].encoded)
		if _, there := p.found[sum]; there {
			return nil, nil, fmt.Errorf("disclosure %d is there twice", i)
		}
		p.found[sum] = i
	}
	delete(claims, algorithmName)
	claims, err = p.object(claims, "", 0)
	if err != nil {
		return nil, nil, err
	}
	for i, path := range p.paths {
		if path == "" {
			return nil, nil, fmt.Errorf("disclosure %d belongs to no digest", i)
		}
	}
	return claims, p.paths, nil
}

// hashOf returns the algorithm of a payload's digests.
func hashOf(claims map[string]any) (string, error) {
	named, there := claims[algorithmName]
	if !there {
		return DefaultHash, nil
	}
	algorithm, _ := named.(string)
	if _, ok := digest(algorithm, ""); !ok {
		return "", fmt.Errorf("%q is not supported", algorithmName)
	}
	return algorithm, nil
}

func (p *processor) value(value any, path string, depth int) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		return p.object(v, path, depth)
	case []any:
		return p.array(v, path, depth)
	default:
		return value, nil
	}
}

func (p *processor) object(members map[string]any, path string, depth int) (map[string]any, error) {
	if depth == maxDepth {
		return nil, errDepth
	}
	out := make(map[string]any, len(members))
	for name, value := range members {
		if name == digestsName {
			continue
		}
		if reserved(name) {
			return nil, fmt.Errorf("member %q has no place at %q", name, path)
		}
		var err error
		if out[name], err = p.value(value, pointer(path, name), depth+1); err != nil {
			return nil, err
		}
	}
	digests, there := members[digestsName]
	if !there {
		return out, nil
	}
	list, ok := digests.([]any)
	if !ok {
		return nil, fmt.Errorf("%q at %q is not an array", digestsName, path)
	}
	for _, element := range list {
		index, err := p.find(element)
		if err != nil {
			return nil, err
		}
		if index < 0 {
			continue
		}
		d := &p.list[index]
		if d.IsElement {
			return nil, fmt.Errorf("disclosure %d is an element of an array where a claim belongs", index)
		}
		if _, taken := out[d.Name]; taken {
			return nil, fmt.Errorf("disclosure %d is a claim that is there already", index)
		}
		p.paths[index] = pointer(path, d.Name)
		if out[d.Name], err = p.value(d.Value, p.paths[index], depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *processor) array(elements []any, path string, depth int) ([]any, error) {
	if depth == maxDepth {
		return nil, errDepth
	}
	out := make([]any, 0, len(elements))
	for i, element := range elements {
		path := pointer(path, strconv.Itoa(i))
		if hidden, ok := element.(map[string]any); ok {
			if named, there := hidden[elementName]; there {
				if len(hidden) != 1 {
					return nil, fmt.Errorf("%q at %q is not alone", elementName, path)
				}
				index, err := p.find(named)
				if err != nil {
					return nil, err
				}
				if index < 0 {
					continue
				}
				if !p.list[index].IsElement {
					return nil, fmt.Errorf("disclosure %d is a claim where an element of an array belongs", index)
				}
				p.paths[index] = path
				element = p.list[index].Value
			}
		}
		value, err := p.value(element, path, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

// find returns the index of the disclosure with a digest, or -1. No digest may occur twice, not even one
// without a disclosure.
func (p *processor) find(element any) (int, error) {
	sum, ok := element.(string)
	if !ok {
		return 0, errors.New("a digest is not a string")
	}
	if p.seen[sum] {
		return 0, errors.New("a digest occurs twice")
	}
	p.seen[sum] = true
	if index, there := p.found[sum]; there {
		return index, nil
	}
	return -1, nil
}

// pointer appends a name to a JSON pointer.
func pointer(path, name string) string {
	return path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
