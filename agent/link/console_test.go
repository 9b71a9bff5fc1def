package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// deaf is a shell that writes nothing and counts what it is told; a real one is in agent/shell and deploy/e2e/wire.
type deaf struct {
	over   chan struct{}
	once   sync.Once
	typed  int
	most   int
	widest int
}

func (d *deaf) Read([]byte) (int, error) {
	<-d.over
	return 0, io.EOF
}

func (d *deaf) Write(p []byte) (int, error) {
	d.typed += len(p)
	d.most = max(d.most, len(p))
	return len(p), nil
}

func (d *deaf) Resize(rows, cols int) error {
	if min(rows, cols) < 0 {
		d.widest = -1
	}
	d.widest = max(d.widest, rows, cols)
	return nil
}

func (d *deaf) Wait() int { return 0 }

func (d *deaf) Close() error {
	d.once.Do(func() { close(d.over) })
	return nil
}

// frame is the bytes of one message.
func frame(tb testing.TB, kind protocol.Kind, m any) []byte {
	tb.Helper()
	raw, err := session.Marshal(kind, m)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// Whatever comes over the connection of a console, the shell gets at most one chunk at a time and a size within the bounds, and both ends
// are closed afterwards.
func FuzzConsoleFrames(f *testing.F) {
	f.Add(frame(f, protocol.KindConsoleData, &protocol.ConsoleData{Data: []byte("ls\r")}))
	f.Add(append(frame(f, protocol.KindConsoleSize, &protocol.ConsoleSize{Rows: 50, Cols: 132}), frame(f, protocol.KindConsoleData, &protocol.ConsoleData{Data: make([]byte, protocol.ConsoleChunk)})...))
	f.Add(frame(f, protocol.KindConsoleSize, &protocol.ConsoleSize{Rows: -1, Cols: 1 << 40}))
	f.Add(frame(f, protocol.KindConsoleData, &protocol.ConsoleData{Data: make([]byte, protocol.ConsoleChunk+1)}))
	f.Add(frame(f, protocol.KindReport, &protocol.Report{}))
	f.Add([]byte{0, 0, 0, 2, byte(protocol.KindConsoleData), 0xc1})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		mine, theirs := net.Pipe()
		conn, shell := session.NewConn(mine, 0), &deaf{over: make(chan struct{})}
		var other sync.WaitGroup
		other.Go(func() {
			_, _ = io.Copy(theirs, bytes.NewReader(raw)) // the agent may have had enough
			_ = theirs.Close()
		})
		other.Go(func() { _, _ = io.Copy(io.Discard, theirs) })
		err := connect(conn, shell)
		_ = theirs.Close()
		other.Wait()
		if shell.most > protocol.ConsoleChunk || shell.typed > len(raw) || shell.widest < 0 || shell.widest > protocol.MaxConsoleSide {
			t.Errorf("typed %d, at most %d at once, %d wide", shell.typed, shell.most, shell.widest)
		}
		var bad *session.BadFrame
		if err != nil && !errors.As(err, &bad) && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%v", err)
		}
		select {
		case <-shell.over:
		default:
			t.Error("the shell goes on")
		}
	})
}
