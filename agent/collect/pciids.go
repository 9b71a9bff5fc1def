package collect

import (
	"bufio"
	"compress/gzip"
	"io"
	"os"
	"strings"
)

// pciIDs are the places of the database of names, the first that exists counts:
// in the tree, then on this machine.
var pciIDs = []string{"usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids", "usr/share/pci.ids", "usr/share/misc/pci.ids.gz"}

// pciNames holds the names of the devices that are there: "8086" and "8086:1521".
type pciNames map[string]string

// of returns the names of a device, or its numbers.
func (n pciNames) of(vendor, device string) (string, string) {
	v, ok := n[vendor]
	if !ok {
		v = "0x" + vendor
	}
	d, ok := n[vendor+":"+device]
	if !ok {
		d = "0x" + device
	}
	return v, d
}

// pciNames looks up all devices in one pass; false when there is no database.
func (c *Collector) pciNames(functions []function) (pciNames, bool) {
	names := pciNames{}
	if len(functions) == 0 {
		return names, true
	}
	file, zipped := c.openIDs()
	if file == nil {
		return names, false
	}
	defer file.Close()
	var r io.Reader = io.LimitReader(file, 16<<20)
	if zipped {
		z, err := gzip.NewReader(r)
		if err != nil {
			return names, false
		}
		r = io.LimitReader(z, 16<<20)
	}
	for _, f := range functions {
		names[f.vendor], names[f.vendor+":"+f.device] = "", ""
	}
	names.fill(r)
	return names, true
}

func (c *Collector) openIDs() (file *os.File, zipped bool) {
	for _, t := range []tree{c.tree, {"/"}} {
		for _, name := range pciIDs {
			if f, err := t.open(name); err == nil {
				return f, strings.HasSuffix(name, ".gz")
			}
		}
	}
	return nil, false
}

// fill reads "8086  Intel Corporation", below it "\t1521  I350 Gigabit Network
// Connection", and drops what was wanted and not found.
func (n pciNames) fill(r io.Reader) {
	vendor := ""
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "C ") {
			break // the list of classes comes last
		}
		device := strings.HasPrefix(line, "\t")
		id, name, ok := strings.Cut(strings.TrimPrefix(line, "\t"), "  ")
		if !ok || len(id) != 4 || strings.HasPrefix(id, "\t") || strings.HasPrefix(id, "#") {
			continue
		}
		key := id
		if device {
			key = vendor + ":" + id
		} else {
			vendor = id
		}
		if _, wanted := n[key]; wanted {
			n[key] = strings.TrimSpace(name)
		}
	}
	for key, name := range n {
		if name == "" {
			delete(n, key)
		}
	}
}
