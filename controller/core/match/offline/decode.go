package offline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/unit"
)

// MaxBytes bounds a file; MaxServers what it may hold.
const (
	MaxBytes   = 256 << 20
	MaxServers = 200_000
)

func checkSize(what string, data []byte) error {
	if len(data) > MaxBytes {
		return fault.Invalid("the %s file has %s; %s are the most", what, unit.Bytes(len(data)).IEC(), unit.Bytes(MaxBytes).IEC())
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return fault.Invalid("the %s file is empty; write JSON into it", what)
	}
	return nil
}

// decode reads one JSON value into v. Strict refuses unknown fields. Errors name
// the field below path, or the line where the text is not JSON.
func decode(data []byte, path string, strict bool, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return explain(err, data, path)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fault.Invalid("%s: there is more after the end of the JSON value", path)
	}
	return nil
}

func explain(err error, data []byte, path string) error {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fault.Invalid("%s is not JSON: line %d: %v", path, lineAt(data, syntax.Offset), err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fault.Invalid("%s is not complete JSON: it ends in the middle of a value", path)
	case errors.As(err, &wrong):
		return wrongField(path, wrong.Field, fmt.Sprintf("is a %s; give %s", wrong.Value, kindName(wrong.Type.Kind().String())))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return wrongField(path, strings.Trim(name, `"`), "is not a field that is known here; check the spelling")
	}
	return fault.Invalid("%s: %w", path, err)
}

func wrongField(path, field, message string) error {
	var check fault.Check
	name := path
	if field != "" {
		name += "." + field
	}
	check.Add(name, "%s", message)
	return check.Err("the %s cannot be read", path[:len(path)-len(strings.TrimLeft(path, "abcdefghijklmnopqrstuvwxyz"))])
}

// kindName says what kind of JSON value a Go kind wants.
func kindName(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	case strings.HasPrefix(kind, "uint"):
		return "a whole number, not negative"
	case strings.HasPrefix(kind, "float"):
		return "a number"
	case kind == "slice":
		return "a list [ … ]"
	case kind == "struct", kind == "map", kind == "ptr":
		return "an object { … }"
	case kind == "bool":
		return "true or false"
	default:
		return "a " + kind
	}
}

func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(int(offset), len(data))], []byte("\n"))
}

// sized replaces sizes that are written as text by their number of bytes:
// {"memory_bytes": "64 GiB"}.
func sized(data []byte, path string) ([]byte, error) {
	if !bytes.Contains(data, []byte(`_bytes"`)) {
		return data, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, explain(err, data, path)
	}
	if d.More() {
		return data, nil // decode will say what is wrong
	}
	changed, err := resize(v, path)
	if err != nil || !changed {
		return data, err
	}
	return json.Marshal(v)
}

func resize(v any, path string) (changed bool, err error) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			c, err := resize(e, fmt.Sprintf("%s[%d]", path, i))
			if changed = changed || c; err != nil {
				return false, err
			}
		}
	case map[string]any:
		for name, e := range v {
			c, err := resizeField(v, name, e, path+"."+name)
			if changed = changed || c; err != nil {
				return false, err
			}
		}
	}
	return changed, nil
}

func resizeField(object map[string]any, name string, value any, path string) (bool, error) {
	text, ok := value.(string)
	if !ok || !strings.HasSuffix(name, "_bytes") {
		return resize(value, path)
	}
	n, err := unit.ParseBytes(text)
	if err != nil {
		return false, wrongField(path, "", err.Error())
	}
	object[name] = uint64(n)
	return true, nil
}
