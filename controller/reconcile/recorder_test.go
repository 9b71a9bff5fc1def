package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store/kv"
)

// recorder writes down every claim that goes to the state and comes back from it, with
// the times of call and return.
type recorder struct {
	mu      sync.Mutex
	began   time.Time
	history []porcupine.Operation
	claims  []commitment
}

// commitment is a claim that a replica was told is committed.
type commitment struct {
	replica, server string
	rev             int64
}

// deed is one operation on the register "whose is this server".
type deed struct {
	server string
	write  bool
	owner  string // written; "" gives it back
}

// told is what the state answered.
type told struct {
	owner   string // read
	refused bool   // the write was not done
	unknown bool   // or nobody knows
}

func (r *recorder) call() int64 { return int64(time.Since(r.began)) }

func (r *recorder) note(client int, d deed, called int64, out told) {
	r.mu.Lock()
	defer r.mu.Unlock()
	returned := r.call()
	if out.unknown {
		returned = int64(time.Hour) // it may yet happen
	}
	r.history = append(r.history, porcupine.Operation{ClientId: client, Input: d, Call: called, Output: out, Return: returned})
}

// check is whether some order of all that was done, one after the other, explains it.
// A service counts as the order that it came from.
func (r *recorder) check(t *testing.T, orderOf map[string]string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	plain := func(owner string) string { return cmp.Or(orderOf[owner], owner) }
	for i, o := range r.history {
		in, out := o.Input.(deed), o.Output.(told)
		in.owner, out.owner = plain(in.owner), plain(out.owner)
		r.history[i].Input, r.history[i].Output = in, out
	}
	if res := porcupine.CheckOperationsTimeout(claimRegister, r.history, 30*time.Second); res != porcupine.Ok {
		t.Fatalf("the history of %d claims and reads is %s", len(r.history), res)
	}
}

// claimRegister: a server that belongs to somebody goes to nobody else before it was given back.
var claimRegister = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byServer := map[string][]porcupine.Operation{}
		for _, o := range history {
			s := o.Input.(deed).server
			byServer[s] = append(byServer[s], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range byServer {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		owner, in, out := state.(string), input.(deed), output.(told)
		planned := strings.HasPrefix(owner, "rpl-") && strings.HasPrefix(in.owner, "rsl-") // who signs up takes what is assigned
		free := owner == "" || in.owner == "" || in.owner == owner || planned
		switch {
		case !in.write:
			return out.owner == owner, owner
		case out.refused:
			return true, owner
		case out.unknown && !free:
			return true, owner
		}
		return free, in.owner
	},
}

// recorded is one replica's way to the state, seen by the recorder.
type recorded struct {
	kv.KV
	rec     *recorder
	client  int
	replica string
	after   func(claims int) // called after each commit of a claim, before its replica hears of it

	mu     sync.Mutex
	leases []kv.Lease
}

func (k *recorded) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	called := k.rec.call()
	rev, ok, err := k.KV.Commit(ctx, t)
	for _, o := range t.Ops {
		id, isServer := strings.CutPrefix(o.Key, "servers/")
		if !isServer {
			continue
		}
		owner := ownerIn(o.Value)
		k.rec.note(k.client, deed{server: id, write: true, owner: owner}, called, told{refused: err == nil && !ok, unknown: err != nil})
		if ok && err == nil && owner != "" {
			k.rec.mu.Lock()
			k.rec.claims = append(k.rec.claims, commitment{k.replica, id, rev})
			n := len(k.rec.claims)
			k.rec.mu.Unlock()
			k.after(n)
		}
	}
	return rev, ok, err
}

// look reads whose a server is, and notes it.
func (k *recorded) look(ctx context.Context, server string) error {
	called := k.rec.call()
	e, err := k.Get(ctx, "servers/"+server)
	if err == nil {
		k.rec.note(k.client, deed{server: server}, called, told{owner: ownerIn(e.Value)})
	}
	return err
}

// ownerIn is the order or service that a server's record names.
func ownerIn(value []byte) string {
	var s fleet.Server
	must(json.Unmarshal(value, &s))
	if s.Claim.Kind == fleet.ClaimNone {
		return ""
	}
	return s.Claim.Ref
}

func (k *recorded) Grant(ctx context.Context, ttl time.Duration) (kv.Lease, error) {
	l, err := k.KV.Grant(ctx, ttl)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.leases = append(k.leases, l)
	}
	return l, err
}

// depose ends the replica's lease behind its back: it goes on as if it led.
func (k *recorded) depose(ctx context.Context, revoke func(ctx context.Context, lease int64) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return revoke(ctx, k.leases[len(k.leases)-1].ID())
}
