// Package gatewaytest is a small fleet in memory that stands behind a gateway in tests,
// simulations and measurements of the wire. It keeps the promises that package gateway asks of a
// Directory, an Intake, a Presence and Images, and counts the writes that a real one would make.
package gatewaytest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// Fleet is the records. Its methods are safe for concurrent use.
type Fleet struct {
	Approve bool                // new machines at once
	Changed func(server string) // called after a record changed, without the lock; Gateway.Wake fits
	Err     error               // what every write answers, if set before use

	mu        sync.Mutex
	tokens    map[string]int // uses left, by secret
	servers   map[string]fleet.Server
	commands  map[string][]operation.Command
	reports   map[string]protocol.Report
	results   map[string]protocol.Result
	progress  map[string]protocol.Progress
	present   map[string]fleet.Presence
	files     map[string][]byte
	conflicts []string
	writes    int
}

// New makes an empty fleet.
func New() *Fleet {
	return &Fleet{
		tokens: map[string]int{}, servers: map[string]fleet.Server{}, commands: map[string][]operation.Command{}, reports: map[string]protocol.Report{},
		results: map[string]protocol.Result{}, progress: map[string]protocol.Progress{}, present: map[string]fleet.Presence{}, files: map[string][]byte{},
	}
}

// change runs one write and wakes those who wait for it.
func (f *Fleet) change(server string, write func() error) error {
	f.mu.Lock()
	err := f.Err
	if err == nil {
		err = write()
	}
	f.writes++
	f.mu.Unlock()
	if err == nil && f.Changed != nil {
		f.Changed(server)
	}
	return err
}

// Writes is the number of changes until now.
func (f *Fleet) Writes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

// AddToken makes a join secret good for a number of machines.
func (f *Fleet) AddToken(secret string, uses int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens[secret] = uses
}

// PutServer writes a server's record.
func (f *Fleet) PutServer(s fleet.Server) {
	_ = f.change(s.ID, func() error { f.servers[s.ID] = s; return nil })
}

// EditServer changes a server's record.
func (f *Fleet) EditServer(id string, edit func(*fleet.Server)) {
	_ = f.change(id, func() error {
		s := f.servers[id]
		edit(&s)
		f.servers[id] = s
		return nil
	})
}

// RemoveServer deletes a server's record.
func (f *Fleet) RemoveServer(id string) {
	_ = f.change(id, func() error { delete(f.servers, id); return nil })
}

// PutCommand writes a command into the outbox, or replaces it.
func (f *Fleet) PutCommand(c operation.Command) {
	_ = f.change(c.Server, func() error {
		list := slices.DeleteFunc(slices.Clone(f.commands[c.Server]), func(have operation.Command) bool { return have.ID == c.ID })
		f.commands[c.Server] = append(list, c)
		return nil
	})
}

// PutFile adds an image file and returns its digest.
func (f *Fleet) PutFile(b []byte) string {
	sum := sha256.Sum256(b)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[hex.EncodeToString(sum[:])] = b
	return hex.EncodeToString(sum[:])
}

// Server implements gateway.Directory.
func (f *Fleet) Server(id string) (fleet.Server, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.servers[id]
	for _, other := range f.servers {
		if !ok && other.Alias == id {
			return other, true
		}
	}
	return s, ok
}

// Commands implements gateway.Directory.
func (f *Fleet) Commands(server string) []operation.Command {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.commands[server]
}

// Enrol implements gateway.Intake. A token counts each machine once, however often it asks.
func (f *Fleet) Enrol(_ context.Context, _ string, req protocol.EnrolRequest, issue func(string) (authority.Issued, error)) (protocol.EnrolReply, error) {
	_, secret, err := session.SplitProof(req.Token)
	if err != nil {
		return protocol.EnrolReply{}, err
	}
	server := id.New("srv")
	var reply protocol.EnrolReply
	err = f.change(server, func() error {
		left, ok := f.tokens[secret]
		if !ok {
			return fault.Denied("there is no such join token")
		}
		s := f.byInstance(req.InstanceID)
		if s.ID == "" {
			if left == 0 {
				return fault.Denied("the join token was used up")
			}
			f.tokens[secret] = left - 1
			s = fleet.Server{ID: server, InstanceID: req.InstanceID, Environment: req.Environment, Identity: req.Inventory.Identity, Approval: fleet.Pending, CreatedAt: time.Now()}
		}
		if f.Approve {
			s.Approval = fleet.Approved
		}
		issued, err := issue(s.ID)
		if err != nil {
			return err
		}
		s.CertSerial, s.CertNotAfter, s.PrevSerial = issued.Serial, issued.NotAfter, ""
		f.servers[s.ID] = s
		reply = protocol.EnrolReply{ServerID: s.ID, Certificate: issued.DER, Approval: s.Approval}
		return nil
	})
	return reply, err
}

