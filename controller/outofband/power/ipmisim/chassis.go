package ipmisim

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/machine"
)

// answerTime bounds one question of the chassis; ipmi_sim stands still meanwhile.
const answerTime = 5 * time.Second

// Boot devices as ipmi_sim names them. Its word for the disk is default.
const (
	bootNone = "none"
	bootPXE  = "pxe"
)

// Chassis is what the chassis program does: it hands ipmi_sim's words (args, for example "get power" or
// "set boot pxe") to [Run] at the socket and prints the answer to out.
func Chassis(args []string, socket string, out io.Writer) error {
	conn, err := net.DialTimeout("unix", socket, answerTime)
	if err != nil {
		return fmt.Errorf("ask the machine: %w", err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(answerTime))
	if _, err := fmt.Fprintln(conn, strings.Join(args, " ")); err != nil {
		return fmt.Errorf("ask the machine: %w", err)
	}
	if _, err := io.Copy(out, io.LimitReader(conn, 1<<10)); err != nil {
		return fmt.Errorf("hear the machine: %w", err)
	}
	return nil
}

// box answers the chassis program for one machine.
type box struct {
	machine machine.Machine
	mu      sync.Mutex
	boot    string // for the next start
}

// serve answers one connection after the other until the listener is closed.
func (b *box) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		b.answer(conn)
	}
}

func (b *box) answer(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(answerTime))
	text, err := bufio.NewReader(io.LimitReader(conn, 1<<10)).ReadString('\n')
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, b.obey(strings.Fields(text)))
}

// obey does what ipmi_sim wants: "get" with names, or "set" with names and values.
func (b *box) obey(words []string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(words) == 0 {
		return ""
	}
	var out strings.Builder
	rest := words[1:]
	switch words[0] {
	case "get":
		for _, name := range rest {
			fmt.Fprintf(&out, "%s:%s\n", name, b.get(name))
		}
	case "set":
		for ; len(rest) > 1; rest = rest[2:] {
			b.set(rest[0], rest[1])
		}
	}
	return out.String()
}

func (b *box) get(name string) string {
	if name == "boot" {
		return b.boot
	}
	if p := b.machine.Power(); name == "power" && (p == machine.On || p == machine.Stopping) {
		return "1"
	}
	return "0"
}

func (b *box) set(name, value string) {
	switch name {
	case "boot":
		b.boot = value
	case "power":
		if value == "1" {
			b.start()
		} else {
			b.machine.Stop(false)
		}
	case "shutdown":
		b.machine.Stop(true)
	case "reset":
		b.machine.Stop(false)
		b.start()
	}
}

// start spends the boot device.
func (b *box) start() {
	if p := b.machine.Power(); p == machine.On || p == machine.Starting {
		return
	}
	from := machine.Disk
	if b.boot == bootPXE {
		from = machine.Network
	}
	b.boot = bootNone
	b.machine.Start(from)
}
