package intake

import (
	"reflect"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
)

// What the audit log says of a sealed secret, in place of its box (rule X9).
const (
	secretSet     = "set"
	secretChanged = "changed"
)

var sealedType = reflect.TypeFor[access.Sealed]()

// sealedIn reports whether a value of type t is a sealed secret or may hold one.
func sealedIn(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == sealedType {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return sealedIn(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if sealedIn(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

// toldOf are the two values of a field that holds secrets, as the audit log tells
// them.
func toldOf(before, after any, had bool) (b, a any) {
	b, a = masked(reflect.ValueOf(before)), masked(reflect.ValueOf(after))
	if had && b == secretSet && a == secretSet {
		a = secretChanged
	}
	return b, a
}

// masked is v with a word in place of each box. What holds none is as it was.
func masked(v reflect.Value) any {
	switch {
	case !v.IsValid():
		return nil
	case v.Type() == sealedType:
		if v.Interface().(access.Sealed).IsZero() {
			return ""
		}
		return secretSet
	case !sealedIn(v.Type(), map[reflect.Type]bool{}):
		return v.Interface()
	}
	switch v.Kind() {
	case reflect.Struct:
		return maskedStruct(v)
	case reflect.Map:
		m := map[string]any{}
		for it := v.MapRange(); it.Next(); {
			m[it.Key().String()] = masked(it.Value())
		}
		return m
	case reflect.Slice, reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = masked(v.Index(i))
		}
		return list
	default: // a pointer
		return masked(v.Elem())
	}
}

func maskedStruct(v reflect.Value) any {
	m := map[string]any{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || f.Anonymous || name == "-" {
			continue
		}
		if strings.Contains(options, "omit") && v.FieldByIndex(f.Index).IsZero() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		m[name] = masked(v.FieldByIndex(f.Index))
	}
	return m
}
