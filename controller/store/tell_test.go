package store

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
)

func told(s *Store) string {
	out := ""
	for i := range Outbox.Items(s.Snapshot()) {
		out += i.Value.Type + " " + i.Value.Data.ID + " " + i.Value.Data.State + ";"
	}
	return out
}

func putTask(id, state string) func(*Tx) error {
	return func(tx *Tx) error { return Tasks.Put(tx, id, task.Task{ID: id, State: state}) }
}

func TestX6_EventIsInTheCommitOfTheChange(t *testing.T) {
	_, s := inMemory(t)
	rev := mustChange(t, s, putTask("t1", task.Open))
	if got := told(s); got != "task.opened t1 open;" {
		t.Fatalf("told %q", got)
	}
	for i := range Outbox.Items(s.Snapshot()) {
		if i.CreateRev != rev || i.Value.ID != i.ID || i.Value.At.IsZero() {
			t.Errorf("the event %+v came at revision %d, the change at %d", i.Value, i.CreateRev, rev)
		}
	}
	mustChange(t, s, putTask("t1", task.Open)) // nothing happened
	mustChange(t, s, func(tx *Tx) error { return Tasks.Delete(tx, "t1") })
	if got := told(s); got != "task.opened t1 open;" {
		t.Errorf("told %q", got)
	}
}

func TestX6_WhatWasNotCommittedIsNotTold(t *testing.T) {
	_, s := inMemory(t)
	_, err := s.Change(within(t), func(tx *Tx) error {
		if err := putTask("t1", task.Open)(tx); err != nil {
			return err
		}
		return fault.Refused("no")
	})
	if !fault.Is(err, fault.KindRefused) || told(s) != "" {
		t.Errorf("%v, told %q", err, told(s))
	}
	mustChange(t, s, func(tx *Tx) error { // put, then thought better of
		if err := putTask("t1", task.Open)(tx); err != nil {
			return err
		}
		return Tasks.Delete(tx, "t1")
	})
	mustChange(t, s, putTask("t2", task.Open))
	mustChange(t, s, func(tx *Tx) error { // several puts of one record are one step
		for _, state := range []string{task.Closed, task.Open, task.Closed} {
			if err := putTask("t2", state)(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if got := told(s); strings.Count(got, ";") != 2 || !strings.Contains(got, "task.closed t2") {
		t.Errorf("told %q", got)
	}
}

// Two replicas that move the same record tell each step once, whoever loses a race.
func TestX6_EachStepIsToldOnce(t *testing.T) {
	backend := memkv.New(memkv.Options{})
	one, two := running(t, backend, Options{}), running(t, backend, Options{})
	mustChange(t, one, putTask("t", task.Open))
	const steps = 30
	var done sync.WaitGroup
	for _, s := range []*Store{one, two} {
		done.Go(func() {
			for range steps {
				_, err := s.Change(within(t), func(tx *Tx) error {
					k, err := Tasks.Get(tx, "t")
					if err != nil {
						return err
					}
					k.State = map[string]string{task.Open: task.Closed, task.Closed: task.Open}[k.State]
					return Tasks.Put(tx, "t", k)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	mustChange(t, one, putBox("end", box{}))
	counts := map[string]int{}
	for i := range Outbox.Items(one.Snapshot()) {
		counts[i.Value.Type]++
	}
	if fmt.Sprint(counts) != fmt.Sprint(map[string]int{"task.opened": steps + 1, "task.closed": steps}) {
		t.Errorf("told %v", counts)
	}
}

// A record that cannot be read is repaired by writing it.
func TestX6_UnreadableRecordCanBeWritten(t *testing.T) {
	backend, s := inMemory(t)
	if _, _, err := backend.Commit(t.Context(), kv.Txn{Ops: []kv.Op{kv.Put("tasks/t", []byte("{"))}}); err != nil {
		t.Fatal(err)
	}
	mustChange(t, s, putTask("t", task.Open))
	if got := told(s); got != "task.opened t open;" {
		t.Errorf("told %q", got)
	}
}
