package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// File is the YAML file, the name of the environment variable, or "command line". A [Validator] leaves it and Line empty.
	File string
	// Line is the line in File, from 1; 0 where there is none.
	Line int
	// Path is the dotted key path, list elements as name[0]. A [Validator] gives it relative to itself; empty means itself.
	Path string
	// Message says what is wrong. It never holds a secret's value.
	Message string
	// Suggestion says what to do; optional.
	Suggestion string
}

// Place is the file and line, "kms.yaml:12".
func (p Problem) Place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// String is the problem on one line.
func (p Problem) String() string {
	text := p.Message
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	if place := p.Place(); place != "" {
		text = place + ": " + text
	}
	if p.Suggestion != "" {
		text += " (" + p.Suggestion + ")"
	}
	return text
}

// Problems are all problems found in a configuration, in the order of the file, then environment and command line.
type Problems []Problem //nolint:errname // several problems are one error

// Error is a table for people: place, key and message in columns, the suggestion below the message, the count at the end.
func (ps Problems) Error() string {
	var place, path int
	for _, p := range ps {
		place = max(place, len(p.Place()))
		path = max(path, len(p.Path))
	}
	var b strings.Builder
	b.WriteString("configuration refused\n")
	for _, p := range ps {
		margin := "  "
		if place > 0 {
			margin += fmt.Sprintf("%-*s  ", place, p.Place())
		}
		if path > 0 {
			margin += fmt.Sprintf("%-*s  ", path, p.Path)
		}
		b.WriteString(margin + p.Message + "\n")
		if p.Suggestion != "" {
			b.WriteString(strings.Repeat(" ", len(margin)) + p.Suggestion + "\n")
		}
	}
	if len(ps) == 1 {
		b.WriteString("1 problem")
	} else {
		fmt.Fprintf(&b, "%d problems", len(ps))
	}
	return b.String()
}

// report adds a problem about the value at path, placed where it was written.
func (l *loader) report(at origin, path, message, suggestion string) {
	l.problems = append(l.problems, Problem{File: at.file, Line: at.line, Path: path, Message: message, Suggestion: suggestion})
}

// concern says whether a problem is at path, in a part of it, or in what holds it.
func (ps Problems) concern(path string) bool {
	return path != "" && slices.ContainsFunc(ps, func(p Problem) bool {
		return p.Path == path || within(p.Path, path) || within(path, p.Path)
	})
}

// within says whether the key path inner lies below outer.
func within(inner, outer string) bool {
	rest, found := strings.CutPrefix(inner, outer)
	return found && outer != "" && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "["))
}

// place finds where path was written, or else the nearest mapping above it, or else the file.
func (l *loader) place(path string) origin {
	for path != "" {
		if at, ok := l.origins[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return origin{file: l.file}
}

// sorted returns the problems without repetitions: the file's in its order, the environment's, the command line's.
func (l *loader) sorted() Problems {
	rank := func(p Problem) int {
		switch p.File {
		case l.file:
			return 0
		case commandLine:
			return 2
		default:
			return 1
		}
	}
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return slices.Compact(l.problems)
}

// join appends a key to a key path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	if key == "" {
		return path
	}
	if strings.HasPrefix(key, "[") {
		return path + key
	}
	return path + "." + key
}

// element is the key path of a list's element.
func element(path string, index int) string {
	return fmt.Sprintf("%s[%d]", path, index)
}
