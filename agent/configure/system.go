package configure

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Where the agent of the written system lives.
const (
	agentProgram = "usr/local/sbin/steelyard-agent"
	agentState   = "var/lib/steelyard-agent"
	agentSetting = "etc/steelyard/agent.env"
	agentUnit    = "etc/systemd/system/steelyard-agent.service"
)

const unitText = `# Written by Steelyard when the system was installed.
[Unit]
Description=Steelyard agent: reports this server to its provider
Documentation=https://github.com/steelyard/steelyard
After=network.target

[Service]
EnvironmentFile=/etc/steelyard/agent.env
ExecStart=/usr/local/sbin/steelyard-agent run
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
`

// apply writes everything that a Linux system needs, and tells what.
func (o *outcome) apply(t tree, w Wish, a Agent) error {
	if !t.has("usr/lib/systemd/systemd", "lib/systemd/systemd") {
		return fault.Refused("%s in the image has no systemd, which starts the agent", t.systemName())
	}
	parts := []func(tree, Wish) error{o.name, o.access, o.network, o.machine}
	if cloud(t) {
		parts = []func(tree, Wish) error{o.cloud, o.machine}
	}
	for _, part := range parts {
		if err := part(t, w); err != nil {
			return err
		}
	}
	return o.agent(t, w, a)
}

// cloud tells whether the system has cloud-init.
func cloud(t tree) bool {
	return t.has("usr/bin/cloud-init", "usr/lib/systemd/system/cloud-init.service", "lib/systemd/system/cloud-init.service") &&
		!t.has("etc/cloud/cloud-init.disabled")
}

func (o *outcome) write(t tree, list ...file) error {
	for _, f := range list {
		if err := t.put(f.name, os.FileMode(f.mode), f.text); err != nil {
			return err
		}
	}
	return nil
}

func (o *outcome) cloud(t tree, w Wish) error {
	o.did("cloud-init gets name, keys and network from its NoCloud seed")
	return o.write(t, w.seed()...)
}

func (o *outcome) name(t tree, w Wish) error {
	if w.Hostname == "" {
		return nil
	}
	o.did("host name %s", w.Hostname)
	if w.UserData != "" {
		o.warn("the image has no cloud-init: the user data of the order is not used")
	}
	return o.write(t, file{"etc/hostname", 0o644, w.Hostname + "\n"}, w.hosts(t.read("etc/hosts")))
}

// access adds the keys to those that the image brings.
func (o *outcome) access(t tree, w Wish) error {
	if t.any("etc/ssh/ssh_host_*_key") {
		o.warn("the image brings SSH host keys: every server that is installed from it has the same")
	}
	keys := w.keys()
	if len(keys) == 0 {
		return nil
	}
	if err := t.private("root/.ssh"); err != nil {
		return err
	}
	const name = "root/.ssh/authorized_keys"
	var lines []string
	for line := range strings.Lines(t.read(name)) {
		lines = append(lines, strings.TrimRight(line, "\n"))
	}
	for _, k := range keys {
		if !slices.Contains(lines, k) {
			lines = append(lines, k)
		}
	}
	o.did("%d SSH keys for root", len(keys))
	return o.write(t, file{name, 0o600, strings.Join(lines, "\n") + "\n"})
}

// network writes it for whatever configures the network of the system.
func (o *outcome) network(t tree, w Wish) error {
	enabled := func(unit string) bool { return t.any("etc/systemd/system/*.wants/" + unit) }
	switch {
	case enabled("systemd-networkd.service"):
		o.did("network for systemd-networkd")
		return o.resolver(t, w, o.writeAll(t, w.networkd()))
	case enabled("NetworkManager.service"):
		o.did("network for NetworkManager")
		return o.writeAll(t, w.keyfile())
	case t.has("sbin/ifup", "usr/sbin/ifup"):
		o.did("network for ifupdown")
		return o.resolver(t, w, o.writeAll(t, w.interfaces()))
	case t.has("usr/lib/systemd/systemd-networkd", "lib/systemd/systemd-networkd"):
		o.did("network for systemd-networkd, which is now started")
		err := o.writeAll(t, w.networkd())
		if err == nil {
			err = t.link("etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "/lib/systemd/system/systemd-networkd.service")
		}
		return o.resolver(t, w, err)
	}
	o.warn("nothing in the image configures a network that we know (cloud-init, systemd-networkd, NetworkManager, ifupdown)")
	return nil
}

func (o *outcome) writeAll(t tree, list []file) error {
	for _, f := range list {
		if err := o.write(t, f); err != nil {
			return err
		}
	}
	return nil
}

// resolver names the DNS servers, unless systemd-resolved does.
func (o *outcome) resolver(t tree, w Wish, err error) error {
	if err != nil || len(w.dns()) == 0 || t.any("etc/systemd/system/*.wants/systemd-resolved.service") {
		return err
	}
	var b strings.Builder
	for _, d := range w.dns() {
		fmt.Fprintf(&b, "nameserver %s\n", d)
	}
	return o.write(t, file{"etc/resolv.conf", 0o644, b.String()})
}

// machine gives the system an identity of its own, and labels where it wants them.
func (o *outcome) machine(t tree, _ Wish) error {
	if strings.Contains(t.read("etc/selinux/config"), "SELINUX=enforcing") {
		o.did("SELinux labels files anew at the first start")
		if err := t.put(".autorelabel", 0o644, ""); err != nil {
			return err
		}
	}
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	if t.has("var/lib/dbus/machine-id") {
		if err := t.link("var/lib/dbus/machine-id", "/etc/machine-id"); err != nil {
			return err
		}
	}
	return t.put("etc/machine-id", 0o444, hex.EncodeToString(b)+"\n")
}

// Agent is what the written system reports with.
type Agent struct {
	Program string      // path of the program here
	Record  link.Record // its identity
}

// agent installs our program, its identity and its unit.
func (o *outcome) agent(t tree, w Wish, a Agent) error {
	program, err := os.Open(a.Program)
	if err != nil {
		return fmt.Errorf("read this agent's program: %w", err)
	}
	defer func() { _ = program.Close() }()
	if err := t.copy(agentProgram, 0o755, program); err != nil {
		return err
	}
	record, err := json.MarshalIndent(a.Record, "", "  ")
	if err != nil {
		return err
	}
	if err := t.root.RemoveAll(agentState); err != nil { // that of a server that the image was made of
		return explain(agentState, err)
	}
	if err := t.private(agentState); err != nil {
		return err
	}
	if err := o.write(t,
		file{agentState + "/" + link.StateFile, 0o600, string(record)},
		file{agentSetting, 0o644, "STEELYARD_CONTROLLER=" + strings.Join(w.Controllers, ",") + "\n"},
		file{agentUnit, 0o644, unitText},
	); err != nil {
		return err
	}
	o.did("agent of server %s", a.Record.ServerID)
	return t.link("etc/systemd/system/multi-user.target.wants/steelyard-agent.service", "/"+agentUnit)
}
