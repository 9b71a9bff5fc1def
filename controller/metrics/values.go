package metrics

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// values admits a bounded number of label combinations; later ones become "other".
type values struct {
	mu    sync.Mutex
	most  int
	known map[string]bool
}

func newValues(most int) *values { return &values{most: most, known: map[string]bool{}} }

// bounded cleans the values and returns them, or "other" for each when there are
// too many combinations already.
func (v *values) bounded(labels ...string) []string {
	for i := range labels {
		labels[i] = clean(labels[i])
	}
	key := strings.Join(labels, "\x00")
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.known[key] && len(v.known) >= v.most {
		for i := range labels {
			labels[i] = other
		}
		return labels
	}
	v.known[key] = true
	return labels
}

const other = "other"

// clean makes a short, valid label value of any text.
func clean(s string) string {
	if len(s) > 80 {
		s = s[:80]
	}
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unprintable(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f }
