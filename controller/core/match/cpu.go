package match

import "github.com/steelyard/steelyard/pkg/hardware"

// cpu is the processors of one machine; as a wish, zero values are open.
type cpu struct {
	arch, model    string
	sockets, cores int // cores of all sockets together
}

func cpuOf(c *hardware.Configuration) cpu {
	return cpu{
		arch: c.Arch, model: c.CPUModel,
		sockets: min(max(c.Sockets, 0), maxParts), cores: min(max(c.Cores, 0), maxCores),
	}
}

// complete says that nothing about the processors is open.
func (c cpu) complete() bool {
	return c.arch != "" && c.model != "" && c.sockets > 0 && c.cores > 0
}

func (c cpu) equal(d cpu) bool {
	return c.sockets == d.sockets && c.cores == d.cores && equalFold(c.arch, d.arch) && equalFold(c.model, d.model)
}

// cpuPlan is how to get from one set of processors to another.
type cpuPlan struct {
	score             score
	swap, add, remove int
	model             string // afterwards; "" any
	cores             int    // afterwards, of all sockets together; 0 not known before it is done
}

// planCPU is the cheapest of the two things that can be done: keep the model and
// change the number, or swap what is there.
func planCPU(want, have cpu, u units) cpuPlan {
	if want.arch != "" && !equalFold(want.arch, have.arch) {
		return cpuPlan{score: ruledOut}
	}
	kept, ok := keepModel(want, have, u)
	if ok && kept.swap+kept.add+kept.remove == 0 {
		return kept
	}
	swapped := swapModel(want, have, u)
	if ok && kept.score <= swapped.score {
		return kept
	}
	return swapped
}

// keepModel changes only how many processors there are; it is not possible when
// another model is wanted or when no number of these has the wanted cores.
func keepModel(want, have cpu, u units) (cpuPlan, bool) {
	if want.model != "" && !equalFold(want.model, have.model) {
		return cpuPlan{}, false
	}
	n, ok := numberOfSame(want, have)
	if !ok {
		return cpuPlan{}, false
	}
	p := cpuPlan{model: have.model, cores: have.cores}
	if n != have.sockets {
		p.cores = 0
		if per := have.coresEach(); per > 0 {
			p.cores = n * per
		}
	}
	return p.counted(want, have, n, 0, u), true
}

// numberOfSame is how many processors of the present model the wish needs.
func numberOfSame(want, have cpu) (int, bool) {
	n := have.sockets
	if want.sockets > 0 {
		n = want.sockets
	}
	if want.cores == 0 || (n == have.sockets && want.cores == have.cores) {
		return n, true
	}
	per := have.coresEach()
	if per == 0 || want.cores%per != 0 {
		return 0, false
	}
	if want.sockets == 0 {
		n = want.cores / per
	}
	return n, n*per == want.cores && n <= maxParts
}

// coresEach is 0 when it is not known.
func (c cpu) coresEach() int {
	if c.sockets == 0 || c.cores%c.sockets != 0 {
		return 0
	}
	return c.cores / c.sockets
}

// swapModel replaces every processor that stays in number. An open number keeps
// the present one.
func swapModel(want, have cpu, u units) cpuPlan {
	n := want.sockets
	if n == 0 {
		n = max(have.sockets, 1)
	}
	p := cpuPlan{model: want.model, cores: want.cores}
	return p.counted(want, have, n, min(n, have.sockets), u)
}

func (p cpuPlan) counted(want, have cpu, n, swap int, u units) cpuPlan {
	p.swap, p.add, p.remove = swap, max(n-have.sockets, 0), max(have.sockets-n, 0)
	p.score = score(p.swap)*u.swap + score(p.add)*u.add + score(p.remove)*u.remove
	if want.sockets == 0 && want.cores == 0 {
		p.score += points(0, 0, n) // the number is open: fewer is less surplus
	}
	return p
}
