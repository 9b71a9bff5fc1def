package match

// units are the scores of one operation on one part of a kind.
type units struct {
	swap, add, remove score
	foreign           score // on top, per wanted part of a name that the server has none of
}

// unit of a removal that costs nothing: the part stays, it is surplus only.
func newUnits(add, remove, swap, foreign int) units {
	u := units{
		swap:    points(swap, 1, 0),
		add:     points(add, 1, 0),
		remove:  points(remove, 1, 1),
		foreign: points(foreign, 0, 0),
	}
	if remove == 0 {
		u.remove = points(0, 0, 1)
	}
	return u
}

// replaces says whether a left-over part and a missing one make a swap; where
// taking one out and putting another in is cheaper, they do not.
func (u units) replaces() bool { return u.swap <= u.add+u.remove }

// rework is the cheapest way from have parts to want parts when fitting of them
// may stay. What is left over on both sides is swapped pairwise or removed and
// added; the price does not depend on which part replaces which, so the optimum
// is the one with most parts staying.
func (u units) rework(want, have, fitting int) score {
	pairs := min(want, have) - fitting
	s := score(pairs) * min(u.swap, u.add+u.remove)
	if want > have {
		return s + score(want-have)*u.add
	}
	return s + score(have-want)*u.remove
}

// partsScore is the cheapest rework from the multiset have to the multiset want;
// an empty want is "any". Both are canonical.
func partsScore(want, have []group, wild bool, u units) score {
	nHave := countOf(have)
	if len(want) == 0 {
		return points(0, 0, nHave)
	}
	var stay int
	if wild {
		stay = newMatching(want, have).stay()
	} else {
		stay = common(want, have)
	}
	s := u.rework(countOf(want), nHave, stay)
	if u.foreign > 0 {
		s += score(foreignParts(want, have)) * u.foreign
	}
	return s
}

// common counts the parts of two canonical multisets that are the same.
func common(a, b []group) int {
	n := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch c := compareParts(a[i], b[j]); {
		case c < 0:
			i++
		case c > 0:
			j++
		default:
			n += min(a[i].count, b[j].count)
			i++
			j++
		}
	}
	return n
}

// foreignParts counts the wanted parts whose generation or medium the server has
// none of, if it is known what it has.
func foreignParts(want, have []group) int {
	n := 0
	for _, w := range want {
		if isForeign(w, have) {
			n += w.count
		}
	}
	return n
}

func isForeign(w group, have []group) bool {
	if w.name == "" {
		return false
	}
	named := false
	for _, h := range have {
		if equalFold(h.name, w.name) {
			return false
		}
		named = named || h.name != ""
	}
	return named
}

// matching is a largest assignment of parts that are there to parts that are
// wanted: a maximum flow between the groups, by augmenting paths. Groups are few,
// so neither units nor a graph are ever built.
type matching struct {
	want, have         []group
	wantLeft, haveLeft []int
	flow               []int // [want × have]
	seen               []bool
}

func newMatching(want, have []group) *matching {
	m := &matching{
		want: want, have: have,
		wantLeft: make([]int, len(want)), haveLeft: make([]int, len(have)),
		flow: make([]int, len(want)*len(have)), seen: make([]bool, len(have)),
	}
	for j, w := range want {
		m.wantLeft[j] = w.count
	}
	for i, h := range have {
		m.haveLeft[i] = h.count
	}
	for j := range want {
		for m.wantLeft[j] > 0 {
			clear(m.seen)
			pushed := m.push(j, m.wantLeft[j])
			if pushed == 0 {
				break
			}
			m.wantLeft[j] -= pushed
		}
	}
	return m
}

// push finds room for up to n parts of want group j, moving others if it must.
func (m *matching) push(j, n int) int {
	for i, h := range m.have {
		if m.seen[i] || !fits(m.want[j], h) {
			continue
		}
		m.seen[i] = true
		got := min(n, m.haveLeft[i])
		m.haveLeft[i] -= got
		for other := 0; got == 0 && other < len(m.want); other++ {
			if f := &m.flow[other*len(m.have)+i]; other != j && *f > 0 {
				got = m.push(other, min(n, *f))
				*f -= got
			}
		}
		if got > 0 {
			m.flow[j*len(m.have)+i] += got
			return got
		}
	}
	return 0
}

func (m *matching) stay() int {
	n := 0
	for _, f := range m.flow {
		n += f
	}
	return n
}

// rest returns what is missing and what is left over.
func (m *matching) rest() (missing, over []group) {
	for j, n := range m.wantLeft {
		if n > 0 {
			missing = append(missing, group{n, m.want[j].name, m.want[j].size})
		}
	}
	for i, n := range m.haveLeft {
		if n > 0 {
			over = append(over, group{n, m.have[i].name, m.have[i].size})
		}
	}
	return missing, over
}
