package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/protocol"
)

// account is one line of passwd.
type account struct {
	name, home, shell string
	uid, gid          int
}

// nobody and everything above are no accounts of people.
const nobody = 65534

// person reports whether an account is somebody's: also one that has the number of root under another name.
func (a account) person(least int) bool {
	return a.uid >= least && a.uid < nobody || a.uid == 0 && a.name != "root"
}

// accounts finds those of people, and groups beyond their own.
func accounts(ctx context.Context, m *machine) ([]protocol.Found, string, error) {
	var a all
	leastUID, leastGID, err := m.least()
	a.add(nil, err)
	list, err := m.passwd()
	a.add(nil, err)
	own := map[string]int{}
	for _, p := range list {
		if p.person(leastUID) {
			m.accounts = append(m.accounts, p)
			own[p.name] = p.gid
			a.add([]protocol.Found{thing(p.name, fmt.Sprintf("uid %d, home %s, shell %s", p.uid, p.home, p.shell), "", "user", p.name, strconv.Itoa(p.uid))}, nil)
		}
	}
	text, err := m.read("/etc/group")
	groups, bad := parseGroups(text)
	a.add(nil, errors.Join(err, bad))
	for _, g := range groups {
		if gid, same := own[g.name]; g.gid >= leastGID && g.gid < nobody && (!same || gid != g.gid) {
			a.add([]protocol.Found{thing("group "+g.name, fmt.Sprintf("gid %d", g.gid), "", "group", g.name, strconv.Itoa(g.gid))}, nil)
		}
	}
	return a.found, fmt.Sprintf("/etc/passwd and /etc/group, from number %d on", leastUID), a.err(ctx)
}

// passwd reads all accounts and remembers their names.
func (m *machine) passwd() ([]account, error) {
	text, err := m.read("/etc/passwd")
	if err == nil && text == nil {
		err = errors.New("there is no /etc/passwd")
	}
	list, bad := parsePasswd(text)
	m.names = make(map[int]string, len(list))
	for _, p := range list {
		if _, there := m.names[p.uid]; !there {
			m.names[p.uid] = p.name
		}
	}
	return list, errors.Join(err, bad)
}

// least are the first numbers of people's accounts and groups.
func (m *machine) least() (uid, gid int, err error) {
	text, err := m.read("/etc/login.defs")
	uid, gid = parseLeast(text)
	return uid, gid, err
}

const leastUsual = 1000

func parseLeast(text []byte) (uid, gid int) {
	uid, gid = leastUsual, leastUsual
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, err := strconv.ParseUint(fields[1], 0, 31)
		switch {
		case err != nil:
		case fields[0] == "UID_MIN":
			uid = int(n)
		case fields[0] == "GID_MIN":
			gid = int(n)
		}
	}
	return uid, gid
}

// parsePasswd reads lines of passwd(5). Of those that are none the first is told.
func parsePasswd(text []byte) (list []account, err error) {
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, "\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, ":")
		if len(f) != 7 || f[0] == "" {
			err = cmp.Or(err, fmt.Errorf("line %d of /etc/passwd is no account", n))
			continue
		}
		uid, bad := strconv.ParseUint(f[2], 10, 32)
		gid, worse := strconv.ParseUint(f[3], 10, 32)
		if bad != nil || worse != nil {
			err = cmp.Or(err, fmt.Errorf("line %d of /etc/passwd has no number", n))
			continue
		}
		list = append(list, account{name: f[0], uid: int(uid), gid: int(gid), home: f[5], shell: f[6]})
	}
	return list, err
}

type group struct {
	name string
	gid  int
}

func parseGroups(text []byte) (list []group, err error) {
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, "\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, ":")
		if len(f) != 4 || f[0] == "" {
			err = cmp.Or(err, fmt.Errorf("line %d of /etc/group is no group", n))
			continue
		}
		gid, bad := strconv.ParseUint(f[2], 10, 32)
		if bad != nil {
			err = cmp.Or(err, fmt.Errorf("line %d of /etc/group has no number", n))
			continue
		}
		list = append(list, group{name: f[0], gid: int(gid)})
	}
	return list, err
}
