package protocol

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestU2_QuarterHoursSurviveTheWire(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var want, got []QuarterUsage
	var a UsageAnswer
	at := int64(0)
	for range 300 {
		q := QuarterUsage{Quarter: at + 1 + rnd.Int64N(2e6)}
		for c := range q.Traffic {
			q.Traffic[c] = Traffic{In: rnd.Uint64() >> rnd.IntN(65), Out: rnd.Uint64() >> rnd.IntN(65)}
		}
		a.Quarters = AppendQuarter(a.Quarters, at, &q)
		want, at = append(want, q), q.Quarter
	}
	if err := a.Each(func(q QuarterUsage) { got = append(got, q) }); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatal(err, len(got))
	}
	for n := range len(a.Quarters) {
		cut, seen := UsageAnswer{Quarters: a.Quarters[:n]}, 0
		if err := cut.Each(func(QuarterUsage) { seen++ }); err == nil && !reflect.DeepEqual(want[:seen], got[:seen]) {
			t.Fatal(n)
		}
	}
	if (&UsageAnswer{Quarters: make([]byte, maxQuarterBytes+1)}).Each(func(QuarterUsage) {}) == nil || (&UsageAnswer{Quarters: []byte{1, 8}}).Each(func(QuarterUsage) {}) == nil {
		t.Error("too much is read")
	}
}

func TestU7_MonthsThatCannotBeAreRefused(t *testing.T) {
	good := UsageMonths{Months: []UsageMonth{{Name: "2026-10", From: 10, To: 20, Days: []int64{10, 15}}, {Name: "2026-11", From: 20, To: 30}}}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]UsageMonth{
		"many":     make([]UsageMonth, MaxUsageMonths+1),
		"nameless": {{From: 1, To: 2}},
		"empty":    {{Name: "a", From: 2, To: 2}},
		"overlap":  {{Name: "a", From: 1, To: 3}, {Name: "b", From: 2, To: 4}},
		"days":     {{Name: "a", From: 1, To: 300, Days: []int64{2}}},
		"order":    {{Name: "a", From: 1, To: 300, Days: []int64{1, 5, 5}}},
		"outside":  {{Name: "a", From: 1, To: 300, Days: []int64{1, 300}}},
	} {
		if (&UsageMonths{Months: bad}).Check() == nil {
			t.Error(name)
		}
	}
}

func TestWhatAgentsTellOfUsageIsBounded(t *testing.T) {
	long := strings.Repeat("x", 5000)
	r := UsageReport{Book: long, Months: []string{long}}
	for range 50 {
		r.Sources = append(r.Sources, UsageSource{Name: long, Problem: long, Sample: "a\x00" + long, Gaps: make([]UsageGap, 100)})
	}
	r.Clean()
	s := r.Sources[0]
	if len(r.Sources) != maxUsageSources || len(r.Book) > maxUsageID || len(r.Months[0]) > maxUsageID || len(s.Name) > maxUsageID || len(s.Problem) > maxHostedText || len(s.Sample) > maxHostedText || len(s.Gaps) != MaxUsageGaps {
		t.Errorf("%d %+v", len(r.Sources), s)
	}
	u := ServerUsage{Book: long, Months: make([]ServerMonth, 9), Gaps: make([]UsageGap, 99)}
	u.Months[0] = ServerMonth{Name: long, Ports: make([]PortTraffic, 99), Days: make([]Traffic, 99), In: []uint64{1, 3, 2}, Out: make([]uint64, 999)}
	u.Clean()
	if m := u.Months[0]; len(u.Months) != 2 || len(m.Ports) != maxPorts || len(m.Days) != maxDays || m.In[0] != 3 || m.In[2] != 1 || len(m.Out) != maxBusiest || len(m.Name) > maxUsageID || len(u.Gaps) != MaxUsageGaps {
		t.Errorf("%+v", u)
	}
	if Busiest(0) != 1 || Busiest(2976) != 149 {
		t.Error(Busiest(0), Busiest(2976))
	}
}

func TestAQuestionForQuarterHoursIsChecked(t *testing.T) {
	good := UsageAsk{ID: "a", Account: "b", From: 1, To: 1 + MaxQuarters}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []UsageAsk{{Account: "b", To: 1}, {ID: "a", To: 1}, {ID: "a", Account: "b"}, {ID: "a", Account: "b", From: -1, To: 1}, {ID: "a", Account: "b", To: MaxQuarters + 1}} {
		if bad.Check() == nil {
			t.Errorf("%+v", bad)
		}
	}
}
