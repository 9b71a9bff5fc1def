package collect

import (
	"cmp"
	"context"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// system reads the running operating system, its machine id and how it booted.
func (c *Collector) system(context.Context) finding {
	release := parseRelease(cmp.Or(c.tree.text("etc/os-release"), c.tree.text("usr/lib/os-release")))
	os := hardware.OS{
		Name:     cmp.Or(release["PRETTY_NAME"], release["NAME"]),
		ID:       release["ID"],
		Version:  cmp.Or(release["VERSION_ID"], release["VERSION"]),
		Kernel:   cmp.Or(c.tree.text("proc/sys/kernel/osrelease"), kernelVersion(c.tree.text("proc/version"))),
		Hostname: cmp.Or(c.tree.text("proc/sys/kernel/hostname"), c.tree.text("etc/hostname")),
		Arch:     c.arch(),
	}
	machine := c.machineID()
	efi, sys := c.tree.exists("sys/firmware/efi"), c.tree.exists("sys/firmware")
	f := finding{state: hardware.SectionOK, set: func(to *hardware.Inventory) {
		to.OS, to.Identity.MachineID = os, machine
		switch {
		case efi:
			to.Firmware.BootMode = "uefi"
		case sys && to.Firmware.Vendor != "":
			to.Firmware.BootMode = "bios"
		}
	}}
	switch {
	case os.Name == "" && os.Kernel == "":
		f.state, f.detail = hardware.SectionAbsent, "neither os-release nor the kernel's version is there"
	case os.Name == "":
		f.state, f.detail = hardware.SectionPartial, "there is no os-release"
	case os.Kernel == "":
		f.state, f.detail = hardware.SectionPartial, "the kernel's version is not there"
	}
	return f
}

// parseRelease reads os-release(5): KEY=value, in double, single or no quotes.
func parseRelease(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		values[key] = unquote(value)
	}
	return values
}

func unquote(v string) string {
	if n := len(v); n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n-1] == v[0] {
		return strings.NewReplacer(`\"`, `"`, `\$`, `$`, `\\`, `\`, "\\`", "`").Replace(v[1 : n-1])
	}
	return v
}

// kernelVersion takes the third word of "Linux version 6.1.0-18-amd64 (…) …".
func kernelVersion(text string) string {
	words := strings.Fields(text)
	if len(words) < 3 {
		return ""
	}
	return words[2]
}

// machineID reads /etc/machine-id; "uninitialized" and the like are none.
func (c *Collector) machineID() string {
	id := strings.ToLower(c.tree.text("etc/machine-id"))
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || strings.Trim(id, "0") == "" {
		return ""
	}
	return id
}

// arch asks the kernel; kernels before 6.1 do not tell by a file.
func (c *Collector) arch() string {
	if arch := c.tree.text("proc/sys/kernel/arch"); arch != "" || !c.tree.live() {
		return arch
	}
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Machine[:])
}