func (f *Fleet) byInstance(instance string) fleet.Server {
	for _, s := range f.servers {
		if s.InstanceID == instance {
			return s
		}
	}
	return fleet.Server{}
}

// Digest implements gateway.Intake.
func (f *Fleet) Digest(server string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reports[server].Digest
}

// Report implements gateway.Intake.
func (f *Fleet) Report(_ context.Context, server, _ string, rep protocol.Report) error {
	return f.change(server, func() error { f.reports[server] = rep; return nil })
}

// Result implements gateway.Intake: it takes a result once and removes the command.
func (f *Fleet) Result(_ context.Context, server string, res protocol.Result) error {
	return f.change(server, func() error {
		if _, ok := f.results[res.Command]; !ok {
			f.results[res.Command] = res
		}
		f.commands[server] = slices.DeleteFunc(slices.Clone(f.commands[server]), func(c operation.Command) bool { return c.ID == res.Command })
		return nil
	})
}

// Progress implements gateway.Intake.
func (f *Fleet) Progress(_ context.Context, _ string, p protocol.Progress) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress[p.Command] = p
	return nil
}

// Conflict implements gateway.Intake: the server is quarantined.
func (f *Fleet) Conflict(_ context.Context, server, reason string) error {
	return f.change(server, func() error {
		f.conflicts = append(f.conflicts, reason)
		s := f.servers[server]
		s.Quarantine = &fleet.Note{Reason: reason, At: time.Now()}
		f.servers[server] = s
		return nil
	})
}

// Renewed implements gateway.Intake.
func (f *Fleet) Renewed(_ context.Context, server, serial string, notAfter time.Time) error {
	return f.change(server, func() error {
		s := f.servers[server]
		if s.PrevSerial == "" {
			s.PrevSerial = s.CertSerial
		}
		s.CertSerial, s.CertNotAfter = serial, notAfter
		f.servers[server] = s
		return nil
	})
}

// Used implements gateway.Intake.
func (f *Fleet) Used(_ context.Context, server, serial string) error {
	return f.change(server, func() error {
		if s := f.servers[server]; s.CertSerial == serial {
			s.PrevSerial = ""
			f.servers[server] = s
		}
		return nil
	})
}

// Succeed implements gateway.Intake.
func (f *Fleet) Succeed(_ context.Context, server string, next fleet.Successor) (logging.Secret, error) {
	return "#!/bin/sh\n", f.change(server, func() error {
		s := f.servers[server]
		s.Successor = &next
		f.servers[server] = s
		return nil
	})
}

// Arrived implements gateway.Intake.
func (f *Fleet) Arrived(_ context.Context, server, serial string) error {
	return f.change(server, func() error {
		s := f.servers[server]
		if next := s.Successor; next != nil && next.Serial == serial {
			s.InstanceID, s.CertSerial, s.CertNotAfter, s.PrevSerial = next.InstanceID, next.Serial, next.NotAfter, ""
			s.Environment, s.Successor = protocol.EnvInstalled, nil
			f.servers[server] = s
		}
		return nil
	})
}

// Add implements gateway.Presence.
func (f *Fleet) Add(p fleet.Presence) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.present[p.Server] = p
}

// Remove implements gateway.Presence.
func (f *Fleet) Remove(server string, since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.present[server].Since.Equal(since) {
		delete(f.present, server)
	}
}

type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

// Open implements gateway.Images.
func (f *Fleet) Open(sum string) (io.ReadSeekCloser, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.files[sum]
	if !ok {
		return nil, 0, fault.NotFound("there is no image file %.64q", sum)
	}
	return file{bytes.NewReader(b)}, int64(len(b)), nil
}

// Present are the sessions that were announced.
func (f *Fleet) Present() map[string]fleet.Presence {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.present)
}

// Reported is the newest report of a server.
func (f *Fleet) Reported(server string) (protocol.Report, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.reports[server]
	return r, ok
}

// ResultOf is the result of a command.
func (f *Fleet) ResultOf(command string) (protocol.Result, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.results[command]
	return r, ok
}

// ProgressOf is the newest progress of a command.
func (f *Fleet) ProgressOf(command string) (protocol.Progress, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.progress[command]
	return p, ok
}

// Conflicts are the reasons that were told.
func (f *Fleet) Conflicts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.conflicts)
}
