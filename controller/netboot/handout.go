package netboot

import (
	"cmp"
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware/smbios"
	"github.com/steelyard/steelyard/protocol"
)

// Handout gives the RAM environment to servers whose running system can start it by itself, past firmware and network (kexec). Make one
// with [NewHandout].
type Handout struct {
	opt    Options
	images ramImages
}

// NewHandout uses Store, Intake, JoinToken and RAM of the options. It starts nothing and reads nothing yet.
func NewHandout(o Options) *Handout { return &Handout{opt: o, images: ramImages{dir: o.RAM}} }

// Enter gives a server what it starts the RAM environment with, and makes its boot token. Faults: refused unless a step of the server's
// operation leads there now, by its agent; unavailable.
func (h *Handout) Enter(ctx context.Context, server, remote string, ask protocol.Enter) (protocol.Entry, error) {
	var none protocol.Entry
	if since := h.opt.Store.Stale(); !since.IsZero() { // it may have been given to somebody since
		return none, fault.Unavailable("the controller has lost its database and does not know what server %s shall start", server)
	}
	if ask.Architecture != "amd64" {
		return none, fault.Refused("there is no RAM environment for processors of kind %.20s", ask.Architecture)
	}
	d, boot, err := h.admits(server)
	if err != nil {
		return none, err
	}
	image, err := h.images.newest(time.Now())
	if image == nil {
		return none, err
	}
	entry, err := image.entry()
	if err != nil {
		return none, err
	}
	boot.Remote = remote
	t, secret, err := h.opt.Intake.AdmitBoot(ctx, boot)
	entry.Arguments = words(d, h.opt.JoinToken(t.ID, secret))
	return entry, err
}

// admits finds the step that leads the server there.
func (h *Handout) admits(server string) (Decision, intake.Boot, error) {
	snap := h.opt.Store.Snapshot()
	var b intake.Boot
	s, ok := store.Servers.In(snap, server)
	if !ok {
		return Decision{}, b, fault.NotFound("there is no server %s", server)
	}
	op, ok := store.Operations.In(snap, s.Operation)
	if !ok || !entering(s, op, commandOf(snap, s.ID, op), time.Now()) {
		return Decision{}, b, fault.Refused("no operation leads server %s into the RAM environment now", server)
	}
	d := one(Standing{Server: s, Operation: op})
	if d.Boot != RAM || len(s.Identity.MACs) == 0 {
		return d, b, fault.Refused("server %s is not let into the RAM environment: %s", server, cmp.Or(d.Why, "no network card of it is known"))
	}
	return d, intake.Boot{Server: s.ID, MAC: strings.ToLower(s.Identity.MACs[0]), UUID: smbios.UUID(s.Identity.UUID), Kexec: true}, nil
}

// commandOf is what the step of an operation sent; nil: nothing that is still to be done.
func commandOf(snap *store.Snapshot, server string, op *operation.Operation) *operation.Command {
	if operation.Final(op.State) || op.Current >= len(op.Steps) {
		return nil
	}
	c, ok := store.Commands.In(snap, store.CommandKey(server, op.Steps[op.Current].CommandID))
	if !ok || c.Cancel != nil || op.Steps[op.Current].State != operation.StepSent {
		return nil
	}
	return c
}

// entering reports whether the agent of a server, and no other hand, is told just now to lead it into the RAM environment: a server with a
// management controller gets no boot token by the word of the system that its customer has to himself.
func entering(s *fleet.Server, op *operation.Operation, c *operation.Command, now time.Time) bool {
	return c != nil && c.Hand == operation.HandAgent && c.Kind == protocol.CommandReboot && c.Into == protocol.IntoRAM &&
		c.Epoch == s.Epoch && op.Epoch == s.Epoch && (c.Deadline.IsZero() || now.Before(c.Deadline))
}

// entry names the files of a pair.
func (i *ramImage) entry() (e protocol.Entry, err error) {
	for name, f := range map[string]*protocol.EntryFile{fileKernel: &e.Kernel, fileInitrd: &e.Memory} {
		st, err := i.files[name].Stat()
		if err != nil {
			return e, fault.Unavailable("the RAM environment cannot be read: %w", err)
		}
		f.Bytes, f.SHA256 = uint64(st.Size()), map[string]string{fileKernel: i.KernelSHA256, fileInitrd: i.InitrdSHA256}[name]
	}
	return e, nil
}

// Open opens a file of the newest pair by its digest. The fault is not_found for every other file.
func (h *Handout) Open(sha256 string) (io.ReadSeekCloser, int64, error) {
	image, _ := h.images.newest(time.Now())
	if image == nil {
		return nil, 0, fault.NotFound("this controller has no RAM environment")
	}
	for name, digest := range map[string]string{fileKernel: image.KernelSHA256, fileInitrd: image.InitrdSHA256} {
		if digest != sha256 {
			continue
		}
		st, err := image.files[name].Stat()
		if err != nil {
			return nil, 0, fault.Unavailable("the RAM environment cannot be read: %w", err)
		}
		return &part{io.NewSectionReader(image.files[name], 0, st.Size()), image.files[name]}, st.Size(), nil
	}
	return nil, 0, fault.NotFound("no file of the RAM environment has the digest %.64s", sha256)
}

// part is one reading of a file that others read too: it holds the file open, and leaves it so.
type part struct {
	*io.SectionReader
	of *os.File
}

// Close implements io.Closer.
func (p *part) Close() error {
	p.of = nil
	return nil
}
