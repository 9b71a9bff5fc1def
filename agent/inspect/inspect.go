package inspect

import (
	"context"
	"slices"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// Options say where to look.
type Options struct {
	Root   string          // directory that holds the system; "" is the running one
	Proc   string          // where the kernel tells of processes; "" is /proc
	Known  map[string]bool // keys of what was there before any customer
	Report func(done, total uint64, unit, note string)
}

// subjectTime is how long one subject may take; what is not read by then is not seen.
const subjectTime = 90 * time.Second

// stuckTime is how long a reader may take to notice that its time is over.
const stuckTime = 5 * time.Second

// reader finds everything of one kind. What it could not look at is the error; what it found is given in any case.
type reader struct {
	kind string
	read func(ctx context.Context, m *machine) (found []protocol.Found, how string, err error)
}

// readers are in the order in which they are asked.
var readers = []reader{
	{protocol.InspectAccounts, accounts}, // first: whose the rest is follows from it
	{protocol.InspectHomes, homes},
	{protocol.InspectSites, sites},
	{protocol.InspectDatabases, databases},
	{protocol.InspectMailboxes, mailboxes},
	{protocol.InspectJobs, jobs},
	{protocol.InspectListeners, listeners},
}

// Run looks at every subject. It fails only when ctx ends.
func Run(ctx context.Context, o Options) (*protocol.Inspection, error) {
	in := protocol.Inspection{StartedAt: time.Now().UTC()}
	m := newMachine(o.Root, o.Proc)
	for i, r := range readers {
		if o.Report != nil {
			o.Report(uint64(i), uint64(len(readers)), "subjects", "looking for "+r.kind)
		}
		s, stuck := look(ctx, m, r, o.Known)
		if stuck { // somebody is still at the old one
			m = newMachine(o.Root, o.Proc)
		}
		in.Subjects = append(in.Subjects, s)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	in.EndedAt = time.Now().UTC()
	return &in, nil
}

// look asks one reader within its time.
func look(ctx context.Context, m *machine, r reader, known map[string]bool) (s protocol.Subject, stuck bool) {
	ctx, cancel := context.WithTimeout(ctx, subjectTime)
	defer cancel()
	done := make(chan protocol.Subject, 1)
	go func() {
		found, how, err := r.read(ctx, m)
		s := protocol.Tell(r.kind, how, distinct(found), known)
		if err != nil {
			s.Unseen = err.Error()
		}
		s.Clean()
		done <- s
	}()
	select {
	case s := <-done:
		return s, false
	case <-ctx.Done():
	}
	select {
	case s := <-done:
		return s, false
	case <-time.After(stuckTime): // in a call that nobody can end, such as one to a file server that is away: it ends when that comes back
		return protocol.Subject{Kind: r.kind, Unseen: "it took too long: something that is mounted does not answer", Items: []protocol.Found{}}, true
	}
}

// distinct tells what is there several times once.
func distinct(found []protocol.Found) []protocol.Found {
	seen := make(map[protocol.Found]bool, len(found))
	return slices.DeleteFunc(found, func(f protocol.Found) bool {
		twice := seen[f]
		seen[f] = true
		return twice
	})
}
