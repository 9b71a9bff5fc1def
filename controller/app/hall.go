package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/controller/outofband/power/ipmisim"
	"github.com/steelyard/steelyard/controller/outofband/power/redfishsim"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/pkg/simulated"
)

// What the hall has.
const (
	portsPerSwitch = 48
	ipmiMachines   = 2 // a process each; the other management controllers are Redfish, in this process
	customerVLAN   = 10
	quarantineVLAN = 99
	hallUser       = "steelyard"
	bootSeconds    = 2
)

// What plays a device that is not real, as it is shown.
const (
	playedByIPMI    = "OpenIPMI ipmi_sim"
	playedByRedfish = "built-in Redfish simulator"
	playedBySNMP    = "built-in SNMP switch"
)

// hall is what stands around the simulated servers: a management controller and a switch port for
// each, on loopback. Their addresses and settings stay over restarts.
type hall struct {
	dir      string
	plan     plan
	fresh    bool // the plan was just made: what was recorded of another one is wrong
	control  simulated.Client
	log      *slog.Logger
	service  *redfishsim.Service
	cert     tls.Certificate
	pin      string
	listener net.Listener // of Redfish
	racks    []*rack
	known    chan struct{} // closed when machines is filled
	machines map[string]simulated.Machine
}

// plan is kept in a file that only its owner reads: it holds passwords.
type plan struct {
	Password  string   `json:"password"`  // of all management controllers
	Community string   `json:"community"` // of all switches
	Redfish   string   `json:"redfish"`   // host:port, as all addresses here
	IPMI      []string `json:"ipmi"`
	Switches  []string `json:"switches"`
}

func (h *hall) file(name string) string { return filepath.Join(h.dir, name) }

// openHall takes the addresses of the devices, those of the last start where they are free.
func openHall(dir string, count int, control simulated.Client, log *slog.Logger) (h *hall, err error) {
	h = &hall{dir: dir, control: control, log: log, known: make(chan struct{})}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return h, fault.Unavailable("the directory of the simulated devices cannot be made: %w", err)
	}
	if err := h.readPlan(); err != nil {
		return h, err
	}
	before, _ := json.Marshal(h.plan)
	if h.cert, h.pin, err = hallCertificate(h.file("redfish.pem")); err != nil {
		return h, err
	}
	h.service = redfishsim.New(hallUser, h.plan.Password)
	if h.listener, err = again(h.plan.Redfish, func(at string) (net.Listener, error) { return net.Listen("tcp", at) }); err != nil {
		return h, fault.Unavailable("the simulated management controllers cannot listen: %w", err)
	}
	h.plan.Redfish = h.listener.Addr().String()
	if err := h.openRacks((count + portsPerSwitch - 1) / portsPerSwitch); err != nil {
		return h, err
	}
	if err := h.planIPMI(min(count, ipmiMachines)); err != nil {
		return h, err
	}
	if after, _ := json.Marshal(h.plan); !bytes.Equal(before, after) {
		return h, writeFile(h.file("plan.json"), after)
	}
	return h, nil
}

func (h *hall) readPlan() error {
	text, err := os.ReadFile(h.file("plan.json"))
	if err == nil && json.Unmarshal(text, &h.plan) == nil && h.plan.Password != "" && h.plan.Community != "" {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.Unavailable("the plan of the simulated devices cannot be read: %w", err)
	}
	h.fresh, h.plan = true, plan{Password: rand.Text()[:16], Community: rand.Text()} // ipmi_sim reads 16 bytes
	return nil
}

// writeFile lets a file of mode 0600 appear whole.
func writeFile(path string, data []byte) error {
	if err := os.WriteFile(path+".part", append(data, '\n'), 0o600); err != nil {
		return fault.Unavailable("%s cannot be written: %w", path, err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		return fault.Unavailable("%s cannot be written: %w", path, err)
	}
	return nil
}

// again opens the address of the last start, or any on loopback.
func again[T any](address string, open func(string) (T, error)) (T, error) {
	if address != "" {
		if l, err := open(address); err == nil {
			return l, nil
		}
	}
	return open("127.0.0.1:0")
}

// planIPMI finds addresses for ipmi_sim, which opens them itself.
func (h *hall) planIPMI(n int) error {
	if !ipmisim.Installed() {
		h.plan.IPMI = nil
		return nil
	}
	h.plan.IPMI = append(h.plan.IPMI, make([]string, n)...)[:n]
	taken := make([]net.PacketConn, n) // all at once, so that no two are the same
	defer func() {
		for _, c := range taken {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	for i, at := range h.plan.IPMI {
		c, err := again(at, func(at string) (net.PacketConn, error) { return net.ListenPacket("udp", at) })
		if err != nil {
			return fault.Unavailable("there is no address for a simulated management controller: %w", err)
		}
		taken[i], h.plan.IPMI[i] = c, c.LocalAddr().String()
	}
	return nil
}

// close gives back what was opened; only for a hall that is not run.
func (h *hall) close() {
	if h.listener != nil {
		_ = h.listener.Close()
	}
	for _, r := range h.racks {
		_ = r.conn.Close()
	}
}

// run plays the devices until ctx ends.
func (h *hall) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.serveRedfish(ctx) })
	for _, r := range h.racks {
		g.Go(func() error { return r.agent.Serve(ctx, r.conn) })
	}
	g.Go(func() error {
		if err := h.meet(ctx); err != nil {
			return nil // the end came first
		}
		for _, m := range h.machines {
			if m.Number < len(h.plan.IPMI) {
				g.Go(func() error { return h.playIPMI(ctx, m) })
			} else {
				h.addSystem(m)
			}
		}
		close(h.known)
		return nil
	})
	return g.Wait()
}

// meet learns which machines there are.
func (h *hall) meet(ctx context.Context) error {
	for {
		list, err := h.control.Machines(ctx)
		if err == nil {
			h.machines = make(map[string]simulated.Machine, len(list))
			for _, m := range list {
				h.machines[uuidKey(m.UUID)] = m
			}
			return nil
		}
		if err := pause.For(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// describe tells what plays what.
func (h *hall) describe(count int) string {
	if count == 0 {
		return ""
	}
	ipmi := fmt.Sprintf("%d by %s, ", len(h.plan.IPMI), playedByIPMI)
	if len(h.plan.IPMI) == 0 {
		ipmi = "(OpenIPMI is not installed) "
	}
	return fmt.Sprintf(`  Simulated         %d servers; their management controllers: %s%d by the %s;
                    their switch ports: %d by the %s (%d of them, quarantine VLAN %d)
  Real              this machine; nothing switches it on or off
`, count, ipmi, count-len(h.plan.IPMI), playedByRedfish, count, playedBySNMP, len(h.racks), quarantineVLAN)
}
