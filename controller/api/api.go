package api

import (
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
)

// Options are what the API stands on. Store, Intake, Logger and Now are needed;
// without one of the others the routes that need it say so.
type Options struct {
	Store  *store.Store
	Intake *intake.Intake
	Logger *slog.Logger
	Now    func() time.Time

	SigningKey []byte       // public, Ed25519: of certificates of erasure
	Fleet      string       // fingerprint of the authority, for /v1/about
	Version    string       // of the controller, in the OpenAPI document
	Ready      func() error // nil error: /readyz is 200
	Metrics    http.Handler // /metrics

	ServerMetrics, AccountMetrics, Discovery http.Handler // /metrics/servers, /metrics/accounts, /sd/prometheus

	Observe   Observer                    // told of every request
	Images    ImageStore                  // takes uploads
	Catalogue Catalogue                   // answers /v1/match and /v1/catalogue
	Refresh   func(context.Context) error // builds the catalogue anew (rule B12)
	Sample    func(server string) (hardware.Sample, time.Time, bool)
	Progress  func(server string) (protocol.Progress, bool)
	JoinToken func(id, secret string) string // the text that a person hands to a new machine
	Consoles  Consoles                       // shells on machines
	Usage     usage.Reader                   // what accounts and servers used
	// Quarters asks the node of an account for its quarter-hours in [from, to), counted since 1970; nil: nobody is asked.
	Quarters func(ctx context.Context, server, account string, from, to int64) ([]protocol.QuarterUsage, error)
	Roots    *x509.CertPool // whom the certificate of the provider must come from; nil is the system's list

	PerSecond float64 // requests per second of one token; 0 is 200
	Burst     int     // at once; 0 is 1,000
}

// Observer is told of every request, for metrics.
type Observer interface {
	Request(route, method string, code int, took time.Duration)
}

// ImageStore keeps the bytes of an uploaded image and signs its manifest.
type ImageStore interface {
	Import(ctx context.Context, r io.Reader, meta ImageMeta) (image.Image, error)
}

// ImageMeta is what an uploader says of an image.
type ImageMeta struct{ Name, OSFamily, Format, Actor string }

// Catalogue is the stock of available servers.
type Catalogue interface {
	Classes() []match.Class
	BestOf(modules []match.Module) (match.Offer, bool)
}

// API is the HTTP door. It is an [http.Handler]; [API.Run] feeds what it shows.
type API struct {
	opt   Options
	in    *intake.Intake
	board *board
	huma  huma.API
	mux   *http.ServeMux

	callers  *limiter // by token
	peers    *limiter // by address, for who has no token or a wrong one
	logins   *limiter // by address
	names    *limiter // by user name
	letters  *limiter // by address and by user name: letters for new passwords
	hashing  chan struct{}
	looks    chan struct{} // overviews of usage that are being made
	forgot   chan string   // names of who forgot a password
	seen     chan string   // ids of sessions that are in use
	pace     pace
	flight   *flight
	streams  atomic.Int64            // open event streams
	patches  map[string]*huma.Schema // of the bodies of PATCH routes
	document []byte                  // OpenAPI
}

// New builds the API and starts nothing.
func New(o Options) *API {
	if o.PerSecond == 0 {
		o.PerSecond = 200
	}
	if o.Burst == 0 {
		o.Burst = 1000
	}
	a := &API{
		opt: o, in: o.Intake, board: newBoard(o.Now), mux: http.NewServeMux(), flight: newFlight(), pace: pace{eventPulse, eventWrite, consoleLook, consolePing},
		callers: newLimiter(o.PerSecond, o.Burst), peers: newLimiter(10, 100),
		logins: newLimiter(0.2, 20), names: newLimiter(1.0/12, 5), letters: newLimiter(letterPace, 5),
		hashing: make(chan struct{}, 2), looks: make(chan struct{}, maxLooks), forgot: make(chan string, 64), seen: make(chan string, 64), patches: map[string]*huma.Schema{},
	}
	a.huma = newDocument(a.mux, o.Version)
	a.register()
	a.mux.HandleFunc("/", a.lost)
	a.document = a.finishDocument()
	return a
}

// Run follows the store, and tidies up what the door itself left in it, until ctx
// ends. Until the first list is complete the API shows nothing; see Ready.
func (a *API) Run(ctx context.Context) error {
	var tidier sync.WaitGroup
	defer tidier.Wait()
	tidier.Go(func() { a.tidy(ctx) })
	tidier.Go(func() { a.remind(ctx) })
	tidier.Go(func() { a.noteSessions(ctx) })
	return a.follow(ctx)
}

func (a *API) follow(ctx context.Context) error {
	sub := a.opt.Store.Subscribe()
	defer sub.Close()
	for {
		changes, resync, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		if resync {
			snap := a.opt.Store.Snapshot()
			a.board.fill(everything(snap), snap.Rev)
			continue
		}
		a.board.follow(changes)
	}
}

// Ready reports whether the API shows what the store holds.
func (a *API) Ready() bool { return a.board.revision() > 0 }

// Index is the availability of every server as the API shows it.
func (a *API) Index() *fleet.Index { return a.board.index }

// settle waits until the board shows a record as this replica's snapshot has it,
// and finds its row; nil when it is gone.
func (a *API) settle(ctx context.Context, table, id string) (*row, error) {
	if err := a.board.wait(ctx, revisionOf(a.opt.Store.Snapshot(), table, id)); err != nil {
		return nil, err
	}
	return a.board.sheets[table].get(id), nil
}

// Pace of tidying, and how much at most at a time, so that it never crowds out
// what people ask.
const (
	tidyEvery = 10 * time.Minute
	tidyMost  = 500
)

// tidy deletes logins, stored answers and records of rested addresses whose time is over. Several replicas may
// do it at once: what is gone stays gone.
func (a *API) tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, forget := range []func(context.Context, int) (int, error){a.in.ForgetTokens, a.in.ForgetAnswers, a.in.ForgetAddresses} {
			if _, err := forget(ctx, tidyMost); err != nil && ctx.Err() == nil {
				a.opt.Logger.Warn("old logins, answers and rested addresses were not deleted", logging.KeyError, err)
			}
		}
	}
}
