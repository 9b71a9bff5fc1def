package intake

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// forgetful loses one commit, or its answer.
type forgetful struct {
	kv.KV
	before, after atomic.Bool
}

func (f *forgetful) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	if f.before.Swap(false) {
		return 0, false, fault.Unavailable("the connection broke")
	}
	rev, ok, err := f.KV.Commit(ctx, t)
	if err == nil && f.after.Swap(false) {
		return 0, false, fault.Unavailable("the connection broke")
	}
	return rev, ok, err
}

// TestX1_ADecisionIsDoneOnceOrNotAtAll: the controller dies before or after the commit, and the person asks again.
func TestX1_ADecisionIsDoneOnceOrNotAtAll(t *testing.T) {
	ctx := context.Background()
	for _, committed := range []bool{false, true} {
		backend := &forgetful{KV: memkv.New(memkv.Options{})}
		g := openGateOver(t, backend)
		s, old := g.join(parts("u1", "B1", "02:01")), g.join(parts("u2", "B2", "02:02"))
		req := request(t, manual, "ins-new", protocol.EnvRAM)
		req.Inventory = parts("u3", "B3", "02:03")
		fresh := g.must(req)
		pending := g.report(s.ID, parts("u1", "B9", "02:01")).PendingIdentity.ID
		for action, decide := range map[string]func() error{
			"server.identity_confirm": func() error { return third(g.ConfirmIdentity(ctx, ann, s.ID, pending, "new board")) },
			"server.adopt":            func() error { return third(g.AdoptServer(ctx, ann, fresh.ID, old.ID, "new board and disk")) },
		} {
			backend.before.Store(!committed)
			backend.after.Store(committed)
			if err := decide(); !fault.Is(err, fault.KindUnavailable) {
				t.Errorf("%s with a broken connection: %v", action, err)
			}
			want := 0
			if committed {
				want = 1
			}
			g.settle()
			if n := g.audited(action); n != want {
				t.Errorf("%s, committed %v: %d audit lines", action, committed, n)
			}
			if err := decide(); err != nil {
				t.Errorf("%s again: %v", action, err)
			}
			if n := g.audited(action); n != 1 {
				t.Errorf("%s again: %d audit lines", action, n)
			}
		}
		if n := store.Servers.Len(g.store.Snapshot()); n != 2 {
			t.Errorf("%d servers", n)
		}
	}
}

// settle waits until the snapshot shows all that was committed.
func (g *gate) settle() {
	g.commit(func(tx *store.Tx) error { return store.Servers.Put(tx, "srv-mark", fleet.Server{ID: "srv-mark"}) })
	g.commit(func(tx *store.Tx) error { return store.Servers.Delete(tx, "srv-mark") })
}
