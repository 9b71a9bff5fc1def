package app

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/controller/api"
	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/image"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/metrics"
	"github.com/steelyard/steelyard/controller/netboot"
	"github.com/steelyard/steelyard/controller/notify"
	"github.com/steelyard/steelyard/controller/outofband"
	"github.com/steelyard/steelyard/controller/reconcile"
	"github.com/steelyard/steelyard/controller/remote"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/stock"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/usage"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/pause"
)

// schemaVersion of the records in the store.
const schemaVersion = 1

// drain is how long open requests may take when the controller stops.
const drain = 2 * time.Second

// Controller is one replica.
type Controller struct {
	Store     *store.Store
	Stock     *stock.Stock
	Intake    *intake.Intake
	Seal      *seal.Ring
	Authority *authority.Authority
	Images    *image.Store
	Gateway   *gateway.Gateway
	API       *api.API

	opt       Options
	log       *slog.Logger
	replica   string
	backend   *backend
	presence  *store.PresenceWriter
	metrics   *metrics.Metrics
	reconcile *reconcile.Reconciler
	notify    *notify.Notifier
	hands     *outofband.Hands
	remotes   *remote.Remotes
	usage     *usage.Ledger
	netboot   *netboot.Netboot // nil: no machine boots from here
	http      net.Listener
	agents    net.Listener
	certify   func() (*tls.Certificate, error)
	leads     leads
}

