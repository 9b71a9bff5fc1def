package meter

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/agent/meter/tail"
)

func tailPiece(lines []byte) tail.Piece { return tail.Piece{Lines: lines} }

// node is a node's logs, the meter on them, and what was written to them.
type node struct {
	t       *testing.T
	rnd     *rand.Rand
	dir     string
	now     time.Time
	written time.Time // when a log was written to last
	users   map[string]string
	book    *book.Book
	meter   *Meter
	want    map[string]book.Totals // by account
	month   []book.Month

	way              []*letter // mails on their way
	letters, answers int
}

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// accounts by user.
func accounts(count int) map[string]string {
	users := map[string]string{}
	for i := range count {
		users[fmt.Sprint("user", i)] = fmt.Sprint("account", i)
	}
	return users
}

func newNode(t *testing.T, seed uint64, count int) *node {
	n := &node{t: t, rnd: rand.New(rand.NewPCG(seed, 7)), dir: t.TempDir(), now: start, written: time.Now().Add(-time.Hour), users: accounts(count), want: map[string]book.Totals{}}
	at := func(m time.Month) book.Quarter {
		return book.QuarterOf(time.Date(2026, m, 1, 0, 0, 0, 0, time.UTC))
	}
	n.month = []book.Month{{Name: "2026", From: at(1), To: at(24)}}
	n.start()
	return n
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) www() string { return filepath.Join(n.dir, "traffic.log") }
func (n *node) ftp() string { return filepath.Join(n.dir, "ftp.log") }

func (n *node) smtp() string { return filepath.Join(n.dir, "postfix.log") }
func (n *node) imap() string { return filepath.Join(n.dir, "dovecot.log") }

// names are what lines call the accounts.
func (n *node) names() map[string]string {
	names := map[string]string{}
	for user, account := range n.users {
		names[user] = account
		names["@d"+strings.TrimPrefix(user, "user")+".test"] = account
	}
	return names
}

// options are those of the meter.
func (n *node) options(b *book.Book) Options {
	return Options{
		Book: b, WWW: n.www(), FTP: n.ftp(), SMTP: n.smtp(), IMAP: n.imap(), Now: func() time.Time { return time.Now().Add(2 * tail.Settled) },
		User: func(uid string) string { return "user" + strings.TrimPrefix(uid, "2000") }, Inside: func(a netip.Addr) bool { return a.IsLoopback() },
	}
}

// start is the agent's.
func (n *node) start() {
	b, err := book.Open(filepath.Join(n.dir, "book"), func() time.Time { return n.now })
	n.must(err)
	n.must(b.SetMonths(n.month))
	n.book = b
	n.meter = New(n.options(b))
	n.meter.at(func() time.Time { return n.now })
}

// at says what time it is where the year of a line is asked.
func (m *Meter) at(now func() time.Time) {
	for _, s := range m.sources {
		if s.queue != nil {
			s.queue.now = now
		}
	}
}

// kill ends the agent, and takes some of what it wrote last from the disk: a write that was on its way.
func (n *node) kill() {
	n.must(n.book.Close())
	files, err := filepath.Glob(filepath.Join(n.dir, "book", "*.book"))
	n.must(err)
	if len(files) > 0 {
		f := files[len(files)-1]
		info, err := os.Stat(f)
		n.must(err)
		n.must(os.Truncate(f, max(0, info.Size()-n.rnd.Int64N(40))))
	}
	n.start()
}

func (n *node) append(path, line string) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	n.must(err)
	_, err = f.WriteString(line)
	n.must(err)
	n.must(f.Close())
	n.written = n.written.Add(time.Second) // in a test all happens in one tick of the file system's clock
	n.must(os.Chtimes(path, n.written, n.written))
}

// visit writes a line of a site's log.
func (n *node) visit(user string) {
	in, out := n.rnd.Uint64N(5000), n.rnd.Uint64N(1e9)
	n.append(n.www(), fmt.Sprintf("%s %d.%03d %d %d\n", user, n.now.Unix(), n.rnd.IntN(1000), in, out))
	n.had(user, book.WWW, in, out)
}

// transfer writes a line of ProFTPD's log, with others that are no transfers.
func (n *node) transfer(user string) {
	size := n.rnd.Uint64N(1e9)
	command, in, out := "STOR", size, uint64(0)
	if n.rnd.IntN(2) == 0 {
		command, in, out = "RETR", 0, size
	}
	n.append(n.ftp(), fmt.Sprintf("%d %s %s 226 %d 1 2 \"success\" \"/x\"\n%d %s EXIT - - 5 6 \"-\" \"-\"\n", n.now.Unix(), user, command, size, n.now.Unix(), user))
	n.had(user, book.FTP, in, out)
}

func (n *node) had(user string, class book.Class, in, out uint64) {
	w := n.want[n.users[user]]
	w[class].In += in
	w[class].Out += out
	n.want[n.users[user]] = w
}

