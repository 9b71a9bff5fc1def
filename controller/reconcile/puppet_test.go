package reconcile

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// puppet is an agent with a journal: it does a command once, refuses older epochs, and gives
// the same answer to the same id for ever.
type puppet struct {
	mu        sync.Mutex
	server    string
	inventory hardware.Inventory
	epoch     uint64
	journal   map[string]protocol.Result
	deeds     map[string]int
	said      []protocol.Result // in order
}

// temper is how an agent goes about one command.
type temper struct {
	fault    *fault.Fault  // it fails
	unproven bool          // an erase leaves a disk unproven
	left     []string      // accounts that an inspection finds
	silent   bool          // it never answers, not even to a recall
	stuck    bool          // it answers only to a recall
	doubled  bool          // each result is sent twice
	nagging  bool          // with each result all former ones come again
	late     time.Duration // between the deed and the answer
}

// animate lets the agents see the outbox and answer it.
func (s *saga) animate() {
	ch, err := s.kv.Watch(s.ctx, "commands/", 1)
	if err != nil {
		return
	}
	for b := range ch {
		for _, e := range b.Events {
			if e.Deleted {
				continue
			}
			var c operation.Command
			must(json.Unmarshal(e.Value, &c))
			if c.Hand != operation.HandAgent {
				continue
			}
			s.mu.Lock()
			p := s.agents[c.Server]
			s.mu.Unlock()
			if p == nil {
				continue
			}
			s.perform(p, c)
		}
	}
}

func (s *saga) perform(p *puppet, c operation.Command) {
	if s.hall != nil && !s.hall.chassis(p.server).there() {
		return // it is looked at when the machine comes back
	}
	how := temper{}
	if s.tempered != nil {
		how = s.tempered(p, c.Command)
	}
	res, answers := p.answer(c, how)
	if !answers {
		return
	}
	sleepFor(s.ctx, how.late)
	if how.nagging {
		for _, old := range p.before() {
			s.say(p, old)
		}
	}
	s.say(p, res)
	if how.doubled {
		s.say(p, res)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, res)
}

func (p *puppet) before() []protocol.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.said)
}

// answer is what is in the journal, or comes of the deed.
func (p *puppet) answer(c operation.Command, how temper) (protocol.Result, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	res, known := p.journal[c.ID]
	switch {
	case how.silent, how.stuck && c.Cancel == nil:
		return res, false
	case known:
	case c.Cancel != nil:
		res = answerTo(c.Command)
		res.Fault = fault.Refused("cancelled: %s", c.Cancel.Reason)
	default:
		res = p.do(c.Command, how)
	}
	p.journal[c.ID] = res
	return res, true
}

// say repeats a result until it is acknowledged.
func (s *saga) say(p *puppet, res protocol.Result) {
	_ = s.ask(func(in *intake.Intake) error { return in.Result(s.ctx, p.server, res) })
}

func answerTo(c protocol.Command) protocol.Result {
	return protocol.Result{Command: c.ID, Operation: c.Operation, Step: c.Step, Epoch: c.Epoch, At: time.Now()}
}

func (p *puppet) do(c protocol.Command, how temper) protocol.Result {
	res := answerTo(c)
	if c.Epoch < p.epoch {
		res.Fault = fault.Refused("epoch %d is over", c.Epoch)
		return res
	}
	p.epoch = c.Epoch
	p.deeds[c.ID]++
	if res.Fault = how.fault; res.Fault != nil {
		return res
	}
	switch c.Kind {
	case protocol.CommandDiagnose:
		res.Diagnosis = &protocol.Diagnosis{Profile: "quick", Checks: []protocol.Check{{Name: "cpu", Verdict: protocol.VerdictOK}}, Inventory: p.inventory}
	case protocol.CommandErase:
		var permit protocol.Permit
		must(json.Unmarshal(c.Erase.SignedPermit, &permit))
		for _, d := range permit.Disks {
			res.Erasures = append(res.Erasures, protocol.Erasure{Disk: d, Method: "overwrite zero", Proven: !how.unproven})
		}
	case protocol.CommandImage, protocol.CommandConfirm:
		res.Written = &protocol.WrittenImage{ReadBack: true}
	case protocol.CommandInspect:
		res.Inspection = looked("", how.left...)
	}
	return res
}