// Open builds a controller and takes its addresses; nothing is served before Run.
func Open(ctx context.Context, o Options) (*Controller, error) {
	c := &Controller{opt: o, log: o.Logger, replica: id.New("rep")}
	for _, step := range []func(context.Context) error{c.openState, c.openStores, c.build, c.listen, c.openNetboot} {
		if err := step(ctx); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

func (c *Controller) openState(ctx context.Context) (err error) {
	if err := os.MkdirAll(c.opt.Data, 0o700); err != nil {
		return fault.Unavailable("the data directory cannot be made: %w", err)
	}
	c.backend, err = openBackend(ctx, c.opt)
	return err
}

// awaitState waits until the backend answers and its records are of a version that
// this program knows. An external cluster may come later than its controllers.
func (c *Controller) awaitState(ctx context.Context) error {
	for {
		err := store.EnsureSchema(ctx, c.backend.kv, schemaVersion, nil)
		if !fault.Is(err, fault.KindUnavailable) {
			return err
		}
		c.log.Warn("the state cannot be reached; trying again", "error", err)
		if err := pause.For(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

func (c *Controller) openStores(context.Context) (err error) {
	if c.Authority, err = authority.Open(c.opt.authority()); err != nil {
		return err
	}
	c.certify = c.Authority.ServerCertificate(c.opt.names()...)
	c.Images, err = image.Open(filepath.Join(c.opt.Data, "images"), c.Authority.Sign)
	return err
}

func (c *Controller) build(context.Context) (err error) {
	c.Store = store.New(c.backend.kv, c.log)
	c.Stock = stock.New(c.Store, now)
	c.Intake = intake.New(c.Store, c.log, now)
	if c.Seal, err = seal.Open(c.Store, c.Authority); err != nil {
		return err
	}
	c.Intake.SetRing(c.Seal)
	c.presence = store.NewPresenceWriter(c.backend.kv, c.replica, 0, c.log)
	c.metrics = metrics.New(c.figures())
	c.reconcile = reconcile.New(c.Store, c.Stock, c.Authority, c.log, now, c.metrics)
	c.notify = notify.New(notify.Options{Store: c.Store, Secrets: c.Seal, Logger: c.log, Now: now, Version: c.opt.Version})
	c.hands = outofband.New(c.Store, c.Stock, c.Intake, outofband.NewDevices(c.Seal, c.Intake, c.log), c.log, now)
	c.remotes = remote.New(remote.Options{Store: c.Store, Ring: c.Seal, Fleet: c.fleet(), Logger: c.log, Now: now, Observe: c.metrics})
	c.Intake.SetBackends(c.remotes)
	c.reconcile.SetRemotes(c.remotes)
	c.usage = usage.New(usage.Options{Store: c.Store, Logger: c.log, Now: now}, func() { c.Gateway.WakeAll() })
	handout := netboot.NewHandout(netboot.Options{Store: c.Store, Intake: c.Intake, JoinToken: c.Authority.JoinToken, RAM: c.opt.ramEnv()})
	c.Gateway, err = gateway.New(gateway.Options{
		Authority: c.Authority, Certificate: c.certify, Directory: directory{c.Store}, Intake: c.Intake,
		Presence: c.presence, Images: files{c.Images, handout}, Entries: handout, Hosting: accounts{c.Intake, c.Store, c.usage}, Usage: c.usage, Replica: c.replica, Logger: c.log,
		FleetSize: func() int { return store.Servers.Len(c.Store.Snapshot()) },
	})
	if err != nil {
		return err
	}
	c.Stock.Listen(c.deliver)
	c.API = api.New(api.Options{
		Store: c.Store, Intake: c.Intake, Logger: c.log, Now: now, Fleet: c.fleet(), Version: c.opt.Version,
		Ready: c.ready, Metrics: c.metrics.Handler(), ServerMetrics: metrics.Servers(c.machines), AccountMetrics: metrics.Accounts(c.hosted), Discovery: metrics.Discovery(true, c.replicas), Observe: c.metrics, Images: uploads{c.Images}, Catalogue: c.Stock.Catalogue,
		Refresh:    func(context.Context) error { c.Stock.Rebuild(); return nil },
		Sample:     c.Gateway.Sample,
		Progress:   c.Gateway.Progress,
		JoinToken:  c.Authority.JoinToken,
		SigningKey: c.Authority.SigningPublicKey(),
		Consoles:   shells{c.Gateway, c.replica},
		Usage:      c.usage,
		Quarters:   c.Gateway.Quarters,
	})
	return nil
}

// fleet names this fleet to others: the fingerprint of its authority.
func (c *Controller) fleet() string {
	sum := sha256.Sum256(c.Authority.Certificate().Raw)
	return hex.EncodeToString(sum[:16])
}

func now() time.Time { return time.Now().UTC() }

func (c *Controller) listen(context.Context) (err error) {
	if c.http, err = net.Listen("tcp", c.opt.HTTP); err != nil {
		return fault.Unavailable("the API cannot listen on %s: %w", c.opt.HTTP, err)
	}
	if c.agents, err = net.Listen("tcp", c.opt.Agents); err != nil {
		return fault.Unavailable("agents cannot be awaited on %s: %w", c.opt.Agents, err)
	}
	if c.opt.PlainHTTP {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return c.certify()
	}}
	if c.opt.TLSCert != "" {
		if _, err := tls.LoadX509KeyPair(c.opt.TLSCert, c.opt.TLSKey); err != nil {
			return fault.Invalid("the certificate of the API cannot be used: %w", err)
		}
		config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.opt.TLSCert, c.opt.TLSKey)
			return &pair, err
		}
	}
	c.http = tls.NewListener(c.http, config)
	return nil
}

// openNetboot takes what machines need that boot from this replica.
func (c *Controller) openNetboot(ctx context.Context) error {
	if !c.opt.netboots() {
		return nil
	}
	interfaces, err := netboot.ParseInterfaces(c.opt.Netboot)
	if err != nil {
		return err
	}
	c.netboot, err = netboot.Open(ctx, netboot.Options{
		Store: c.Store, Intake: c.Intake, JoinToken: c.Authority.JoinToken, Logger: c.log,
		Interfaces: interfaces, HTTP: c.opt.NetbootHTTP, RAM: c.opt.ramEnv(), Dir: filepath.Join(c.opt.Data, "netboot"),
		Agents: c.AgentAddress(), Advertise: c.opt.Advertise,
	})
	return err
}

// URL is the address of the API.
func (c *Controller) URL() string { return c.scheme() + "://" + c.http.Addr().String() }

func (c *Controller) scheme() string {
	if c.opt.PlainHTTP {
		return "http"
	}
	return "https"
}

// AgentAddress is where agents connect.
func (c *Controller) AgentAddress() string { return c.agents.Addr().String() }

// WriteCA writes the fleet authority's certificate (PEM) for clients of the API.
func (c *Controller) WriteCA(path string) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Authority.Certificate().Raw}), 0o644)
}

