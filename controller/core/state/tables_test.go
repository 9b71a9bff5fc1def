package state_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/state"
	"github.com/steelyard/steelyard/controller/core/subscription"
)

var tables = []*state.Table{
	&fleet.Servers, &order.Services, &order.Orders, &operation.Operations, &reselling.Sales, &reselling.SignUps, &reselling.Resellers, &hosting.Placements, &account.Accounts,
	&subscription.Locks, &subscription.Syncs, &subscription.Suspensions,
}

// next are the states that one move leads to.
func next(t *state.Table, from string) (to []string) {
	for _, m := range t.Moves {
		if slices.Contains(m.From, from) {
			to = append(to, m.To...)
		}
	}
	return to
}

// reach is everything that can be reached by follow.
func reach[T comparable](begin []T, follow func(T) []T) map[T]bool {
	seen := map[T]bool{}
	for len(begin) > 0 {
		at := begin[0]
		if begin = begin[1:]; !seen[at] {
			seen[at] = true
			begin = append(begin, follow(at)...)
		}
	}
	return seen
}

func TestX4_EveryStateIsReachedAndNoneIsADeadEnd(t *testing.T) {
	for _, table := range tables {
		var begin []string
		for _, s := range table.States {
			if s.Begin {
				begin = append(begin, s.Name)
			}
		}
		reached := reach(begin, func(at string) []string { return next(table, at) })
		for _, s := range table.States {
			if !reached[s.Name] {
				t.Errorf("no %s is ever %s", table.Noun, s.Name)
			}
			delete(reached, s.Name)
			ahead := reach([]string{s.Name}, func(at string) []string { return next(table, at) })
			if !slices.ContainsFunc(table.States, func(r state.State) bool { return r.Rests && ahead[r.Name] }) {
				t.Errorf("a %s that is %s comes to rest nowhere", table.Noun, s.Name)
			}
		}
		for name := range reached {
			t.Errorf("%s is no state of a %s", name, table.Noun)
		}
	}
}

func TestX4_EveryStateHasAnOwnerAnEndAndAWayOutForAPerson(t *testing.T) {
	for _, table := range tables {
		for _, s := range table.States {
			final := len(next(table, s.Name)) == 0
			switch {
			case s.Means == "":
				t.Errorf("%s %s: it does not say what it means", table.Noun, s.Name)
			case !s.Rests && (s.Owner == "" || s.Until == ""):
				t.Errorf("%s %s: nobody brings it on, or nothing ends it", table.Noun, s.Name)
			case final && !s.Rests:
				t.Errorf("%s %s is left by no move, and does not rest", table.Noun, s.Name)
			case !final && s.Out == "":
				t.Errorf("%s %s: a person has no way out", table.Noun, s.Name)
			}
		}
		for _, m := range table.Moves {
			if m.By == "" || len(m.From) == 0 || len(m.To) == 0 {
				t.Errorf("%s: a move says too little: %+v", table.Noun, m)
			}
		}
	}
}

// TestX4_TheTablesNameTheStatesOfTheRecords: all of them, and which are final.
func TestX4_TheTablesNameTheStatesOfTheRecords(t *testing.T) {
	for _, record := range []struct {
		of    any
		table *state.Table
	}{
		{operation.Operation{}, &operation.Operations},
		{order.Order{}, &order.Orders},
		{order.Service{}, &order.Services},
		{reselling.Sale{}, &reselling.Sales},
		{reselling.SignUp{}, &reselling.SignUps},
		{reselling.Reseller{}, &reselling.Resellers},
		{hosting.Placement{}, &hosting.Placements},
		{account.Account{}, &account.Accounts},
	} {
		field, _ := reflect.TypeOf(record.of).FieldByName("State")
		var named []string
		for _, s := range record.table.States {
			named = append(named, s.Name)
		}
		stored := strings.Split(field.Tag.Get("enum"), ",")
		slices.Sort(named)
		slices.Sort(stored)
		if !slices.Equal(named, stored) {
			t.Errorf("states of a %s: the table has %v, the record %v", record.table.Noun, named, stored)
		}
	}
	for _, s := range operation.Operations.States {
		if final := len(next(&operation.Operations, s.Name)) == 0; final != operation.Final(s.Name) {
			t.Errorf("operation %s: final by the table %v", s.Name, final)
		}
	}
}

// place is a server in a state, with disks that are proven empty or not.
type place struct {
	state string
	clean bool
}

// onward are the places that a move leads to. Without a proof disks may become dirty and never clean.
func onward(proofs bool) func(place) []place {
	t := &fleet.Servers
	return func(at place) (to []place) {
		for _, m := range t.Moves {
			if !slices.Contains(m.From, at.state) {
				continue
			}
			for _, name := range m.To {
				for _, clean := range []bool{true, false} {
					if fits(t.Find(name), clean) && (!clean || at.clean || proofs && m.Proof) {
						to = append(to, place{name, clean})
					}
				}
			}
		}
		return to
	}
}

func fits(s state.State, clean bool) bool {
	return s.Disks == "" || clean == (s.Disks == state.Clean)
}

// TestB41_NoWayLeadsFromUsedToAvailableWithoutAnErase. That the states tell the truth about the disks, and
// that dirty ones become clean only in a move with a proof, with every disk read back, is
// proven by what really happens, in the tests of reconcile.
func TestB41_NoWayLeadsFromUsedToAvailableWithoutAnErase(t *testing.T) {
	table := &fleet.Servers
	var used []place
	for _, s := range table.States {
		if s.Disks != state.Clean {
			used = append(used, place{s.Name, false})
		}
	}
	for at := range reach(used, onward(false)) {
		if at.clean || table.Find(at.state).Disks == state.Clean {
			t.Errorf("a used server becomes %s without an erase", at.state)
		}
	}
	with := reach(used, onward(true))
	for _, want := range []string{fleet.StateAvailable, fleet.StateParked} {
		if !with[place{want, true}] {
			t.Errorf("a used server never becomes %s again", want)
		}
	}
	for _, m := range table.Moves { // a move between states that contradict each other is none
		for _, from := range m.From {
			for _, to := range m.To {
				if !m.Proof && table.Find(from).Disks == state.Dirty && table.Find(to).Disks == state.Clean {
					t.Errorf("%s leads to %s because %s, where nothing is erased", from, to, m.By)
				}
			}
		}
	}
}

// TestB41_OnlyAnEraseIsAProof: a move proves something only where an operation with an erase runs. A server that is held
// for an order is erased in that state.
func TestB41_OnlyAnEraseIsAProof(t *testing.T) {
	erases := map[string]bool{fleet.StateHeld: true}
	for _, kind := range kinds {
		for _, s := range operation.Recipe(kind, 0, operation.Params{}) {
			if s.Command == "erase" {
				erases[fleet.StateOf(&fleet.Server{}, kind, false)] = true
			}
		}
	}
	proofs := map[string]bool{}
	for _, m := range fleet.Servers.Moves {
		for _, from := range m.From {
			if m.Proof {
				proofs[from] = true
			}
		}
	}
	if !maps.Equal(erases, proofs) {
		t.Errorf("erased in %v, proven in %v", erases, proofs)
	}
}

// kinds of operation, as the record lists them.
var kinds = func() []string {
	f, _ := reflect.TypeFor[operation.Operation]().FieldByName("Kind")
	return strings.Split(f.Tag.Get("enum"), ",")
}()
