package simulate

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/simulated"
)

// fleetOf runs a fleet without a controller and gives a client of its control socket.
func fleetOf(t *testing.T, count int) simulated.Client {
	t.Helper()
	c := simulated.Client{Socket: filepath.Join(t.TempDir(), "control")}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{
			Count: count, Seed: 1, Controllers: []string{"127.0.0.1:1"}, Join: "syj1.t.s." + strings.Repeat("ab", 32), Control: c.Socket,
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(c.Socket); err == nil {
			t.Error("the socket stays behind")
		}
	})
	eventually(t, "the fleet listens", func() bool {
		_, err := c.Machines(t.Context())
		return err == nil
	})
	return c
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}

func TestMachinesAreSwitchedByTheirNames(t *testing.T) {
	c := fleetOf(t, 3)
	list, err := c.Machines(t.Context())
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v %v", list, err)
	}
	for i, m := range list {
		if m.Number != i || m.Power != simulated.On || m.Boot != simulated.BootDisk || m.Serial == "" || m.UUID == "" || m.BootID == "" {
			t.Errorf("%+v", m)
		}
	}
	name := list[1]
	for _, way := range []string{"1", name.Serial, strings.ToLower(name.Serial), strings.ToUpper(name.UUID)} {
		if m, err := c.Power(t.Context(), way, simulated.Change{}); err != nil || m.Number != 1 || m.Power != simulated.Off {
			t.Errorf("off by %s: %+v %v", way, m, err)
		}
		m, err := c.Power(t.Context(), way, simulated.Change{On: true, Boot: simulated.BootNetwork})
		if err != nil || m.Number != 1 || m.Power != simulated.On || m.Boot != simulated.BootNetwork {
			t.Errorf("on by %s: %+v %v", way, m, err)
		}
		eventually(t, "it starts", func() bool {
			m, err := c.Machine(t.Context(), way)
			return err == nil && m.BootID != name.BootID
		})
	}
	if m, err := c.Shutdown(t.Context(), name.Serial, 0); err != nil || m.Power != simulated.Off {
		t.Errorf("shutdown: %+v %v", m, err)
	}
	if m, err := c.Machine(t.Context(), "2"); err != nil || m != list[2] && m.Power != simulated.On {
		t.Errorf("another machine was switched: %+v %v", m, err)
	}
}

func TestADelayedChangeComesLater(t *testing.T) {
	c := fleetOf(t, 1)
	start := time.Now()
	const delay = 150 * time.Millisecond
	if m, err := c.Power(t.Context(), "0", simulated.Change{Delay: delay}); err != nil || m.Power != simulated.On {
		t.Fatalf("%+v %v", m, err)
	}
	eventually(t, "it is off", func() bool {
		m, err := c.Machine(t.Context(), "0")
		return err == nil && m.Power == simulated.Off
	})
	if took := time.Since(start); took < delay {
		t.Errorf("off after %v", took)
	}
}

func TestNonsenseIsRefusedInWords(t *testing.T) {
	c := fleetOf(t, 1)
	for want, ask := range map[string]func() error{
		"no machine": func() error { _, err := c.Machine(t.Context(), "7"); return err },
		"neither": func() error {
			_, err := c.Power(t.Context(), "0", simulated.Change{On: true, Boot: "tape"})
			return err
		},
		"delay_ms": func() error { _, err := c.Shutdown(t.Context(), "0", -time.Second); return err },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := c.Shutdown(t.Context(), "0", simulated.MaxDelay+time.Second); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("too long a delay: %v", err)
	}
	if m, err := c.Machine(t.Context(), "0"); err != nil || m.Power != simulated.On {
		t.Errorf("nonsense switched a machine: %+v %v", m, err)
	}
	if _, err := (simulated.Client{Socket: c.Socket + "x"}).Machines(t.Context()); !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "--control") {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestTheSocketBearsAnything says to the socket what its client never would.
func TestTheSocketBearsAnything(t *testing.T) {
	c := fleetOf(t, 1)
	for what, line := range map[string]string{
		"text": "hello", "another type": `{"do":7}`, "a typing mistake": `{"do":"power","machine":"0","onn":true}`, "an unknown wish": `{"do":"melt"}`,
		"too long": strings.Repeat("x", simulated.MaxLine+1), "nothing": "", "from below": `{"do":"list","from":-5}`,
	} {
		conn, err := net.Dial("unix", c.Socket)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(conn, line)
		var r simulated.Reply
		if err := json.NewDecoder(conn).Decode(&r); err != nil || r.Fault == nil || r.Fault.Kind != fault.KindInvalid {
			t.Errorf("%s: %+v %v", what, r, err)
		}
		_ = conn.Close()
	}
	conn, err := net.Dial("unix", c.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for range 3 { // one connection serves many requests
		fmt.Fprintln(conn, `{"do":"get","machine":"0"}`)
		if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, `"power":"on"`) {
			t.Errorf("%s %v", line, err)
		}
	}
	if m, err := c.Machine(t.Context(), "0"); err != nil || m.Power != simulated.On {
		t.Errorf("%+v %v", m, err)
	}
}

func TestX9_TheSocketIsItsOwnersAlone(t *testing.T) {
	c := fleetOf(t, 1)
	st, err := os.Stat(c.Socket)
	if err != nil || st.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(c.Socket))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the socket: %v %v", left, err)
	}
	if _, err := listen(t.Context(), c.Socket); !fault.Is(err, fault.KindConflict) {
		t.Errorf("a second fleet on the socket: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(t.Context(), file); !fault.Is(err, fault.KindRefused) {
		t.Errorf("a file in the way: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file is lost: %q %v", text, err)
	}
	if _, err := listen(t.Context(), filepath.Join(t.TempDir(), strings.Repeat("x", 120))); err == nil {
		t.Error("too long a path")
	}
}

func TestWhatADeadFleetLeftIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control")
	for range 2 {
		ln, err := listen(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		_ = ln.(*named).Listener.Close() // as a kill does: the name stays
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

// TestAStormOfSwitchesSettles turns a fleet off and on from many sides at once. It ends in the last
// wish, and goleak sees that nothing is left of the lives between.
func TestAStormOfSwitchesSettles(t *testing.T) {
	const count = 200
	c := fleetOf(t, count)
	for round := range 4 {
		on := round%2 == 1
		var asking sync.WaitGroup
		for n := range count {
			asking.Go(func() {
				if _, err := c.Power(t.Context(), fmt.Sprint(n), simulated.Change{On: on}); err != nil {
					t.Error(err)
				}
			})
		}
		asking.Wait()
		list, err := c.Machines(t.Context())
		if err != nil || len(list) != count {
			t.Fatalf("%d machines: %v", len(list), err)
		}
		for _, m := range list {
			if (m.Power == simulated.On) != on {
				t.Fatalf("round %d: %+v", round, m)
			}
		}
	}
}

// FuzzRequest gives the socket's parser whatever comes. It always answers, and within the bound that clients read to.
func FuzzRequest(f *testing.F) {
	for _, line := range []string{
		`{"do":"list"}`, `{"do":"list","from":1}`, `{"do":"get","machine":"0"}`, `{"do":"power","machine":"SYS","on":true,"boot":"network"}`,
		`{"do":"power","machine":"1","delay_ms":9223372036854775807}`, `{"do":"shutdown","machine":"2","delay_ms":-1}`, `{`, `null`, `[]`, `{"do":"list","from":1e30}`,
	} {
		f.Add([]byte(line))
	}
	c := newControl(newFleet(Options{Count: 3, Seed: 1}))
	f.Fuzz(func(t *testing.T, line []byte) {
		r := c.answer(line)
		for _, a := range c.agents {
			a.power.forget()
		}
		text, err := json.Marshal(r)
		if err != nil || len(text) > simulated.MaxReply || r.Fault == nil && len(r.Machines) == 0 && !strings.Contains(string(line), "from") {
			t.Errorf("%q: %s %v", line, text, err)
		}
	})
}

func TestAListGoesOnWhereItEnded(t *testing.T) {
	f := newFleet(Options{Count: 2*simulated.MaxList + 1, Seed: 1})
	c := newControl(f)
	var seen, replies int
	for from := 0; ; replies++ {
		r := c.list(from)
		for _, m := range r.Machines {
			if m.Number != seen {
				t.Fatalf("machine %d comes after %d", m.Number, seen-1)
			}
			seen++
		}
		if text, err := json.Marshal(r); err != nil || len(text) >= simulated.MaxReply {
			t.Fatalf("a reply of %d bytes: %v", len(text), err)
		}
		if from = r.Next; from == 0 {
			break
		}
	}
	if seen != len(f.agents) || replies != 2 {
		t.Errorf("%d of %d machines", seen, len(f.agents))
	}
}
