package fleet

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

func diagnosed(disk string, rate float64, verdict string, more ...protocol.Check) *protocol.Diagnosis {
	limit := 80.0
	return &protocol.Diagnosis{Profile: "quick", Checks: append([]protocol.Check{
		{Name: "disk " + disk + " read", Part: "S1", Verdict: verdict, Figures: []protocol.Figure{{Name: "rate", Value: rate, Unit: "MB/s", Limit: &limit}}},
		{Name: "cpu", Verdict: "ok", Figures: []protocol.Figure{{Name: "wrong", Unit: "rounds"}}},
	}, more...)}
}

func text(s Series) string {
	var b strings.Builder
	for _, v := range s.Values {
		if v == nil {
			b.WriteString(" -")
		} else {
			fmt.Fprintf(&b, " %g", *v)
		}
	}
	return s.Check + "/" + s.Part + "/" + s.Name + b.String()
}

// TestB46_NumbersAreComparedOverTimeByThePart although the kernel names the disk otherwise after each boot.
func TestB46_NumbersAreComparedOverTimeByThePart(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := Diagnoses{Server: "srv-1"}
	d = d.With(Measure("opn-1", diagnosed("sda", 181.23456, "ok"), now))
	d = d.With(Measure("opn-2", diagnosed("sdb", 79, "warning", protocol.Check{Name: "nic eth0 link", Part: "02:00:00:00:00:01", Verdict: "error", Figures: []protocol.Figure{{Name: "speed", Value: 1000, Unit: "Mbit/s"}}}), now.Add(time.Hour)))
	d = d.With(Measure("opn-3", diagnosed("sda", 80.5, "ok"), now.Add(2*time.Hour)))
	var got []string
	for _, s := range d.Series {
		got = append(got, text(s))
	}
	want := "disk read/S1/rate 181.235 79 80.5, cpu//wrong 0 0 0, nic link/02:00:00:00:00:01/speed - 1000 -"
	if strings.Join(got, ", ") != want {
		t.Errorf("%s\nwant\n%s", strings.Join(got, ", "), want)
	}
	if p := d.Past[1]; p.Verdict != "error" || p.Errors[0] != "nic eth0 link" || p.Warnings[0] != "disk sdb read" {
		t.Errorf("%+v", p)
	}
	if again := d.With(Measure("opn-3", diagnosed("sda", 80.5, "ok"), now.Add(3*time.Hour))); len(again.Past) != 3 {
		t.Errorf("the same diagnosis counts twice: %+v", again.Past)
	}
}

// TestB46_PastDiagnosticsAreBounded whatever an agent sends, and however often.
func TestB46_PastDiagnosticsAreBounded(t *testing.T) {
	hostile := diagnosed("sda", 1, "ok")
	for i := range 3000 {
		hostile.Checks = append(hostile.Checks, protocol.Check{
			Name: strings.Repeat("ä", 100) + fmt.Sprint(i), Part: strings.Repeat("p", 200) + fmt.Sprint(i), Verdict: "splendid",
			Figures: []protocol.Figure{{Name: fmt.Sprintf("f%d", i), Value: math.NaN()}, {Name: fmt.Sprintf("g%d", i), Value: 1e308, Unit: "x"}, {Name: fmt.Sprintf("h%d", i), Value: 12345.678, Unit: strings.Repeat("u", 300)}},
		})
	}
	hostile.Clean()
	d := Diagnoses{}
	for i := range 3 * KeptDiagnoses {
		hostile.StartedAt = hostile.StartedAt.Add(time.Hour)
		d = d.With(Measure(fmt.Sprintf("opn-%d", i), hostile, time.Now()))
	}
	raw, err := json.Marshal(d)
	if err != nil || len(raw) > 1<<20 || len(d.Past) != KeptDiagnoses || len(d.Series) > mostSeries {
		t.Fatalf("%v, %d bytes, %d diagnoses, %d series", err, len(raw), len(d.Past), len(d.Series))
	}
	for _, s := range d.Series {
		if len(s.Values) != KeptDiagnoses {
			t.Fatalf("%d values", len(s.Values))
		}
	}
	for i := range KeptDiagnoses {
		d = d.With(Measure(fmt.Sprintf("opn-late-%d", i), diagnosed("sda", float64(i), "ok"), time.Now()))
	}
	if len(d.Series) != 2 || text(d.Series[0]) != "disk read/S1/rate 0 1 2 3 4 5 6 7 8 9" {
		t.Errorf("%d series are left, the first %s", len(d.Series), text(d.Series[0]))
	}
	if raw, _ := json.Marshal(d); len(raw) > 4<<10 {
		t.Errorf("two series and ten diagnoses need %d bytes", len(raw))
	}
}
