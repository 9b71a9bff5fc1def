package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/pkg/fault"
)

// counterOp is one call of the history: add to a counter, or refuse when it has
// reached a limit (which, like a read, changes nothing but claims a truth).
type counterOp struct {
	id    string
	add   int
	limit int
}

type counterResult struct {
	value   int // after the addition, or at the refusal
	refused bool
}

var counterModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byID := map[string][]porcupine.Operation{}
		for _, op := range history {
			id := op.Input.(counterOp).id
			byID[id] = append(byID[id], op)
		}
		var out [][]porcupine.Operation
		for _, part := range byID {
			out = append(out, part)
		}
		return out
	},
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		n, in, out := state.(int), input.(counterOp), output.(counterResult)
		if out.refused {
			return n >= in.limit && out.value == n, n
		}
		return n < in.limit && out.value == n+in.add, n + in.add
	},
}

// Two replicas over one etcd, each with its snapshot, many clients, few records:
// group commit, optimistic reads, conflicts and refusals all take part. The
// history must be that of one counter after the other.
func TestConcurrentChangesAreLinearizable(t *testing.T) {
	srv := etcdtest.Single(t)
	replicas := []*Store{running(t, srv.KV(), Options{}), running(t, srv.KV(), Options{InFlight: 4, MaxBatch: 8})}
	var mu sync.Mutex
	var history []porcupine.Operation
	var clients sync.WaitGroup
	began := time.Now()
	for client := range 24 {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(uint64(client), 7))
			for range 40 {
				in := counterOp{id: fmt.Sprint("c", r.IntN(6)), add: 1 + r.IntN(3), limit: 100}
				call := time.Since(began).Nanoseconds()
				out, err := addTo(within(t), replicas[client%2], in)
				if err != nil {
					t.Error(err)
					return
				}
				op := porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: time.Since(began).Nanoseconds()}
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	if got := porcupine.CheckOperationsTimeout(counterModel, history, 20*time.Second); got != porcupine.Ok {
		t.Fatalf("%d operations are not linearizable: %s", len(history), got)
	}
	refused := 0
	for _, op := range history {
		if op.Output.(counterResult).refused {
			refused++
		}
	}
	st := replicas[0].Stats()
	if refused == 0 || st.Conflicts == 0 || st.Transactions >= st.Changes {
		t.Fatalf("the test did not meet refusals (%d), conflicts or shared transactions: %+v", refused, st)
	}
}

func addTo(ctx context.Context, s *Store, in counterOp) (counterResult, error) {
	var out counterResult
	_, err := s.Change(ctx, func(tx *Tx) error {
		b, _, err := boxes.Find(tx, in.id)
		if err != nil {
			return err
		}
		if out = (counterResult{value: b.N, refused: b.N >= in.limit}); out.refused {
			return fault.Refused("full")
		}
		b.N += in.add
		out.value = b.N
		return boxes.Put(tx, in.id, b)
	})
	if fault.Is(err, fault.KindRefused) {
		err = nil
	}
	return out, err
}
