package switchport

import (
	"context"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/switchport/snmpsim"
)

// asked counts the requests of a switch.
func asked(d *device) *int {
	n := new(int)
	d.snmp.OnSent = func(*gosnmp.GoSNMP) { *n++ }
	return n
}

func BenchmarkLook(b *testing.B) {
	for _, by := range []outofband.Port{{By: outofband.ByIndex, Value: "130"}, {By: outofband.ByName, Value: "port30"}} {
		b.Run(by.By, func(b *testing.B) {
			d := dial(b, serve(b, snmpsim.NewSwitch("rack7", 52, time.Now, 66).Tree), "public")
			if _, _, err := Look(context.Background(), d, by); err != nil {
				b.Fatal(err)
			}
			n := asked(d)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Look(context.Background(), d, by); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(*n)/float64(b.N), "requests/op")
		})
	}
}

func BenchmarkPortsOf52(b *testing.B) {
	d := dial(b, serve(b, snmpsim.NewSwitch("rack7", 52, time.Now, 66).Tree), "public")
	n := asked(d)
	b.ReportAllocs()
	for b.Loop() {
		if p, err := d.Ports(context.Background()); err != nil || len(p) != 52 {
			b.Fatal(len(p), err)
		}
	}
	b.ReportMetric(float64(*n)/float64(b.N), "requests/op")
}

// A look and a walk stay within so many round trips: on a management network one
// takes longer than everything else.
func TestRoundTripsAreFew(t *testing.T) {
	sw := snmpsim.NewSwitch("rack7", 52, time.Now, 66)
	d := dial(t, serve(t, sw.Tree), "public")
	for _, c := range []struct {
		name string
		most int
		act  func() error
	}{
		{"first look by index", 3, func() error {
			_, err := d.Find(within(t, 10*time.Second), outofband.ByIndex, "130")
			return err
		}},
		{"look by index", 1, func() error {
			_, err := d.Find(within(t, 10*time.Second), outofband.ByIndex, "131")
			return err
		}},
		{"look by name", 3, func() error {
			_, err := d.Find(within(t, 10*time.Second), outofband.ByName, "port30")
			return err
		}},
		{"all ports", 23, func() error {
			_, err := d.Ports(within(t, 10*time.Second))
			return err
		}},
	} {
		n := asked(d)
		if err := c.act(); err != nil || *n > c.most {
			t.Errorf("%s: %d requests, want at most %d; %v", c.name, *n, c.most, err)
		}
	}
}
