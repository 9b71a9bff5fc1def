package linux

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver/drivertest"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// bench is a switch whose last steps only note what they would do. It stands in for every field of
// Switch, so that nothing of the real one is left.
type bench struct {
	files   []string // that exist
	done    []string
	flushed int
	broken  map[string]error // by program, or "kernel"
}

func (b *bench) over(ram bool) *Machine {
	s := &Switch{
		ram:    ram,
		exists: func(path string) bool { return slices.Contains(b.files, path) },
		run: func(_ context.Context, path string, args ...string) error {
			if err := b.broken[path]; err != nil {
				return err
			}
			b.done = append(b.done, strings.Join(append([]string{path}, args...), " "))
			return nil
		},
		flush: func() { b.flushed++ },
		kernel: func(command int) error {
			if err := b.broken["kernel"]; err != nil {
				return err
			}
			b.done = append(b.done, fmt.Sprintf("%#x after %d flushes", command, b.flushed))
			return nil
		},
	}
	return New(Options{Switch: s})
}

var systemd = []string{"/run/systemd/system", "/usr/bin/systemctl", "/bin/systemctl", "/usr/sbin/shutdown", "/sbin/shutdown"}

func TestPowerConformance(t *testing.T) {
	for name, ram := range map[string]bool{"installed": false, "ram": true} {
		t.Run(name, func(t *testing.T) {
			drivertest.RunPower(t, func(*testing.T) drivertest.Switched {
				b := &bench{files: systemd, broken: map[string]error{}}
				return drivertest.Switched{
					Machine: b.over(ram),
					Done:    func() []string { return plain(b.done) },
					Fail: func(err error) {
						for _, way := range []string{"kernel", "/usr/bin/systemctl", "/sbin/shutdown"} {
							b.broken[way] = err
						}
					},
				}
			})
		})
	}
}

// plain names deeds without the way they were done.
func plain(done []string) []string {
	var list []string
	for _, d := range done {
		what := "off"
		if strings.Contains(d, "reboot") || strings.HasPrefix(d, fmt.Sprintf("%#x ", unix.LINUX_REBOOT_CMD_RESTART)) {
			what = "reboot"
		}
		list = append(list, what)
	}
	return list
}

func TestTheSystemsOwnProgramIsUsed(t *testing.T) {
	for _, c := range []struct {
		what        string
		files       []string
		broken      string
		off, reboot string
	}{
		{"systemd", systemd, "", "/usr/bin/systemctl --no-ask-password poweroff", "/usr/bin/systemctl --no-ask-password reboot"},
		{"an old systemd", []string{"/run/systemd/system", "/bin/systemctl"}, "", "/bin/systemctl --no-ask-password poweroff", "/bin/systemctl --no-ask-password reboot"},
		{"systemctl without systemd", []string{"/usr/bin/systemctl", "/sbin/shutdown"}, "", "/sbin/shutdown -h -P now", "/sbin/shutdown -r now"},
		{"a systemctl that fails", systemd, "/usr/bin/systemctl", "/sbin/shutdown -h -P now", "/sbin/shutdown -r now"},
		{"shutdown elsewhere", []string{"/usr/sbin/shutdown"}, "", "/usr/sbin/shutdown -h -P now", "/usr/sbin/shutdown -r now"},
	} {
		b := &bench{files: c.files, broken: map[string]error{c.broken: errors.New("access denied")}}
		m := b.over(false)
		if err := errors.Join(m.PowerOff(t.Context()), m.Reboot(t.Context())); err != nil || !slices.Equal(b.done, []string{c.off, c.reboot}) || b.flushed > 0 {
			t.Errorf("%s: %v %q", c.what, err, b.done)
		}
	}
	none := &bench{}
	if err := none.over(false).PowerOff(t.Context()); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "systemctl") {
		t.Errorf("without any program: %v", err)
	}
}

func TestInTheRAMEnvironmentTheKernelIsTold(t *testing.T) {
	b := &bench{files: systemd}
	m := b.over(true)
	if err := errors.Join(m.PowerOff(t.Context()), m.Reboot(t.Context())); err != nil {
		t.Fatal(err)
	}
	want := []string{fmt.Sprintf("%#x after 1 flushes", unix.LINUX_REBOOT_CMD_POWER_OFF), fmt.Sprintf("%#x after 2 flushes", unix.LINUX_REBOOT_CMD_RESTART)}
	if !slices.Equal(b.done, want) {
		t.Errorf("%q, want %q", b.done, want)
	}
}

func TestADeadDiskDoesNotKeepAServerOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{}
		m := b.over(true)
		dead := make(chan struct{})
		m.opt.Switch.flush = func() { <-dead }
		start := time.Now()
		if err := m.PowerOff(t.Context()); err != nil || len(b.done) != 1 || time.Since(start) != flushWithin {
			t.Errorf("%v %q after %v", err, b.done, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.PowerOff(ctx); !errors.Is(err, context.DeadlineExceeded) || len(b.done) != 1 {
			t.Errorf("with a context that ended meanwhile: %v %q", err, b.done)
		}
		close(dead)
	})
}

// TestASharedMachineHasNoSwitch looks at the three ways in which a sandbox or a simulation could come to the real switch.
func TestASharedMachineHasNoSwitch(t *testing.T) {
	for _, environment := range []string{protocol.EnvSandbox, protocol.EnvSimulated, "", "attic"} {
		if NewSwitch(environment) != nil {
			t.Errorf("environment %q is given the switch of this computer", environment)
		}
	}
	b := &bench{files: systemd}
	inSandbox := New(Options{Sandbox: []*SandboxDisk{}, Switch: b.over(true).opt.Switch})
	for what, m := range map[string]*Machine{"a sandbox that is given one": inSandbox, "no switch": New(Options{})} {
		for _, turn := range []func(context.Context) error{m.PowerOff, m.Reboot} {
			if err := turn(t.Context()); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "shares its machine") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if len(b.done) > 0 {
		t.Errorf("done: %q", b.done)
	}
}

func TestTheBootIsTheKernels(t *testing.T) {
	m := New(Options{})
	if id := m.BootID(); strings.HasPrefix(id, "process-") {
		t.Errorf("boot %q", id)
	}
	m.prc = t.TempDir()
	if id := m.BootID(); !strings.HasPrefix(id, "process-") || m.BootID() != id {
		t.Errorf("a kernel without a number: %q %q", id, m.BootID())
	}
}

func TestWhatAProgramSaysIsTold(t *testing.T) {
	if err := run(t.Context(), "/bin/sh", "-c", "echo no permission; exit 3"); !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "no permission") {
		t.Errorf("%v", err)
	}
	if err := run(t.Context(), "/bin/true"); err != nil {
		t.Errorf("%v", err)
	}
}
