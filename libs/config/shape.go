package config

import (
	"maps"
	"reflect"
	"slices"
)

// checkShape reports unknown keys, and sections, tables, lists and scalars that stand where another of these belongs.
func (l *loader) checkShape(t reflect.Type, tree any, path string) {
	t = indirect(t)
	mapping, in := l.open(tree)
	isMapping, empty := mapping != nil, in.tag == "!!null"
	switch kindOf(t) {
	case kindSection:
		if !isMapping && !empty {
			l.report(in.origin, path, "is a section and takes keys, not a value", "its keys are "+listed(keysOf(t)))
		}
		l.checkKeys(t, mapping, path)
	case kindTable:
		if !isMapping && !empty {
			l.report(in.origin, path, "takes keys and values, not one value", "")
		}
		for _, key := range slices.Sorted(maps.Keys(mapping)) {
			l.checkShape(t.Elem(), mapping[key], join(path, key))
		}
	case kindList:
		if !in.list && (isMapping || in.tag != "") {
			l.report(l.place(path), path, "is not a list", "write [a, b], or one element per line after a dash")
		}
		for i, item := range in.items {
			l.checkShape(t.Elem(), item, element(path, i))
		}
	case kindScalar:
		l.checkScalar(t, tree, path)
	}
}

// checkScalar reports a list or keys in place of one value, and a secret that is not a reference.
func (l *loader) checkScalar(t reflect.Type, tree any, path string) {
	mapping, in := l.open(tree)
	if mapping != nil || in.list {
		l.report(l.place(path), path, "takes one value, not a list or keys", "")
		return
	}
	if isSecret(t) {
		l.checkReference(in, path)
	}
}

// checkKeys reports the unknown keys of a section and checks the known ones.
func (l *loader) checkKeys(t reflect.Type, mapping map[string]any, path string) {
	fields := fieldsOf(t)
	for _, key := range slices.Sorted(maps.Keys(mapping)) {
		below := join(path, key)
		if i := slices.IndexFunc(fields, func(f field) bool { return f.key == key }); i >= 0 {
			l.checkShape(fields[i].typ, mapping[key], below)
			continue
		}
		l.report(l.place(below), below, "unknown key", l.suggestKey(t, key))
	}
}

// suggestKey proposes a key for an unknown one: a near name in the same section, the same name elsewhere, or what there is.
func (l *loader) suggestKey(section reflect.Type, key string) string {
	if suggestion := didYouMean(key, keysOf(section)); suggestion != "" {
		return suggestion
	}
	if elsewhere := pathsOf(l.schema, key, ""); len(elsewhere) > 0 {
		return "there is " + listed(elsewhere)
	}
	return "known here: " + listed(keysOf(section))
}
