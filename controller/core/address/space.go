package address

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math/bits"
	"net/netip"
	"slices"
	"sort"

	"github.com/steelyard/steelyard/pkg/fault"
)

// maxSlots bounds the slots of one pool: of a wider prefix the first ones are
// handed out, which is as many as there are addresses in all of IPv4.
const maxSlots = uint64(1) << 32

// Space is a pool's prefix as numbered slots.
type Space struct {
	prefix   netip.Prefix
	assign   int
	slots    uint64
	excluded []span // sorted, apart from each other
}

// span is a range of slots; both ends belong to it.
type span struct{ from, to uint64 }

// SpaceOf reads the prefix of a pool that passed [Pool.Check].
func SpaceOf(p Pool) (Space, error) {
	prefix, err := netip.ParsePrefix(p.Prefix)
	if err != nil || prefix.Masked() != prefix || p.Assign < prefix.Bits() || p.Assign > prefix.Addr().BitLen() {
		return Space{}, fault.Internal("the stored pool %s has the prefix %q with %d bits for a server, which cannot be", p.ID, p.Prefix, p.Assign)
	}
	s := Space{prefix: prefix, assign: p.Assign, slots: maxSlots}
	if free := p.Assign - prefix.Bits(); free < 32 {
		s.slots = 1 << free
	}
	s.excluded = s.join(s.spansOf(p))
	return s, nil
}

// spansOf are the slots that p never hands out, in any order.
func (s Space) spansOf(p Pool) []span {
	var list []span
	single := s.assign == s.prefix.Addr().BitLen()
	if single && s.slots > 2 {
		list = append(list, span{0, 0}) // network (v4), the routers' anycast address (v6, RFC 4291, 2.6.1)
		if s.prefix.Addr().Is4() {
			list = append(list, span{s.slots - 1, s.slots - 1}) // broadcast; /31 has none (RFC 3021)
		}
	}
	if g, err := netip.ParseAddr(p.Gateway); err == nil && s.prefix.Contains(g) {
		list = append(list, s.spanOf(g, g))
	}
	for _, text := range p.Reserved {
		if from, to, err := ParseRange(text); err == nil {
			list = append(list, s.spanOf(from, to))
		}
	}
	return slices.DeleteFunc(list, func(r span) bool { return r.from >= s.slots })
}

// spanOf is every slot that a range of addresses inside the prefix touches.
func (s Space) spanOf(from, to netip.Addr) span {
	return span{s.number(from), min(s.number(to), s.slots-1)}
}

