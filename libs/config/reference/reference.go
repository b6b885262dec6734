// Package reference writes the manual of a configuration: its keys from the struct, what they mean from the comments of the struct's
// fields. Its entry is [Write].
package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// Write writes the reference of a configuration as Markdown. defaults is a struct with the default values; folder finds the source folder
// of a package by its import path. A key whose field has no comment is an error: the comments are the manual.
func Write(w io.Writer, introduction string, defaults any, folder func(importPath string) string) error {
	comments := commentary{folder: folder, packages: map[string]map[string]string{}}
	var sections []string // in the order of their first key
	rows := map[string]string{}
	for _, key := range config.Keys(defaults) {
		section, name := split(key.Path)
		meaning, err := comments.of(key.Section, key.Field)
		if err != nil {
			return fmt.Errorf("write configuration reference: %s: %w", key.Path, err)
		}
		live := ""
		if key.Live {
			live = "yes"
		}
		if rows[section] == "" {
			sections = append(sections, section)
		}
		rows[section] += fmt.Sprintf("| %s | %s | %s | %s | %s |\n", code(name), key.Type, code(key.Default), live, cell(meaning))
	}
	var text strings.Builder
	text.WriteString(introduction)
	for _, section := range sections {
		heading(&text, section)
		text.WriteString(rows[section])
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func heading(text *strings.Builder, section string) {
	if section == "" {
		text.WriteString("\n## At the top\n")
	} else {
		fmt.Fprintf(text, "\n## %s\n", section)
	}
	text.WriteString("\n| key | takes | default | live | meaning |\n|---|---|---|---|---|\n")
}

// split parts a path into section and key.
func split(path string) (section, name string) {
	at := strings.LastIndexByte(path, '.')
	if at < 0 {
		return "", path
	}
	return path[:at], path[at+1:]
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

// cell makes a comment fit one line of a table.
func cell(comment string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(comment), " "), "|", `\|`)
}

// commentary finds the comments of fields.
type commentary struct {
	folder   func(importPath string) string
	packages map[string]map[string]string // by import path: "Type.Field" to comment
}

func (c commentary) of(section reflect.Type, field string) (string, error) {
	path := section.PkgPath()
	if c.packages[path] == nil {
		fields, err := read(c.folder(path))
		if err != nil {
			return "", err
		}
		c.packages[path] = fields
	}
	comment := c.packages[path][section.Name()+"."+field]
	if comment == "" {
		return "", fmt.Errorf("field %s of %s has no comment", field, section)
	}
	return comment, nil
}

// read collects the comments of all struct fields of a package.
func read(folder string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if structure, ok := spec.Type.(*ast.StructType); ok {
				collect(set, spec.Name.Name, structure, fields)
			}
			return true
		})
	}
	return fields, nil
}

// collect takes the comment above a field, or beside it. One that stands above several fields in a row is all of theirs.
func collect(set *token.FileSet, name string, structure *ast.StructType, fields map[string]string) {
	above, line := "", 0
	for _, field := range structure.Fields.List {
		comment := field.Doc.Text()
		if comment == "" && field.Comment != nil {
			comment = field.Comment.Text()
		}
		first := set.Position(field.Pos()).Line
		if comment == "" && first == line+1 {
			comment = above
		}
		above, line = comment, set.Position(field.End()).Line
		for _, one := range field.Names {
			fields[name+"."+one.Name] = comment
		}
	}
}
