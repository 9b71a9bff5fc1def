package tail

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// life is a log with its daemon, its rotator and a reader that is killed now and then.
type life struct {
	t       *testing.T
	rnd     *rand.Rand
	log     *Log
	path    string
	place   Place        // what the reader has committed
	n       int          // lines written
	partial bool         // the last line has no end yet
	got     bytes.Buffer // what was committed
	wrote   bytes.Buffer // what was written
	gaps    []*Gap
	skipped int64
	clock   time.Time
}

func newLife(t *testing.T, seed uint64) *life {
	l := &life{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), path: filepath.Join(t.TempDir(), "access.log"), clock: time.Now().Add(-1000 * time.Hour)}
	l.log = l.open()
	t.Cleanup(func() { l.log.Close() })
	return l
}

// open starts the reader; for it all renamed files are settled.
func (l *life) open() *Log {
	return New(l.path, func() time.Time { return l.clock.Add(2 * Settled) })
}

func (l *life) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// touch gives a file the time of the test, which goes on with each act.
func (l *life) touch(path string) {
	l.clock = l.clock.Add(time.Second)
	l.must(os.Chtimes(path, l.clock, l.clock))
}

func (l *life) write(text string) {
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	l.must(err)
	_, err = f.WriteString(text)
	l.must(err)
	l.must(f.Close())
	l.wrote.WriteString(text)
	l.touch(l.path)
}

// line writes one line, in two halves now and then.
func (l *life) line() {
	l.n++
	text := fmt.Sprintf("%d %s\n", l.n, strings.Repeat("x", l.rnd.IntN(60)))
	if l.partial {
		text = "end\n"
	}
	l.partial = false
	if cut := l.rnd.IntN(len(text)); l.rnd.IntN(5) == 0 && cut > 0 {
		text, l.partial = text[:cut], true
	}
	l.write(text)
}

// whole ends a line that was begun: a rotation by renaming does not cut lines.
func (l *life) whole() {
	if l.partial {
		l.line()
		l.whole()
	}
}

func (l *life) exists(path string) bool { _, err := os.Stat(path); return err == nil }

// shift makes room for PATH.1, as logrotate does, and compresses what is behind it.
func (l *life) shift(compress int) {
	for i := 90; i > 0; i-- {
		for _, end := range []string{"", packed} {
			if old := fmt.Sprintf("%s.%d%s", l.path, i, end); l.exists(old) {
				l.must(os.Rename(old, fmt.Sprintf("%s.%d%s", l.path, i+1, end)))
			}
		}
	}
	for i := compress; i < 92; i++ {
		if old := fmt.Sprintf("%s.%d", l.path, i); l.exists(old) {
			l.pack(old)
		}
	}
}

// pack compresses a file with its time, as gzip does.
func (l *life) pack(path string) {
	b, err := os.ReadFile(path)
	l.must(err)
	info, err := os.Stat(path)
	l.must(err)
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err = w.Write(b)
	l.must(err)
	l.must(w.Close())
	l.must(os.WriteFile(path+packed, out.Bytes(), 0o640))
	l.must(os.Chtimes(path+packed, info.ModTime(), info.ModTime()))
	l.must(os.Remove(path))
}

func (l *life) rename(compress int) {
	if !l.exists(l.path) {
		return
	}
	l.whole()
	l.shift(compress + 1)
	l.must(os.Rename(l.path, l.path+".1"))
	if compress == 1 {
		l.pack(l.path + ".1")
	}
	if l.rnd.IntN(2) == 0 { // logrotate's "create"
		l.must(os.WriteFile(l.path, nil, 0o640))
		l.touch(l.path)
	}
}

func (l *life) copytruncate() {
	if !l.exists(l.path) {
		return
	}
	l.whole()
	l.shift(2)
	b, err := os.ReadFile(l.path)
	l.must(err)
	l.must(os.WriteFile(l.path+".1", b, 0o640))
	l.touch(l.path + ".1")
	l.must(os.Truncate(l.path, 0))
	l.touch(l.path)
}

