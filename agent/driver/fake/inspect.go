package fake

import (
	"context"
	"slices"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// Leave puts something onto the machine that an inspection finds.
func (m *Machine) Leave(kind string, f protocol.Found) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.found == nil {
		m.found = map[string][]protocol.Found{}
	}
	m.found[kind] = append(m.found[kind], f)
}

// Remove takes what Leave put there away again, by name; "" all of that kind.
func (m *Machine) Remove(kind, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.found[kind] = slices.DeleteFunc(m.found[kind], func(f protocol.Found) bool { return name == "" || f.Name == name })
}

// Blind lets inspections not see a kind, for a reason; "" lets them see it again.
func (m *Machine) Blind(kind, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blind == nil {
		m.blind = map[string]string{}
	}
	m.blind[kind] = why
}

// Inspect tells what was left.
func (m *Machine) Inspect(ctx context.Context, known map[string]bool) (*protocol.Inspection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	in := protocol.Inspection{StartedAt: time.Now().UTC()}
	for _, kind := range protocol.InspectKinds {
		s := protocol.Tell(kind, "in memory", m.found[kind], known)
		s.Unseen = m.blind[kind]
		in.Subjects = append(in.Subjects, s)
	}
	in.EndedAt = time.Now().UTC()
	return &in, ctx.Err()
}
