package netboot

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Intake makes boot tokens, and asks a person when dnsmasq does not run or a machine is not what it was.
type Intake interface {
	AdmitBoot(ctx context.Context, b intake.Boot) (t access.Token, secret string, err error)
	Mixed(ctx context.Context, servers []string, b intake.Boot) error
	NetbootTrouble(ctx context.Context, host, reason string) error
}

// Options of a netboot.
type Options struct {
	Store     *store.Store
	Intake    Intake
	JoinToken func(id, secret string) string // the whole text of a token
	Logger    *slog.Logger

	Interfaces []Interface
	HTTP       string // HOST:PORT; without HOST on the interfaces only
	RAM        string // directory of the RAM environment
	Dir        string // private directory: configuration and leases of dnsmasq
	IPXE       string // directory of iPXE's files; "" is Debian's

	Agents    string   // address where agents connect, as it was taken
	Advertise []string // more names and addresses of this controller
}

// debianIPXE is where Debian's package ipxe puts its files.
const debianIPXE = "/usr/lib/ipxe"

// Stats is what was counted since the start.
type Stats struct {
	Boots    map[string]uint64 // answers: RAM, Disk, "refused"
	Tokens   uint64            // boot tokens made
	Restarts uint64            // of dnsmasq
}

const refused = "refused"

// Netboot answers machines that start from the network. Make one with [Open].
type Netboot struct {
	opt    Options
	log    *slog.Logger
	places []place
	listen []net.Listener
	dhcp   *dnsmasq // nil without interfaces
	images ramImages
	pace   pace
	arp    string // the kernel's table of neighbours

	tokens atomic.Uint64
	mu     sync.Mutex
	boots  map[string]uint64
}

// Open checks interfaces, programs and configuration, and takes the addresses of HTTP. Errors: invalid, unavailable.
func Open(ctx context.Context, o Options) (*Netboot, error) {
	if o.IPXE == "" {
		o.IPXE = debianIPXE
	}
	n := &Netboot{
		opt: o, log: o.Logger, images: ramImages{dir: o.RAM}, arp: "/proc/thread-self/net/arp",
		boots: map[string]uint64{RAM: 0, Disk: 0, refused: 0},
	}
	if err := n.open(ctx); err != nil {
		n.Close()
		return nil, err
	}
	if _, err := n.images.newest(time.Now()); err != nil { // it may be copied there later
		n.log.Warn("machines cannot start the RAM environment yet", "error", err)
	}
	return n, nil
}

func (n *Netboot) open(ctx context.Context) error {
	host, port, err := splitHTTP(n.opt.HTTP)
	if err != nil {
		return err
	}
	for _, i := range n.opt.Interfaces {
		p, err := locate(i)
		if err != nil {
			return err
		}
		at := p.Address.Addr()
		if host.IsValid() && !host.IsUnspecified() {
			at = host
		}
		p.URL = "http://" + netip.AddrPortFrom(at, port).String() + pathScript
		n.places = append(n.places, p)
	}
	if err := n.listenAll(ctx, host, port); err != nil || len(n.places) == 0 {
		return err
	}
	if err := os.MkdirAll(n.opt.Dir, 0o700); err != nil {
		return fault.Unavailable("netboot: its directory cannot be made: %w", err)
	}
	path, err := find(programs)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(n.opt.Dir)
	if err != nil {
		return fault.Invalid("netboot: its directory: %w", err)
	}
	n.dhcp = &dnsmasq{path: path, places: n.places, log: n.log, trouble: n.trouble}
	return n.dhcp.prepare(ctx, dir, n.opt.IPXE)
}

// splitHTTP reads HOST:PORT or :PORT. Errors: invalid.
func splitHTTP(text string) (host netip.Addr, port uint16, err error) {
	h, p, err := net.SplitHostPort(text)
	if err != nil {
		return host, 0, fault.Invalid("--netboot-http is %q; give :PORT or ADDRESS:PORT", text)
	}
	number, err := strconv.ParseUint(p, 10, 16)
	if err == nil && h != "" {
		host, err = netip.ParseAddr(h)
	}
	if err != nil || number == 0 {
		return host, 0, fault.Invalid("--netboot-http is %q; give :PORT or ADDRESS:PORT, as numbers", text)
	}
	return host, uint16(number), nil
}

// listenAll takes one address, or that of each interface with a socket that hears nothing else.
func (n *Netboot) listenAll(ctx context.Context, host netip.Addr, port uint16) error {
	if host.IsValid() {
		l, err := listenOn(ctx, netip.AddrPortFrom(host, port), "")
		n.listen = append(n.listen, l)
		return err
	}
	if len(n.places) == 0 {
		return fault.Invalid("--netboot-http names no address; give one, or an interface: --netboot")
	}
	for _, p := range n.places {
		l, err := listenOn(ctx, netip.AddrPortFrom(p.Address.Addr(), port), p.Name)
		if err != nil {
			return err
		}
		n.listen = append(n.listen, l)
	}
	return nil
}

// Run serves until ctx ends, and returns when everything that it started is over. It may be called once.
func (n *Netboot) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	s := n.server(ctx)
	g.Go(func() error {
		<-ctx.Done()
		return s.Close()
	})
	for _, l := range n.listen {
		g.Go(func() error { return s.Serve(l) })
	}
	if n.dhcp != nil {
		g.Go(func() error { return n.dhcp.run(ctx) })
	}
	for _, p := range n.places {
		if p.Mode == modeDHCP {
			g.Go(func() error {
				if err := advertise(ctx, p); err != nil {
					n.log.Warn("no IPv6 on a netboot interface; iPXE waits some seconds longer there", "interface", p.Name, "error", err)
				}
				return nil
			})
		}
	}
	if err := g.Wait(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (n *Netboot) server(ctx context.Context) *http.Server {
	return &http.Server{
		Handler: n.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: patience, IdleTimeout: patience, MaxHeaderBytes: 8 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(io.Discard, "", 0), // firmware that hangs up
	}
}

// trouble asks a person about dnsmasq, or says that it is over.
func (n *Netboot) trouble(ctx context.Context, reason string) {
	host, err := os.Hostname()
	if err != nil {
		host = "of the controller"
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := n.opt.Intake.NetbootTrouble(ctx, host, reason); err != nil {
		n.log.Warn("the task about dnsmasq is not up to date", "error", err)
	}
}

// Stats is what was counted until now.
func (n *Netboot) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := Stats{Boots: maps.Clone(n.boots), Tokens: n.tokens.Load()}
	if n.dhcp != nil {
		s.Restarts = n.dhcp.restarts.Load()
	}
	return s
}

func (n *Netboot) count(kind string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.boots[kind]++
}

// Close gives the addresses back. It may follow Open without Run.
func (n *Netboot) Close() {
	for _, l := range n.listen {
		if l != nil {
			_ = l.Close()
		}
	}
}
