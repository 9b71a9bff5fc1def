package unix

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
)

// table is one of the files whose lines are fields between colons, the name first. Lines that it does not understand are kept.
type table struct {
	path  string
	ids   bool // the third field is a number
	stamp unix.Stat_t
	lines []string
	at    map[string]int // line of a name; the first counts, as in the C library
	names map[int]string // name of a number
	dirty bool
}

func newTable(dir, name string, ids bool) *table {
	return &table{path: filepath.Join(dir, name), ids: ids}
}

// read reads the file if it is another one than last time. One that is absent stays absent: gshadow is not everywhere.
func (t *table) read() error {
	var st unix.Stat_t
	if err := unix.Lstat(t.path, &st); err != nil {
		*t = table{path: t.path, ids: t.ids}
		if err == unix.ENOENT {
			return nil
		}
		return fmt.Errorf("read %s: %w", t.path, err)
	}
	if t.at != nil && !t.dirty && same(&st, &t.stamp) {
		return nil
	}
	raw, err := os.ReadFile(t.path)
	if err != nil {
		return err
	}
	t.stamp, t.dirty = st, false
	t.lines = strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	if len(raw) == 0 {
		t.lines = nil
	}
	t.index()
	return nil
}

func same(a, b *unix.Stat_t) bool {
	return a.Dev == b.Dev && a.Ino == b.Ino && a.Size == b.Size && a.Mtim == b.Mtim && a.Ctim == b.Ctim
}

func (t *table) index() {
	t.at, t.names = make(map[string]int, len(t.lines)), make(map[int]string, len(t.lines))
	for i, line := range t.lines {
		name, rest, ok := strings.Cut(line, ":")
		if _, double := t.at[name]; !ok || double {
			continue
		}
		t.at[name] = i
		if t.ids {
			_, rest, _ = strings.Cut(rest, ":")
			text, _, _ := strings.Cut(rest, ":")
			if id, err := strconv.Atoi(text); err == nil {
				t.names[id] = name
			}
		}
	}
}

func (t *table) there() bool { return t.at != nil }

func (t *table) line(name string) string {
	if i, ok := t.at[name]; ok {
		return t.lines[i]
	}
	return ""
}

// set gives a name its line.
func (t *table) set(name, line string) {
	if i, ok := t.at[name]; ok {
		if t.lines[i] == line {
			return
		}
		t.lines[i] = line
	} else {
		t.lines = append(t.lines, line)
	}
	t.dirty = true
	t.index()
}

// drop takes the lines of a name away.
func (t *table) drop(name string) {
	n := len(t.lines)
	t.lines = slices.DeleteFunc(t.lines, func(line string) bool { return strings.HasPrefix(line, name+":") })
	if len(t.lines) != n {
		t.dirty = true
		t.index()
	}
}

// leave takes a user out of the lists of members, the last field (and in gshadow the one before, the administrators).
func (t *table) leave(user string, from int) {
	for i, line := range t.lines {
		if !strings.Contains(line, user) {
			continue
		}
		fields := strings.Split(line, ":")
		for n := from; n < len(fields); n++ {
			list := strings.Split(fields[n], ",")
			fields[n] = strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == user }), ",")
		}
		if changed := strings.Join(fields, ":"); changed != line {
			t.lines[i], t.dirty = changed, true
		}
	}
}

// write replaces the file if something was changed, with the owner and mode that it has.
func (t *table) write() error {
	if !t.dirty {
		return nil
	}
	text := strings.Join(t.lines, "\n") + "\n"
	if len(t.lines) == 0 {
		text = ""
	}
	_, err := file.Write(t.path, []byte(text), file.Owner{UID: int(t.stamp.Uid), GID: int(t.stamp.Gid), Mode: os.FileMode(t.stamp.Mode & 0o777)})
	return err
}
