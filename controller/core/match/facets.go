package match

// facets interns the values of one attribute under small dense numbers, so that
// a search can keep their costs in an array. A value that no class has any more
// gives its number back.
type facets struct {
	list   []facet
	byHash map[uint64][]uint32
	unused []uint32
}

func newFacets() facets { return facets{byHash: map[uint64][]uint32{}} }

func (t *facets) find(f *facet) (uint32, bool) {
	for _, n := range t.byHash[f.hash] {
		if t.list[n].equal(f) {
			return n, true
		}
	}
	return 0, false
}

// intern returns the number of f and counts one more class that has it. It keeps
// a copy: f may lie in a buffer.
func (t *facets) intern(f *facet) uint32 {
	n, ok := t.find(f)
	if !ok {
		n = t.place(f)
		t.byHash[f.hash] = append(t.byHash[f.hash], n)
	}
	t.list[n].refs++
	return n
}

func (t *facets) place(f *facet) uint32 {
	kept := *f
	kept.groups = append([]group(nil), f.groups...)
	if last := len(t.unused) - 1; last >= 0 {
		n := t.unused[last]
		t.unused = t.unused[:last]
		t.list[n] = kept
		return n
	}
	t.list = append(t.list, kept)
	return uint32(len(t.list) - 1)
}

func (t *facets) release(n uint32) {
	f := &t.list[n]
	if f.refs--; f.refs > 0 {
		return
	}
	same := t.byHash[f.hash]
	for i, m := range same {
		if m == n {
			same[i] = same[len(same)-1]
			same = same[:len(same)-1]
			break
		}
	}
	if len(same) == 0 {
		delete(t.byHash, f.hash)
	} else {
		t.byHash[f.hash] = same
	}
	*f = facet{}
	t.unused = append(t.unused, n)
}
