package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/protocol"
)

// run is the directory of what the environment keeps, in memory.
const run = "/run/steelyard"

// wish is what the kernel's command line tells.
type wish struct {
	Controllers []string // host:port
	MAC         string   // card that was booted from; empty when unknown
	Console     string   // ttyS0,115200: where messages go too
	Mode        string   // rescue, or empty

	// What the system that started this one told of its own network; zero: the network tells it.
	Address netip.Prefix
	Gateway netip.Addr
	VLAN    int // 0: untagged
}

const (
	prefix = "steelyard."
	masked = "[hidden]"
)

// parse reads the words of a kernel command line that are for us. What it does not know it
// ignores; what it cannot use it tells.
func parse(cmdline string) (w wish, wrong []string) {
	torn := false
	for _, word := range strings.Fields(cmdline) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case prefix + "controller":
			for _, address := range strings.Split(value, ",") {
				if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
					wrong = append(wrong, fmt.Sprintf("%scontroller: %q is not HOST:PORT", prefix, address))
					continue
				}
				w.Controllers = append(w.Controllers, address)
			}
		case prefix + "mac":
			mac, err := net.ParseMAC(value)
			if err != nil {
				wrong = append(wrong, fmt.Sprintf("%smac: %q is no address of a network card", prefix, value))
				continue
			}
			w.MAC = mac.String()
		case prefix + "console":
			w.Console = value
		case prefix + "mode":
			w.Mode = value
		case prefix + "address", prefix + "gateway", prefix + "vlan":
			if err := w.network(strings.TrimPrefix(key, prefix), value); err != nil {
				wrong, torn = append(wrong, fmt.Sprintf("%s: %v", key, err)), true
			}
		}
	}
	if torn { // half of it would help nobody
		w.Address, w.Gateway, w.VLAN = netip.Prefix{}, netip.Addr{}, 0
	}
	return w, wrong
}

// modeRescue is the mode in which the customer of the machine is let in.
const modeRescue = "rescue"

// environment is what the agent is told that this is.
func (w wish) environment() string {
	if w.Mode == modeRescue {
		return protocol.EnvRescue
	}
	return protocol.EnvRAM
}

// network reads a word about the machine's own network.
func (w *wish) network(key, value string) (err error) {
	switch key {
	case "address":
		w.Address, err = netip.ParsePrefix(value)
		if a := w.Address.Addr(); err == nil && (a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || w.Address.Bits() == 0) {
			err = fmt.Errorf("%s is no address of a machine", value)
		}
	case "gateway":
		w.Gateway, err = netip.ParseAddr(value)
	case "vlan":
		if w.VLAN, err = strconv.Atoi(value); err == nil && (w.VLAN < 1 || w.VLAN > protocol.MaxVLAN) {
			err = fmt.Errorf("%s is not between 1 and %d", value, protocol.MaxVLAN)
		}
	}
	return err
}

// overIPv6 reports whether a controller is named by an IPv6 address; then an IPv4 address need not be waited for.
func (w wish) overIPv6() bool {
	return slices.ContainsFunc(w.Controllers, func(address string) bool {
		host, _, _ := net.SplitHostPort(address)
		return strings.Contains(host, ":")
	})
}

// token takes the boot token out of a command line.
func token(cmdline string) (value, rest string) {
	words := strings.Fields(cmdline)
	for i, word := range words {
		if v, ok := strings.CutPrefix(word, prefix+"token="); ok {
			value = v
			words[i] = prefix + "token=" + masked
		}
	}
	return value, strings.Join(words, " ") + "\n"
}

// hideToken writes the token into a file that only root reads, and lays a command line without it over the
// kernel's own. The kernel's log still has it: it is good for one enrolment and some minutes.
func hideToken(cmdline, dir string) error {
	raw, err := os.ReadFile(cmdline)
	if err != nil {
		return err
	}
	value, rest := token(string(raw))
	if value == masked {
		return nil // done before
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if value != "" {
		if err := os.WriteFile(tokenFile(dir), []byte(value+"\n"), 0o600); err != nil {
			return err
		}
	}
	over := filepath.Join(dir, "cmdline")
	if err := os.WriteFile(over, []byte(rest), 0o444); err != nil {
		return err
	}
	return unix.Mount(over, cmdline, "", unix.MS_BIND, "")
}

func tokenFile(dir string) string { return filepath.Join(dir, "token") }
