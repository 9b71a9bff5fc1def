// Package collect reads one Linux machine: its inventory ([Collector]) and what
// moves all the time ([Sampler]).
//
// It owns nothing and changes nothing: it reads /proc, /sys and /etc, asks the
// kernel for addresses and link modes, and runs smartctl where that is installed.
// It decides nothing about what it saw.
//
// A Collector reads below a root directory. The live machine is the root "/"; any
// other root is a copy of somebody's /proc and /sys, with the output of dmidecode
// beside them as dmidecode, dmidecode.txt or dmidecode.bin, and goes the same
// way. Only what a copy cannot hold (addresses, permanent MACs and link modes from
// netlink, SMART from smartctl, LLDP) is asked of the live machine alone. Symbolic
// links of a copy are followed inside the copy, never out of it.
//
// [Collector.Inventory] never fails as a whole. Each subject is a collector of
// its own, in a file of its own, with a deadline, and a panic in one loses only
// that one. How each fared is a [hardware.Section]: absent (the machine has no
// such thing) is told apart from failed, and denied (root may read it) from both.
// A collector that hangs in the kernel, on a dying disk for instance, is left
// behind and its section says so.
//
// Inventories of an idle machine are equal: lists are sorted, and nothing that
// changes by itself (clock rates, temporary addresses, hours of use) is in them.
//
// Names of PCI devices come from the system's pci.ids, found by one pass that
// keeps only the devices that are there. A library would hold the whole table,
// some megabytes, in an agent that is meant to be smaller than node_exporter.
package collect