// rotate makes room for PATH.1, as logrotate does: by renaming, by copying and emptying, compressed from PATH.2 on or not.
func (n *node) rotate(path string) {
	pack := n.rnd.IntN(2) == 0
	for i := 99; i > 0; i-- {
		from, to := fmt.Sprintf("%s.%d", path, i), fmt.Sprintf("%s.%d", path, i+1)
		_ = os.Rename(from+".gz", to+".gz")
		if os.Rename(from, to) == nil && pack {
			n.compress(to)
		}
	}
	if n.rnd.IntN(2) == 0 {
		_ = os.Rename(path, path+".1")
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	n.must(os.WriteFile(path+".1", text, 0o640))
	n.must(os.Chtimes(path+".1", n.written, n.written))
	n.must(os.Truncate(path, 0))
}

func (n *node) compress(path string) {
	text, err := os.ReadFile(path)
	n.must(err)
	info, err := os.Stat(path)
	n.must(err)
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text)
	n.must(w.Close())
	n.must(os.WriteFile(path+".gz", b.Bytes(), 0o640))
	n.must(os.Chtimes(path+".gz", info.ModTime(), info.ModTime()))
	n.must(os.Remove(path))
}

func (n *node) look() {
	n.t.Helper()
	n.must(n.meter.Look(n.t.Context(), n.names()))
}

func (n *node) check() {
	n.t.Helper()
	got := map[string]book.Totals{}
	list, _ := n.book.Changed(0)
	for _, r := range list {
		got[r.Account] = r.Months[0]
	}
	for _, account := range n.users {
		if got[account] != n.want[account] {
			n.t.Fatalf("%s: counted %+v, written %+v", account, got[account], n.want[account])
		}
	}
}

func TestU1_U2_U3_U4_U8_U9_EveryByteOnceThroughKillsAndRotations(t *testing.T) {
	for seed := range uint64(10) {
		n := newNode(t, seed, 3)
		for range 250 {
			n.does(n.rnd.IntN(20))
			n.now = n.now.Add(time.Duration(n.rnd.IntN(60)) * time.Minute / 10)
		}
		n.ends()
		n.must(n.book.Close())
	}
}

// does lets something happen.
func (n *node) does(what int) {
	logs := []string{n.www(), n.ftp(), n.smtp(), n.imap()}
	switch user := n.rnd.IntN(len(n.users)); what {
	case 0:
		n.kill()
	case 1:
		n.rotate(logs[n.rnd.IntN(len(logs))])
	case 2, 3:
		n.look()
	case 4, 5:
		n.transfer(fmt.Sprint("user", user))
	case 6, 7:
		n.visit(fmt.Sprint("user", user))
	case 8:
		n.session(user)
	default:
		n.writes()
	}
}

// ends lets all mails come to their ends, and checks the figures.
func (n *node) ends() {
	n.t.Helper()
	for len(n.way) > 0 {
		n.goesOn(0)
	}
	for range 12 {
		n.look()
	}
	n.check()
	for _, name := range []string{"smtp", "imap"} {
		if s := n.book.Source(name); s.Unknown > 0 || len(s.Gaps) > 0 {
			n.t.Errorf("%s: %d unknown lines, %d gaps, the last line %q", name, s.Unknown, len(s.Gaps), n.meter.Samples()[name])
		}
	}
	for id, text := range n.book.Notes("smtp") {
		if m, err := parseMail(text); err != nil || m.Size > 0 && !m.Gone {
			n.t.Errorf("%s is still on its way: %+v %v", id, m, err)
		}
	}
}

func TestU3_UnknownLinesAreToldAndNothingElseIsLost(t *testing.T) {
	n := newNode(t, 1, 1)
	n.visit("user0")
	n.append(n.www(), "rubbish \xff\n\n"+strings.Repeat("x", 400)+"\n")
	n.visit("user0")
	n.look()
	n.check()
	if s := n.book.Source("www"); s.Unknown != 3 {
		t.Errorf("%d unknown lines", s.Unknown)
	}
	if s := n.meter.Samples()["www"]; len(s) != sampleMax {
		t.Errorf("sample %q", s)
	}
}

func TestALogThatCannotBeReadKeepsNoOtherFromBeingCounted(t *testing.T) {
	n := newNode(t, 1, 3)
	n.must(os.Symlink("/etc/passwd", n.www()))
	n.transfer("user2")
	if err := n.meter.Look(t.Context(), n.names()); err == nil || !strings.Contains(err.Error(), n.www()) {
		t.Error(err)
	}
	n.check()
}

func TestALineOfAUserWhoIsNobodysIsNotCounted(t *testing.T) {
	n := newNode(t, 1, 1)
	n.append(n.ftp(), fmt.Sprintf("%d operator STOR 226 10 1 2 \"success\" \"/x\"\n", n.now.Unix()))
	n.append(n.www(), fmt.Sprintf("operator %d.000 1 2\n", n.now.Unix()))
	n.transfer("user0")
	n.look()
	n.check()
	if s := n.book.Source("ftp"); s.Unknown != 0 {
		t.Error("a login of others is an unknown line")
	}
}
