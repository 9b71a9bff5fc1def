package inspect

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// Options say where to look.
type Options struct {
	Root   string          // directory that holds the system; "" is the running one
	Known  map[string]bool // keys of what was there before any customer
	Report func(done, total uint64, unit, note string)
}

// subjectTime is how long one subject may take; what is not read by then is not seen.
const subjectTime = 90 * time.Second

// reader finds everything of one kind. What it could not look at is the error; what it found is given in any case.
type reader struct {
	kind string
	read func(ctx context.Context, m *machine) (found []protocol.Found, how string, err error)
}

// readers are in the order in which they are asked.
var readers = []reader{}

// Run looks at every subject. It fails only when ctx ends.
func Run(ctx context.Context, o Options) (*protocol.Inspection, error) {
	in := protocol.Inspection{StartedAt: time.Now().UTC()}
	m := newMachine(o.Root)
	for i, r := range readers {
		if o.Report != nil {
			o.Report(uint64(i), uint64(len(readers)), "subjects", "looking for "+r.kind)
		}
		in.Subjects = append(in.Subjects, look(ctx, m, r, o.Known))
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	in.EndedAt = time.Now().UTC()
	return &in, nil
}

// look asks one reader within its time.
func look(ctx context.Context, m *machine, r reader, known map[string]bool) protocol.Subject {
	ctx, cancel := context.WithTimeout(ctx, subjectTime)
	defer cancel()
	found, how, err := r.read(ctx, m)
	s := protocol.Tell(r.kind, how, found, known)
	if err != nil {
		s.Unseen = err.Error()
	}
	s.Clean()
	return s
}
