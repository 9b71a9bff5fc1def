package fleet

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// Inspection is what an agent found on its machine that customers may have left there, as of one operation.
type Inspection struct {
	ID       string             `json:"id"` // of the operation
	Server   string             `json:"server"`
	Epoch    uint64             `json:"epoch"` // of the server: a later one means that something was done since
	At       time.Time          `json:"at"`
	Digest   string             `json:"digest"` // of what was found: the same things have the same digest
	Subjects []protocol.Subject `json:"subjects"`
}

// Inspected is the record of what an agent sent. A kind that it does not tell of was not looked at.
func Inspected(server, operation string, epoch uint64, in *protocol.Inspection, now time.Time) Inspection {
	i := Inspection{ID: operation, Server: server, Epoch: epoch, At: now}
	for _, kind := range protocol.InspectKinds {
		at := slices.IndexFunc(in.Subjects, func(s protocol.Subject) bool { return s.Kind == kind })
		if at < 0 {
			i.Subjects = append(i.Subjects, protocol.Subject{Kind: kind, Unseen: "its agent cannot look at it; install a newer one", Items: []protocol.Found{}})
			continue
		}
		i.Subjects = append(i.Subjects, in.Subjects[at])
	}
	i.Digest = i.digest()
	return i
}

// digest is the same for the same things, in whatever order they were told.
func (i *Inspection) digest() string {
	sum := sha256.New()
	for _, s := range i.Subjects {
		fmt.Fprintln(sum, s.Kind, s.Count, s.Unseen)
		for _, key := range slices.Sorted(slices.Values(keysOf(&s))) {
			fmt.Fprintln(sum, key)
		}
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12])
}

func keysOf(s *protocol.Subject) (keys []string) {
	for _, f := range s.Items {
		keys = append(keys, f.Key(s.Kind))
	}
	return keys
}

// Keys name everything that an inspection lists.
func (i *Inspection) Keys() (keys []string) {
	for _, s := range i.Subjects {
		keys = append(keys, keysOf(&s)...)
	}
	return keys
}

// Whole refuses an inspection that does not tell all that is there: it says nothing about what it did not see.
func (i *Inspection) Whole() (why []string) {
	for _, s := range i.Subjects {
		switch {
		case s.Unseen != "":
			why = append(why, s.Kind+" was not looked at: "+s.Unseen)
		case !s.Whole():
			why = append(why, fmt.Sprintf("%d of %d of kind %s are not listed", s.Count-len(s.Items), s.Count, s.Kind))
		}
	}
	return why
}

// Left is what an inspection found that is not in its baseline.
type Left struct {
	Count  int                // also what is not listed
	Unseen []string           // what could not be looked at, and why: it may be there (rule S9)
	Items  []protocol.Subject // what is listed of it, by kind; Count is that of the kind
}

// Clean reports whether nothing is there, and everything was looked at.
func (l *Left) Clean() bool { return l.Count == 0 && len(l.Unseen) == 0 }

// Lines tell what is there, one thing a line, at most most of them; the last tells what is not listed.
func (l *Left) Lines(most int) (lines []string) {
	listed := 0
	for _, s := range l.Items {
		for _, f := range s.Items {
			if len(lines) < most {
				lines = append(lines, strings.TrimSpace(s.Kind+" "+f.Name+" "+f.Detail))
				listed++
			}
		}
	}
	if more := l.Count - listed; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return append(lines, l.Unseen...)
}

// Beyond compares an inspection with its baseline. One without anything in it means that nothing is known to belong there.
func (i *Inspection) Beyond(base *Inspection) (l Left) {
	known := map[string]bool{}
	for _, key := range base.Keys() {
		known[key] = true
	}
	for _, s := range i.Subjects {
		if s.Unseen != "" {
			l.Unseen = append(l.Unseen, s.Kind+" was not looked at: "+s.Unseen)
		}
		if fresh := fresh(s, known); fresh.Count > 0 {
			l.Count += fresh.Count
			l.Items = append(l.Items, fresh)
		}
	}
	return l
}

// fresh is s without what is known. The agent lists what is not known first, and counts the rest.
func fresh(s protocol.Subject, known map[string]bool) protocol.Subject {
	unlisted := 0
	if !s.Whole() {
		unlisted = s.Count - len(s.Items)
	}
	kind := s.Kind
	items := slices.DeleteFunc(slices.Clone(s.Items), func(f protocol.Found) bool { return known[f.Key(kind)] })
	found := len(s.Items) - len(items)           // known ones that are listed
	rest := min(unlisted, max(0, s.Known-found)) // known ones that are not
	s.Items, s.Count = items, len(items)+unlisted-rest
	return s
}

// Judged is a hosting node after an inspection: it has left-overs, or it has none. Since is when they were first seen. A server that is no node
// stays as it is: it is erased.
func (s Server) Judged(i, base *Inspection) Server {
	if s.Node == nil {
		return s
	}
	left := i.Beyond(base)
	if left.Clean() {
		s.LeftOvers = nil
		return s
	}
	l := LeftOvers{Since: i.At}
	if s.LeftOvers != nil {
		l = *s.LeftOvers
	}
	l.Inspection, l.Count, l.Unseen, l.At = i.ID, left.Count, len(left.Unseen), i.At
	s.LeftOvers = &l
	return s
}

// Words tell how much it is.
func (l *LeftOvers) Words() string {
	things := map[bool]string{true: "1 thing", false: fmt.Sprintf("%d things", l.Count)}[l.Count == 1]
	switch {
	case l.Unseen == 0:
		return things
	case l.Count == 0:
		return fmt.Sprintf("what could not be looked at (%d kinds of things)", l.Unseen)
	}
	return fmt.Sprintf("%s, and what could not be looked at (%d kinds of things)", things, l.Unseen)
}
