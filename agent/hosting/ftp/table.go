package ftp

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/steelyard/steelyard/agent/hosting/file"
)

// table is the two files in memory: the lines of each user, and how the files looked when they were read or written.
type table struct {
	o      *Options
	users  map[string]lines
	sorted []string // names of users; nil when that changed
	stamp  [2]stamp
	dirty  bool
}

// stamp tells whether a file is the one that was looked at.
type stamp struct {
	ino        uint64
	size       int64
	sec, nsec  int64
	uid, gid   uint32
	mode       uint32
	wasMissing bool
}

func look(path string) (stamp, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); errors.Is(err, os.ErrNotExist) {
		return stamp{wasMissing: true}, nil
	} else if err != nil {
		return stamp{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return stamp{st.Ino, st.Size, st.Mtim.Sec, st.Mtim.Nsec, st.Uid, st.Gid, st.Mode, false}, nil
}

func (t *table) looks() (now [2]stamp, err error) {
	for i, path := range []string{t.o.logins(), t.o.groups()} {
		if now[i], err = look(path); err != nil {
			return now, err
		}
	}
	return now, nil
}

// read takes the files as they are, if somebody else wrote them since. What is not yet written is kept only as long as nobody did.
func (t *table) read() error {
	now, err := t.looks()
	if err != nil || (t.users != nil && now == t.stamp) {
		return err
	}
	t.users, t.sorted, t.dirty = map[string]lines{}, nil, false
	if err := t.each(t.o.logins(), func(user, line string) {
		l := t.users[user]
		l.logins += line
		t.users[user] = l
	}); err != nil {
		return err
	}
	err = t.each(t.o.groups(), func(user, line string) {
		l := t.users[user]
		l.groups += line
		t.users[user] = l
	})
	t.stamp = now
	return err
}

// each calls f with the user and the text of each line. The name of a login is first in one file and last in the other.
func (t *table) each(path string, f func(user, line string)) error {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(text)) {
		login, _, _ := strings.Cut(line, ":")
		if path == t.o.groups() {
			login = strings.TrimSpace(line[strings.LastIndexByte(line, ':')+1:])
		}
		user, _, _ := strings.Cut(login, "_")
		f(user, strings.TrimSpace(line)+"\n")
	}
	return nil
}

// set makes these the lines of a user; changed are the logins of which a line was taken away or changed.
func (t *table) set(user string, want lines) (changed []string) {
	have := t.users[user]
	if have == want {
		return nil
	}
	for line := range strings.Lines(have.logins) {
		if !strings.Contains("\n"+want.logins, "\n"+line) {
			login, _, _ := strings.Cut(line, ":")
			changed = append(changed, login)
		}
	}
	t.users[user], t.sorted, t.dirty = want, nil, true
	if want == (lines{}) {
		delete(t.users, user)
	}
	return changed
}

// has tells whether somebody can log in under the name.
func (t *table) has(login string) bool {
	user, _, _ := strings.Cut(login, "_")
	return strings.Contains("\n"+t.users[user].logins, "\n"+login+":")
}

// write makes the files be what is known.
func (t *table) write() error {
	now, err := t.looks()
	if err != nil || (!t.dirty && now == t.stamp && !now[0].wasMissing && !now[1].wasMissing) {
		return err
	}
	if t.sorted == nil {
		for user := range t.users {
			t.sorted = append(t.sorted, user)
		}
		slices.Sort(t.sorted)
	}
	var logins, groups strings.Builder
	for _, user := range t.sorted {
		logins.WriteString(t.users[user].logins)
		groups.WriteString(t.users[user].groups)
	}
	// Groups first: who may upload nothing is never there without being kept from it.
	if _, err := file.Write(t.o.groups(), []byte(groups.String()), file.Root); err != nil {
		return err
	}
	if _, err := file.Write(t.o.logins(), []byte(logins.String()), file.Root); err != nil {
		return err
	}
	t.dirty = false
	t.stamp, err = t.looks()
	return err
}
