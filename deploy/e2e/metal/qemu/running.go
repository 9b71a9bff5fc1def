package qemu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Running is a machine that was started.
type Running struct {
	Dir   string // serial ports and monitor
	pid   int
	ended chan struct{}
	err   error
}

// Start starts a machine below a directory. It ends with the test at the latest.
func Start(t testing.TB, m Machine) *Running {
	t.Helper()
	Need(t)
	dir, err := os.MkdirTemp("", "qemu") // short: the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r, err := Launch(m, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Kill()
		if t.Failed() {
			t.Logf("the machine's screen:\n%s", tail(r.Console(), 6000))
		}
	})
	return r
}

// Launch starts a machine; its files are in dir. Whoever launches a machine must Kill it.
func Launch(m Machine, dir string) (*Running, error) {
	args, err := m.args(dir)
	if err != nil {
		return nil, err
	}
	name := binary
	if m.NetNS != "" {
		name, args = "ip", append([]string{"netns", "exec", m.NetNS, binary}, args...)
	}
	said, err := os.Create(filepath.Join(dir, "qemu"))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	r := &Running{Dir: dir, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The parent-death signal belongs to the thread that starts the child: this one waits for it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			r.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			r.err = cmd.Wait()
		}
		close(r.ended)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start a virtual machine: %w", err)
	}
	return r, nil
}

// Console is the file of the first serial port.
func (r *Running) Console() string { return filepath.Join(r.Dir, "console") }

// Output is the file of the second serial port.
func (r *Running) Output() string { return filepath.Join(r.Dir, "output") }

// Kill pulls the plug and waits until the machine is gone.
func (r *Running) Kill() {
	select {
	case <-r.ended:
	default:
		_ = syscall.Kill(-r.pid, syscall.SIGKILL) // its own process group; not reaped yet, so it is still ours
		<-r.ended
	}
}

// Over tells whether the machine is off.
func (r *Running) Over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// Ended is closed when the machine is off.
func (r *Running) Ended() <-chan struct{} { return r.ended }

// Wait waits until the machine has switched itself off.
func (r *Running) Wait(limit time.Duration) error {
	select {
	case <-r.ended:
		if r.err != nil {
			return fmt.Errorf("the emulator ended: %w: %s", r.err, tail(filepath.Join(r.Dir, "qemu"), 1000))
		}
		return nil
	case <-time.After(limit):
		return fmt.Errorf("the machine was still on after %v", limit)
	}
}

// WaitLine waits until a text is on the first serial port.
func (r *Running) WaitLine(text string, limit time.Duration) error {
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		raw, err := os.ReadFile(r.Console())
		if err == nil && strings.Contains(string(raw), text) {
			return nil
		}
		if r.Over() {
			return fmt.Errorf("the machine ended before it said %q: %s", text, tail(filepath.Join(r.Dir, "qemu"), 1000))
		}
		if time.Now().After(end) {
			return fmt.Errorf("the machine did not say %q within %v", text, limit)
		}
	}
}

// args is the command line.
func (m Machine) args(dir string) ([]string, error) {
	memory := m.Memory
	if memory == 0 {
		memory = 512
	}
	list := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
		"-machine", "q35,accel=tcg,graphics=off", "-cpu", "Nehalem", "-m", fmt.Sprint(memory), // never KVM: it may be there and hang
		"-serial", "file:" + filepath.Join(dir, "console"), "-serial", "file:" + filepath.Join(dir, "output"),
		"-qmp", "unix:" + filepath.Join(dir, "qmp") + ",server=on,wait=off",
	}
	if !m.Reboots {
		list = append(list, "-no-reboot")
	}
	if m.Firmware == UEFI {
		flash, err := m.flash(dir)
		if err != nil {
			return nil, err
		}
		list = append(list, flash...)
	}
	list = append(list, m.Identity.args()...)
	for n, d := range m.Disks {
		list = append(list, d.args(n)...)
	}
	for n, c := range m.NICs {
		list = append(list, c.args(n)...)
	}
	if m.Kernel != "" {
		list = append(list, "-kernel", m.Kernel, "-initrd", m.Initrd, "-append", m.Append)
	}
	return append(list, m.Extra...), nil
}

// flash are the firmware and its variables, a file of this machine alone.
func (m Machine) flash(dir string) ([]string, error) {
	const code, empty = "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"
	vars := m.Vars
	if vars == "" {
		vars = filepath.Join(dir, "vars.fd")
	}
	if _, err := os.Stat(vars); errors.Is(err, os.ErrNotExist) {
		if err := copyFile(vars, empty); err != nil {
			return nil, fmt.Errorf("the UEFI firmware is not installed (Debian: ovmf): %w", err)
		}
	}
	return []string{
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + code,
		"-drive", "if=pflash,unit=1,format=raw,file=" + vars,
	}, nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// tail is the end of a file.
func tail(path string, limit int) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-limit):])
}
