package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/deploy/ramenv/archive"
	"github.com/steelyard/steelyard/deploy/ramenv/assemble"
)

// The RAM environment: how large it is, and how long a machine needs from the start of the kernel until its agent is
// connected, against an init that does nothing but say hello, under the same kernel in the same virtual machine. It has
// two processors: no server has fewer, and the kernel unpacks the archive beside its other work.

// bootLimit is how long one start may take.
const bootLimit = 90 * time.Second

// ram is a built environment and a gateway that it reports to.
type ram struct {
	dir, hello string // the environment; an archive with the init that says hello
	append     string // the kernel's command line of ours
}

func measureRAM(ctx context.Context, b *bench) error {
	r, err := b.ram(ctx)
	if err != nil {
		return err
	}
	st, err := os.Stat(filepath.Join(r.dir, assemble.InitrdFile))
	if err != nil {
		return err
	}
	var boots pairs
	for limit := (budget{start: time.Now(), time: 2 * time.Minute}); limit.more(); {
		floor, err := r.sayHello(ctx, b)
		if err != nil {
			return err
		}
		connected, err := r.connect(ctx, b)
		if err != nil {
			return err
		}
		boots.add(connected, floor)
	}
	b.add(
		Row{Goal: "RAM", Name: "initramfs, without firmware blobs", Ours: float64(st.Size()) / 1e6, Unit: "MB"}.oursAtMost(40),
		Row{Goal: "RAM", Name: "start of the kernel until the agent is connected, against an init that says hello", Ours: median(boots.a), Limit: num(median(boots.b)), Unit: "s"}.ratioAtMost(boots.ratio(), 1.5),
	)
	return nil
}

func (b *bench) ram(ctx context.Context) (*ram, error) {
	r := &ram{dir: filepath.Join(b.dir, "ramenv"), hello: filepath.Join(b.dir, "hello.initrd")}
	_, err := assemble.Build(ctx, assemble.Options{Out: r.dir, Cache: qemu.Cache(), Version: "bench", Tell: func(string, ...any) {}})
	if err != nil {
		return nil, err
	}
	if err := b.helloArchive(ctx, r.hello); err != nil {
		return nil, err
	}
	_, address, join, err := door(ctx, filepath.Join(b.dir, "ram-authority"), 1000, 0)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	// 10.0.2.2 is this machine's loopback in the emulator's own network.
	r.append = fmt.Sprintf("console=ttyS0 quiet panic=-1 steelyard.controller=10.0.2.2:%s steelyard.token=%s", port, join)
	return r, nil
}

// helloArchive packs the init that says hello.
func (b *bench) helloArchive(ctx context.Context, to string) error {
	program := filepath.Join(b.dir, "hello")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./hello")
	build.Dir, build.Env = filepath.Join(b.root, "deploy", "bench"), append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the init that says hello: %w: %s", err, text)
	}
	var t archive.Tree
	t.Dir("dev", 0o755)
	t.Char("dev/console", 0o600, 5, 1)
	if err := t.File("init", 0o755, program); err != nil {
		return err
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(t.LZ4(f), f.Close())
}

// sayHello starts a machine that does nothing else: how many seconds that took by the kernel's own clock.
func (r *ram) sayHello(ctx context.Context, b *bench) (seconds float64, err error) {
	const word = "hello after "
	line, err := r.boot(ctx, b, r.hello, "console=ttyS0 quiet panic=-1", word)
	if err != nil {
		return 0, err
	}
	var ns float64
	if _, err := fmt.Sscanf(line[strings.Index(line, word):], "hello after %f ns", &ns); err != nil {
		return 0, fmt.Errorf("%q: %w", line, err)
	}
	return ns / 1e9, nil
}

// connect starts a machine with the environment and waits for its agent. Each line of its screen begins with the kernel's clock.
func (r *ram) connect(ctx context.Context, b *bench) (seconds float64, err error) {
	line, err := r.boot(ctx, b, filepath.Join(r.dir, assemble.InitrdFile), r.append, "Connected to controller ")
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscanf(line, "%f", &seconds); err != nil {
		return 0, fmt.Errorf("%q: %w", line, err)
	}
	return seconds, nil
}

// boot starts a machine and waits for a line with a text on its serial port.
func (r *ram) boot(ctx context.Context, b *bench, initrd, cmdline, text string) (line string, err error) {
	dir, err := os.MkdirTemp(b.dir, "vm")
	if err != nil {
		return "", err
	}
	m, err := qemu.Launch(qemu.Machine{
		Memory: 768, Kernel: filepath.Join(r.dir, assemble.KernelFile), Initrd: initrd, Append: cmdline,
		Identity: qemu.Identity{Manufacturer: "ACME", Product: "P1", Serial: "BENCH-1", UUID: "11111111-2222-3333-4444-555555555501"},
		Extra:    []string{"-smp", "2", "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,mac=52:54:00:77:00:01"},
	}, dir)
	if err != nil {
		return "", err
	}
	defer m.Kill()
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	for ; ; time.Sleep(5 * time.Millisecond) {
		raw, err := os.ReadFile(m.Console())
		if at := strings.Index(string(raw), text); err == nil && at >= 0 {
			at = strings.LastIndexByte(string(raw[:at]), '\n') + 1
			if line, _, whole := strings.Cut(string(raw[at:]), "\n"); whole {
				return line, nil
			}
		}
		if m.Over() || ctx.Err() != nil {
			return "", fmt.Errorf("the machine never said %q: %w\n%s", text, errors.Join(ctx.Err(), io.ErrUnexpectedEOF), raw)
		}
	}
}
