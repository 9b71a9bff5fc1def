package reselling

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestX12_ALimitIsANumberOrNone(t *testing.T) {
	for text, want := range map[string]Limit{`0`: AtMost(0), `18446744073709551615`: AtMost(1<<64 - 1), `"no limit"`: NoLimit} {
		var l Limit
		if err := json.Unmarshal([]byte(text), &l); err != nil || l != want {
			t.Errorf("%s is %v: %v", text, l, err)
		}
		if back, err := json.Marshal(l); err != nil || string(back) != text {
			t.Errorf("%v is written %s: %v", l, back, err)
		}
	}
	for _, text := range []string{`-1`, `+1`, `1.0`, `1e3`, `"1"`, `""`, `"unlimited"`, `null`, `true`, `18446744073709551616`, `[]`} {
		l := AtMost(7)
		if err := l.UnmarshalJSON([]byte(text)); err == nil || l != AtMost(7) {
			t.Errorf("%s was taken for %v", text, l)
		}
	}
	for _, c := range []struct {
		l, m Limit
		want bool
	}{{AtMost(0), AtMost(0), true}, {AtMost(1), AtMost(0), false}, {NoLimit, AtMost(1 << 63), false}, {NoLimit, NoLimit, true}, {AtMost(5), NoLimit, true}} {
		if got := c.l.Within(c.m); got != c.want {
			t.Errorf("%v within %v: %v", c.l, c.m, got)
		}
	}
	if AtMost(0).Allows(1) || !AtMost(0).Allows(0) || !NoLimit.Allows(1<<63) {
		t.Error("0 is not a real zero")
	}
}

// TestS12_ASumIsThatOfItsParts however they came and went.
func TestS12_ASumIsThatOfItsParts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	any := func() Limits {
		l := Limits{}
		for _, name := range Resources {
			switch r.IntN(4) {
			case 0:
				l[name] = NoLimit
			case 1: // missing: 0
			default:
				l[name] = AtMost(r.Uint64N(1 << 40))
			}
		}
		return l
	}
	for range 200 {
		var sum Sum
		parts := []Limits{}
		for range 50 {
			switch {
			case len(parts) > 0 && r.IntN(3) == 0:
				i := r.IntN(len(parts))
				sum = sum.Change(parts[i], nil)
				parts = slices.Delete(parts, i, i+1)
			case len(parts) > 0 && r.IntN(3) == 0:
				i, now := r.IntN(len(parts)), any()
				sum = sum.Change(parts[i], now)
				parts[i] = now
			default:
				parts = append(parts, any())
				sum = sum.Change(nil, parts[len(parts)-1])
			}
		}
		limits := any()
		var want []string
		for _, name := range Resources {
			total, open := uint64(0), false
			for _, p := range parts {
				total, open = total+p[name].Most, open || p[name].None
			}
			if l := limits.Of(name); !l.None && (open || total > l.Most) {
				want = append(want, name)
			}
		}
		if got := sum.Exceeds(limits); !slices.Equal(got, want) {
			t.Fatalf("%v of %v exceed %v: %v, not %v", sum, parts, limits, got, want)
		}
	}
}
