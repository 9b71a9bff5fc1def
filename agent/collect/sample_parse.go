package collect

import (
	"bytes"
	"math"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// The parsers take the kernel's text in place: no string is made, no line is
// copied. A name is a string only when it was not in the caller's list before.

const (
	tick      = 10   // milliseconds of USER_HZ, which is 100 on every architecture that Go runs on
	sector    = 512  // bytes, whatever the disk's sectors are
	maxListed = 4096 // disks, interfaces
)

// cursor walks over fields separated by blanks.
type cursor struct{ rest []byte }

// field takes the next field; empty at the end.
func (c *cursor) field() []byte {
	i := 0
	for i < len(c.rest) && (c.rest[i] == ' ' || c.rest[i] == '\t') {
		i++
	}
	end := i
	for end < len(c.rest) && c.rest[end] != ' ' && c.rest[end] != '\t' {
		end++
	}
	f := c.rest[i:end]
	c.rest = c.rest[end:]
	return f
}

// number takes the next field as a number; 0 when it is none.
func (c *cursor) number() uint64 {
	n, _ := digits(c.field())
	return n
}

func (c *cursor) skip(n int) {
	for range n {
		c.field()
	}
}

// digits reads the leading decimal digits and returns what follows them.
func digits(b []byte) (uint64, []byte) {
	var n uint64
	for i, d := range b {
		if d < '0' || d > '9' {
			return n, b[i:]
		}
		n = n*10 + uint64(d-'0')
	}
	return n, nil
}

// decimal reads "0.52".
func decimal(b []byte) float64 {
	whole, rest := digits(b)
	if len(rest) < 2 || rest[0] != '.' {
		return float64(whole)
	}
	part, after := digits(rest[1:])
	return float64(whole) + float64(part)/math.Pow10(len(rest)-1-len(after))
}

// line takes the first line off data.
func line(data []byte) (first, rest []byte) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return data[:i], data[i+1:]
	}
	return data, nil
}

// parseStat reads "cpu  user nice system idle iowait irq softirq steal guest …".
// Time of guests is part of user time.
func parseStat(data []byte, to *hardware.Sample) {
	first, _ := line(data)
	c := cursor{first}
	if string(c.field()) != "cpu" {
		return
	}
	user, nice, system, idle, wait := c.number(), c.number(), c.number(), c.number(), c.number()
	irq, soft := c.number(), c.number()
	to.CPUUserMs = (user + nice) * tick
	to.CPUSystemMs = (system + irq + soft) * tick
	to.CPUIdleMs = idle * tick
	to.CPUIOWaitMs = wait * tick
}

// parseMemory reads "MemTotal:  32777916 kB" and its neighbours.
func parseMemory(data []byte, to *hardware.Sample) {
	for found := 0; len(data) > 0 && found < 4; {
		var l []byte
		l, data = line(data)
		c := cursor{l}
		var into *uint64
		switch string(c.field()) {
		case "MemTotal:":
			into = &to.MemTotal
		case "MemAvailable:":
			into = &to.MemAvail
		case "SwapTotal:":
			into = &to.SwapTotal
		case "SwapFree:":
			into = &to.SwapFree
		default:
			continue
		}
		*into = c.number() << 10
		found++
	}
}

func parseLoad(data []byte, to *hardware.Sample) {
	first, _ := line(data)
	c := cursor{first}
	to.Load1, to.Load5, to.Load15 = decimal(c.field()), decimal(c.field()), decimal(c.field())
}

func parseUptime(data []byte, to *hardware.Sample) {
	to.UptimeSec, _ = digits(data)
}

// parseDisks reads /proc/diskstats: major, minor, name, then reads, merged,
// sectors, ms, writes, merged, sectors, ms, in flight, ms busy, …
func parseDisks(data []byte, list []hardware.DiskIO) []hardware.DiskIO {
	n := 0
	for len(data) > 0 && n < maxListed {
		var l []byte
		l, data = line(data)
		c := cursor{l}
		c.skip(2)
		name := c.field()
		if !wholeDisk(name) {
			continue
		}
		if n == len(list) {
			list = append(list, hardware.DiskIO{})
		}
		d := &list[n]
		keep(&d.Name, name)
		d.ReadOps = c.number()
		c.skip(1)
		d.ReadBytes = c.number() * sector
		c.skip(1)
		d.WriteOps = c.number()
		c.skip(1)
		d.WriteBytes = c.number() * sector
		c.skip(2)
		d.BusyMs = c.number()
		n++
	}
	return list[:n]
}

// keep sets a name without making a string when it is there already.
func keep(to *string, name []byte) {
	if *to != string(name) { // the compiler compares without a copy
		*to = string(name)
	}
}

// wholeDisk tells disks from their partitions by the kernel's rules of naming:
// letters, then for a partition a number (sda1, xvda1); or a number, then for a
// partition p and a number (nvme0n1p1, mmcblk0p1).
func wholeDisk(name []byte) bool {
	for _, prefix := range [...]string{"sd", "vd", "xvd", "hd"} {
		if len(name) > len(prefix) && string(name[:len(prefix)]) == prefix {
			last := name[len(name)-1]
			return last < '0' || last > '9'
		}
	}
	for _, prefix := range [...]string{"nvme", "mmcblk", "pmem"} {
		if len(name) > len(prefix) && string(name[:len(prefix)]) == prefix {
			return bytes.IndexByte(name[len(prefix):], 'p') < 0 && bytes.IndexByte(name[len(prefix):], 'b') < 0 &&
				bytes.IndexByte(name[len(prefix):], 'c') < 0 // mmcblk0boot0, nvme0c0n1: a path of a multipath disk
		}
	}
	return false
}

// parseInterfaces reads /proc/net/dev, two lines of titles first: "eth0: bytes
// packets errs drop fifo frame compressed multicast, bytes packets errs …". The
// loopback and the host's ends of containers are left out.
func parseInterfaces(data []byte, list []hardware.Interface) []hardware.Interface {
	_, data = line(data)
	_, data = line(data)
	n := 0
	for len(data) > 0 && n < maxListed {
		var l []byte
		l, data = line(data)
		colon := bytes.LastIndexByte(l, ':') // an alias has one in its name
		if colon < 0 {
			continue
		}
		name := bytes.TrimLeft(l[:colon], " ")
		if string(name) == "lo" || bytes.HasPrefix(name, []byte("veth")) {
			continue
		}
		if n == len(list) {
			list = append(list, hardware.Interface{})
		}
		i := &list[n]
		keep(&i.Name, name)
		c := cursor{l[colon+1:]}
		i.RxBytes, i.RxPkts, i.RxErrs = c.number(), c.number(), c.number()
		c.skip(5)
		i.TxBytes, i.TxPkts, i.TxErrs = c.number(), c.number(), c.number()
		n++
	}
	return list[:n]
}
