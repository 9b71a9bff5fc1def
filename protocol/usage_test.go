package protocol

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// someUsage is of n accounts.
func someUsage(n int) (UsageReport, map[string]AccountUsage) {
	rnd := rand.New(rand.NewPCG(1, 1))
	r := UsageReport{Seq: 1, Book: "book-1", Months: []string{"2026-09", "2026-10", "2026-11"}}
	all := map[string]AccountUsage{}
	for i := range n {
		var u AccountUsage
		for m := range r.Months {
			for c := range u.Months[m] {
				if rnd.IntN(3) > 0 {
					u.Months[m][c] = Traffic{In: rnd.Uint64() >> rnd.IntN(64), Out: rnd.Uint64() >> rnd.IntN(64)}
				}
			}
		}
		if rnd.IntN(2) == 0 {
			u.Stored = Stored{Home: rnd.Uint64() >> 20, WWW: 0, Mail: 5, Databases: rnd.Uint64() >> 40, At: 1763928000}
		}
		id := fmt.Sprintf("acc-%016d", i)
		all[id] = u
		r.Accounts = AppendUsage(r.Accounts, id, &u)
	}
	return r, all
}

func TestU1_AUsageReportSaysWhatWasPutIn(t *testing.T) {
	r, want := someUsage(200)
	got := map[string]AccountUsage{}
	if err := r.Each(func(id []byte, u *AccountUsage) { got[string(id)] = *u }); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatal(err, len(got))
	}
}

func TestAUsageReportThatIsCutIsRefused(t *testing.T) {
	r, _ := someUsage(2)
	whole := len(r.Accounts)
	for n := 1; n < whole; n++ {
		cut := r
		cut.Accounts = r.Accounts[:n]
		seen := 0
		if err := cut.Each(func([]byte, *AccountUsage) { seen++ }); err == nil && seen != 1 {
			t.Errorf("%d of %d bytes: %d accounts and no fault", n, whole, seen)
		}
	}
	for name, bad := range map[string]UsageReport{
		"months":      {Months: make([]string, MaxUsageMonths+1)},
		"bytes":       {Accounts: make([]byte, MaxUsage+1)},
		"no id":       {Accounts: []byte{0, 0, 0}},
		"long id":     {Accounts: append([]byte{255}, make([]byte, 300)...)},
		"no month":    {Accounts: AppendUsage(nil, "a", &AccountUsage{Months: [MaxUsageMonths][UsageClasses]Traffic{{{In: 1}}}})},
		"no end":      {Accounts: []byte{1, 'a', 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}},
		"many months": {Months: []string{"2026-11"}, Accounts: []byte{1, 'a', 2, 0}},
	} {
		if err := bad.Each(func([]byte, *AccountUsage) {}); err == nil {
			t.Errorf("%s: no fault", name)
		}
	}
}

// FuzzUsage: whatever bytes come, reading ends, and what it gave out is the same when it is written and read again.
func FuzzUsage(f *testing.F) {
	r, _ := someUsage(3)
	f.Add(r.Accounts)
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		count := 0
		r := UsageReport{Months: r.Months, Accounts: b}
		if r.Each(func(id []byte, u *AccountUsage) { again, count = AppendUsage(again, string(id), u), count+1 }) != nil {
			return
		}
		second := UsageReport{Months: r.Months, Accounts: again}
		var third []byte
		if err := second.Each(func(id []byte, u *AccountUsage) { third, count = AppendUsage(third, string(id), u), count-1 }); len(again) <= MaxUsage && (err != nil || count != 0 || !slices.Equal(again, third)) {
			t.Fatal(err, count)
		}
	})
}

// BenchmarkUsage reads the usage of 100 accounts; "json" is the same as text.
func BenchmarkUsage(b *testing.B) {
	r, all := someUsage(100)
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(r.Accounts)))
		for b.Loop() {
			_ = r.Each(func([]byte, *AccountUsage) {})
		}
	})
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = buf[:0]
			for id, u := range all {
				buf = AppendUsage(buf, id, &u)
			}
		}
	})
	text, err := json.Marshal(all)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			var all map[string]AccountUsage
			if err := json.Unmarshal(text, &all); err != nil {
				b.Fatal(err)
			}
		}
	})
}
