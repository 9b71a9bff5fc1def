package usage

import (
	"sync"
	"time"

	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/protocol"
)

// page names a sheet of a node.
type page struct{ month, book string }

// sheet is what one book said of one month.
type sheet struct {
	core.Sheet[core.Row]
	until int64
	gap   bool
	dirty bool // there is more than what was stored
}

// node is what is known of one server.
type node struct {
	l      *Ledger
	server string

	writing sync.Mutex // one write at a time; before mu

	mu     sync.Mutex
	sheets map[page]*sheet
	space  core.Sheet[core.Space]
	guards core.Sheet[guard] // of the accounts that were judged since this replica has the session

	holder  any // session that this replica has; nil: none
	sources []protocol.UsageSource
	deleted uint64

	ports carried

	spaceDirty bool
	urgent     bool                // a use is to be written
	crossed    bool                // one of a limit that was crossed: the records are written with it
	uses       map[string]struct{} // accounts whose use is to be written
	acks       []ack               // of reports that are not stored yet
	wrote      time.Time           // when records were written last
	flying     bool                // a write is under way, of what is not dirty any more
	fails      int                 // writes that failed in a row
	timer      *time.Timer         // set: somebody looks then
	due        time.Time
}

// ack is a report that waits for being stored.
type ack struct {
	seq  uint64
	send func(seq uint64)
}

// sheet is that of a month and book, made where it is missing. The mutex is held.
func (n *node) sheet(month, book string) *sheet {
	s := n.sheets[page{month, book}]
	if s == nil {
		s = &sheet{}
		n.sheets[page{month, book}] = s
	}
	return s
}

// traffic is the month of an account, over all books. The mutex is held.
func (n *node) traffic(account, month string) (t core.Traffic) {
	for p, s := range n.sheets {
		if p.month == month {
			if r := s.Find(account); r != nil {
				t.Add(&r.Traffic)
			}
		}
	}
	return t
}

// dirty reports whether something is not stored. The mutex is held.
func (n *node) dirty() bool {
	if n.spaceDirty {
		return true
	}
	for _, s := range n.sheets {
		if s.dirty {
			return true
		}
	}
	return false
}

// waits reports whether something is to be stored, sooner or later. The mutex is held.
func (n *node) waits() bool { return n.dirty() || len(n.ports.months) > 0 }

// turn forgets months that nobody reports any more and judges all accounts in the new one; what is not stored of the old ones is written soon.
func (n *node) turn(c *calendar) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p, s := range n.sheets {
		if !c.live(p.month) && !s.dirty {
			delete(n.sheets, p)
		}
	}
	if n.waits() {
		n.schedule(spread(n.l.opt.Every / 5))
	}
	n.ports.wrote = time.Time{}
	n.rejudge()
}

// recheck judges all accounts anew, after changes were perhaps missed.
func (n *node) recheck() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rejudge()
}

func (n *node) rejudge() {
	if n.holder == nil {
		return
	}
	n.guards = core.Sheet[guard]{}
	seen := map[string]struct{}{}
	for _, s := range n.sheets {
		for account := range s.Each {
			seen[account] = struct{}{}
		}
	}
	for account := range n.space.Each {
		seen[account] = struct{}{}
	}
	for account := range seen {
		n.judge(account)
	}
	if n.urgent {
		n.schedule(0)
	}
}
