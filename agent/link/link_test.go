package link

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

const week = 7 * 24 * time.Hour

func TestHeartbeatEvery15SecondsAndSampleEveryMinute(t *testing.T) {
	onBench(t, week, func(b *bench) {
		conn, _ := b.welcome()
		start, last := time.Now(), time.Now()
		pings, samples := uint64(0), 0
		for time.Since(start) < 10*time.Minute-time.Second {
			m, err := conn.Receive()
			if err != nil {
				t.Fatal(err)
			}
			switch m.Kind {
			case protocol.KindPing:
				pings++
				if gap := time.Since(last); gap != 15*time.Second {
					t.Fatalf("a heartbeat after %v", gap)
				}
				last = time.Now()
				b.pong(conn, m)
			case protocol.KindSample:
				samples++
			default:
				t.Fatalf("kind %d in an idle session", m.Kind)
			}
			if pings == 39 {
				break
			}
		}
		if samples < 9 || samples > 10 {
			t.Errorf("%d samples in ten minutes", samples)
		}
	})
}

func TestSilentControllerIsLeftAfterThreeHeartbeats(t *testing.T) {
	onBench(t, week, func(b *bench) {
		conn, _ := b.welcome()
		start := time.Now()
		for {
			if _, err := conn.Receive(); err != nil {
				break
			}
		}
		if took := time.Since(start); took != 45*time.Second {
			t.Errorf("left after %v", took)
		}
		b.welcome() // and comes back
		if back := time.Since(start) - 45*time.Second; back > 40*time.Second {
			t.Errorf("came back after %v; the controller asked for at most 40 s", back)
		}
	})
}

func TestHelloSaysWhatIsKnownAndOnlyAWantedInventoryIsSent(t *testing.T) {
	onBench(t, week, func(b *bench) {
		b.m.results = []protocol.Result{{Command: "cmd-9"}}
		conn, hello := b.welcome(func(w *protocol.Welcome) { w.WantReport = true })
		var rep protocol.Report
		b.until(conn, protocol.KindReport, &rep)
		if rep.Digest != hello.InventoryDigest || hello.Identity.UUID != rep.Inventory.Identity.UUID || rep.Digest != rep.Inventory.Digest() || len(hello.Unacked) != 1 || hello.Unacked[0] != "cmd-9" {
			t.Errorf("hello %+v, report %s", hello, rep.Digest)
		}
		_ = conn.Close()
		conn, again := b.welcome()
		if again.InventoryDigest != hello.InventoryDigest || again.InstanceID != hello.InstanceID {
			t.Error("another digest or instance after a reconnect")
		}
		b.m.with(func() { b.m.model = "second" })
		start := time.Now()
		b.until(conn, protocol.KindReport, &rep)
		if rep.Inventory.CPUs[0].Model != "second" || time.Since(start) > 11*time.Minute {
			t.Errorf("after %v: %+v", time.Since(start), rep.Inventory.CPUs)
		}
		if err := conn.Send(protocol.KindWant, &protocol.Want{}); err != nil {
			t.Fatal(err)
		}
		b.until(conn, protocol.KindReport, &rep)
	})
}

