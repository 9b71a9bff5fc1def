package mysql

import (
	"fmt"
	"os"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkEnsure shows what an account costs among 5,000: unchanged in a pass over all of them, and changed alone.
func BenchmarkEnsure(b *testing.B) {
	s := start(b)
	all := many(5000)
	s.seed(all)
	b.Run("unchanged", func(b *testing.B) {
		before := processor()
		for b.Loop() {
			if err := s.part.Settle(b.Context()); err != nil {
				b.Fatal(err)
			}
			for _, a := range all {
				if err := s.part.Ensure(b.Context(), a); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64((processor()-before).Nanoseconds())/float64(b.N*len(all)), "cpu-ns/account")
	})
	b.Run("changed", func(b *testing.B) {
		for b.Loop() {
			a := all[b.N%len(all)]
			a.DatabasesShrink = !a.DatabasesShrink
			if err := s.part.Ensure(b.Context(), a); err != nil {
				b.Fatal(err)
			}
			if err := s.part.Settle(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// processor is the time that this process used so far; the server's is not in it.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// seed gives the server accounts as Ensure would, which would sync some ten thousand files: the rows of their users and rights, and the directories of their databases.
func (s *server) seed(all []*partAccount) {
	s.t.Helper()
	must := func(err error) {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	owner, err := osuser.Lookup("mysql")
	must(err)
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	must(os.MkdirAll(s.part.claims(), 0o700))
	root := s.login("root", "")
	var users, rows []string
	for i, a := range all {
		users = append(users, fmt.Sprintf(`('localhost', '%s', '{"access":0,"version_id":101119,"plugin":"mysql_native_password","authentication_string":"%s","max_user_connections":25,"account_locked":false,"password_last_changed":1}')`, a.User, a.DatabasePassword))
		for _, d := range a.Databases {
			must(os.Mkdir(filepath.Join(s.dir, "data", d), 0o700))
			must(os.Chown(filepath.Join(s.dir, "data", d), uid, gid))
			rows = append(rows, fmt.Sprintf("('localhost', %s, '%s', '%s')", literal(pattern(d)), a.User, strings.Join(strings.Split(string(full), ""), "', '")))
		}
		must(os.WriteFile(filepath.Join(s.part.claims(), a.User), []byte(a.ID+"\n"), 0o600))
		if i%500 == 499 {
			s.may(root, "INSERT INTO mysql.global_priv (Host, User, Priv) VALUES "+strings.Join(users, ", "), "INSERT INTO mysql.db VALUES "+strings.Join(rows, ", "))
			users, rows = nil, nil
		}
	}
	s.may(root, "FLUSH PRIVILEGES")
}
