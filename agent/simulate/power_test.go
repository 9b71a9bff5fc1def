package simulate

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/pkg/simulated"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lives runs the lives of a machine and tells how each of them ended.
func lives(t *testing.T, p *power) (ends chan error) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	ends = make(chan error, 100)
	go func() {
		for {
			l, err := p.start(ctx)
			if err != nil {
				return
			}
			<-l.Done()
			ends <- context.Cause(l)
			p.over()
		}
	}()
	return ends
}

func TestALifeEndsWithItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPower()
		ends := lives(t, p)
		expect := func(what string, ended error, on bool, boot string, starts int) {
			t.Helper()
			synctest.Wait()
			select {
			case why := <-ends:
				if !errors.Is(why, ended) {
					t.Errorf("%s: a life ended: %v, want %v", what, why, ended)
				}
			default:
				if ended != nil {
					t.Errorf("%s: no life ended", what)
				}
			}
			if o, b, s := p.state(); o != on || b != boot || s != starts {
				t.Errorf("%s: on %v, from %s, start %d; want %v %s %d", what, o, b, s, on, boot, starts)
			}
		}
		expect("new", nil, true, simulated.BootDisk, 1)
		p.turnOn(simulated.BootNetwork)
		expect("on again", nil, true, simulated.BootDisk, 1)
		p.turnOff(errCut)
		expect("cut", errCut, false, simulated.BootDisk, 1)
		p.restart(errReboot)
		p.turnOff(errOff)
		expect("off and off", nil, false, simulated.BootDisk, 1)
		p.turnOn(simulated.BootNetwork)
		expect("on", nil, true, simulated.BootNetwork, 2)
		p.restart(errReboot)
		expect("reboot", errReboot, true, simulated.BootDisk, 3)
		p.turnOff(errOff)
		p.turnOn("")
		expect("off and on at once", errOff, true, simulated.BootDisk, 4)
	})
}

func TestALaterChangeReplacesTheOneThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPower()
		ends := lives(t, p)
		p.after(time.Minute, func() { p.turnOff(errCut) })
		p.after(time.Hour, func() { p.turnOff(errOff) })
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		if on, _, _ := p.state(); !on || len(ends) > 0 {
			t.Fatal("the first change happened")
		}
		time.Sleep(2 * time.Second)
		if on, _, _ := p.state(); on || !errors.Is(<-ends, errOff) {
			t.Error("the second change did not happen")
		}
		p.after(time.Minute, func() { p.turnOn("") })
		p.forget()
		time.Sleep(time.Hour)
		if on, _, _ := p.state(); on {
			t.Error("a forgotten change happened")
		}
	})
}

// TestACutSaysNothing looks at the connection: it ends before the life does, and none is made after it.
func TestACutSaysNothing(t *testing.T) {
	for why, pulled := range map[error]bool{errCut: true, errDied: true, errOff: false, errReboot: false} {
		p := newPower()
		l, err := p.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		theirs, ours := net.Pipe()
		dial := l.cord.through(func(context.Context, string) (net.Conn, error) { return ours, nil })
		conn, err := dial(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		heard := make(chan string)
		go func() {
			text, _ := io.ReadAll(theirs)
			heard <- string(text)
		}()
		l.end(why)
		_, _ = conn.Write([]byte("goodbye"))
		_ = conn.Close()
		if got := <-heard; pulled == (got != "") {
			t.Errorf("%v: %q was heard after it", why, got)
		}
		if len(l.cord.conns) > 0 {
			t.Errorf("%v: a closed connection is held", why)
		}
		if _, err := dial(t.Context(), ""); pulled != errors.Is(err, net.ErrClosed) {
			t.Errorf("%v: a connection after the end: %v", why, err)
		}
		p.over()
	}
}
