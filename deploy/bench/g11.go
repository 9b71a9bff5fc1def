package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/disk"
	"github.com/shirou/gopsutil/v3/host"
	gopsload "github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/mem"
	gopsnet "github.com/shirou/gopsutil/v3/net"

	"github.com/steelyard/steelyard/agent/collect"
	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/gateway/gatewaytest"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// G11: what the agent costs the machine that it runs on, against the distribution's node_exporter
// that is scraped as often as the agent sends a sample, on the same machine at the same time; and what
// one sample costs against gopsutil.

const (
	exporter    = "prometheus-node-exporter" // Debian's package and program
	agentWindow = 12 * time.Second           // of which there are as many as rounds
	agentWarmUp = 8 * time.Second
)

func measureAgent(ctx context.Context, b *bench) error {
	if err := b.samples(); err != nil {
		return err
	}
	peer, err := b.exporter(ctx)
	if err != nil {
		return err
	}
	agent := filepath.Join(b.dir, "steelyard-agent")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", agent, "./agent")
	build.Dir, build.Env = b.root, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the agent: %w: %s", err, text)
	}
	if err := b.sizesOf(agent, peer); err != nil {
		return err
	}
	return b.sideBySide(ctx, agent, peer)
}

// exporter finds node_exporter, or unpacks Debian's package into the temporary directory.
func (b *bench) exporter(ctx context.Context) (string, error) {
	if path, err := exec.LookPath(exporter); err == nil {
		return path, nil
	}
	for _, words := range [][]string{{"apt-get", "download", "-q", exporter}, {"sh", "-c", "dpkg -x " + exporter + "_*.deb unpacked"}} {
		c := exec.CommandContext(ctx, words[0], words[1:]...)
		c.Dir = b.dir
		if text, err := c.CombinedOutput(); err != nil {
			return "", fmt.Errorf("the peer %s is not installed and cannot be had from Debian: %w: %s", exporter, err, text)
		}
	}
	path := filepath.Join(b.dir, "unpacked", "usr", "bin", exporter)
	_, err := os.Stat(path)
	return path, err
}

// samples compares one reading of the machine with gopsutil's of the same facts.
func (b *bench) samples() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s, err := collect.NewSampler("")
	if err != nil {
		return err
	}
	defer s.Close()
	var to hardware.Sample
	var p pairs
	for range 2 * rounds {
		ours, err := cpuEach(100, func() error { return s.Sample(&to) })
		if err != nil {
			return err
		}
		theirs, err := cpuEach(20, gopsutil)
		if err != nil {
			return err
		}
		p.add(ours, theirs)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		if err := s.Sample(&to); err != nil {
			return err
		}
	}
	runtime.ReadMemStats(&after)
	row := Row{Goal: "G11", Name: "CPU of one sample, against gopsutil", Ours: median(p.a), Peer: num(median(p.b)), Unit: "µs"}
	b.add(row.ratioAtMost(p.ratio(), 0.2), Row{Goal: "G11", Name: "allocations of one sample", Ours: float64(after.Mallocs-before.Mallocs) / 100, Unit: "allocations"}.oursAtMost(20))
	return nil
}

// cpuEach is the mean CPU time of a call, in µs.
func cpuEach(n int, f func() error) (float64, error) {
	start := threadCPU()
	for range n {
		if err := f(); err != nil {
			return 0, err
		}
	}
	return micros(threadCPU()-start) / float64(n), nil
}

// gopsutil reads what a sample holds.
func gopsutil() error {
	_, e1 := cpu.Times(false)
	_, e2 := mem.VirtualMemory()
	_, e3 := mem.SwapMemory()
	_, e4 := gopsload.Avg()
	_, e5 := host.Uptime()
	_, e6 := disk.IOCounters()
	_, e7 := gopsnet.IOCounters(true)
	parts, e8 := disk.Partitions(false)
	for _, p := range parts {
		if _, err := disk.Usage(p.Mountpoint); err != nil {
			continue // a mount that cannot be looked at is none of ours either
		}
	}
	return errors.Join(e1, e2, e3, e4, e5, e6, e7, e8)
}

func (b *bench) sizesOf(agent, exporter string) error {
	ours, err := os.Stat(agent)
	if err != nil {
		return err
	}
	theirs, err := os.Stat(exporter)
	if err != nil {
		return err
	}
	a, p := float64(ours.Size())/1e6, float64(theirs.Size())/1e6
	b.add(Row{Goal: "G11", Name: "stripped binary, against node_exporter", Ours: a, Peer: num(p), Unit: "MB"}.ratioAtMost(a/p, 0.9))
	return nil
}

// program is a process that is watched.
type program struct {
	cmd *exec.Cmd
}

func start(ctx context.Context, name string, args ...string) (*program, error) {
	p := &program{cmd: exec.CommandContext(ctx, name, args...)}
	return p, p.cmd.Start()
}

