package smbios_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/hardware/smbios"
	"github.com/steelyard/steelyard/pkg/hardware/smbios/dumps"
	"github.com/steelyard/steelyard/pkg/testdata"
)

// The archive holds one file that is no dump: its table of contents.
func TestB12_EveryRealDumpGivesAPlausibleConfiguration(t *testing.T) {
	archive := testdata.Shared(t, "server-dumps", "dmidecode", "linuxhw-dmi-servers.tar.bz2")
	var machines, withCPU, withMemory, gaps int
	configurations := map[string]int{}
	err := dumps.Each(archive, func(name string, data []byte) error {
		if strings.HasSuffix(name, ".md") {
			return nil
		}
		table, err := smbios.Text(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
		inv, unknown := table.Inventory()
		c := inv.Configuration()
		machines++
		gaps += len(unknown)
		configurations[c.Key()]++
		if len(inv.CPUs) > 0 {
			withCPU++
		}
		if inv.Memory.TotalBytes > 0 {
			withMemory++
		}
		if c.Sockets > 64 || c.Cores > 2048 || c.MemoryBytes > 64<<40 || inv.Memory.Slots < len(inv.Memory.DIMMs) {
			t.Errorf("%s: implausible: %s", name, c)
		}
		for _, cpu := range inv.CPUs {
			if cpu.Cores < 0 || cpu.Cores > 512 || cpu.BaseMHz > 10_000 {
				t.Errorf("%s: implausible processor %+v", name, cpu)
			}
		}
		if c.MemoryBytes != inv.Memory.TotalBytes || inv.Clean() {
			t.Errorf("%s: total %d, configuration %d", name, inv.Memory.TotalBytes, c.MemoryBytes)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d machines, %d with processors, %d with memory, %d configurations, %d gaps", machines, withCPU, withMemory, len(configurations), gaps)
	if machines < 1327 || withCPU < machines*99/100 || withMemory < machines*97/100 || len(configurations) < 1000 {
		t.Errorf("%d machines, %d with processors, %d with memory, %d configurations: too few", machines, withCPU, withMemory, len(configurations))
	}
	if gaps > 200 {
		t.Errorf("%d gaps; the mapping has forgotten something", gaps)
	}
}

func TestSamplesReadAsPeopleReadThem(t *testing.T) {
	dir := testdata.Shared(t, "server-dumps", "dmidecode", "samples")
	want := map[string]string{
		"Dell_PowerEdge_R640_88100BFA40CD.txt":                    "Xeon",
		"ADLINK_Ampere_Altra_Developer_Platform_FB5A6C19741A.txt": "Ampere Altra",
		"Dell_PowerEdge_R7525_6B51CAA01B7C.txt":                   "EPYC",
	}
	err := dumps.Each(dir, func(name string, data []byte) error {
		table, err := dumps.Parse(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
		inv, _ := table.Inventory()
		line := inv.Configuration().String()
		t.Logf("%-60s %s", name, line)
		if part, ok := want[name]; ok {
			delete(want, name)
			if !strings.Contains(line, part) || !strings.Contains(line, "GiB") && !strings.Contains(line, "TiB") {
				t.Errorf("%s reads %q; want %q and its memory", name, line, part)
			}
		}
		return nil
	})
	if err != nil || len(want) > 0 {
		t.Errorf("missing samples %v, error %v", want, err)
	}
}
