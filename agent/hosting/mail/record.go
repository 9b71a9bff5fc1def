package mail

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
)

// record is what was applied of an account, and what is on its way.
type record struct {
	id   string
	is   lines // applied
	come lines // on its way: may be there or not
	gone lines // on its way out: may be there or not
	at   int64 // when it was written, in nanoseconds; 0 never
}

// done reports whether nothing is on its way.
func (r *record) done() bool { return len(r.come)+len(r.gone) == 0 }

// all is everything that may be there.
func (r *record) all() lines {
	l := lines{}
	for _, part := range []lines{r.is, r.come, r.gone} {
		maps.Copy(l, part)
	}
	return l
}

// towards is the record while l is being applied.
func (r *record) towards(id string, l lines) *record {
	next := &record{id: id, is: lines{}, come: lines{}, gone: lines{}, at: r.at}
	for line := range l {
		if r.is[line] {
			next.is[line] = true
		} else {
			next.come[line] = true
		}
	}
	for line := range r.all() {
		if !l[line] {
			next.gone[line] = true
		}
	}
	return next
}

func (r *record) text() []byte {
	var b strings.Builder
	b.WriteString("id " + r.id + "\n")
	for _, part := range []struct {
		mark string
		lines
	}{{" ", r.is}, {"+", r.come}, {"-", r.gone}} {
		for _, line := range slices.Sorted(maps.Keys(part.lines)) {
			b.WriteString(part.mark + line + "\n")
		}
	}
	return []byte(b.String())
}

func parse(text string) (*record, error) {
	first, rest, _ := strings.Cut(text, "\n")
	id, ok := strings.CutPrefix(first, "id ")
	if !ok {
		return nil, errors.New("it does not begin with an id")
	}
	r := &record{id: id, is: lines{}, come: lines{}, gone: lines{}}
	for line := range strings.Lines(rest) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			continue
		}
		switch line[0] {
		case ' ':
			r.is[line[1:]] = true
		case '+':
			r.come[line[1:]] = true
		case '-':
			r.gone[line[1:]] = true
		default:
			return nil, fmt.Errorf("a line begins with %q", line[0])
		}
	}
	return r, nil
}

func (p *Part) recordPath(user string) string { return filepath.Join(p.dir("accounts"), user) }

// record reads that of a user; nil: he has none.
func (p *Part) record(user string) (*record, error) {
	text, err := os.ReadFile(p.recordPath(user))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of the mail of %s: %w", user, err)
	}
	r, err := parse(string(text))
	if err != nil {
		return nil, fault.Internal("the record %s is damaged (%w): restore it from a backup", p.recordPath(user), err)
	}
	var st unix.Stat_t
	if unix.Lstat(p.recordPath(user), &st) == nil {
		r.at = st.Mtim.Nano()
	}
	return r, nil
}

func (p *Part) keep(user string, r *record) error {
	_, err := file.Write(p.recordPath(user), r.text(), file.Root)
	return err
}