// join sorts spans and makes one of those that touch.
func (s Space) join(list []span) (out []span) {
	slices.SortFunc(list, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for _, r := range list {
		if n := len(out); n > 0 && r.from <= out[n-1].to+1 {
			out[n-1].to = max(out[n-1].to, r.to)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Capacity is the number of slots that may be handed out.
func (s Space) Capacity() uint64 { return s.slots - s.below(s.slots) }

// below counts the excluded slots before slot.
func (s Space) below(slot uint64) (n uint64) {
	for _, r := range s.excluded {
		if r.from >= slot {
			break
		}
		n += min(r.to+1, slot) - r.from
	}
	return n
}

// rank is how many slots before slot may be handed out.
func (s Space) rank(slot uint64) uint64 { return slot - s.below(slot) }

// at is the slot with a rank that is below the capacity.
func (s Space) at(rank uint64) uint64 {
	for _, r := range s.excluded {
		if r.from > rank {
			break
		}
		rank += r.to + 1 - r.from
	}
	return rank
}

// number is the slot that an address inside the prefix belongs to; slots that are
// never used have numbers from the end on.
func (s Space) number(a netip.Addr) uint64 {
	hi, lo := words(a)
	baseHi, baseLo := words(s.prefix.Addr())
	lo, borrow := bits.Sub64(lo, baseLo, 0)
	hi, _ = bits.Sub64(hi, baseHi, borrow)
	shift := s.prefix.Addr().BitLen() - s.assign
	if hi, lo = shiftRight(hi, lo, shift); hi != 0 {
		return ^uint64(0)
	}
	return lo
}

// Slot finds the slot whose first address has this text; false when there is none
// in the pool, or when it is excluded.
func (s Space) Slot(id string) (slot uint64, ok bool) {
	a, err := netip.ParseAddr(id)
	if err != nil || !s.prefix.Contains(a) {
		return 0, false
	}
	slot = s.number(a)
	ok = slot < s.slots && s.first(slot) == a && s.below(slot+1) == s.below(slot)
	return slot, ok
}

// first is the first address of a slot.
func (s Space) first(slot uint64) netip.Addr {
	hi, lo := shiftLeft(0, slot, s.prefix.Addr().BitLen()-s.assign)
	baseHi, baseLo := words(s.prefix.Addr())
	return addrOf(hi|baseHi, lo|baseLo, s.prefix.Addr().Is4())
}

// Record is the address of a slot, without an owner.
func (s Space) Record(pool string, slot uint64) Address {
	first := s.first(slot)
	host, family := first, IPv6
	if s.assign < first.BitLen() {
		host = first.Next()
	}
	if first.Is4() {
		family = IPv4
	}
	return Address{
		ID: first.String(), Pool: pool, Family: family,
		Prefix: netip.PrefixFrom(first, s.assign).String(), Address: host.String(),
	}
}

// Vacant goes through the slots that may be handed out and have no record, the lowest
// first. The n addresses that have one are known by their position: id gives the
// text of the i-th of them in their order.
func (s Space) Vacant(n int, id func(i int) string) iter.Seq[uint64] {
	h := held{s: s, n: n, id: id}
	return func(yield func(uint64) bool) {
		kept := h.kept()
		i := sort.Search(n, func(i int) bool { return s.rank(min(h.slot(i), s.slots)) > uint64(i-kept.before(i)) })
		for rank, capacity := uint64(i-kept.before(i)), s.Capacity(); rank < capacity; rank++ {
			slot := s.at(rank)
			for i < n && h.slot(i) < slot {
				i++
			}
			if i < n && h.slot(i) == slot {
				continue
			}
			if !yield(slot) {
				return
			}
		}
	}
}

// held are the addresses of a pool that have a record.
type held struct {
	s  Space
	n  int
	id func(i int) string
}

// slot of the i-th address; text that is no address of the pool is behind all.
func (h held) slot(i int) uint64 {
	if a, err := netip.ParseAddr(h.id(i)); err == nil && h.s.prefix.Contains(a) {
		return h.s.number(a)
	}
	return ^uint64(0)
}

// kept finds the addresses that were handed out before they were excluded, as
// ranges of positions.
func (h held) kept() (list positions) {
	from := func(slot uint64) int { return sort.Search(h.n, func(i int) bool { return h.slot(i) >= slot }) }
	for _, r := range h.s.excluded {
		if first, end := from(r.from), from(r.to+1); first < end {
			list = append(list, [2]int{first, end})
		}
	}
	return list
}

// positions are ranges of them, each without its end.
type positions [][2]int

// before counts the positions before i.
func (p positions) before(i int) (n int) {
	for _, r := range p {
		n += max(0, min(i, r[1])-r[0])
	}
	return n
}

// words are the bits of an address as one number.
func words(a netip.Addr) (hi, lo uint64) {
	if a.Is4() {
		b := a.As4()
		return 0, uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

func addrOf(hi, lo uint64, v4 bool) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	if v4 {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return netip.AddrFrom16(b)
}

// shiftRight and shiftLeft move a number of 128 bits by 0 to 128 places.
func shiftRight(hi, lo uint64, n int) (uint64, uint64) {
	if n >= 64 {
		return 0, hi >> (n - 64)
	}
	return hi >> n, lo>>n | hi<<(64-n)
}

func shiftLeft(hi, lo uint64, n int) (uint64, uint64) {
	if n >= 64 {
		return lo << (n - 64), 0
	}
	return hi<<n | lo>>(64-n), lo << n
}
