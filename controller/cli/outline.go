package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// member of an object, in the order of the answer.
type member struct {
	name  string
	unit  string // the name whose end tells the unit, when it is not name
	value json.RawMessage
}

// members keeps the order in which the API tells the fields.
func members(body []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	var list []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		var m member
		m.name, _ = name.(string)
		if err := d.Decode(&m.value); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		list = append(list, m)
	}
	return list, nil
}

// outline prints an object for a person: one line a field, objects and lists
// indented below their name. Empty fields and those of leave are left out.
func outline(w io.Writer, body []byte, now time.Time, leave ...string) error {
	list, err := members(body)
	if err != nil {
		return err
	}
	return writeMembers(w, "", list, now, leave)
}

func writeMembers(w io.Writer, indent string, list []member, now time.Time, leave []string) error {
	list = slices.DeleteFunc(list, func(m member) bool { return slices.Contains(leave, m.name) || empty(m.value) })
	if slices.ContainsFunc(list, func(m member) bool { return m.name == "medium" || m.name == "rotational" }) {
		for i := range list { // disks are sold in decimal units, memory is not
			list[i].unit = strings.Replace(list[i].name, "size_bytes", "disk_bytes", 1)
		}
	}
	width := 0
	for _, m := range list {
		if !compound(m.value) {
			width = max(width, len(title(m.name)))
		}
	}
	for _, m := range list {
		if err := writeMember(w, indent, m, width, now); err != nil {
			return err
		}
	}
	return nil
}

func writeMember(w io.Writer, indent string, m member, width int, now time.Time) error {
	switch {
	case m.value[0] == '{':
		inner, err := members(m.value)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s%s:\n", indent, title(m.name))
		return writeMembers(w, indent+"  ", inner, now, nil)
	case compound(m.value):
		fmt.Fprintf(w, "%s%s:\n", indent, title(m.name))
		return writeItems(w, indent+"  ", m.value, now)
	default:
		v, err := scalar(m.value)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s%-*s  %s\n", indent, width+1, title(m.name)+":", clean(words(cmp.Or(m.unit, m.name), v, now)))
		return nil
	}
}

// writeItems prints a list of objects, each behind a dash.
func writeItems(w io.Writer, indent string, value json.RawMessage, now time.Time) error {
	var items []json.RawMessage
	if err := json.Unmarshal(value, &items); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	for _, item := range items {
		inner, err := members(item)
		if err != nil {
			return err
		}
		var b strings.Builder
		if err := writeMembers(&b, indent+"  ", inner, now, nil); err != nil {
			return err
		}
		if text := b.String(); len(text) > len(indent) {
			fmt.Fprint(w, indent+"- "+text[len(indent)+2:])
		}
	}
	return nil
}

// title is a field name for a person.
func title(name string) string {
	name = strings.TrimSuffix(strings.TrimSuffix(name, "_bytes"), "_ns")
	return clean(strings.ReplaceAll(name, "_", " "))
}

// compound values take lines of their own: objects, and lists that hold some.
func compound(v json.RawMessage) bool {
	return v[0] == '{' || v[0] == '[' && bytes.HasPrefix(bytes.TrimLeft(v[1:], " \n\r\t"), []byte("{"))
}

func empty(v json.RawMessage) bool {
	switch string(v) {
	case "", "null", `""`, "[]", "{}", `"0001-01-01T00:00:00Z"`:
		return true
	}
	return false
}

func scalar(v json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return out, nil
}
