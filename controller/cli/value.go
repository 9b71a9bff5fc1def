package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/unit"
)

// record is an object of the API, numbers kept as they were written.
type record map[string]any

func decode(body []byte) (record, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var r record
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return r, nil
}

// at finds a value by its path ("claim.kind"); nil if there is none.
func (r record) at(path string) any {
	var v any = map[string]any(r)
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// text is the value at a path, in words.
func (r record) text(path string) string { return words(path, r.at(path), time.Time{}) }

// list is the objects at a path.
func (r record) list(path string) []record {
	items, _ := r.at(path).([]any)
	out := make([]record, 0, len(items))
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// words prints a value; the end of its name tells the unit. Times are told with
// their distance from now, unless now is zero.
func words(name string, v any, now time.Time) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case json.Number:
		return number(name, v)
	case string:
		return moment(name, v, now)
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = words(name, item, now)
		}
		return strings.Join(parts, ", ")
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(text)
	}
}

func number(name string, n json.Number) string {
	i, err := strconv.ParseInt(n.String(), 10, 64)
	switch {
	case err != nil:
		return n.String()
	case strings.HasSuffix(name, "disk_bytes"):
		return unit.Bytes(max(i, 0)).SI()
	case strings.HasSuffix(name, "_bytes"):
		return unit.Bytes(max(i, 0)).IEC()
	case strings.HasSuffix(name, "_ns"):
		return time.Duration(i).String()
	default:
		return n.String()
	}
}

func moment(name, s string, now time.Time) string {
	if !timelike(name) {
		return s
	}
	t, err := time.Parse(time.RFC3339, s)
	switch {
	case err != nil:
		return s
	case t.IsZero():
		return ""
	case now.IsZero():
		return t.Local().Format("2006-01-02 15:04:05")
	default:
		return t.Local().Format("2006-01-02 15:04:05") + " (" + distance(t, now) + ")"
	}
}

func timelike(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch last {
	case "at", "since", "until", "deadline", "not_after", "held_until":
		return true
	}
	return strings.HasSuffix(last, "_at") || strings.HasSuffix(last, "_since") || strings.HasSuffix(last, "_not_after")
}

// distance is "3 min ago", "in 2 h".
func distance(t, now time.Time) string {
	d := now.Sub(t)
	if d < 0 {
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

// whole64 is a whole number at a path, else 0.
func whole64(r record, path string) int64 {
	n, ok := r.at(path).(json.Number)
	if !ok {
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		return 0
	}
	return i
}
