package ftp

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

func many(n int) []*part.Account {
	good := "$6$abcdefgh$" + strings.Repeat("a", 86)
	var list []*part.Account
	for i := range n {
		user := fmt.Sprintf("user%d", i)
		list = append(list, &part.Account{
			HostedAccount: protocol.HostedAccount{
				ID: user, State: protocol.HostedPresent, User: user, Password: good, FTPLogins: []protocol.HostedLogin{{Name: user + "_x", Password: good}},
			}, UID: 100000 + i, GID: 100000 + i,
		})
	}
	return list
}

// BenchmarkUnchanged is a look at one of 5,000 accounts with two logins each.
func BenchmarkUnchanged(b *testing.B) {
	dir := b.TempDir() // for what an operator's ProFTPD includes, too
	p := New(Options{
		Layout: hostingtest.Layout(b, dir), Program: "/bin/true", Conf: filepath.Join(dir, "proftpd.conf"), PID: filepath.Join(dir, "pid"),
		Include: filepath.Join(dir, "steelyard.conf"), Logrotate: filepath.Join(dir, "logrotate", "steelyard-ftp"),
	})
	p.laid = true
	list := many(5000)
	for _, a := range list {
		if err := p.Ensure(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
	_ = p.Settle(b.Context()) // /bin/true is no ProFTPD; the files are written
	p = New(p.o)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := p.Ensure(b.Context(), list[i%len(list)]); err != nil {
			b.Fatal(err)
		}
	}
	if p.table.dirty {
		b.Error("something changed")
	}
}

// BenchmarkNode is what a change and a login cost among 5,000 accounts.
func BenchmarkNode(b *testing.B) {
	n := newNode(b)
	list := append(many(count()), n.account("zoe", 61001, "secret"))
	n.settle(list...)
	b.Run("one change", func(b *testing.B) {
		for i := range b.N {
			list[7].FTPLogins[0].Name = fmt.Sprintf("user7_%d", i)
			n.settle(list[7])
		}
	})
	b.Run("login", func(b *testing.B) {
		for range b.N {
			n.in("zoe", "secret").Close()
		}
	})
}

// count of accounts of a benchmark with a real ProFTPD: STEELYARD_ACCOUNTS, or 5,000.
func count() int {
	if n, err := strconv.Atoi(os.Getenv("STEELYARD_ACCOUNTS")); err == nil {
		return n
	}
	return 5000
}
