package match

// search is the scratch of one query. The cost of each facet is worked out once,
// when the first class that has it comes by; the distance of a class is then five
// additions.
type search struct {
	query  query
	wanted [kinds]facet
	costs  [kinds][]score // by facet number; 0 not yet known, else the score and costKnown
}

const costKnown score = 1 << 63

// found is the best class so far. Its longest free server is copied from it, to
// be read after the catalogue was unlocked.
type found struct {
	score     score
	class     *class
	id        string
	freeSince int64
}

// exactly and anything are where a search starts: only better scores count.
var (
	onlyExact = found{score: points(1, 0, 0) - 1}
	anyScore  = found{score: ruledOut - 1}
)

// Exact finds a server that needs no rework, the one with least surplus first,
// then the longest free. A wish that leaves nothing open is one look-up.
func (c *Catalogue) Exact(w Wish) (Result, bool) { return c.search(&w, onlyExact) }

// Best finds the exactly fitting server or, without one, the closest: least
// distance, then fewest changes, least surplus, longest free, id (rule B28a). It
// is false only if no server can serve the wish at all: none free in the
// location, of the server type where one is demanded, or of the architecture.
func (c *Catalogue) Best(w Wish) (Result, bool) { return c.search(&w, anyScore) }

// Reserve finds the best server and takes it. Whoever loses a race for one gets
// the next best; "none" is told only when there was a moment without any (rule
// B28b). Give it back with Release if the order does not come about.
func (c *Catalogue) Reserve(w Wish) (Result, bool) {
	for {
		r, ok := c.Best(w)
		if !ok || c.Take(r.ServerID) {
			return r, ok
		}
	}
}

func (c *Catalogue) search(w *Wish, limit found) (Result, bool) {
	s := c.scratch.Get().(*search)
	defer c.scratch.Put(s)
	s.query.prepare(w)
	c.mu.RLock()
	best := c.lookUp(s, w, limit)
	if best.class == nil {
		best = c.scan(s, w, limit)
	}
	if best.class != nil {
		best.id, best.freeSince = best.class.first.id, best.class.first.freeSince
	}
	c.mu.RUnlock()
	if best.class == nil {
		return Result{}, false
	}
	return s.query.result(w, best), true
}

// lookUp finds the class that is literally what is wished, with nothing where the
// wish says any. Its score is zero in every field, which nothing can beat.
func (c *Catalogue) lookUp(s *search, w *Wish, best found) found {
	if !s.query.literal(&s.wanted) {
		return best
	}
	for k := c.classes[combined(&s.wanted)]; k != nil; k = k.next {
		if k.first != nil && (w.Location == "" || w.Location == k.location.name) &&
			(w.ServerType == "" || w.ServerType == k.serverType) && c.consistsOf(k, &s.wanted) {
			best.consider(0, k)
		}
	}
	return best
}

// literal gives the facets that fit the wish without surplus, if that is only one
// of each kind.
func (q *query) literal(fs *[kinds]facet) bool {
	for kind := range fs {
		if q.isVague(kind) {
			return false
		}
		if fs[kind] = (facet{groups: q.lists[kind]}); kind == kindCPU {
			fs[kind].cpu = q.cpu
		}
		fs[kind].hash = fs[kind].sum()
	}
	return true
}

// places are the locations that a wish allows.
func (c *Catalogue) places(name string) []*location {
	if name != "" {
		if l, ok := c.locations[name]; ok {
			return []*location{l}
		}
		return nil
	}
	all := make([]*location, 0, len(c.locations))
	for _, l := range c.locations {
		all = append(all, l)
	}
	return all
}

// scan goes through the racks with the cheapest processors first; as a change of
// processors costs more than most, the others are seldom looked into.
func (c *Catalogue) scan(s *search, w *Wish, best found) found {
	for kind := range kinds {
		s.costs[kind] = zeroed(s.costs[kind], len(c.facets[kind].list))
	}
	places := c.places(w.Location)
	least := ruledOut
	for _, l := range places {
		for _, r := range l.racks {
			least = min(least, s.cost(c, kindCPU, r.cpu))
		}
	}
	for _, l := range places {
		for _, r := range l.racks {
			if s.cost(c, kindCPU, r.cpu) == least {
				best = s.scanRack(c, w, r, best)
			}
		}
	}
	for _, l := range places {
		for _, r := range l.racks {
			if cpu := s.cost(c, kindCPU, r.cpu); cpu > least && cpu <= best.score {
				best = s.scanRack(c, w, r, best)
			}
		}
	}
	return best
}

func (s *search) scanRack(c *Catalogue, w *Wish, r *rack, best found) found {
	cpu := s.cost(c, kindCPU, r.cpu)
	for i := range r.rows {
		row := &r.rows[i]
		if w.ServerType != "" && row.class.serverType != w.ServerType {
			continue
		}
		if sum := s.sum(c, row, cpu, best.score); sum <= best.score {
			best.consider(sum, row.class)
		}
	}
	return best
}

// sum adds up the facets of a class and stops when it cannot win any more.
func (s *search) sum(c *Catalogue, r *row, sum, limit score) score {
	for kind := kindDIMM; kind < kinds && sum <= limit; kind++ {
		sum += s.cost(c, kind, r.facets[kind])
	}
	return sum
}

func (s *search) cost(c *Catalogue, kind int, n uint32) score {
	v := &s.costs[kind][n]
	if *v == 0 {
		*v = s.query.cost(kind, &c.facets[kind].list[n]) | costKnown
	}
	return *v &^ costKnown
}

// consider takes the class if it is better, or as good and free for longer.
func (b *found) consider(s score, k *class) {
	if b.class == nil || s < b.score || s == b.score && longestFree(k.first, b.class.first) {
		b.score, b.class = s, k
	}
}

func zeroed(s []score, n int) []score {
	if cap(s) < n {
		return make([]score, n, n+n/4)
	}
	s = s[:n]
	clear(s)
	return s
}