func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	t := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer t.Stop()
	_ = p.cmd.Wait()
}

func (p *program) cpu() time.Duration { return cpuOf(p.cmd.Process.Pid) }

// attached is an agent and the gateway that it sends its samples to.
type attached struct {
	*program
	gate *gateway.Gateway
}

// door is a gateway on loopback with an authority of its own, which approves whoever joins with the token. sampleEvery 0 is the gateway's own.
func door(ctx context.Context, dir string, uses int, sampleEvery time.Duration) (gate *gateway.Gateway, address, join string, err error) {
	auth, err := authority.Open(dir)
	if err != nil {
		return nil, "", "", err
	}
	fleet := gatewaytest.New()
	fleet.Approve = true
	fleet.AddToken("secretofthebench", uses)
	gate, err = gateway.New(gateway.Options{
		Authority: auth, Certificate: auth.ServerCertificate(), Directory: fleet, Intake: fleet, Presence: fleet, Images: fleet, Replica: "bench", SampleEvery: sampleEvery,
	})
	if err != nil {
		return nil, "", "", err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", "", err
	}
	go func() { _ = gate.Run(ctx, ln) }()
	return gate, ln.Addr().String(), auth.JoinToken("tok-0000000000000000", "secretofthebench"), nil
}

// attach starts an agent that samples every so often.
func (b *bench) attach(ctx context.Context, binary string, every time.Duration) (*attached, error) {
	dir := filepath.Join(b.dir, fmt.Sprint("agent-", every))
	a := &attached{}
	var address, join string
	var err error
	if a.gate, address, join, err = door(ctx, filepath.Join(dir, "authority"), 1, every); err != nil {
		return nil, err
	}
	a.program, err = start(ctx, binary, "run", "--environment", "sandbox", "--controller", address, "--join", join,
		"--state", filepath.Join(dir, "state"))
	return a, err
}

// scraper asks node_exporter once a second until ctx ends.
type scraper struct {
	url   string
	count chan int // of answers, one each
}

func (s *scraper) run(ctx context.Context) {
	for t := time.NewTicker(time.Second); ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
		if err != nil {
			return
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			continue
		}
		n, _ := io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK && n > 0 {
			s.count <- 1
		}
	}
}

func (s *scraper) scrapes() (n int) {
	for {
		select {
		case <-s.count:
			n++
		default:
			return n
		}
	}
}

func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// sideBySide runs an agent with a sample a second, one with a sample each ten seconds, and
// node_exporter with a scrape a second, all at once.
func (b *bench) sideBySide(ctx context.Context, agent, exporter string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	address, err := freePort()
	if err != nil {
		return err
	}
	peer, err := start(ctx, exporter, "--web.listen-address="+address)
	if err != nil {
		return err
	}
	defer peer.stop()
	fast, err := b.attach(ctx, agent, time.Second)
	if err != nil {
		return err
	}
	defer fast.stop()
	slow, err := b.attach(ctx, agent, 10*time.Second)
	if err != nil {
		return err
	}
	defer slow.stop()
	s := &scraper{url: "http://" + address + "/metrics", count: make(chan int, 1000)}
	go s.run(ctx)
	if err := sleep(ctx, agentWarmUp); err != nil {
		return err
	}
	return b.windows(ctx, fast, slow, peer, s)
}

func (b *bench) windows(ctx context.Context, fast, slow *attached, peer *program, s *scraper) error {
	var p pairs
	s.scrapes()
	idle, began := slow.cpu(), time.Now()
	for range rounds {
		ours, theirs, samples := fast.cpu(), peer.cpu(), fast.gate.Stats().Samples
		if err := sleep(ctx, agentWindow); err != nil {
			return err
		}
		n, scrapes := float64(fast.gate.Stats().Samples-samples), float64(s.scrapes())
		if n < 5 || scrapes < 5 {
			return fmt.Errorf("in %v there were %v samples and %v scrapes", agentWindow, n, scrapes)
		}
		p.add(millis(fast.cpu()-ours)/n, millis(peer.cpu()-theirs)/scrapes)
	}
	share := 100 * float64(slow.cpu()-idle) / float64(time.Since(began))
	row := func(name, unit string, ours float64) Row { return Row{Goal: "G11", Name: name, Unit: unit, Ours: ours} }
	c := row("CPU of the agent for a sample that was read and sent, against a scrape of node_exporter", "ms", median(p.a))
	c.Peer = num(median(p.b))
	resident, peers := residentOf(fast.cmd.Process.Pid)/1e6, residentOf(peer.cmd.Process.Pid)/1e6
	r := row("resident memory of the agent, against node_exporter", "MB", resident)
	r.Peer = num(peers)
	b.add(c.ratioAtMost(p.ratio(), 0.15), r.ratioAtMost(resident/peers, 0.75), row("CPU of the agent with a sample each 10 s, of one core", "%", share).oursAtMost(0.1))
	return nil
}
