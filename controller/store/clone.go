package store

import (
	"reflect"
	"time"
)

// A transaction hands out records that its caller may change, and a snapshot
// holds records that nobody may change. Copying the decoded record costs a tenth
// of decoding it again, and the way to do it is worked out once per table.

// unshare replaces what v, which is addressable, shares with the value that it
// was copied from. nil means that there is nothing to do.
type unshare func(v reflect.Value)

// cloner gives a function that copies a *T deeply, or nil if T holds something
// that cannot be copied by looking at it (interfaces, recursion, hidden
// references); such a T is decoded again.
func cloner[T any]() func(*T) T {
	fix, ok := unsharer(reflect.TypeFor[T](), map[reflect.Type]bool{})
	if !ok {
		return nil
	}
	return func(from *T) T {
		to := *from
		if fix != nil {
			fix(reflect.ValueOf(&to).Elem())
		}
		return to
	}
}

func unsharer(t reflect.Type, within map[reflect.Type]bool) (unshare, bool) {
	if t == reflect.TypeFor[time.Time]() {
		return nil, true // its location is never changed
	}
	if within[t] {
		return nil, false
	}
	within[t] = true
	defer delete(within, t)
	switch t.Kind() {
	case reflect.Struct:
		return ofStruct(t, within)
	case reflect.Slice, reflect.Array, reflect.Pointer, reflect.Map:
		fix, ok := unsharer(t.Elem(), within)
		return ofElements(t, fix), ok && (t.Kind() != reflect.Map || plain(t.Key()))
	}
	return nil, plain(t)
}

// plain types hold no reference that could be shared.
func plain(t reflect.Type) bool {
	return t.Kind() <= reflect.Complex128 || t.Kind() == reflect.String
}

func ofStruct(t reflect.Type, within map[reflect.Type]bool) (unshare, bool) {
	type field struct {
		index int
		fix   unshare
	}
	var fields []field
	for i := range t.NumField() {
		fix, ok := unsharer(t.Field(i).Type, within)
		if !ok || fix != nil && !t.Field(i).IsExported() {
			return nil, false
		}
		if fix != nil {
			fields = append(fields, field{i, fix})
		}
	}
	if len(fields) == 0 {
		return nil, true
	}
	return func(v reflect.Value) {
		for _, f := range fields {
			f.fix(v.Field(f.index))
		}
	}, true
}

func ofElements(t reflect.Type, fix unshare) unshare {
	switch t.Kind() {
	case reflect.Array:
		if fix == nil {
			return nil
		}
		return func(v reflect.Value) { each(v, fix) }
	case reflect.Slice:
		return func(v reflect.Value) {
			if v.IsNil() {
				return
			}
			to := reflect.MakeSlice(t, v.Len(), v.Len())
			reflect.Copy(to, v)
			if fix != nil {
				each(to, fix)
			}
			v.Set(to)
		}
	case reflect.Pointer:
		return func(v reflect.Value) {
			if !v.IsNil() {
				v.Set(copied(v.Elem(), fix).Addr())
			}
		}
	default:
		return func(v reflect.Value) {
			if v.IsNil() {
				return
			}
			to := reflect.MakeMapWithSize(t, v.Len())
			for it := v.MapRange(); it.Next(); {
				to.SetMapIndex(it.Key(), copied(it.Value(), fix))
			}
			v.Set(to)
		}
	}
}

func each(v reflect.Value, fix unshare) {
	for i := range v.Len() {
		fix(v.Index(i))
	}
}

// copied is a new variable with a deep copy of v.
func copied(v reflect.Value, fix unshare) reflect.Value {
	to := reflect.New(v.Type()).Elem()
	to.Set(v)
	if fix != nil {
		fix(to)
	}
	return to
}
