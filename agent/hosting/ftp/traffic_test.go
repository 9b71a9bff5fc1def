package ftp

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/meter"
	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/protocol"
)

// counted is the traffic of alice's by a meter that reads the log from its beginning.
func (n *node) counted() (sum book.Traffic) {
	n.t.Helper()
	b, err := book.Open(filepath.Join(n.t.TempDir(), "book"), time.Now)
	if err != nil {
		n.t.Fatal(err)
	}
	defer b.Close()
	m := meter.New(meter.Options{Book: b, WWW: filepath.Join(n.o.Layout.Logs, "none"), FTP: n.o.log(), Now: time.Now})
	if err := m.Look(context.Background(), map[string]string{"alice": "id-alice"}); err != nil {
		n.t.Fatal(err)
	}
	if s := m.Samples(); len(s) > 0 {
		n.t.Errorf("lines that the meter does not know: %v", s)
	}
	counts, err := b.Quarters("id-alice", 0, 1<<31)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, c := range counts {
		if c.Class != book.FTP {
			n.t.Errorf("%+v is counted", c)
		}
		sum.In, sum.Out = sum.In+c.Traffic.In, sum.Out+c.Traffic.Out
	}
	return sum
}

func (n *node) until(what string, ok func(book.Traffic) bool) {
	n.t.Helper()
	hostingtest.Until(n.t, what, func() error {
		if sum := n.counted(); !ok(sum) {
			return fmt.Errorf("%+v are counted", sum)
		}
		return nil
	})
}

// TestU1_U8_TransfersOfProFTPDAreCountedToTheByte, of all logins of an account, and nothing else of their sessions.
func TestU1_U8_TransfersOfProFTPDAreCountedToTheByte(t *testing.T) {
	n := newNode(t)
	a, bob := n.account("alice", 61001, "secret"), n.account("bob", 61002, "secret")
	a.FTPLogins = []protocol.HostedLogin{{Name: "alice_shop", Dir: "htdocs", Password: digest(t, "secret")}}
	n.settle(a, bob)
	var in, out uint64
	for i, login := range []string{"alice", "alice_shop", "alice"} {
		c := n.in(login, "secret")
		path := map[string]string{"alice": "htdocs/", "alice_shop": ""}[login]
		text := strings.Repeat("0123456789", 1000*(i+1))
		for range 3 {
			if code := c.put(path+"a b.txt", text); code != 226 {
				t.Fatal(login, code)
			}
			got, code := c.get(path + "a b.txt")
			if code != 226 || got != text {
				t.Fatal(login, code, len(got))
			}
			in, out = in+uint64(len(text)), out+uint64(len(text))
		}
		if _, code := c.get(path + "missing"); code != 550 {
			t.Error(code)
		}
		c.must(213, "SIZE %sa b.txt", path)
		c.must(221, "QUIT")
	}
	if code := n.in("bob", "secret").put("htdocs/a.txt", "somebody else's"); code != 226 {
		t.Fatal(code)
	}
	n.until("every transfer", func(sum book.Traffic) bool { return sum.In == in && sum.Out == out })
}

// TestU2_ATransferThatIsBrokenOffIsCountedByWhatWasSent: of a download at most what the sockets of both sides held is more than the customer got.
func TestU2_ATransferThatIsBrokenOffIsCountedByWhatWasSent(t *testing.T) {
	const buffered = 16 << 20
	n := newNode(t)
	n.settle(n.account("alice", 61001, "secret"))
	c := n.in("alice", "secret")
	large := strings.Repeat("x", 64<<20)
	if code := c.put("htdocs/large.bin", large); code != 226 {
		t.Fatal(code)
	}
	n.until("the upload", func(sum book.Traffic) bool { return sum.In == uint64(len(large)) })

	conn := c.data()
	c.must(150, "RETR htdocs/large.bin")
	got, err := io.CopyN(io.Discard, conn, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if code, text := c.answer(); code == 226 {
		t.Errorf("%d %s", code, text)
	}
	n.until("the download that was broken off", func(sum book.Traffic) bool { return sum.Out >= uint64(got) && sum.Out <= uint64(got)+buffered })

	before := n.counted().In
	other := n.in("alice", "secret")
	conn = other.data()
	other.must(150, "STOR htdocs/part.bin")
	if _, err := io.WriteString(conn, large[:5<<20]); err != nil {
		t.Fatal(err)
	}
	other.abort()
	sent := uint64(5 << 20)
	n.until("the upload that was called off", func(sum book.Traffic) bool {
		if k, err := io.WriteString(conn, "x"); err == nil { // more was on its way
			sent += uint64(k)
		}
		return sum.In > before && sum.In <= before+sent
	})
	conn.Close()
}
