package meter

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/meter/book"
)

const metered = "STEELYARD_METERED" // directory of the node that this process is the meter of

func TestMain(m *testing.M) {
	if dir := os.Getenv(metered); dir != "" {
		if err := look(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// look looks at a node again and again, and says so, until its standard input ends.
func look(dir string) error {
	n := &node{dir: dir, users: accounts(3)}
	b, err := book.Open(filepath.Join(dir, "book"), func() time.Time { return start })
	if err != nil {
		return err
	}
	m := New(n.options(b))
	m.buf = m.buf[:600] // pieces, so that a death falls between them
	m.at(func() time.Time { return start })
	for in := bufio.NewReader(os.Stdin); ; {
		if _, err := in.ReadByte(); err != nil {
			return nil //nolint:nilerr // no more is asked
		}
		if err := m.Look(context.Background(), n.names()); err != nil {
			return err
		}
		fmt.Println("looked")
	}
}

// meter starts a process that looks each time that ask is called.
func (n *node) process() (ask func() error, kill func()) {
	n.t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), metered+"="+n.dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	n.must(err)
	out, err := cmd.StdoutPipe()
	n.must(err)
	n.must(cmd.Start())
	said := bufio.NewReader(out)
	ask = func() error {
		_, err := io.WriteString(in, "x")
		if err == nil {
			_, err = said.ReadString('\n')
		}
		return err
	}
	return ask, func() {
		_, _ = io.WriteString(in, "xx") // it is at work
		for range n.rnd.IntN(1500) {    // some moment of that
			_, _ = os.Stat(n.dir)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// TestU2_U3_U4_AMeterThatIsKilledAtAnyMomentCountsEveryByteOnce: real processes, killed while they work.
func TestU2_U3_U4_AMeterThatIsKilledAtAnyMomentCountsEveryByteOnce(t *testing.T) {
	n := newNode(t, 1, 3)
	n.must(n.book.Close())
	n.rnd = rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)) //nolint:gosec // whatever the moment is, the sums must be right
	for range 25 {
		ask, kill := n.process()
		for range 40 {
			if what := n.rnd.IntN(20); what > 3 {
				n.does(what)
			}
		}
		n.must(ask())
		for range 60 {
			if what := n.rnd.IntN(22); what > 3 {
				n.does(what)
			}
		}
		kill()
		n.does(1)
	}
	n.start()
	n.ends()
}

// TestU3_WhatIsLostIsAGap: logs go before they were read. Everything else is counted, and mail whose beginning or end is lost is not guessed.
func TestU3_WhatIsLostIsAGap(t *testing.T) {
	for seed := range uint64(5) {
		n := newNode(t, seed, 3)
		some := func(lines int) {
			for range lines {
				n.does(8 + n.rnd.IntN(12))
			}
			for len(n.way) > 0 {
				n.goesOn(0)
			}
		}
		some(60)
		n.says("smtpd", "A0000000001: client=mx.far.test[192.0.2.7]")
		n.says("qmgr", "A0000000001: from=<x@far.test>, size=10, nrcpt=1 (queue active)")
		n.look()
		before := maps.Clone(n.want)
		some(30)
		n.says("smtpd", "A0000000002: client=mx.far.test[192.0.2.7]")
		n.must(os.Remove(n.smtp()))
		n.must(os.Remove(n.imap()))
		n.want = before
		some(30)
		n.session(0)
		n.says("lmtp", "A0000000002: to=<info@d0.test>, relay=x[private/lmtp], delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)")
		n.look()
		n.check()
		for _, name := range []string{"smtp", "imap"} {
			if s := n.book.Source(name); len(s.Gaps) != 1 || s.Gaps[0].Before.IsZero() || s.Unknown != map[string]uint64{"smtp": 1}[name] {
				t.Errorf("%s: %+v", name, s)
			}
		}
		n.now = n.now.Add(11 * 24 * time.Hour)
		n.says("qmgr", "A0000000003: removed")
		n.look()
		if s := n.book.Source("smtp"); len(n.book.Notes("smtp")) > 0 || s.Unknown != 2 {
			t.Errorf("mail of which no end came is remembered forever: %v, %d told", n.book.Notes("smtp"), s.Unknown)
		}
	}
}

// TestU2_MailOnItsWayIsBounded: beyond, the oldest are given up and told; what a client only began goes first and is not told.
func TestU2_MailOnItsWayIsBounded(t *testing.T) {
	n := newNode(t, 1, 1)
	var b strings.Builder
	at := n.now.Local().Format("Jan _2 15:04:05")
	for i := range mailMax + 100 {
		id := fmt.Sprintf("A%09X", i)
		fmt.Fprintf(&b, "%s node postfix/smtpd[1]: %s: client=x[192.0.2.1]\n", at, id)
		if i%2 == 0 {
			fmt.Fprintf(&b, "%s node postfix/qmgr[1]: %s: from=<x@y.test>, size=10, nrcpt=1 (queue active)\n", at, id)
		}
	}
	n.append(n.smtp(), b.String())
	n.look()
	left := n.book.Notes("smtp")
	if len(left) > mailMax || len(left) < mailMax/2 {
		t.Errorf("%d mails are remembered", len(left))
	}
	for id, text := range left {
		if m, err := parseMail(text); err != nil || m.Size == 0 {
			if i := mailMax/2 + 50; len(left) < i {
				t.Fatalf("%s was only begun, and one that waits was given up", id)
			}
		}
	}
	if s := n.book.Source("smtp"); s.Unknown > 0 {
		t.Errorf("%d were told", s.Unknown)
	}
}
