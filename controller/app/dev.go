package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/pkg/simulated"
)

// DevOptions describe a fleet on one machine.
type DevOptions struct {
	Options
	Simulate    int    // number of simulated servers
	ReadyFile   string // written when everything is up; "" none
	AgentBinary string
}

// patience is how long the fleet may take to gather before Dev says it is up.
const patience = 2 * time.Minute

// fleetOnOneMachine is a controller with agents of its own.
type fleetOnOneMachine struct {
	*Controller
	opt         DevOptions
	out         io.Writer
	hall        *hall  // nil without simulated servers
	socket      string // by which simulated machines are switched
	admin, join string // secrets
	ca          string // file
}

// Dev runs a controller, a real agent for this machine and simulated servers until
// ctx ends. Started again on the same directory it goes on where it was.
func Dev(ctx context.Context, o DevOptions, out io.Writer) error {
	if o.ReadyFile != "" {
		if err := os.Remove(o.ReadyFile); err != nil && !os.IsNotExist(err) {
			return fault.Unavailable("the ready file cannot be replaced: %w", err)
		}
	}
	data, err := filepath.Abs(o.Data)
	if err != nil {
		return fault.Invalid("the data directory: %w", err)
	}
	o.Data = data
	o.PlainHTTP = loopback(o.HTTP)
	c, err := Open(ctx, o.Options)
	if err != nil {
		return err
	}
	defer c.Close()
	d := &fleetOnOneMachine{Controller: c, opt: o, out: out, ca: filepath.Join(o.Data, "ca.pem")}
	defer d.removeReady() // who waits for the next start must not find the file of this one
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return c.during(ctx, func(ctx context.Context) error { return d.populate(ctx, g) })
	})
	return g.Wait()
}

// loopback tells whether an address is reached from this machine only.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// populate makes secrets and records, starts the agents, waits for them, and says
// that everything is up.
func (d *fleetOnOneMachine) populate(ctx context.Context, g *errgroup.Group) error {
	if err := d.WriteCA(d.ca); err != nil {
		return fault.Unavailable("the authority's certificate cannot be written: %w", err)
	}
	if err := d.secrets(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(d.opt.Data, "disks"), 0o700); err != nil {
		return fault.Unavailable("the sandbox disks cannot be made: %w", err)
	}
	wired, err := d.surround(ctx, g)
	if err != nil {
		return err
	}
	for _, child := range d.children() {
		g.Go(func() error { return child.run(ctx) })
	}
	fmt.Fprintf(d.out, "Starting %d servers; each reports its hardware, is erased and tested. This takes up to a minute or two.\n", d.opt.Simulate+1)
	if err := d.gather(ctx, wired); err != nil {
		return err
	}
	if err := d.furnish(ctx); err != nil {
		return err
	}
	d.greet()
	return d.writeReady()
}

func (d *fleetOnOneMachine) secrets(ctx context.Context) (err error) {
	d.admin, err = keptSecret(filepath.Join(d.opt.Data, "admin-token"), d.good, func() (string, error) {
		_, secret, _, err := d.Intake.CreateToken(ctx, access.System, intake.TokenDraft{
			Kind: access.TokenAPI, Name: "administrator of this machine's fleet", Role: access.RoleAdmin, ExpiresAt: now().Add(adminLife),
		})
		return secret, err
	})
	if err != nil {
		return err
	}
	location, err := d.location(ctx)
	if err != nil {
		return err
	}
	d.join, err = keptSecret(filepath.Join(d.opt.Data, "join-token"), d.joins, func() (string, error) {
		t, secret, _, err := d.Intake.CreateToken(ctx, access.System, intake.TokenDraft{
			Kind: access.TokenJoin, Name: "agents of this machine's fleet", Location: location, AutoApprove: true, ExpiresAt: now().Add(adminLife),
		})
		return d.Authority.JoinToken(t.ID, secret), err
	})
	return err
}

// good tells whether an API token is known and not over.
func (d *fleetOnOneMachine) good(secret string) bool { return d.valid(access.TokenAPI, secret) }

func (d *fleetOnOneMachine) joins(text string) bool {
	parts := strings.Split(text, ".")
	return len(parts) == 4 && parts[3] == d.Authority.Fingerprint() && d.valid(access.TokenJoin, parts[2])
}

