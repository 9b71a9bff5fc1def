package linux

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver/drivertest"
	"github.com/steelyard/steelyard/pkg/fault"
)

// slot is where a kernel keeps another one.
type slot struct {
	loaded  string
	takes   error
	started []string
}

func (s *slot) kexec(image, memory *os.File, line string) error {
	if image == nil {
		s.loaded = ""
		return nil
	}
	if s.takes != nil {
		return s.takes
	}
	read := func(f *os.File) []byte {
		text, _ := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
		return text
	}
	s.loaded = fmt.Sprintf("%s %s %s", read(image), read(memory), line)
	return nil
}

// jumper is a machine whose last steps only note what they would do.
func jumper(b *bench) (*Machine, *slot) {
	m, s := b.over(false), &slot{}
	m.opt.Switch.kexec = s.kexec
	run, kernel := m.opt.Switch.run, m.opt.Switch.kernel
	start := func(err error) error {
		if err == nil {
			s.started = append(s.started, s.loaded)
		}
		return err
	}
	m.opt.Switch.run = func(ctx context.Context, path string, args ...string) error { return start(run(ctx, path, args...)) }
	m.opt.Switch.kernel = func(command int) error { return start(kernel(command)) }
	return m, s
}

func TestJumpConformance(t *testing.T) {
	for name, files := range map[string][]string{"systemd": systemd, "another init": {"/sbin/shutdown"}} {
		t.Run(name, func(t *testing.T) {
			drivertest.RunJump(t, func(*testing.T) drivertest.Jumped {
				b := &bench{files: files, broken: map[string]error{}}
				m, s := jumper(b)
				return drivertest.Jumped{
					Machine: m, Loaded: func() bool { return s.loaded != "" }, Started: func() []string { return s.started },
					Refuse: func(err error) { s.takes = err },
					Stick:  func(err error) { b.broken["kernel"], b.broken["/usr/bin/systemctl"] = err, err },
				}
			})
		})
	}
}

func TestB34_WhatRunsEndsInGoodOrderBeforeAnotherKernelStarts(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"systemd":      {systemd, "/usr/bin/systemctl --no-ask-password kexec"},
		"another init": {[]string{"/sbin/shutdown"}, fmt.Sprintf("%#x after 1 flushes", unix.LINUX_REBOOT_CMD_KEXEC)},
	} {
		b := &bench{files: c.files}
		m, _ := jumper(b)
		jump, err := m.Prepare(t.Context(), drivertest.Kernel("kernel", "memory", "quiet"))
		if err == nil {
			err = jump(t.Context())
		}
		if err != nil || strings.Join(b.done, "; ") != c.want {
			t.Errorf("%s: %v, %q", name, err, b.done)
		}
	}
}

func TestB34_ARefusalOfTheKernelIsToldInWords(t *testing.T) {
	for number, says := range map[error]string{
		unix.ENOSYS: "CONFIG_KEXEC_FILE", unix.EPERM: "locked down", unix.EKEYREJECTED: "signed", unix.ENOMEM: "no room", unix.ENOEXEC: "does not take",
	} {
		m, s := jumper(&bench{files: systemd})
		s.takes = number
		_, err := m.Prepare(t.Context(), drivertest.Kernel("kernel", "memory", "quiet"))
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", number, err)
		}
	}
	m, _ := jumper(&bench{files: systemd})
	m.prc = t.TempDir()
	if _, err := m.Prepare(t.Context(), drivertest.Kernel("kernel", "memory", "quiet")); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "MiB are free") {
		t.Errorf("without memory: %v", err)
	}
	full := tree(t, map[string]string{"proc/meminfo": "MemAvailable: 8388608 kB", "proc/sys/kernel/kexec_load_disabled": "1\n"})
	full.opt.Switch = m.opt.Switch
	if _, err := full.Prepare(t.Context(), drivertest.Kernel("kernel", "memory", "quiet")); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "sysctl") {
		t.Errorf("with kexec switched off: %v", err)
	}
	if _, err := New(Options{}).Prepare(t.Context(), drivertest.Kernel("kernel", "memory", "quiet")); !fault.Is(err, fault.KindRefused) {
		t.Errorf("on a shared machine: %v", err)
	}
}
