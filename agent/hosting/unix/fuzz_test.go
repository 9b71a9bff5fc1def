package unix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// FuzzEntry: whatever passes the check has exactly the fields that the files have, and names nobody else.
func FuzzEntry(f *testing.F) {
	f.Add("anna", hash, "/bin/bash", "present")
	f.Add("anna\nroot::0:0", "x:y", "/bin/bash:", "suspended")
	f.Fuzz(func(t *testing.T, user, password, shell, state string) {
		a := part.Account{HostedAccount: protocol.HostedAccount{ID: "a", State: state, User: user, Password: password, Shell: shell}}
		if check(&a) != nil {
			return
		}
		e := entryOf(&a, FirstID, part.Standard.Private(user))
		for line, fields := range map[string]int{e.passwd: 7, e.group: 4, e.shadow: 9, e.gshadow: 4} {
			if strings.Count(line, ":") != fields-1 || strings.ContainsAny(line, "\n\r\x00") || !strings.HasPrefix(line, e.name+":") {
				t.Errorf("%q", line)
			}
		}
	})
}

// FuzzTables: no text in the system's files makes the reading of them fail, and what is not ours is kept.
func FuzzTables(f *testing.F) {
	f.Add("root:x:0:0::/root:/bin/sh\n", "root:x:0:a,anna,b\n")
	f.Add("a\n\n:::\nanna:x\n", "x")
	f.Fuzz(func(t *testing.T, users, groups string) {
		dir := t.TempDir()
		for name, text := range map[string]string{"passwd": users, "group": groups, "shadow": "", "gshadow": ""} {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		p := newPasswd(dir)
		a := part.Account{HostedAccount: protocol.HostedAccount{User: "anna"}}
		e := entryOf(&a, FirstID, "/home")
		must(t, p.edit(context.Background(), func() { p.set(e) }))
		if !p.right(e) {
			t.Error("what was set is not there")
		}
		must(t, p.edit(context.Background(), func() { p.drop("anna") }))
		if p.users.line("anna") != "" || p.groups.line("anna") != "" {
			t.Error("what was dropped is there")
		}
		raw, err := os.ReadFile(filepath.Join(dir, "passwd"))
		must(t, err)
		for line := range strings.Lines(users) {
			if !strings.HasPrefix(line, "anna:") && !strings.Contains(string(raw), strings.TrimSuffix(line, "\n")) {
				t.Errorf("%q is lost", line)
			}
		}
	})
}

func FuzzKernelTables(f *testing.F) {
	f.Add([]byte("Name:\tx\nState:\tS (sleeping)\nUid:\t1\t2\t3\t4\n"), []byte("key shmid uid cuid\n0 5 1 2\n"))
	f.Fuzz(func(_ *testing.T, status, table []byte) {
		owners(status)
		objectsOf(table, "shmid", 1)
	})
}

func TestTablesOfTheKernelAreRead(t *testing.T) {
	if got := fmt.Sprint(owners([]byte("Name:\tUid: 7\nState:\tS (sleeping)\nUid:\t1\t0\t1\t1\n"))); got != "[1 0 1]" {
		t.Error(got)
	}
	if got := owners([]byte("State:\tZ (zombie)\nUid:\t1\t1\t1\t1\n")); got != nil {
		t.Error("a zombie is", got)
	}
	table := []byte("       key      shmid perms       size  cpid  lpid nattch   uid   gid  cuid  cgid\n 1 42 644 4096 1 1 0 20000 20000 20000 20000\n 1 43 644 4096 1 1 0 0 0 20000 0\n 1 44 644 4096 1 1 0 0 0 0 0\n")
	if got := fmt.Sprint(objectsOf(table, "shmid", 20000)); got != "[42 43]" {
		t.Error(got)
	}
}

// processorTime that this process has used.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// 5,000 accounts that did not change are looked at.
func BenchmarkUnchanged(b *testing.B) {
	const count, homes = 5000, 100 // homes take long to make
	dir := b.TempDir()
	for _, name := range []string{"passwd", "shadow", "gshadow"} {
		must(b, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	must(b, os.WriteFile(filepath.Join(dir, "group"), []byte("www-data:x:33:\n"), 0o600))
	p := New(Options{Etc: dir, Layout: part.Layout{Homes: dir + "/homes", Logs: dir + "/logs", State: dir + "/state", Mail: dir + "/mail"}})
	if err := os.Chown(dir, 0, 0); err != nil {
		b.Skip("needs root")
	}
	var all []*part.Account
	must(b, p.users.read())
	must(b, p.passwd.edit(context.Background(), func() {
		for n := range count {
			a := document(fmt.Sprint("id", n), fmt.Sprint("user", n))
			a.Shell = protocol.ShellFalse
			e := entryOf(a, FirstID+n, p.o.Layout.Private(a.User))
			for t, line := range map[*table]string{p.passwd.users: e.passwd, p.passwd.groups: e.group, p.passwd.shadow: e.shadow, p.passwd.gshadow: e.gshadow} {
				t.lines, t.dirty = append(t.lines, line), true
			}
			u := user{Name: a.User, Account: a.ID, UID: FirstID + n}
			p.users.users[u.Name], p.users.byAccount[u.Account], p.users.byID[u.UID] = &u, u.Name, u.Name
			all = append(all, a)
		}
	}))
	for _, a := range all[:homes] {
		must(b, p.Ensure(context.Background(), a))
	}
	stop := file.OnStep(func(what string) { b.Error("done:", what) })
	b.Run("none", func(b *testing.B) {
		begun := processorTime(b)
		for n := 0; b.Loop(); n++ {
			must(b, p.Ensure(context.Background(), all[n%homes]))
		}
		b.ReportMetric(float64((processorTime(b)-begun).Microseconds())/float64(b.N), "cpu-µs/op") // should be below 300
	})
	stop()
	b.Run("one", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			a := *all[n%homes]
			a.Password = ""
			if n%2 == 1 {
				a.Password = hash
			}
			must(b, p.Ensure(context.Background(), &a))
		}
	})
}