func (d *fleetOnOneMachine) valid(kind, secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	digest := hex.EncodeToString(sum[:])
	for i := range store.Tokens.Items(d.Store.Snapshot()) {
		t := i.Value
		if t.Kind == kind && t.Digest == digest && !t.Revoked && (t.ExpiresAt.IsZero() || now().Before(t.ExpiresAt)) {
			return true
		}
	}
	return false
}

// surround starts what stands around the simulated servers; the channel is closed when each server
// is connected to it.
func (d *fleetOnOneMachine) surround(ctx context.Context, g *errgroup.Group) (<-chan struct{}, error) {
	wired := make(chan struct{})
	if d.opt.Simulate == 0 {
		close(wired)
		return wired, nil
	}
	socket, release, err := controlSocket(d.opt.Data)
	if err != nil {
		return nil, err
	}
	d.socket = socket
	if d.hall, err = openHall(filepath.Join(d.opt.Data, "hall"), d.opt.Simulate, simulated.Client{Socket: socket}, d.log); err != nil {
		release()
		return nil, err
	}
	g.Go(func() error {
		defer release()
		return d.hall.run(ctx)
	})
	g.Go(func() error {
		if err := d.wire(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		close(wired)
		return nil
	})
	return wired, nil
}

// controlSocket is where simulated machines are switched: below data, if that is short enough for the
// path of a socket.
func controlSocket(data string) (path string, release func(), err error) {
	const most = 100 // of 107 bytes; a socket is made under another name first
	if path = filepath.Join(data, "control"); len(path) <= most {
		return path, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "steelyard-dev")
	if err != nil {
		return "", nil, fault.Unavailable("there is no place for a socket: %w", err)
	}
	return filepath.Join(dir, "control"), func() { _ = os.RemoveAll(dir) }, nil
}

// gather waits until the agents are connected and the simulated servers have been
// erased, diagnosed and connected to their devices, or for as long as patience lasts.
func (d *fleetOnOneMachine) gather(ctx context.Context, wired <-chan struct{}) error {
	limit := time.Now().Add(patience)
	for time.Now().Before(limit) {
		if over(wired) && d.Gateway.Stats().Sessions >= d.opt.Simulate+1 && (d.stocked() || store.Orders.Len(d.Store.Snapshot()) > 0) {
			return nil
		}
		if err := pause.For(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	d.log.Warn("not all agents are connected yet", "connected", d.Gateway.Stats().Sessions, "expected", d.opt.Simulate+1)
	return nil
}

// stocked reports whether most servers are available, those left out that become hosting nodes: what is sold is made from them. Who reads that the fleet is up sees
// them too.
func (d *fleetOnOneMachine) stocked() bool {
	most := d.opt.Simulate/2 + 1
	if d.opt.Simulate > 4*nodes {
		most += nodes
	}
	return min(d.Stock.Index.Count(), d.API.Index().Count()) >= most
}

func over(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func (d *fleetOnOneMachine) greet() {
	fmt.Fprintf(d.out, `
A fleet of %d servers is up: this machine and %d simulated ones.

  API and metrics   %s
  Agents connect to %s
%s
In another terminal:

  export STEELYARD_URL=%s
  export STEELYARD_TOKEN=%s
  export PATH=$PWD/bin:$PATH
  steelyard server list

The token is this fleet's administrator; it is kept in %s.
Stop with Ctrl-C; the next start on %s goes on where this one was.
`, store.Servers.Len(d.Store.Snapshot()), d.opt.Simulate, d.URL(), d.AgentAddress(), d.hall.describe(d.opt.Simulate), d.URL(), d.admin, filepath.Join(d.opt.Data, "admin-token"), d.opt.Data)
	if !d.opt.PlainHTTP {
		fmt.Fprintf(d.out, "\n  export STEELYARD_CA=%s\n", d.ca)
	}
}

func (d *fleetOnOneMachine) removeReady() {
	if d.opt.ReadyFile == "" {
		return
	}
	if err := os.Remove(d.opt.ReadyFile); err != nil && !os.IsNotExist(err) {
		d.log.Warn("the ready file cannot be removed", "error", err)
	}
}

// writeReady lets the file appear whole.
func (d *fleetOnOneMachine) writeReady() error {
	if d.opt.ReadyFile == "" {
		return nil
	}
	data, err := json.Marshal(map[string]string{"url": d.URL(), "token": d.admin, "ca": d.ca})
	if err != nil {
		return err
	}
	return writeFile(d.opt.ReadyFile, data)
}
