package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// moment reads what a person says of a time to come: a span from now ("4h", "2d"), a
// day ("2026-03-01", its beginning where the person is) or a moment of RFC 3339.
func (p *program) moment(flag, text string) (string, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 10_000 {
			return p.now().AddDate(0, 0, n).UTC().Format(time.RFC3339), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		return p.now().Add(d).UTC().Format(time.RFC3339), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, p.now().Location()); err == nil {
		return t.UTC().Format(time.RFC3339), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return "", asMisuse(fault.Invalid("%s %q is no time; give for example 4h, 2d, 2026-03-01 or 2026-03-01T14:00:00Z", flag, text))
	}
	return t.UTC().Format(time.RFC3339), nil
}
