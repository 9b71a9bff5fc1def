package netboot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// Pace of starting dnsmasq again.
const (
	firstWait   = time.Second
	longestWait = time.Minute
	settledFor  = time.Minute // it ran so long: whatever ended it before is over
	troubleWith = 3           // ends in a row that a person is told of
)

// dnsmasq is the program that speaks DHCP and TFTP, kept running.
type dnsmasq struct {
	path, config string
	places       []place
	log          *slog.Logger
	restarts     atomic.Uint64
	pid          atomic.Int64
	trouble      func(ctx context.Context, reason string) // "" it is over
}

// programs are where dnsmasq may be; a service's PATH often lacks /usr/sbin.
var programs = []string{"dnsmasq", "/usr/sbin/dnsmasq", "/sbin/dnsmasq"}

// find finds the first of programs. Errors: invalid.
func find(programs []string) (string, error) {
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fault.Invalid("netboot: dnsmasq is not installed; run: apt-get install dnsmasq-base ipxe")
}

// account is the user and group that dnsmasq becomes when it is started by root; "" it stays who it is.
func account() (name, group string) {
	if os.Geteuid() != 0 {
		return "", ""
	}
	for _, name := range []string{"dnsmasq", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		if g, err := user.LookupGroupId(u.Gid); err == nil {
			return name, g.Name
		}
	}
	return "", ""
}

// prepare writes the configuration and lets dnsmasq check it. Errors: invalid, unavailable.
func (d *dnsmasq) prepare(ctx context.Context, dir, ipxe string) error {
	for _, name := range []string{fileBIOS, fileEFI} {
		if _, err := os.Stat(filepath.Join(ipxe, name)); err != nil {
			return fault.Invalid("netboot: %s is not in %s; run: apt-get install ipxe: %w", name, ipxe, err)
		}
	}
	d.config = filepath.Join(dir, "dnsmasq.conf")
	text := configuration(d.places, dir, ipxe)
	if name, group := account(); name != "" {
		text += "\nuser=" + name + "\ngroup=" + group + "\n"
	}
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		return fault.Unavailable("netboot: the configuration of dnsmasq cannot be written: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, d.path, "--test", "--conf-file="+d.config).CombinedOutput()
	if err != nil {
		return fault.Invalid("netboot: dnsmasq refuses its configuration: %s: %w", strings.TrimSpace(string(out[:min(len(out), 500)])), err)
	}
	return nil
}

// run keeps dnsmasq running until ctx ends.
func (d *dnsmasq) run(ctx context.Context) error {
	d.endFormer(ctx)
	wait, ends := firstWait, 0
	for {
		started := time.Now()
		err := d.watched(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(started) >= settledFor {
			wait, ends = firstWait, 0
		}
		ends++
		d.restarts.Add(1)
		d.log.Error("dnsmasq ended; machines cannot start from the network until it is back", "error", err, "again_in", wait)
		if ends >= troubleWith {
			d.trouble(ctx, err.Error())
		}
		if pause.For(ctx, wait) != nil {
			return nil
		}
		wait = min(2*wait, longestWait)
	}
}

// watched is once; a dnsmasq that runs for a while is no trouble any more.
func (d *dnsmasq) watched(ctx context.Context) error {
	running, ended := context.WithCancel(ctx)
	var settling sync.WaitGroup
	settling.Go(func() {
		if pause.For(running, settledFor) == nil {
			d.trouble(running, "")
		}
	})
	defer settling.Wait()
	defer ended()
	return d.once(ctx)
}

// once starts dnsmasq and waits for its end. Until it gives up root the kernel ends it with this process (the parent-death signal belongs
// to the thread that started it, so that thread waits); after that the next controller does, see endFormer.
func (d *dnsmasq) once(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, d.path, "--keep-in-foreground", "--conf-file="+d.config)
	said := &voice{log: d.log}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", d.path, err)
	}
	d.pid.Store(int64(cmd.Process.Pid))
	err := cmd.Wait()
	d.pid.Store(0)
	if err == nil {
		err = errors.New("it was stopped by somebody")
	}
	return d.explain(said.last(), err)
}

// explain adds what a person needs to know.
func (d *dnsmasq) explain(last string, err error) error {
	if !strings.Contains(last, "Address already in use") {
		return fmt.Errorf("%w: %s", err, last)
	}
	for _, port := range []int{67, 4011, 69} {
		if who := portOwner("/proc", port); who != "" {
			return fmt.Errorf("UDP port %d is held by %s; stop that, or let it leave these interfaces alone: %s", port, who, last)
		}
	}
	return fmt.Errorf("a UDP port of DHCP (67, 4011) or TFTP (69) is held by another program: %s", last)
}

// voice takes what dnsmasq says: it goes to the log, and the last line that came is kept.
type voice struct {
	log  *slog.Logger
	mu   sync.Mutex
	rest []byte
	line string
}

// maxLine bounds one line, in bytes.
const maxLine = 4 << 10

// Write implements io.Writer. It is never an error: dnsmasq would wait for its log.
func (v *voice) Write(b []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rest = append(v.rest, b...)
	for {
		line, rest, ok := bytes.Cut(v.rest, []byte{'\n'})
		if !ok {
			break
		}
		v.rest = rest
		v.say(line)
	}
	if len(v.rest) > maxLine {
		v.say(v.rest)
		v.rest = nil
	}
	return len(b), nil
}

func (v *voice) say(line []byte) {
	text := strings.TrimSpace(string(line[:min(len(line), maxLine)]))
	if text == "" {
		return
	}
	v.line = text
	v.log.Debug("dnsmasq", "says", text)
}

func (v *voice) last() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.line
}
