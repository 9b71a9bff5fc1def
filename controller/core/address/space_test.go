package address

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func spaceOf(t testing.TB, p Pool) Space {
	t.Helper()
	s, err := SpaceOf(p.Normalised())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// firstOf lists the first few addresses that a pool hands out.
func firstOf(s Space, most int, held ...string) (out []string) {
	for slot := range s.Vacant(len(held), func(i int) string { return held[i] }) {
		if len(out) == most {
			break
		}
		out = append(out, s.Record("pol", slot).Prefix)
	}
	return out
}

func TestB4_APoolHandsOutWhatAServerCanHave(t *testing.T) {
	for name, c := range map[string]struct {
		pool     Pool
		capacity uint64
		first    []string
	}{
		"never network, broadcast, gateway":   {Pool{Prefix: "192.0.2.0/29", Gateway: "192.0.2.1"}, 5, []string{"192.0.2.2/32", "192.0.2.3/32"}},
		"never what is reserved":              {Pool{Prefix: "192.0.2.0/29", Reserved: []string{"192.0.2.1-192.0.2.3", "192.0.2.5"}}, 2, []string{"192.0.2.4/32", "192.0.2.6/32"}},
		"both of a point-to-point link":       {Pool{Prefix: "192.0.2.0/31"}, 2, []string{"192.0.2.0/32", "192.0.2.1/32"}},
		"one alone":                           {Pool{Prefix: "192.0.2.7/32"}, 1, []string{"192.0.2.7/32"}},
		"single addresses of IPv6":            {Pool{Prefix: "2001:db8::/64", Assign: 128, Gateway: "2001:db8::1"}, 1<<32 - 2, []string{"2001:db8::2/128", "2001:db8::3/128"}},
		"a /64 for each server":               {Pool{Prefix: "2001:db8::/48", Gateway: "fe80::1"}, 1 << 16, []string{"2001:db8::/64", "2001:db8:0:1::/64"}},
		"not the /64 of the gateway":          {Pool{Prefix: "2001:db8::/48", Gateway: "2001:db8::1"}, 1<<16 - 1, []string{"2001:db8:0:1::/64"}},
		"a /56 for each server":               {Pool{Prefix: "2001:db8::/32", Assign: 56, Reserved: []string{"2001:db8::/40"}}, 1<<24 - 1<<16, []string{"2001:db8:100::/56"}},
		"the first of what cannot be counted": {Pool{Prefix: "2001::/16", Assign: 128}, 1<<32 - 1, []string{"2001::1/128"}},
		"the whole of a /64":                  {Pool{Prefix: "2001:db8:0:9::/64"}, 1<<32 - 1, []string{"2001:db8:0:9::1/128"}},
	} {
		s := spaceOf(t, c.pool)
		if got := s.Capacity(); got != c.capacity {
			t.Errorf("%s: capacity %d, want %d", name, got, c.capacity)
		}
		if got := firstOf(s, len(c.first)); !slices.Equal(got, c.first) {
			t.Errorf("%s: %v come first, want %v", name, got, c.first)
		}
	}
}

// The server's own address of a delegated prefix is the first after its start.
func TestU9_TheAddressOfAPrefix(t *testing.T) {
	s := spaceOf(t, Pool{Prefix: "2001:db8::/48"})
	a := s.Record("pol", 7)
	if a.ID != "2001:db8:0:7::" || a.Prefix != "2001:db8:0:7::/64" || a.Address != "2001:db8:0:7::1" || a.Family != IPv6 {
		t.Errorf("got %+v", a)
	}
}

// model finds what is vacant by looking at every slot.
func model(s Space, p Pool, held []string) (out []string) {
	for slot := range s.slots {
		first := s.first(slot)
		last := lastOf(netip.PrefixFrom(first, s.assign))
		if !slices.Contains(held, first.String()) && !kept(p, s.prefix, s.assign, first, last) {
			out = append(out, netip.PrefixFrom(first, s.assign).String())
		}
	}
	return out
}

// kept is the rule in plain words: does the slot touch anything that is not handed out?
func kept(p Pool, prefix netip.Prefix, assign int, first, last netip.Addr) bool {
	touches := func(from, to netip.Addr) bool { return !last.Less(from) && !to.Less(first) }
	if assign == prefix.Addr().BitLen() && prefix.Addr().BitLen()-prefix.Bits() > 1 {
		if touches(prefix.Addr(), prefix.Addr()) || prefix.Addr().Is4() && touches(lastOf(prefix), lastOf(prefix)) {
			return true
		}
	}
	if g, err := netip.ParseAddr(p.Gateway); err == nil && touches(g, g) {
		return true
	}
	return slices.ContainsFunc(p.Reserved, func(text string) bool {
		from, to, err := ParseRange(text)
		return err == nil && touches(from, to)
	})
}

// anyPool draws a pool of at most 1,024 slots.
func anyPool(t *rapid.T) Pool {
	base, most := netip.MustParseAddr("198.18.0.0"), 32
	if rapid.Bool().Draw(t, "v6") {
		base, most = netip.MustParseAddr("2001:db8::"), 128
	}
	assign := most
	if most == 128 {
		assign = rapid.SampledFrom([]int{48, 56, 64, 80, 127, 128}).Draw(t, "assign")
	}
	length := rapid.IntRange(max(assign-10, 16), assign).Draw(t, "length")
	prefix := netip.PrefixFrom(base, length).Masked()
	in := func(label string) netip.Addr {
		s := Space{prefix: prefix, assign: most, slots: 1 << min(most-length, 40)}
		return s.first(rapid.Uint64Range(0, s.slots-1).Draw(t, label))
	}
	p := Pool{ID: "pol", Name: "p", Location: "loc", Prefix: prefix.String(), Assign: assign}
	if rapid.Bool().Draw(t, "gateway") {
		p.Gateway = in("gateway address").String()
	}
	for range rapid.IntRange(0, 4).Draw(t, "ranges") {
		from, to := in("from"), in("to")
		if to.Less(from) {
			from, to = to, from
		}
		p.Reserved = append(p.Reserved, from.String()+"-"+to.String())
	}
	return p.Normalised()
}

// Whatever was handed out and released in whatever order: what is vacant is what a
// look at every slot finds, lowest first; no address is given twice, none that is kept.
func TestB4_TheLowestVacantSlotComesFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPool(t)
		s, err := SpaceOf(p)
		if err != nil {
			t.Fatal(err)
		}
		held := early(t, s)
		given := len(held)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			want := model(s, p, held)
			if got := firstOf(s, len(want)+1, held...); !slices.Equal(got, want) {
				t.Fatalf("%+v with %v: %d vacant %.200v, want %d %.200v", p, held, len(got), got, len(want), want)
			}
			if uint64(len(want)+len(held)-given) != s.Capacity() {
				t.Fatalf("%+v: %d vacant and %d held of %d", p, len(want), len(held), s.Capacity())
			}
			if len(held) > given && (len(want) == 0 || rapid.IntRange(0, 2).Draw(t, "release") == 0) {
				if i := rapid.IntRange(0, len(held)-1).Draw(t, "which"); !s.excludes(held[i]) {
					held = slices.Delete(held, i, i+1)
				}
				continue
			}
			if len(want) == 0 {
				continue
			}
			id := netip.MustParsePrefix(rapid.SampledFrom(want).Draw(t, "take")).Addr().String()
			if slot, ok := s.Slot(id); !ok || s.Record("pol", slot).ID != id {
				t.Fatalf("%+v: %s is vacant, but is slot %d, %v", p, id, slot, ok)
			}
			held = append(held, id)
			inOrder(held)
		}
	})
}

