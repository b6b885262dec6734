package config

import (
	"cmp"
	"reflect"
	"slices"
)

// walk visits every configured value under v, which is settable, the parts before the whole. What v refers to is replaced by copies, so that a
// visitor can change it without changing the caller's defaults.
func walk(v reflect.Value, path string, visit func(v reflect.Value, path string)) {
	switch {
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			walk(fresh(v), path, visit)
		}
		return
	case kindOf(v.Type()) == kindSection:
		for i := range v.NumField() {
			if key, _, skip := tagOf(v.Type().Field(i)); !skip {
				walk(v.Field(i), join(path, key), visit)
			}
		}
	case v.Kind() == reflect.Map && !v.IsNil():
		walkTable(v, path, visit)
	case v.Kind() == reflect.Slice && !v.IsNil():
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(list, v)
		v.Set(list)
		for i := range v.Len() {
			walk(v.Index(i), element(path, i), visit)
		}
	}
	visit(v, path)
}

func walkTable(v reflect.Value, path string, visit func(v reflect.Value, path string)) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
	table := reflect.MakeMapWithSize(v.Type(), len(keys))
	for _, key := range keys {
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(v.MapIndex(key))
		walk(value, join(path, key.String()), visit)
		table.SetMapIndex(key, value)
	}
	v.Set(table)
}

// fresh gives a pointer a new target with the old one's value.
func fresh(pointer reflect.Value) reflect.Value {
	target := reflect.New(pointer.Type().Elem())
	if !pointer.IsNil() {
		target.Elem().Set(pointer.Elem())
	}
	pointer.Set(target)
	return target.Elem()
}
