package hosting

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// Times and sizes. See the package comment.
const (
	batchSize    = 100
	verifyEvery  = time.Hour
	provideEvery = 5 * time.Minute
	provideSoon  = 30 * time.Second // while something has a problem: somebody may be mending it
	retryFirst   = 5 * time.Second
	retryLast    = 10 * time.Minute
)

// Options of a node.
type Options struct {
	Dir    string      // of the journal; made when missing, readable by its owner only. "" keeps nothing
	Parts  []part.Part // in the order in which they make an account
	Layout part.Layout
	Logger *slog.Logger
	// Before is told the documents of a batch before anything is done for them: what accounts used is counted up to here. nil: nobody asks. They are changed by nobody.
	Before func(ctx context.Context, batch []protocol.HostedAccount)
}

// Node carries accounts. See the package comment.
type Node struct {
	opt     Options
	journal *journal

	mu       sync.Mutex
	accounts map[string]*account
	changed  []*account // documents that came, oldest first
	outbox   outbox

	signal chan struct{} // to the link
	work   chan struct{} // to Run
}

// account is one document and how far the node is with it.
type account struct {
	doc    protocol.HostedAccount
	result protocol.HostedResult // State "" before the account was looked at
	queued bool                  // in changed
	due    time.Time             // when it is looked at again
	wait   time.Duration         // before the next attempt
}

// New reads the journal. Faults: internal when it cannot be read; the file is named.
func New(o Options) (*Node, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	j, err := openJournal(o.Dir)
	if err != nil {
		return nil, err
	}
	documents, err := j.load()
	if err != nil {
		return nil, err
	}
	n := &Node{opt: o, journal: j, accounts: map[string]*account{}, signal: make(chan struct{}, 1), work: make(chan struct{}, 1)}
	n.outbox.pending = map[string]bool{}
	for _, doc := range documents {
		a := &account{doc: doc}
		n.accounts[doc.ID] = a
		n.queue(a)
	}
	return n, nil
}

// queue asks for an account to be converged soon. n.mu is held, or n is not shared yet.
func (n *Node) queue(a *account) {
	if !a.queued {
		a.queued = true
		n.changed = append(n.changed, a)
	}
	nudge(n.work)
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is nudged already
	}
}
