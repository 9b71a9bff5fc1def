package site

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// accounts of the benchmark with real daemons: STEELYARD_ACCOUNTS, or what takes seconds to make. 4,800 need a limit of 20,000 open files.
func accounts() int {
	if n, err := strconv.Atoi(os.Getenv("STEELYARD_ACCOUNTS")); err == nil {
		return n
	}
	return 500
}

func (n *node) many(count int, account func(user string, uid int, domain string, subs ...string) *part.Account) []*part.Account {
	var list []*part.Account
	for i := range count {
		user := fmt.Sprintf("user%d", i)
		a := account(user, 100000+i, user+".example.de", "shop."+user+".example.de")
		a.Forwards = []protocol.HostedForward{{Domain: user + ".example.com"}, {Domain: user + ".example.net", Redirect: true}}
		a.PHP = n.o.PHP != nil
		list = append(list, a)
	}
	return list
}

// processor is the time that a process took so far, in ticks of 10 ms.
func processor(pid int) (ticks int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	for _, i := range []int{11, 12, 13, 14} { // its own, and that of children that ended
		if i < len(fields) {
			n, _ := strconv.Atoi(fields[i])
			ticks += n
		}
	}
	return ticks
}

// BenchmarkEnsureUnchanged is a look at one of 5,000 accounts, the first of which reads the names of all: no daemon is needed for it.
func BenchmarkEnsureUnchanged(b *testing.B) {
	dir := hostingtest.Dir(b)
	n := &node{t: b, dir: dir, web: os.Getgid()}
	n.o = Options{Layout: hostingtest.Layout(b, dir), Nginx: "/bin/sh", PHP: &PHP{Version: "8.2", Sockets: dir}}.filled()
	n.part = New(n.o)
	if err := n.part.prepare(); err != nil {
		b.Fatal(err)
	}
	list := n.many(5000, n.document)
	n.part.gid = 33
	for _, a := range list {
		names, err := check(a)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(a.Home, "sub"), 0o755); err != nil {
			b.Fatal(err)
		}
		hostingtest.File(b, n.part.web.path(a.User), n.o.lines(a, names, true), 0, 0, 0o600)
		hostingtest.File(b, n.part.php.path(a.User), n.o.pool(a), 0, 0, 0o600)
		if err := n.part.Ensure(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	before := spent()
	for i := 0; b.Loop(); i++ {
		if err := n.part.Ensure(b.Context(), list[i%len(list)]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(spent()-before)/float64(b.N), "cpu-ns/op")
	if len(n.part.web.pending)+len(n.part.php.pending) > 0 {
		b.Error("something changed")
	}
}

// spent is the processor time of this process: on a busy machine the clock says little.
func spent() time.Duration {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// BenchmarkNode is a whole node: what a look at all accounts costs, and what one changed account costs until it is served. The daemons'
// own share is told beside it.
func BenchmarkNode(b *testing.B) {
	for _, php := range []bool{false, true} {
		b.Run(map[bool]string{false: "static", true: "php"}[php], func(b *testing.B) {
			n := newNode(b, php)
			list := n.many(accounts(), n.account)
			n.settle(list...)
			b.Run("unchanged account", func(b *testing.B) {
				for i := range b.N {
					if err := n.part.Ensure(b.Context(), list[i%len(list)]); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("settle unchanged", func(b *testing.B) {
				for range b.N {
					n.settle()
				}
			})
			b.Run("one change", func(b *testing.B) {
				before := processor(n.nx.PID)
				for i := range b.N {
					list[7].Forwards[0].Domain = fmt.Sprintf("change%d.example.com", i)
					n.settle(list[7])
				}
				b.ReportMetric(float64(processor(n.nx.PID)-before)*10/float64(b.N), "nginx-ms/op")
			})
			if php {
				b.Run("one change of PHP", func(b *testing.B) {
					before := processor(n.php.PID)
					for i := range b.N {
						list[7].PHP = i%2 == 0
						n.settle(list[7])
					}
					b.ReportMetric(float64(processor(n.php.PID)-before)*10/float64(b.N), "fpm-ms/op")
				})
			}
			for name, pid := range map[string]int{"nginx": n.nx.PID, "fpm": n.pid()} {
				status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
				_, rest, _ := strings.Cut(string(status), "VmRSS:")
				line, _, _ := strings.Cut(rest, "\n")
				limit, open := daemon.OpenFiles(pid)
				b.Logf("%s: %s, %d of %d files", name, strings.TrimSpace(line), open, limit)
			}
		})
	}
}

func (n *node) pid() int {
	if n.php == nil {
		return 0
	}
	return n.php.PID
}
