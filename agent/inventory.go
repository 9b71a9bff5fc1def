package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/steelyard/steelyard/agent/app"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/unit"
)

func printInventory(ctx context.Context, args []string, out, errs io.Writer) error {
	fs := flags("inventory", errs)
	format := fs.String("o", "text", "output `FORMAT`: text or json")
	root := fs.String("root", "", "`DIR`ectory that holds a copied /proc, /sys and dmidecode output; none is this machine")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *root != "" {
		if at, err := os.Stat(*root); err != nil || !at.IsDir() {
			return fault.Invalid("--root %s is not a directory; give one that holds a copied /proc, /sys or dmidecode output", *root)
		}
	}
	switch *format {
	case "json":
		inv := app.Inventory(ctx, *root)
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(inv)
	case "text":
		inv := app.Inventory(ctx, *root)
		return summary(out, &inv)
	default:
		_, _ = fmt.Fprintf(errs, "steelyard-agent inventory: there is no output format %q; use text or json\n", *format)
		return errUsage
	}
}

// summary prints an inventory for a person.
func summary(out io.Writer, inv *hardware.Inventory) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name string, parts ...string) {
		if text := strings.Join(filled(parts), " "); text != "" {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", name, text)
		}
	}
	row("Configuration", inv.Configuration().String())
	row("System", inv.System.Vendor, inv.System.Product, inv.System.Version)
	row("Board", inv.Board.Vendor, inv.Board.Product)
	row("Serial", inv.Identity.SystemSerial)
	row("UUID", inv.Identity.UUID)
	row("Firmware", inv.Firmware.Vendor, inv.Firmware.Version, inv.Firmware.Date, inv.Firmware.BootMode)
	row("Virtualisation", inv.Virtualization)
	row("System software", inv.OS.Name, inv.OS.Kernel, inv.OS.Arch)
	for _, c := range inv.CPUs {
		row("CPU "+c.Socket, c.Model, fmt.Sprintf("(%d cores, %d threads)", c.Cores, c.Threads))
	}
	row("Memory", unit.Bytes(inv.Memory.TotalBytes).IEC(), modules(inv.Memory))
	for _, d := range inv.Disks {
		row("Disk "+d.Name, d.Type, unit.Bytes(d.SizeBytes).SI(), d.Vendor, d.Model, named("serial", d.Serial), named("WWN", d.WWN), health(d.SMART))
	}
	for _, n := range inv.NICs {
		row("Port "+n.Name, n.PermanentMAC, n.Driver, speed(n), strings.Join(n.Addresses, ", "), neighbour(n.LLDP))
	}
	for _, g := range inv.GPUs {
		row("GPU", g.Vendor, g.Model, g.PCIAddress)
	}
	for _, s := range inv.Sections {
		if s.State != hardware.SectionOK {
			row("Not read: "+s.Name, s.State+":", s.Detail)
		}
	}
	return w.Flush()
}

func filled(parts []string) []string {
	var list []string
	for _, p := range parts {
		if p != "" {
			list = append(list, p)
		}
	}
	return list
}

func named(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " " + value
}

func modules(m hardware.Memory) string {
	if len(m.DIMMs) == 0 {
		return ""
	}
	return fmt.Sprintf("in %d modules, %d slots", len(m.DIMMs), m.Slots)
}

func health(s *hardware.SMART) string {
	switch {
	case s == nil:
		return ""
	case s.Passed:
		return "healthy"
	default:
		return "FAILING"
	}
}

func speed(n hardware.NIC) string {
	switch {
	case !n.Link:
		return "no link"
	case n.SpeedMbps > 0:
		return fmt.Sprintf("%d Mbit/s", n.SpeedMbps)
	default:
		return "link"
	}
}

func neighbour(l *hardware.Neighbour) string {
	if l == nil {
		return ""
	}
	return "at " + strings.Join(filled([]string{l.SystemName, l.PortID}), " ")
}