func TestSlowInventoryDoesNotDelayHeartbeats(t *testing.T) {
	onBench(t, week, func(b *bench) {
		conn, _ := b.welcome()
		b.m.with(func() { b.m.slow = 5 * time.Minute })
		if err := conn.Send(protocol.KindWant, &protocol.Want{}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			start := time.Now()
			b.until(conn, protocol.KindPing, new(protocol.Ping))
			if gap := time.Since(start); gap > 15*time.Second {
				t.Fatalf("a heartbeat after %v", gap)
			}
			if err := conn.Send(protocol.KindPong, &protocol.Pong{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestResultIsRepeatedUntilItIsAcknowledged(t *testing.T) {
	onBench(t, week, func(b *bench) {
		conn, _ := b.welcome()
		b.m.with(func() { b.m.results = []protocol.Result{{Command: "cmd-1"}} })
		b.m.changed <- struct{}{}
		var res protocol.Result
		b.until(conn, protocol.KindResult, &res)
		start := time.Now()
		b.until(conn, protocol.KindResult, &res)
		if gap := time.Since(start); gap != ResendAfter {
			t.Errorf("repeated after %v", gap)
		}
		_ = conn.Close()
		conn, _ = b.welcome()
		b.until(conn, protocol.KindResult, &res)
		if err := conn.Send(protocol.KindAck, &protocol.Ack{Command: "cmd-1"}); err != nil {
			t.Fatal(err)
		}
		for range 20 { // five minutes
			m, err := conn.Receive()
			if err != nil || m.Kind == protocol.KindResult {
				t.Fatalf("kind %d, %v", m.Kind, err)
			}
			if m.Kind == protocol.KindPing {
				b.pong(conn, m)
			}
		}
	})
}

func TestCommandsAndCancellationsReachTheExecutorInOrder(t *testing.T) {
	onBench(t, week, func(b *bench) {
		conn, _ := b.welcome(func(w *protocol.Welcome) { w.Epoch = 7 })
		for i := range 5 {
			if err := conn.Send(protocol.KindCommand, &protocol.Command{ID: fmt.Sprint("cmd-", i)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.Send(protocol.KindCancel, &protocol.Cancel{Command: "cmd-2"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.m.with(func() {
			if strings.Join(b.m.commands, " ") != "cmd-0 cmd-1 cmd-2 cmd-3 cmd-4" || len(b.m.stopped) != 1 || len(b.m.attached) != 1 || b.m.attached[0].Epoch != 7 {
				t.Errorf("%v, %v, %+v", b.m.commands, b.m.stopped, b.m.attached)
			}
		})
	})
}

func TestWhatAControllerMayNotSayEndsTheSessionAndNothingElse(t *testing.T) {
	onBench(t, week, func(b *bench) {
		for _, bad := range []struct {
			kind protocol.Kind
			msg  any
		}{
			{protocol.KindHello, &protocol.Hello{}},
			{protocol.KindWelcome, &protocol.Welcome{}},
			{protocol.KindReport, &protocol.Report{}},
			{protocol.KindCommand, &protocol.Ping{Seq: 1}},
		} {
			conn, _ := b.welcome()
			if bad.kind == protocol.KindCommand { // a Command whose id is a number
				bad.msg = map[string]int{"id": 5}
			}
			if err := conn.Send(bad.kind, bad.msg); err != nil {
				t.Fatal(err)
			}
			for {
				if _, err := conn.Receive(); err != nil {
					break
				}
			}
		}
		for _, w := range []func(*protocol.Welcome){
			func(w *protocol.Welcome) { w.ServerID = "srv-2" }, func(w *protocol.Welcome) { w.Version = 9 },
		} {
			conn, _ := b.welcome(w)
			if m, err := conn.Receive(); err == nil {
				t.Errorf("the session went on with kind %d", m.Kind)
			}
		}
		b.welcome()
	})
}

func TestGoodbyeSaysHowLongToStayAway(t *testing.T) {
	onBench(t, week, func(b *bench) {
		conn, _ := b.welcome()
		start := time.Now()
		if err := conn.Send(protocol.KindGoodbye, &protocol.Goodbye{Fault: fault.Denied("server srv-1 was rejected"), RetrySeconds: 300}); err != nil {
			t.Fatal(err)
		}
		b.welcome()
		if away := time.Since(start); away < 300*time.Second || away > 376*time.Second {
			t.Errorf("came back after %v", away)
		}
	})
}

func TestRenewalAtTwoThirdsOfTheLife(t *testing.T) {
	onBench(t, week, func(b *bench) {
		start := time.Now()
		conn, _ := b.welcome(func(w *protocol.Welcome) { w.HeartbeatSeconds, w.SampleSeconds = 300, 3600 })
		before, _, _ := b.state.Load()
		var r protocol.Renew
		b.until(conn, protocol.KindRenew, &r)
		if at := time.Since(start); at < week*2/3-time.Minute || at > week*2/3+time.Minute {
			t.Errorf("asked after %v", at)
		}
		// A certificate that is not for this key, or not of this server, is not taken over.
		other, err := request(before.Key)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Send(protocol.KindRenewed, &protocol.Renewed{Certificate: b.ca.sign(t, other, "srv-1", week)}); err != nil {
			t.Fatal(err)
		}
		b.until(conn, protocol.KindRenew, &r) // asked again later
		if rec, _, _ := b.state.Load(); string(rec.Key) != string(before.Key) || string(rec.Certificate) != string(before.Certificate) {
			t.Fatal("a wrong certificate replaced a good one")
		}
		if err := conn.Send(protocol.KindRenewed, &protocol.Renewed{Certificate: b.ca.sign(t, r.CSR, "srv-1", week)}); err != nil {
			t.Fatal(err)
		}
		renewed := time.Now()
		b.until(conn, protocol.KindGoodbye, new(protocol.Goodbye))
		_ = conn.Close()
		b.welcome()
		if time.Since(renewed) > time.Second {
			t.Errorf("came back with the new certificate after %v", time.Since(renewed))
		}
		after, _, _ := b.state.Load()
		if string(after.Key) == string(before.Key) || after.InstanceID != before.InstanceID {
			t.Error("the key was not replaced, or the instance was")
		}
		if _, err := after.identity(); err != nil {
			t.Error(err)
		}
	})
}

// TestX1_AnAdoptedAgentTakesTheServersNameAndCertificate: a person said which server the machine is.
func TestX1_AnAdoptedAgentTakesTheServersNameAndCertificate(t *testing.T) {
	onBench(t, week, func(b *bench) {
		adopted := func(w *protocol.Welcome) { w.ServerID, w.Former = "srv-2", "srv-1" }
		conn, _ := b.welcome(adopted)
		var r protocol.Renew
		b.until(conn, protocol.KindRenew, &r)
		if err := conn.Send(protocol.KindRenewed, &protocol.Renewed{Certificate: b.ca.sign(t, r.CSR, "srv-2", week)}); err != nil {
			t.Fatal(err)
		}
		b.until(conn, protocol.KindGoodbye, new(protocol.Goodbye))
		_ = conn.Close()
		b.welcome(func(w *protocol.Welcome) { w.ServerID = "srv-2" })
		synctest.Wait()
		rec, _, _ := b.state.Load()
		if _, err := rec.identity(); err != nil || rec.ServerID != "srv-2" || !b.link.Status().Connected {
			t.Errorf("the agent is %q (%v), %+v", rec.ServerID, err, b.link.Status())
		}
	})
}

func TestStopSaysGoodbye(t *testing.T) {
	onBench(t, week, func(b *bench) {
		conn, _ := b.welcome()
		synctest.Wait()
		go b.stop()
		b.until(conn, protocol.KindGoodbye, new(protocol.Goodbye))
		b.stop()
	})
}

func TestBackOffIsFullJitterUpToWhatTheControllerAskedFor(t *testing.T) {
	bound := []time.Duration{1, 2, 4, 8, 16, 30, 30, 30}
	var b backoff
	for i, want := range bound {
		if got := b.bound(); got != want*time.Second {
			t.Errorf("attempt %d: bound %v, want %v s", i, got, int(want))
		}
		b.next(errors.New("x"))
	}
	b.stood(300)
	low, high := 0, 0
	for range 1000 {
		b.failures = 0
		wait := b.next(io.EOF)
		if wait > 300*time.Second {
			t.Fatalf("%v", wait)
		}
		if wait < 150*time.Second {
			low++
		} else {
			high++
		}
	}
	if low < 400 || high < 400 {
		t.Errorf("a lost controller would be met by a wave: %d in the first half, %d in the second", low, high)
	}
	b.stood(1 << 40)
	if b.bound() > mostCap {
		t.Errorf("a controller can send its agents away for %v", b.bound())
	}
	if w := b.next(session.LeftBy(protocol.Goodbye{RetrySeconds: 60})); w < 60*time.Second || w > 75*time.Second {
		t.Errorf("%v after being asked for 60 s", w)
	}
}

func TestX9_StateIsReadableByItsOwnerOnlyAndReplacedAsAWhole(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "state"))
	first, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := load(dir)
	if err != nil || again.InstanceID != first.InstanceID || string(again.Key) != string(first.Key) {
		t.Fatalf("the instance is made once: %v, %v, %v", first.InstanceID, again.InstanceID, err)
	}
	for path, mode := range map[string]os.FileMode{string(dir): 0o700, filepath.Join(string(dir), StateFile): 0o600} {
		st, err := os.Stat(path)
		if err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", path, st, err, mode)
		}
	}
	again.ServerID = "srv-1"
	if err := dir.Save(again); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(string(dir))
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	if err := os.WriteFile(filepath.Join(string(dir), StateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(dir); !fault.Is(err, fault.KindInternal) || !strings.Contains(err.Error(), "join again") {
		t.Errorf("damaged: %v", err)
	}
}

func TestNewNeedsATokenUntilItHasEnrolled(t *testing.T) {
	m := newMachine()
	o := Options{Controllers: []string{"x"}, State: new(Memory), Source: m, Executor: m}
	if _, err := New(o); !fault.Is(err, fault.KindInvalid) || !strings.Contains(err.Error(), "token create") {
		t.Errorf("%v", err)
	}
	o.Join = "nonsense"
	if _, err := New(o); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("%v", err)
	}
}
