package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// While a change runs, another one of the process is told which record it is about to
// make; afterwards, however it ended, nobody is.
func TestWantLastsAsLongAsItsChange(t *testing.T) {
	_, s := inMemory(t)
	ask := func() (first bool) {
		t.Helper()
		mustChange(t, s, func(tx *Tx) error { first = boxes.Want(tx, "b1"); return nil })
		return first
	}
	failed := errors.New("given up")
	for _, end := range []error{nil, failed} {
		_, err := s.Change(within(t), func(tx *Tx) error {
			for range 2 { // asking again changes nothing
				if !boxes.Want(tx, "b1") {
					t.Error("the first change is not first")
				}
			}
			if !lids.Want(tx, "b1") {
				t.Error("another table's record is the same one")
			}
			if ask() {
				t.Error("two changes are first")
			}
			if end == nil {
				return putBox("b1", box{N: 1})(tx)
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Fatal(err)
		}
		if !ask() {
			t.Errorf("after a change that ended with %v its record is still wanted", end)
		}
	}
}

// Who is first after a change has ended finds its record in the newest snapshot.
func TestWantEndsWhenTheSnapshotShowsTheRecord(t *testing.T) {
	_, s := inMemory(t)
	for n := range 200 {
		id := fmt.Sprint("b", n)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, err := s.Change(within(t), func(tx *Tx) error {
				boxes.Want(tx, id)
				return putBox(id, box{N: n})(tx)
			}); err != nil {
				t.Error(err)
			}
		}()
		started := false
		for seen := false; !seen; {
			mustChange(t, s, func(tx *Tx) error {
				first := boxes.Want(tx, id)
				_, seen = boxes.In(tx.Hint(), id)
				if started && first && !seen {
					t.Errorf("%s is wanted by nobody, and nobody sees it", id)
					seen = true
				}
				started = started || !first
				return nil
			})
		}
		<-done
	}
}

// A range counts and reads by position what a walk over the index finds.
func TestX11_ARangeIsTheWalk(t *testing.T) {
	_, s := inMemory(t)
	for i := range 300 {
		mustChange(t, s, putBox(fmt.Sprint("b", i), box{Owner: []string{"a/", "b/", "b/x", "b0", "b", "c/\xff", ""}[i%7] + fmt.Sprint(i%5)}))
	}
	snap := s.Snapshot()
	for _, prefix := range []string{"", "a/", "b", "b/", "b/x", "c/", "zz", "b/x3"} {
		var want, got []string
		for owner, it := range boxes.Ordered(snap, "owner", "") {
			if len(owner) >= len(prefix) && owner[:len(prefix)] == prefix {
				want = append(want, it.ID)
			}
		}
		r := boxes.Range(snap, "owner", prefix)
		for i := range r.Len() {
			got = append(got, r.At(i).ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", prefix, got, want)
		}
	}
}
