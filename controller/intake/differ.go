package intake

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// secretFields never reach the audit log, not even as digests (rule X9).
var secretFields = []string{"password_hash", "digest", "secret", "wrapped"}

// differing tells the fields in which two records of one type differ, by their
// JSON names. One that is nil has none. Only what differs is encoded: most of a
// server or an order stays as it is, and this is done in every commit.
func differing(before, after any) (b, a map[string]json.RawMessage, err error) {
	x, y := reflect.Indirect(reflect.ValueOf(before)), reflect.Indirect(reflect.ValueOf(after))
	if !x.IsValid() && !y.IsValid() {
		return nil, nil, nil
	}
	t := x
	if !x.IsValid() {
		t = y
	}
	for _, f := range fieldsOf(t.Type()) {
		p, pok := f.of(x)
		q, qok := f.of(y)
		if pok && qok && reflect.DeepEqual(p, q) {
			continue
		}
		if f.sealed {
			p, q = toldOf(p, q, pok)
		}
		if b, err = put(b, f.name, p, pok); err != nil {
			return nil, nil, err
		}
		if a, err = put(a, f.name, q, qok); err != nil {
			return nil, nil, err
		}
	}
	return b, a, nil
}

func put(m map[string]json.RawMessage, name string, v any, ok bool) (map[string]json.RawMessage, error) {
	if !ok {
		return m, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if m == nil {
		m = map[string]json.RawMessage{}
	}
	m[name] = text
	return m, nil
}

// field is one JSON field of a record.
type field struct {
	name   string
	index  []int
	omit   bool // when it is zero
	sealed bool // is an access.Sealed, or holds one somewhere
}

// of is the field of a record; false when the record is not there or leaves it out.
func (f field) of(record reflect.Value) (any, bool) {
	if !record.IsValid() {
		return nil, false
	}
	v := record.FieldByIndex(f.index)
	if f.omit && v.IsZero() {
		return nil, false
	}
	return v.Interface(), true
}

var knownFields sync.Map // reflect.Type → []field

// fieldsOf lists the fields of a struct as encoding/json names them, those of
// embedded structs among them, without secrets.
func fieldsOf(t reflect.Type) []field {
	if known, ok := knownFields.Load(t); ok {
		return known.([]field)
	}
	var list []field
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" || !f.IsExported() || name == "-" || slices.Contains(secretFields, name) {
			continue
		}
		if name == "" {
			name = f.Name
		}
		list = append(list, field{name, f.Index, strings.Contains(options, "omit"), sealedIn(f.Type, map[reflect.Type]bool{})})
	}
	knownFields.Store(t, list)
	return list
}

func textOf(m map[string]json.RawMessage) (json.RawMessage, error) {
	if len(m) == 0 {
		return nil, nil
	}
	return json.Marshal(m)
}
