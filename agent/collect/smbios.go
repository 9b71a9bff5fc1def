package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/hardware/smbios"
)

// dumpFiles are names under which a copied machine brings its SMBIOS along.
var dumpFiles = []string{"dmidecode.bin", "dmidecode.txt", "dmidecode"}

const tables = "sys/firmware/dmi/tables/"

// smbios reads the firmware's tables, or what the kernel kept of them.
func (c *Collector) smbios(context.Context) finding {
	table, err := c.table()
	if err == nil {
		return mapped(table)
	}
	if errors.Is(err, smbios.ErrAbsent) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		if f, ok := c.firmwareNames(err); ok {
			return f
		}
		if f, ok := c.deviceTree(); ok {
			return f
		}
	}
	if errors.Is(err, smbios.ErrAbsent) || errors.Is(err, fs.ErrNotExist) {
		return finding{state: hardware.SectionAbsent, detail: smbios.ErrAbsent.Error() + "; the kernel alone tells about it"}
	}
	return trouble("the SMBIOS tables", err)
}

func mapped(table *smbios.Table) finding {
	inv, gaps := table.Inventory()
	f := finding{state: hardware.SectionOK}
	if len(gaps) > 0 {
		f.detail = fmt.Sprintf("%d values were not understood, the first: %s %q, %s", len(gaps), gaps[0].Key, gaps[0].Value, gaps[0].Why)
	}
	if table.Truncated {
		f.state = hardware.SectionPartial
	}
	f.set = func(to *hardware.Inventory) {
		to.System, to.Board, to.Chassis, to.Firmware = inv.System, inv.Board, inv.Chassis, inv.Firmware
		to.CPUs, to.Memory, to.Identity = inv.CPUs, inv.Memory, inv.Identity
	}
	return f
}

// table reads a dump that lies at a foreign root, or the tables of the kernel.
func (c *Collector) table() (*smbios.Table, error) {
	for _, name := range dumpFiles {
		if c.tree.live() || !c.tree.exists(name) {
			continue
		}
		data, err := c.tree.read(name, smbios.MaxInput)
		if err != nil {
			return nil, err
		}
		if smbios.IsDump(data) {
			return smbios.Dump(data)
		}
		return smbios.Text(bytes.NewReader(data))
	}
	entry, err := c.tree.read(tables+"smbios_entry_point", 4<<10)
	if err != nil {
		return nil, err
	}
	table, err := c.tree.read(tables+"DMI", smbios.MaxInput)
	if err != nil {
		return nil, err
	}
	return smbios.Binary(entry, table)
}

// firmwareNames reads what every user may: the kernel's copy of some strings.
func (c *Collector) firmwareNames(why error) (finding, bool) {
	const id = "sys/class/dmi/id/"
	get := func(name string) string { return smbios.Known(c.tree.text(id + name)) }
	inv := hardware.Inventory{
		System: hardware.System{
			Vendor: get("sys_vendor"), Product: get("product_name"), Version: get("product_version"),
			SKU: get("product_sku"), Family: get("product_family"),
		},
		Board:    hardware.Board{Vendor: get("board_vendor"), Product: get("board_name"), Version: get("board_version")},
		Chassis:  hardware.Chassis{Vendor: get("chassis_vendor"), AssetTag: get("chassis_asset_tag"), Type: smbios.ChassisType(c.tree.number(id + "chassis_type"))},
		Firmware: hardware.Firmware{Vendor: get("bios_vendor"), Version: get("bios_version"), Date: get("bios_date")},
		Identity: hardware.Identity{
			UUID: smbios.UUID(c.tree.text(id + "product_uuid")), SystemSerial: get("product_serial"),
			BoardSerial: get("board_serial"), ChassisSerial: get("chassis_serial"),
		},
	}
	if inv.System == (hardware.System{}) && inv.Board == (hardware.Board{}) && inv.Firmware == (hardware.Firmware{}) {
		return finding{}, false
	}
	f := finding{state: hardware.SectionPartial, detail: "there are no SMBIOS tables: memory modules and sockets are not known"}
	if errors.Is(why, fs.ErrPermission) {
		f.detail = "only root may read the SMBIOS tables: serial numbers, memory modules and sockets are not known"
	}
	f.set = func(to *hardware.Inventory) {
		to.System, to.Board, to.Chassis = inv.System, inv.Board, inv.Chassis
		to.Firmware, to.Identity = inv.Firmware, inv.Identity
	}
	return f, true
}

// deviceTree names arm64 boards that have no SMBIOS.
func (c *Collector) deviceTree() (finding, bool) {
	model := smbios.Known(c.tree.text("proc/device-tree/model"))
	if model == "" {
		return finding{}, false
	}
	serial := smbios.Known(c.tree.text("proc/device-tree/serial-number"))
	return finding{
		state: hardware.SectionPartial, detail: "this board has a device tree instead of SMBIOS: model and serial number only",
		set: func(to *hardware.Inventory) {
			to.System.Product, to.Identity.SystemSerial = model, serial
		},
	}, true
}
