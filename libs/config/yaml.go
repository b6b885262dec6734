package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file; one that is larger was named by mistake.
const maxFile = 1 << 20

// readFile reads the YAML file, or its text where that was handed in, into a tree. What is wrong with the file itself is reported; the tree is then what could be read.
func (l *loader) readFile(name string, text []byte) map[string]any {
	if name == "" {
		return map[string]any{}
	}
	at := origin{file: name}
	var err error
	if text == nil {
		text, err = readBounded(name, maxFile)
	}
	if err != nil {
		l.broken = true
		l.report(at, "", "cannot be read: "+cause(err), "")
		return map[string]any{}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	err = decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return map[string]any{}
	}
	if err != nil {
		l.broken = true
		message, line := syntaxError(err, text)
		l.report(origin{file: name, line: line}, "", "is not YAML: "+message, "")
		return map[string]any{}
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		l.report(at, "", "holds more than one YAML document", "keep one; what follows a line of --- is not read")
	}
	root := document.Content[0]
	at.line = root.Line
	switch {
	case root.Kind == yaml.MappingNode:
		return l.mapping(root, "")
	case root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null":
		return map[string]any{}
	}
	l.broken = true
	l.report(at, "", "is not a mapping of keys to values", "")
	return map[string]any{}
}

// mapping turns a YAML mapping into a tree.
func (l *loader) mapping(node *yaml.Node, path string) map[string]any {
	tree := make(map[string]any, len(node.Content)/2)
	seen := make(map[string]int, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		at := origin{file: l.file, line: key.Line}
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
			l.report(at, path, "has a key that is not plain text", "anchors, aliases and merge keys are not supported; write the keys out")
			continue
		}
		below := join(path, key.Value)
		if first, twice := seen[key.Value]; twice {
			l.report(at, below, fmt.Sprintf("is written twice; the first is on line %d", first), "keep one of them")
			continue
		}
		seen[key.Value] = key.Line
		l.origins[below] = at
		if subtree, ok := l.tree(value, below, at); ok {
			tree[key.Value] = subtree
		}
	}
	return tree
}

// tree turns a YAML value into a tree; ok is false when it was reported as unusable.
func (l *loader) tree(node *yaml.Node, path string, at origin) (tree any, ok bool) {
	if node.Anchor != "" {
		l.report(at, path, "has an anchor", "anchors and aliases are not supported; put a value that begins with & in quotes")
		return nil, false
	}
	switch node.Kind {
	case yaml.MappingNode:
		return l.mapping(node, path), true
	case yaml.SequenceNode:
		in := input{origin: at, tag: "!!seq", list: true}
		for i, item := range node.Content {
			below := element(path, i)
			here := origin{file: l.file, line: item.Line}
			l.origins[below] = here
			if subtree, ok := l.tree(item, below, here); ok {
				in.items = append(in.items, subtree)
			}
		}
		return l.add(in), true
	case yaml.ScalarNode:
		tag := node.ShortTag()
		if !strings.HasPrefix(tag, "!!") || tag == "!!binary" {
			l.report(at, path, "has a tag that is not supported", "write the value without a tag")
			return nil, false
		}
		return l.add(input{origin: at, tag: tag, text: node.Value}), true
	}
	l.report(at, path, "is an alias", "anchors and aliases are not supported; write the value out")
	return nil, false
}

// yamlLine matches the place in the errors of the YAML library ("yaml: line 3: did not find expected key").
var yamlLine = regexp.MustCompile(`^line (\d+): `)

// syntaxError takes the text and line out of an error of the YAML library. The only one that quotes the file is replaced: what looks like
// an alias may be a password that begins with a star.
func syntaxError(err error, text []byte) (message string, line int) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	if found := yamlLine.FindStringSubmatch(message); found != nil {
		message = message[len(found[0]):]
		line, _ = strconv.Atoi(found[1]) // digits by the expression; out of range cannot be a line
	}
	if name, found := strings.CutPrefix(message, "unknown anchor '"); found {
		name, _, _ = strings.Cut(name, "'")
		before, _, _ := bytes.Cut(text, []byte("*"+name))
		line = 1 + bytes.Count(before, []byte("\n"))
		message = "a value begins with a star and is read as an alias; put it in quotes"
	}
	return message, line
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(name string, limit int64) (content []byte, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	content, err = io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("is larger than %s", ByteSize(limit))
	}
	return content, nil
}

// cause is the reason in an error of the file system, without the operation and the path.
func cause(err error) string {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err.Error()
	}
	return err.Error()
}
