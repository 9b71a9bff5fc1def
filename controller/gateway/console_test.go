package gateway

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

func frame(tb testing.TB, kind protocol.Kind, m any) []byte {
	tb.Helper()
	raw, err := session.Marshal(kind, m)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// Whatever a machine sends in its console, a person is shown at most one chunk at a time, reads one clean sentence at its end, and
// the console is over with the first frame that may not come.
func FuzzConsoleOutput(f *testing.F) {
	f.Add(frame(f, protocol.KindConsoleData, &protocol.ConsoleData{Data: []byte("# ")}))
	f.Add(frame(f, protocol.KindConsoleExit, &protocol.ConsoleExit{Status: 3}))
	f.Add(frame(f, protocol.KindConsoleExit, &protocol.ConsoleExit{Fault: fault.Refused("no \x1b[2J%s", strings.Repeat("terminal ", 500))}))
	f.Add(frame(f, protocol.KindConsoleData, &protocol.ConsoleData{Data: make([]byte, protocol.ConsoleChunk+1)}))
	f.Add(frame(f, protocol.KindConsoleSize, &protocol.ConsoleSize{Rows: 1, Cols: 1}))
	f.Add([]byte{0, 0, 0, 2, byte(protocol.KindConsoleExit), 0xc1})
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		mine, theirs := net.Pipe()
		var other sync.WaitGroup
		other.Go(func() {
			_, _ = io.Copy(theirs, bytes.NewReader(raw)) // the console may be over before
			_ = theirs.Close()
		})
		gate := new(Gateway)
		gate.count.bad = newTally()
		c := &Console{ID: "con-1", agent: &agent{gate: gate, server: "srv-1"}, over: make(chan struct{}), conn: session.NewConn(mine, 0)}
		shown := 0
		for {
			output, exit, err := c.Receive()
			if err != nil {
				break
			}
			if exit != nil {
				if text := exit.Fault; text != nil && (len(text.Error()) > 2*hardware.MaxString || strings.ContainsAny(text.Error(), "\x1b\r\n")) {
					t.Errorf("%q", text.Error())
				}
				break
			}
			if shown += len(output); len(output) > protocol.ConsoleChunk || shown > len(raw) {
				t.Fatalf("%d bytes at once, %d of %d", len(output), shown, len(raw))
			}
		}
		c.Close()
		_ = mine.Close()
		other.Wait()
	})
}
