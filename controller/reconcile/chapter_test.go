package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
)

// chapter is a part of a long story. It begins with what the one before it ended with, so each walk is as short as what it is about.
type chapter struct {
	name string
	play func(h *tenancy)
}

// page is a whole state, and when it was so.
type page struct {
	at      time.Time
	entries []kv.Entry
}

// write makes the state of a page that of a fleet in which nothing runs yet.
func (p *page) write(s *saga) {
	s.ledger.lives.plant(webNode, fleet.StateUnavailable)
	s.ledger.proof[webNode] = proof{rev: 1 << 20} // no life of a server is told here
	if p == nil {
		s.seedFleet()
		furnish(s)
		return
	}
	time.Sleep(time.Until(p.at)) // a bubble begins at the same moment again
	for _, e := range p.entries {
		if id, ok := strings.CutPrefix(e.Key, store.SignUps.Name()+"/"); ok {
			var v reselling.SignUp
			must(json.Unmarshal(e.Value, &v))
			s.ledger.lives.was(&reselling.SignUps, id, v.State)
		}
	}
	for part := range slices.Chunk(p.entries, kv.DefaultLimits.MaxOps) {
		var t kv.Txn
		for _, e := range part {
			t.Ops = append(t.Ops, kv.Put(e.Key, e.Value))
		}
		if _, _, err := s.kv.Commit(s.ctx, t); err != nil {
			s.t.Fatal(err)
		}
	}
}

// snapshotOf reads the state; what a process holds with a lease goes with it.
func snapshotOf(s *saga) *page {
	list, err := s.kv.List(context.Background(), "", kv.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return &page{time.Now(), slices.DeleteFunc(list.Entries, func(e kv.Entry) bool { return e.Lease != 0 })}
}

// asWell are fates of a process; whatever it meets, the state comes to be what it would have been.
var asWell = map[string]fate{"it dies": dies, "it does not hear that it was done": unknown, "it was not done": rejected}

// everyChapter plays a story with each fate at every commit of every chapter, each time from the undisturbed beginning of the chapter, and holds what became of it
// against the undisturbed end: every record of every table, the audit log included.
func everyChapter(t *testing.T, chapters []chapter) {
	var begin *page
	for _, c := range chapters {
		var end *page
		play := func(fates func(int) (fate, int)) (commits int) {
			return begun(t, begin.write, fates, func(s *saga) {
				h := settle(s)
				c.play(h)
				h.quiet()
				end = snapshotOf(s)
			})
		}
		commits := play(never)
		want := end
		portrait := end.portrait()
		if t.Failed() || commits < 2 {
			t.Fatalf("%s: %d commits", c.name, commits)
		}
		for how, f := range asWell {
			for at := 1; at <= commits && !t.Failed(); at++ {
				if play(once(f, at)); t.Failed() {
					t.Fatalf("%s: at commit %d of %d %s", c.name, at, commits, how)
				}
				if d := cmp.Diff(portrait, end.portrait()); d != "" {
					t.Fatalf("%s: at commit %d of %d %s, and then there is something else (-undisturbed):\n%s", c.name, at, commits, how, d)
				}
			}
		}
		begin = want
	}
}

// madeUp are what nobody can foresee: ids, and times.
var madeUp = regexp.MustCompile(`[a-z]{3}-[0-9A-Za-z]{16,}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)

// secretly are fields of which each has another value whenever it is made.
var secretly = []string{"sealed", "secrets", "box", "wrapped", "password_hash", "digest"}

// portrait is what a state says, but for what nobody can foresee.
func (p *page) portrait() (lines []string) {
	for _, e := range p.entries {
		table, _, _ := strings.Cut(e.Key, "/")
		var v any
		if err := json.Unmarshal(e.Value, &v); err != nil {
			v = string(e.Value)
		}
		text, err := json.Marshal(bare(v))
		must(err)
		lines = append(lines, fmt.Sprintf("%s %s", table, madeUp.ReplaceAllString(string(text), "…")))
	}
	slices.Sort(lines)
	return lines
}

// bare is a value without the fields that are made secretly.
func bare(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			if slices.Contains(secretly, name) {
				delete(v, name)
				continue
			}
			v[name] = bare(field)
		}
	case []any:
		for i := range v {
			v[i] = bare(v[i])
		}
	}
	return v
}
