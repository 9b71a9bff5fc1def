package app

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/steelyard/steelyard/controller/api"
	"github.com/steelyard/steelyard/controller/core/fleet"
	coreimage "github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/image"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/netboot"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/usage"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

type leads = atomic.Bool

// directory answers the gateway from the snapshot.
type directory struct{ store *store.Store }

func (d directory) Server(id string) (fleet.Server, bool) {
	snap := d.store.Snapshot()
	s, ok := store.Servers.In(snap, id)
	if alias, known := store.Aliases.In(snap, id); !ok && known {
		s, ok = store.Servers.In(snap, alias.Server)
	}
	if !ok {
		return fleet.Server{}, false
	}
	return *s, true
}

// Commands is empty while the state cannot be heard of: what the outbox held may have been
// cancelled since, and its server given to somebody (rule X5). Agents know what they got before.
func (d directory) Commands(server string) []operation.Command {
	if !d.store.Stale().IsZero() {
		return nil
	}
	var list []operation.Command
	prefix := server + "/"
	for i := range store.Commands.From(d.store.Snapshot(), prefix) {
		if !strings.HasPrefix(i.ID, prefix) {
			break
		}
		if i.Value.Hand == operation.HandAgent {
			list = append(list, *i.Value)
		}
	}
	slices.SortStableFunc(list, func(a, b operation.Command) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return list
}

// deliver wakes the session of a server whose outbox or standing changed.
func (c *Controller) deliver(table, id string) {
	switch table {
	case store.Commands.Name():
		server, _, _ := strings.Cut(id, "/")
		c.Gateway.Wake(server)
	case store.Servers.Name():
		c.Gateway.Wake(id)
	case store.Hosted.Name():
		if d, ok := store.Hosted.View(c.Store, id); ok { // one that is removed is not told: the node said that nothing is left
			c.Gateway.Wake(d.Server)
		}
	}
}

// accounts is the intake as the gateway wants it for hosting nodes.
type accounts struct {
	*intake.Intake
	store *store.Store
	usage *usage.Ledger
}

func (a accounts) Accounts(server string) ([]protocol.HostedVersion, bool) {
	return a.HostedAccounts(server)
}

func (a accounts) Document(server, account string) (protocol.HostedAccount, error) {
	return a.HostedDocument(server, account)
}

// Report stores what an account that goes used before the account is gone: the node read its logs to their end before it says so.
func (a accounts) Report(ctx context.Context, server string, rep protocol.HostedReport) error {
	snap := a.store.Snapshot()
	leaves := func(r protocol.HostedResult) bool {
		acc, known := store.Accounts.In(snap, r.ID)
		return known && !acc.Live()
	}
	if slices.ContainsFunc(rep.Results, leaves) {
		if err := a.usage.Settle(ctx, server); err != nil {
			return err
		}
	}
	return a.HostedReport(ctx, server, rep)
}

// uploads is the image store as the API wants it.
type uploads struct{ images *image.Store }

func (u uploads) Import(ctx context.Context, r io.Reader, m api.ImageMeta) (coreimage.Image, error) {
	return u.images.Import(ctx, r, image.Meta{Name: m.Name, OSFamily: m.OSFamily, Format: m.Format, Actor: m.Actor})
}

// shells is the gateway as the API wants it for consoles.
type shells struct {
	gateway *gateway.Gateway
	replica string
}

func (s shells) Open(ctx context.Context, server, console string, rows, cols int) (api.Console, error) {
	c, err := s.gateway.Console(ctx, server, console, rows, cols)
	if err != nil {
		return nil, err // a nil *Console is no nil api.Console
	}
	return c, nil
}

func (s shells) Replica() string { return s.replica }

// files are all that agents fetch: images of systems, and the RAM environment.
type files struct {
	images *image.Store
	ram    *netboot.Handout
}

// Open implements gateway.Images.
func (f files) Open(sha256 string) (io.ReadSeekCloser, int64, error) {
	file, size, err := f.images.Open(sha256)
	if fault.Is(err, fault.KindNotFound) {
		if file, size, err := f.ram.Open(sha256); err == nil {
			return file, size, nil
		}
	}
	return file, size, err
}