// early are addresses that were handed out before they were excluded.
func early(t *rapid.T, s Space) (held []string) {
	for _, r := range s.excluded {
		if rapid.Bool().Draw(t, "early") {
			held = append(held, s.first(rapid.Uint64Range(r.from, r.to).Draw(t, "slot")).String())
		}
	}
	inOrder(held)
	return held
}

func (s Space) excludes(id string) bool {
	slot := s.number(netip.MustParseAddr(id))
	return s.below(slot+1) > s.below(slot)
}

func inOrder(held []string) {
	slices.SortFunc(held, func(a, b string) int { return strings.Compare(Order(a), Order(b)) })
}

// An address that was in use when its range was reserved confuses nobody: what comes
// is still vacant.
func TestB4_AnAddressThatIsReservedLaterIsNoGap(t *testing.T) {
	s := spaceOf(t, Pool{Prefix: "192.0.2.0/28", Reserved: []string{"192.0.2.1-192.0.2.4"}})
	held := []string{"192.0.2.2", "192.0.2.3", "192.0.2.5", "192.0.2.7"}
	if got := firstOf(s, 3, held...); !slices.Equal(got, []string{"192.0.2.6/32", "192.0.2.8/32", "192.0.2.9/32"}) {
		t.Errorf("got %v", got)
	}
}

// Addresses sort by their numbers, v4 before v6.
func TestOrderIsThatOfNumbers(t *testing.T) {
	list := []string{"9.0.0.1", "10.0.0.2", "10.0.0.10", "255.0.0.1", "::1", "2001:db8::9", "2001:db8::a", "2001:db8::10", "no address"}
	for i := range list[1:] {
		if Order(list[i]) >= Order(list[i+1]) {
			t.Errorf("%s does not come before %s", list[i], list[i+1])
		}
	}
}

// FuzzParseRange: what is read is a range, and reads back as itself.
func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"192.0.2.1", "192.0.2.0/24", "192.0.2.1-192.0.2.9", "2001:db8::/64", "::-::ffff", "1-2", "fe80::1%eth0", "192.0.2.1-::1", "-", "1.1.1.1/33"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		from, to, err := ParseRange(text)
		if err != nil {
			return
		}
		if to.Less(from) || from.BitLen() != to.BitLen() {
			t.Fatalf("%q is %s to %s", text, from, to)
		}
		again, end, err := ParseRange(from.String() + "-" + to.String())
		if err != nil || again != from || end != to {
			t.Fatalf("%q is %s to %s, which reads as %s to %s, %v", text, from, to, again, end, err)
		}
	})
}

// The next address of a pool that is full but for its last one.
func BenchmarkVacant(b *testing.B) {
	for _, c := range []struct{ name, prefix string }{{"v4 of 65,534", "198.18.0.0/16"}, {"v6 of 65,536", "2001:db8::/48"}} {
		b.Run(c.name, func(b *testing.B) {
			s := spaceOf(b, Pool{Prefix: c.prefix})
			var held []string
			for slot := range s.Vacant(0, nil) {
				held = append(held, s.Record("pol", slot).ID)
			}
			held = held[:len(held)-1]
			b.ReportAllocs()
			for b.Loop() {
				for slot := range s.Vacant(len(held), func(i int) string { return held[i] }) {
					if slot < 65_000 {
						b.Fatal(fmt.Sprint("slot ", slot))
					}
					break
				}
			}
		})
	}
}