// Run serves until ctx ends, and returns when everything is over. The state stays
// open until Close.
func (c *Controller) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	run := func(name string, f func(context.Context) error) {
		g.Go(func() error {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return ctx.Err()
		})
	}
	run("http", c.serve) // answers /healthz and /readyz from the start
	run("state", c.watchState)
	if err := c.awaitState(ctx); err != nil {
		g.Go(func() error { return err }) // ends the others
		return ended(g.Wait())
	}
	run("store", c.Store.Run)
	if err := c.Store.Ready(ctx); err != nil {
		g.Go(func() error { return err })
		return ended(g.Wait())
	}
	run("stock", c.Stock.Run)
	c.presence.Announce(fleet.Replica{Address: c.reached(), Scheme: c.scheme(), Since: now()})
	run("presence", c.presence.Run)
	run("usage", c.usage.Run)
	run("api", c.API.Run)
	run("gateway", func(ctx context.Context) error { return c.Gateway.Run(ctx, c.agents) })
	run("reconcile", c.elect)
	run("notify", c.tell)
	if c.netboot != nil {
		run("netboot", c.netboot.Run)
	}
	return ended(g.Wait())
}

// ended is nil when a controller ended because it was asked to.
func ended(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// watchState ends the controller when its embedded etcd died: another one can
// take over only then.
func (c *Controller) watchState(ctx context.Context) error {
	select {
	case err := <-c.backend.died:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (c *Controller) elect(ctx context.Context) error {
	return store.Elect(ctx, c.backend.kv, store.Election{Name: "reconcile", Replica: c.replica, Logger: c.log},
		func(ctx context.Context, fence store.Fence) error {
			c.leads.Store(true)
			defer c.leads.Store(false)
			g, ctx := errgroup.WithContext(ctx)
			g.Go(func() error { return c.reconcile.Run(ctx, fence) })
			g.Go(func() error { return c.hands.Run(ctx, fence) })
			g.Go(func() error { return c.remotes.Run(ctx, fence) })
			g.Go(func() error { return c.Intake.RunRotation(store.WithFence(ctx, fence)) })
			return g.Wait()
		})
}

// tell runs the notifier where it is elected: an office of its own, so that trouble with
// receivers never ends the term of who moves lifecycles.
func (c *Controller) tell(ctx context.Context) error {
	return store.Elect(ctx, c.backend.kv, store.Election{Name: "notify", Replica: c.replica, Logger: c.log}, c.notify.Run)
}

func (c *Controller) serve(ctx context.Context) error {
	s := api.NewServer(c.API, c.log)
	s.BaseContext = func(net.Listener) context.Context { return ctx } // event streams end with the controller
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		if s.Shutdown(limit) != nil {
			_ = s.Close()
		}
	}()
	err := s.Serve(c.http)
	if ctx.Err() != nil {
		<-stopped
		return nil
	}
	return err
}

// ready tells whether requests can be answered, and what is missing.
func (c *Controller) ready() error {
	switch since := c.Store.Stale(); {
	case !c.API.Ready():
		return fault.Unavailable("the state is being read")
	case !since.IsZero():
		return fault.Unavailable("the state has not been heard of since %s; answers are of then", since.Format(time.RFC3339))
	}
	return nil
}

// Close gives everything back. It may follow Open without Run.
func (c *Controller) Close() {
	if c.netboot != nil {
		c.netboot.Close()
	}
	for _, l := range []net.Listener{c.http, c.agents} {
		if l != nil {
			_ = l.Close()
		}
	}
	if c.backend != nil {
		c.backend.close()
	}
}