// read reads a piece; it is forgotten now and then, as by a crash before the commit.
func (l *life) read() (more bool) {
	buf := make([]byte, 100+l.rnd.IntN(400))
	piece, err := l.log.Next(l.place, buf)
	l.must(err)
	if !piece.From.Equal(l.place) {
		l.t.Fatalf("the piece is behind %+v, asked was %+v", piece.From, l.place)
	}
	moved := !piece.To.Equal(l.place)
	switch l.rnd.IntN(6) {
	case 0:
		l.log.Close()
		l.log = l.open()
		return moved
	case 1:
		return moved
	}
	l.got.Write(piece.Lines)
	l.skipped += piece.Skipped
	if piece.Lost != nil {
		l.gaps = append(l.gaps, piece.Lost)
	}
	l.place = piece.To
	return moved || piece.More
}

// drain reads all there is.
func (l *life) drain() {
	for i, still := 0, 0; still < 3; i++ {
		if still++; l.read() {
			still = 0
		}
		if i > 100_000 {
			l.t.Fatal("reading does not end")
		}
	}
}

func (l *life) same() {
	l.t.Helper()
	if l.got.String() != l.wrote.String() {
		l.t.Fatalf("read and written differ at byte %d of %d and %d:\n…%q\n…%q", differ(l.got.Bytes(), l.wrote.Bytes()), l.got.Len(), l.wrote.Len(),
			around(l.got.Bytes(), differ(l.got.Bytes(), l.wrote.Bytes())), around(l.wrote.Bytes(), differ(l.got.Bytes(), l.wrote.Bytes())))
	}
}

func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func around(b []byte, at int) []byte { return b[max(0, at-40):min(len(b), at+80)] }

func TestU3_EachLineOnceThroughRotationsAndCrashes(t *testing.T) {
	for seed := range uint64(40) {
		l := newLife(t, seed)
		for range 200 {
			switch l.rnd.IntN(12) {
			case 0:
				l.rename(2)
			case 1:
				l.rename(1)
			case 2:
				l.copytruncate()
			case 3, 4, 5:
				l.read()
			default:
				l.line()
			}
		}
		l.whole()
		l.drain()
		l.same()
		if len(l.gaps) > 0 {
			t.Fatalf("seed %d: gaps without a loss: %+v", seed, l.gaps[0])
		}
	}
}

func TestU3_AFileThatIsGoneIsAGapAndNothingElseIsLost(t *testing.T) {
	l := newLife(t, 1)
	for range 5 {
		l.line()
	}
	l.whole()
	l.drain()
	before := l.place.Seen
	l.line()
	l.whole()
	l.rename(2)
	l.must(os.Remove(l.path + ".1")) // unread
	kept := l.wrote.Len()
	lost := l.wrote.Len()
	for range 3 {
		l.line()
	}
	l.whole()
	l.drain()
	if len(l.gaps) != 1 || !l.gaps[0].After.Equal(before) || !l.gaps[0].Before.After(before) {
		t.Fatalf("gaps: %+v", l.gaps)
	}
	if !strings.HasSuffix(l.got.String(), l.wrote.String()[lost:]) || l.got.Len() >= l.wrote.Len() {
		t.Fatalf("behind the gap stands %q, written was %q", l.got.String(), l.wrote.String()[kept:])
	}
	l.drain()
	if len(l.gaps) != 1 {
		t.Fatal("the gap is told again")
	}
}

func TestU3_ADamagedArchiveIsAGap(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)/2] },
		"empty":   func([]byte) []byte { return nil },
		"rubbish": func([]byte) []byte { return bytes.Repeat([]byte("rubbish "), 100) },
		"flipped": func(b []byte) []byte { b[len(b)-6] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, 2)
			l.line()
			l.whole()
			l.drain()
			for range 50 {
				l.line()
			}
			l.rename(1)
			at := l.path + ".1" + packed
			info, err := os.Stat(at)
			l.must(err)
			b, err := os.ReadFile(at)
			l.must(err)
			l.must(os.WriteFile(at, damage(b), 0o640))
			l.must(os.Chtimes(at, info.ModTime(), info.ModTime()))
			behind := l.wrote.Len()
			l.line()
			l.whole()
			l.drain()
			if len(l.gaps) != 1 || !strings.HasSuffix(l.got.String(), l.wrote.String()[behind:]) {
				t.Fatalf("%d gaps; the line behind it: %t", len(l.gaps), strings.HasSuffix(l.got.String(), l.wrote.String()[behind:]))
			}
		})
	}
}

