package fleet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// inspection is one that found accounts of these names, and saw everything; known are those of its command.
func inspection(id string, known map[string]bool, accounts ...string) Inspection {
	var found []protocol.Found
	for _, name := range accounts {
		found = append(found, protocol.Found{Name: name})
	}
	in := protocol.Inspection{}
	for _, kind := range protocol.InspectKinds {
		in.Subjects = append(in.Subjects, protocol.Tell(kind, "", nil, nil))
	}
	in.Subjects[0] = protocol.Tell(protocol.InspectAccounts, "", found, known)
	return Inspected("srv-1", id, 1, &in, time.Unix(1e9, 0))
}

func some(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("user%04d", i))
	}
	return names
}

func knownOf(i Inspection) map[string]bool {
	known := map[string]bool{}
	for _, key := range i.Keys() {
		known[key] = true
	}
	return known
}

// TestS9_LeftOversAreWhatTheBaselineDoesNotHave, also where not everything is listed.
func TestS9_LeftOversAreWhatTheBaselineDoesNotHave(t *testing.T) {
	base := inspection("opn-1", nil, "admin", "backup")
	if why := base.Whole(); len(why) > 0 {
		t.Fatal(why)
	}
	for _, c := range []struct {
		accounts []string
		left     int
	}{
		{[]string{"admin", "backup"}, 0},
		{[]string{"admin"}, 0},
		{[]string{"admin", "bob", "backup"}, 1},
		{append(some(1000), "admin", "backup"), 1000},
		{some(protocol.MaxFound), protocol.MaxFound},
		{some(protocol.MaxFound + 1), protocol.MaxFound + 1},
	} {
		i := inspection("opn-2", knownOf(base), c.accounts...)
		left := i.Beyond(&base)
		if left.Count != c.left || left.Clean() != (c.left == 0) {
			t.Errorf("of %d: %d left, want %d", len(c.accounts), left.Count, c.left)
		}
		s := Server{Node: &Node{Inspection: "opn-1"}}.Judged(&i, &base)
		if s.IsClean() != (c.left == 0) || c.left > 0 && s.LeftOvers.Count != c.left {
			t.Errorf("of %d: %+v", len(c.accounts), s.LeftOvers)
		}
		if lines := left.Lines(20); len(lines) > 21 || c.left > 20 && !strings.Contains(lines[20], "more") {
			t.Errorf("of %d: %d lines", len(c.accounts), len(lines))
		}
	}
	if s := (Server{}).Judged(&base, &base); s.LeftOvers != nil {
		t.Error("a bare server has left-overs")
	}
}

// TestS9_WhatWasNotSeenIsNotClean: a subject that could not be looked at, and one that the agent does not know.
func TestS9_WhatWasNotSeenIsNotClean(t *testing.T) {
	base := inspection("opn-1", nil, "admin")
	blind := inspection("opn-2", nil, "admin")
	blind.Subjects[3].Unseen = "the database server does not answer"
	in := protocol.Inspection{Subjects: base.Subjects[:2]}
	old := Inspected("srv-1", "opn-3", 1, &in, time.Now())
	for what, i := range map[string]Inspection{"one that is blind": blind, "an older agent": old} {
		left := i.Beyond(&base)
		s := Server{Node: &Node{}}.Judged(&i, &base)
		if left.Clean() || left.Count != 0 || s.IsClean() || len(i.Whole()) == 0 || !strings.Contains(s.LeftOvers.Words(), "could not be looked at") {
			t.Errorf("%s: %+v", what, left)
		}
	}
	if blind.digest() == base.Digest || inspection("x", nil, "admin").Digest != base.Digest || inspection("x", nil, "bob").Digest == base.Digest {
		t.Error("digests do not tell what differs")
	}
}
