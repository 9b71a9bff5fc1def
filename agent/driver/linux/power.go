package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/firmware"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// How long a program may take to hand the wish on, and a flush to end: a dead disk must not keep a server on.
const (
	tellWithin  = time.Minute
	flushWithin = 30 * time.Second
)

// Switch is how a computer is told to go down. Make one with NewSwitch.
type Switch struct {
	ram    bool
	exists func(path string) bool
	run    func(ctx context.Context, path string, args ...string) error
	flush  func()
	kernel func(command int) error
	kexec  func(image, memory *os.File, line string) error // image nil: throw away what is loaded
}

// NewSwitch makes the switch of this computer for an agent that has it to itself: installed, or in the RAM environment.
// It is nil for every other environment.
func NewSwitch(environment string) *Switch {
	ram := environment == protocol.EnvRAM || environment == protocol.EnvRescue
	if environment != protocol.EnvInstalled && !ram {
		return nil
	}
	return &Switch{ram: ram, exists: exists, run: run, flush: unix.Sync, kernel: unix.Reboot, kexec: kexec}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// run runs a program; what it says is part of the error.
func run(ctx context.Context, path string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		text := strings.TrimSpace(string(out[:min(len(out), 512)]))
		return fault.Unavailable("%s %s: %w: %s", path, strings.Join(args, " "), err, text)
	}
	return nil
}

// BootID is the kernel's; where there is none, every process counts as a boot.
func (m *Machine) BootID() string {
	text, err := os.ReadFile(m.prc + "/sys/kernel/random/boot_id")
	if id := strings.TrimSpace(string(text)); err == nil && id != "" {
		return id
	}
	return fmt.Sprintf("process-%d-%d", os.Getpid(), started.UnixNano())
}

var started = time.Now()

// PowerOff tells the computer to switch itself off. Faults: refused when it is not this agent's to switch.
func (m *Machine) PowerOff(ctx context.Context) error { return m.opt.Switch.turn(ctx, powerOff) }

// Reboot tells the computer to start again. Faults: refused when it is not this agent's to switch.
func (m *Machine) Reboot(ctx context.Context) error { return m.opt.Switch.turn(ctx, reboot) }

// FromNetwork sets the boot entry for the next start in the firmware of a machine that starts by UEFI. A BIOS starts what stands first in
// its own order.
func (m *Machine) FromNetwork(context.Context) (string, error) {
	if m.opt.Switch == nil {
		return "", fault.Refused("this agent shares its machine")
	}
	v, err := firmware.Open(firmware.Dir)
	if err != nil {
		return "", fault.Refused("the machine starts by a BIOS, whose own boot order counts")
	}
	number, err := v.Next()
	return fmt.Sprintf("from the network by the firmware's boot entry %04X", number), err
}

// deed is one way to go down.
type deed struct {
	verb     string   // of systemctl(1), and for a person
	shutdown []string // arguments of shutdown(8)
	kernel   int      // of reboot(2)
}

var (
	powerOff = deed{"poweroff", []string{"-h", "-P", "now"}, unix.LINUX_REBOOT_CMD_POWER_OFF}
	reboot   = deed{"reboot", []string{"-r", "now"}, unix.LINUX_REBOOT_CMD_RESTART}
)

func (s *Switch) turn(ctx context.Context, d deed) error {
	switch {
	case s == nil:
		return fault.Refused("this agent shares its machine; it is not switched off")
	case ctx.Err() != nil:
		return ctx.Err()
	case !s.ram:
		return s.shutdown(ctx, d)
	}
	if s.flushed(ctx); ctx.Err() != nil {
		return ctx.Err()
	}
	if err := s.kernel(d.kernel); err != nil {
		return fault.Unavailable("the kernel does not %s: %w", d.verb, err)
	}
	return nil
}

// flushed waits for the disks, but not for ever.
func (s *Switch) flushed(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushWithin)
	go func() {
		defer cancel()
		s.flush()
	}()
	<-ctx.Done()
}

// shutdown lets the first of the system's own programs do it that can.
func (s *Switch) shutdown(ctx context.Context, d deed) error {
	var failed []error
	for _, way := range s.programs(d) {
		err := s.run(ctx, way[0], way[1:]...)
		if err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	if len(failed) == 0 {
		return fault.Refused("this system has neither systemctl nor shutdown to %s it with; install one of them", d.verb)
	}
	return errors.Join(failed...)
}

// programs are those that are there, by their full path, with arguments.
func (s *Switch) programs(d deed) [][]string {
	var list [][]string
	if s.exists("/run/systemd/system") { // sd_booted(3)
		list = s.first(list, "systemctl", []string{"--no-ask-password", d.verb}, "/usr/bin", "/bin")
	}
	return s.first(list, "shutdown", d.shutdown, "/sbin", "/usr/sbin")
}

func (s *Switch) first(list [][]string, name string, args []string, dirs ...string) [][]string {
	for _, dir := range dirs {
		if path := dir + "/" + name; s.exists(path) {
			return append(list, append([]string{path}, args...))
		}
	}
	return list
}