func TestARenamedFileIsReadUntilNobodyWritesToIt(t *testing.T) {
	l := newLife(t, 3)
	l.log.now = func() time.Time { return l.clock }
	l.line()
	l.whole()
	l.place = l.next(l.place)
	old, err := os.OpenFile(l.path, os.O_APPEND|os.O_WRONLY, 0)
	l.must(err)
	defer old.Close()
	l.must(os.Rename(l.path, l.path+".1"))
	l.write("new\n")
	_, err = old.WriteString("late\n") // the daemon has not reopened yet
	l.must(err)
	l.must(os.Chtimes(l.path+".1", l.clock, l.clock))
	if l.place = l.next(l.place); !strings.HasSuffix(l.got.String(), "late\n") {
		t.Fatalf("read %q", l.got.String())
	}
	if l.next(l.place); strings.Contains(l.got.String(), "new") {
		t.Fatal("the old file was left while it is written to")
	}
	l.clock = l.clock.Add(Settled)
	if l.place = l.next(l.place); !strings.HasSuffix(l.got.String(), "late\nnew\n") {
		t.Fatalf("read %q", l.got.String())
	}
}

// next reads one piece and commits it.
func (l *life) next(from Place) Place {
	piece, err := l.log.Next(from, make([]byte, 4096))
	l.must(err)
	l.got.Write(piece.Lines)
	return piece.To
}

func TestALineThatIsTooLongIsSkippedAndTold(t *testing.T) {
	l := newLife(t, 4)
	l.write("one\n" + strings.Repeat("x", 5000) + "\ntwo\n")
	l.drain()
	if l.got.String() != "one\ntwo\n" || l.skipped != 5001 {
		t.Fatalf("read %q, skipped %d bytes", l.got.String(), l.skipped)
	}
}

func TestALogThatIsNotThereIsEmpty(t *testing.T) {
	for _, path := range []string{"none", "no/directory"} {
		log := New(filepath.Join(t.TempDir(), path), time.Now)
		if piece, err := log.Next(Place{}, make([]byte, 100)); err != nil || !piece.To.IsZero() {
			t.Error(piece, err)
		}
	}
}

func TestNothingButAFileIsRead(t *testing.T) {
	dir := t.TempDir()
	l := newLife(t, 6)
	l.must(os.WriteFile(filepath.Join(dir, "secret"), []byte("secret\n"), 0o600))
	l.must(os.Symlink(filepath.Join(dir, "secret"), l.path))
	if piece, err := l.log.Next(Place{}, make([]byte, 100)); err == nil || len(piece.Lines) > 0 {
		t.Fatalf("a link was followed: %q", piece.Lines)
	}
}

// TestU3_NamesThatMoveWhileTheyAreReadAreNoLoss: somebody rotates again and again, as logrotate does, while the log is read.
func TestU3_NamesThatMoveWhileTheyAreReadAreNoLoss(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	const lines = 800
	done := make(chan struct{})
	var heard atomic.Int64 // lines; what is kept of the log is a hundred and fifty
	go func() {
		defer close(done)
		for i := range lines {
			for !t.Failed() && int64(i)-heard.Load() > 60 {
				runtime.Gosched()
			}
			f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(f, "line %d\n", i)
			_ = f.Close()
			at := time.Unix(int64(i), 0)
			_ = os.Chtimes(path, at, at)
			if i%5 == 4 {
				for k := 30; k > 0; k-- {
					_ = os.Rename(fmt.Sprint(path, ".", k), fmt.Sprint(path, ".", k+1))
				}
				_ = os.Rename(path, path+".1")
			}
		}
	}()
	defer func() { <-done }()
	l := New(path, time.Now)
	var place Place
	read, over := 0, false
	buf := make([]byte, 4096)
	for last := false; !last; {
		select {
		case <-done:
			last = over
			over = true
		default:
		}
		for {
			p, err := l.Next(place, buf)
			if err != nil {
				t.Error(err)
				return
			}
			if p.Lost != nil {
				t.Errorf("after line %d a gap is told: %+v", read, p.Lost)
				return
			}
			for line := range strings.Lines(string(p.Lines)) {
				if want := fmt.Sprintf("line %d\n", read); line != want {
					t.Errorf("read %q, not %q", line, want)
					return
				}
				read++
			}
			heard.Store(int64(read))
			if p.To.Equal(place) {
				break
			}
			place = p.To
		}
	}
	if read != lines {
		t.Errorf("%d lines of %d were read", read, lines)
	}
}
