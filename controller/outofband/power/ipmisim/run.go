package ipmisim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Options describe one controller and its machine.
type Options struct {
	Address            string // 127.…:port, UDP
	Username, Password string
	Model, Serial      string // in the FRU data
	Machine            machine.Machine
	Chassis            []string // program and first arguments; socket path and ipmi_sim's words follow, for [Chassis]
	System             string   // host:port, TCP: where a virtual machine's system interface finds it; "" without one
	Dir                string   // configuration, state and log; made when it is not there
}

// maxName is the longest user name or password that ipmi_sim reads; IPMI 2.0 itself has 20 for passwords.
const maxName = 16

// program finds ipmi_sim.
func program() (string, error) {
	if path, err := exec.LookPath("ipmi_sim"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/ipmi_sim")
}

// deaf starts a program that does not die of a connection that its peer has closed: a shell hands on what it
// ignores (POSIX, 2.14 trap). ipmi_sim would go down with the machine whose controller it is.
const deaf = `trap "" PIPE; exec "$@"`

// Installed reports whether ipmi_sim can be started.
func Installed() bool {
	_, err := program()
	return err == nil
}

// Run is the management controller until ctx ends; then it returns nil. It listens a
// moment after it was called: a client tries until it answers.
func Run(ctx context.Context, o Options) error {
	path, err := program()
	if err != nil {
		return fault.Refused("ipmi_sim is not installed (Debian: openipmi): %w", err)
	}
	sockets, err := os.MkdirTemp("", "ipmisim") // short: a socket's path has 107 bytes at most
	if err != nil {
		return fmt.Errorf("make a directory for the chassis socket: %w", err)
	}
	defer os.RemoveAll(sockets)
	socket := filepath.Join(sockets, "chassis")
	if err := o.write(socket); err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listen for the chassis: %w", err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		(&box{machine: o.Machine, boot: bootNone}).serve(listener)
	}()
	err = o.simulate(ctx, path)
	_ = listener.Close()
	<-served
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("ipmi_sim ended: %w; see %s", err, o.logFile())
}

func (o Options) file(name string) string { return filepath.Join(o.Dir, name) }
func (o Options) logFile() string         { return o.file("log") }

// simulate runs ipmi_sim. The kernel ends it with this process: the parent-death signal belongs to the
// thread that started it, so that thread waits.
func (o Options) simulate(ctx context.Context, path string) error {
	out, err := os.OpenFile(o.logFile(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", deaf, "sh", path, "-c", o.file("lan.conf"), "-f", o.file("node.emu"), "-s", o.file("state"), "-n")
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, o.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Run(); err != nil {
		return err
	}
	return errors.New("it has no more to do")
}

// write makes the configuration.
func (o Options) write(socket string) error {
	host, port, err := net.SplitHostPort(o.Address)
	if err != nil {
		return fault.Invalid("%q is not host:port", o.Address)
	}
	for _, s := range append([]string{o.Username, o.Password, socket}, o.Chassis...) {
		if strings.ContainsAny(s, "\"\\'\n$`") {
			return fault.Invalid("a quote, backslash, dollar or newline does not fit into the configuration of ipmi_sim")
		}
	}
	if len(o.Username) > maxName || len(o.Password) > maxName || strings.Contains(o.Username+o.Password, " ") {
		return fault.Invalid("ipmi_sim takes user names and passwords of up to %d bytes without spaces", maxName)
	}
	if err := os.MkdirAll(o.file("state"), 0o700); err != nil {
		return fmt.Errorf("make the directory of a simulated management controller: %w", err)
	}
	files := map[string]string{"lan.conf": o.lan(host, port, socket), "node.emu": o.emulation()}
	for name, text := range files {
		if err := os.WriteFile(o.file(name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("configure a simulated management controller: %w", err)
		}
	}
	return nil
}

// lan is the file that ipmi_lan(5) describes.
func (o Options) lan(host, port, socket string) string {
	chassis := make([]string, 0, len(o.Chassis)+2)
	for _, s := range append(append([]string(nil), o.Chassis...), socket) {
		chassis = append(chassis, "'"+s+"'")
	}
	system := ""
	if host, port, err := net.SplitHostPort(o.System); err == nil {
		system = fmt.Sprintf("  serial 15 %s %s codec VM\n", host, port)
	}
	return fmt.Sprintf(`name "machine"
set_working_mc 0x20
%s  startlan 1
    addr %s %s
    priv_limit admin
    allowed_auths_admin none md2 md5 straight
    guid 4c454453594152440080%012x
  endlan
  chassis_control "%s"
  user 2 true "%s" "%s" operator 10 none md2 md5 straight
`, system, host, port, len(o.Serial), strings.Join(chassis, " "), o.Username, o.Password)
}

// emulation is the file that ipmi_sim_cmd(5) describes: one controller with an event log, FRU data
// and two sensors.
func (o Options) emulation() string {
	var b strings.Builder
	b.WriteString("mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nsel_enable 0x20 1000 0x0a\n")
	fru := fruData("Steelyard simulation", o.Model, o.Serial)
	fmt.Fprintf(&b, "mc_add_fru_data 0x20 0 %d data%s\n", len(fru), words(fru))
	for _, s := range sensors {
		fmt.Fprintf(&b, "sensor_add 0x20 0 %d %d 1\nsensor_set_value 0x20 0 %d %d 0\n", s.number, s.kind, s.number, s.value)
		fmt.Fprintf(&b, "sensor_set_event_support 0x20 0 %d disable scanning none %s %[2]s %[2]s %[2]s\n", s.number, strings.Repeat("0", 15))
		fmt.Fprintf(&b, "main_sdr_add 0x20%s\n", words(s.record()))
	}
	b.WriteString("mc_enable 0x20\n")
	return b.String()
}

func words(data []byte) string {
	var b strings.Builder
	for _, x := range data {
		fmt.Fprintf(&b, " 0x%02x", x)
	}
	return b.String()
}
