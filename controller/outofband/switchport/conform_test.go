package switchport

import (
	"strconv"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/switchport/snmpsim"
	"github.com/steelyard/steelyard/pkg/fault"
)

// subject is a switch that the suite may use up.
type subject struct {
	write, read func(t *testing.T) *device // with and without the right to write
	stranger    func(t *testing.T) *device // with a community that is not known
	port        string                     // name of a port that is up
	alias       func(t *testing.T, alias string)
	carries     func(t *testing.T) bool // traffic passes the port
	traffic     func(t *testing.T)      // lets bytes pass in both directions
}

// conform is what every switch must do, the real agent and the played one.
func conform(t *testing.T, s subject) {
	named := outofband.Port{Switch: "sw1", By: outofband.ByName, Value: s.port}
	t.Run("a port is found in each way", func(t *testing.T) {
		d := s.write(t)
		byName, err := d.Find(within(t, 20*time.Second), outofband.ByName, s.port)
		if err != nil {
			t.Fatal(err)
		}
		if byName.Admin != up || byName.Oper != up || byName.Name != s.port || byName.Counters.Bits != 64 || byName.Counters.At.IsZero() {
			t.Errorf("read %+v", byName)
		}
		s.alias(t, "rack 7 unit 3")
		for by, value := range map[string]string{outofband.ByIndex: strconv.Itoa(byName.Index), outofband.ByAlias: "rack 7 unit 3"} {
			p, err := d.Find(within(t, 20*time.Second), by, value)
			if err != nil || p.Index != byName.Index || p.Alias != "rack 7 unit 3" {
				t.Errorf("by %s: %+v, %v", by, p, err)
			}
		}
		all, err := d.Ports(within(t, 20*time.Second))
		if err != nil || len(all) < 2 {
			t.Fatalf("ports: %v, %v", all, err)
		}
	})
	t.Run("what is not there is not found", func(t *testing.T) {
		d := s.read(t)
		for by, value := range map[string]string{
			outofband.ByName: "no-such-port", outofband.ByAlias: "nobody", outofband.ByIndex: "999999",
			outofband.ByMAC: "00:16:3e:7f:7f:7f", outofband.ByLLDP: "00:16:3e:7f:7f:7f",
		} {
			_, err := d.Find(within(t, 20*time.Second), by, value)
			isKind(t, err, fault.KindNotFound)
		}
		for by, value := range map[string]string{outofband.ByName: " ", outofband.ByIndex: "-1", outofband.ByMAC: "ff:ff:ff:ff:ff:ff", "colour": "red"} {
			_, err := d.Find(within(t, 20*time.Second), by, value)
			isKind(t, err, fault.KindInvalid)
		}
	})
	t.Run("B31 shutting a port stops its traffic", func(t *testing.T) {
		d := s.write(t)
		if !s.carries(t) {
			t.Fatal("the port carries nothing at first")
		}
		for _, wantChange := range []bool{true, false} { // the second time it is a no-op
			var said []string
			seen, changed, err := Shut(within(t, 20*time.Second), d, named, func(s string) { said = append(said, s) })
			if err != nil || changed != wantChange || seen.Admin != down || !dark(seen.Oper) || (len(said) > 0) != wantChange {
				t.Fatalf("shut: %+v, changed %v, said %q, %v", seen, changed, said, err)
			}
			if s.carries(t) {
				t.Fatal("a port that is shut carries traffic")
			}
		}
	})
	t.Run("B33 enabling a port lets it carry again", func(t *testing.T) {
		d := s.write(t)
		for _, wantChange := range []bool{true, false} {
			seen, changed, err := Enable(within(t, 20*time.Second), d, named, 0, nil)
			if err != nil || changed != wantChange || seen.Admin != up || seen.Switch != "sw1" || seen.Port != s.port {
				t.Fatalf("enable: %+v, changed %v, %v", seen, changed, err)
			}
		}
		if !s.carries(t) {
			t.Error("a port that is enabled carries nothing")
		}
	})
	t.Run("U5 traffic is counted", func(t *testing.T) {
		d := s.read(t)
		wiring := outofband.Wiring{Server: "s1", Ports: []outofband.Port{named}}
		look := func() []outofband.Look {
			seen, counters, err := Look(within(t, 20*time.Second), d, named)
			if err != nil {
				t.Fatal(err)
			}
			return []outofband.Look{{Seen: seen, Counters: counters}}
		}
		first := outofband.Traffic{}.Count(wiring, look())
		s.traffic(t)
		deadline := time.Now().Add(30 * time.Second) // a real agent reads its counters every few seconds
		for {
			got := first.Count(wiring, look())
			if got.InBytes >= 5000 && got.OutBytes >= 5000 && got.InBytes < 1e6 && got.GapCount == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("counted %+v", got)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	t.Run("without the right to write it is refused", func(t *testing.T) {
		d := s.read(t)
		_, _, err := Shut(within(t, 20*time.Second), d, named, nil)
		isKind(t, err, fault.KindRefused)
		if !s.carries(t) {
			t.Error("the port was shut all the same")
		}
	})
	t.Run("one that is unknown is met with silence", func(t *testing.T) {
		d := s.stranger(t)
		start := time.Now()
		_, err := d.Find(within(t, 700*time.Millisecond), outofband.ByName, s.port)
		isKind(t, err, fault.KindUnavailable)
		if took := time.Since(start); took < 700*time.Millisecond || took > 5*time.Second {
			t.Errorf("took %v with a deadline of 0.7 s: %v", took, err)
		}
	})
}

func TestPlayedSwitchConforms(t *testing.T) {
	sw := snmpsim.NewSwitch("rack7", 8, time.Now, 66)
	address := serve(t, sw.Tree)
	conform(t, subject{
		write:    func(t *testing.T) *device { return dial(t, address, "private") },
		read:     func(t *testing.T) *device { return dial(t, address, "public") },
		stranger: func(t *testing.T) *device { return dial(t, address, "guess") },
		port:     "port3",
		alias:    func(t *testing.T, alias string) { setAlias(t, sw, 3, alias) },
		carries: func(*testing.T) bool {
			return sw.Up(3)
		},
		traffic: func(*testing.T) { sw.Carry(3, 6000, 7000) },
	})
}
