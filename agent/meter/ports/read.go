package ports

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/steelyard/steelyard/protocol"
)

// read adds up the differences of all ports.
func (b *Book) read(now time.Time) error {
	list, err := os.ReadDir(b.opt.Net)
	if err != nil {
		return fmt.Errorf("list the machine's interfaces: %w", err)
	}
	since, rebooted := b.state.At, b.state.Boot != b.opt.Boot
	if rebooted && !b.fresh {
		since = b.opt.Booted
	}
	var bad []error
	seen := map[string]bool{}
	for _, entry := range list {
		name := entry.Name()
		l, ok := b.link(name)
		if !ok {
			continue
		}
		if seen[l.mac] {
			l.mac += "/" + name // two ports of one address are two
		}
		seen[l.mac] = true
		in, err1 := b.number(name, "statistics", "rx_bytes")
		out, err2 := b.number(name, "statistics", "tx_bytes")
		if err := errors.Join(err1, err2); err != nil {
			if !errors.Is(err, os.ErrNotExist) {
				bad = append(bad, err)
			}
			continue // it went away meanwhile, or cannot be read now: the next look sees all
		}
		b.take(l, name, in, out, since, now, rebooted)
	}
	b.state.At, b.state.Boot, b.fresh = now, b.opt.Boot, false
	return errors.Join(bad...)
}

// link is what an interface is; false: it is no port that counts.
func (b *Book) link(name string) (link, bool) {
	text, err := os.ReadFile(filepath.Join(b.opt.Net, name, "ifindex"))
	if err != nil {
		return link{}, false
	}
	index := strings.TrimSpace(string(text))
	l, known := b.links[name]
	if !known || l.index != index {
		l = link{index: index}
		if b.opt.Counts(name) {
			l.mac = b.opt.Permanent(name)
		}
		b.links[name] = l
	}
	return l, l.mac != ""
}

// physical tells whether there is a device behind an interface that is none of a BMC and no virtual function.
func (b *Book) physical(name string) bool {
	device := filepath.Join(b.opt.Net, name, "device")
	where, err := filepath.EvalSymlinks(device)
	if err != nil || strings.Contains(where, "/usb") {
		return false
	}
	_, err = os.Lstat(filepath.Join(device, "physfn"))
	return err != nil
}

// permanent is the address that a port was made with; a bond gives all of its ports the address of one.
func (b *Book) permanent(name string) string {
	if l, err := netlink.LinkByName(name); err == nil && len(l.Attrs().PermHWAddr) == 6 {
		return l.Attrs().PermHWAddr.String()
	}
	for _, path := range []string{"bonding_slave/perm_hwaddr", "address"} {
		if text, err := os.ReadFile(filepath.Join(b.opt.Net, name, path)); err == nil && len(text) > 0 {
			return strings.TrimSpace(string(text))
		}
	}
	return ""
}

func (b *Book) number(path ...string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join(append([]string{b.opt.Net}, path...)...))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// take counts one port.
func (b *Book) take(l link, name string, in, out uint64, since, now time.Time, rebooted bool) {
	p := b.state.Ports[l.mac]
	if p == nil {
		p = &port{}
		b.state.Ports[l.mac] = p
		if b.fresh {
			p.In, p.Out = in, out
		}
		p.Index = l.index
	}
	var din, dout uint64
	if rebooted && !b.fresh {
		din, dout = in, out
	} else {
		again := p.Index != l.index
		var lost1, lost2 bool
		din, lost1 = difference(p.In, in, again)
		dout, lost2 = difference(p.Out, out, again)
		if lost1 || lost2 {
			b.gap(since, now)
		}
	}
	p.Name, p.Index, p.In, p.Out = name, l.index, in, out
	if din > 0 || dout > 0 {
		b.version++
		b.spread(l.mac, name, din, dout, since, now)
	}
}

// difference is what a counter went on; lost: it began anew, and what it had since the last look is not known. again: of another interface with the same port.
func difference(was, is uint64, again bool) (d uint64, lost bool) {
	switch {
	case again:
		return is, true
	case is >= was:
		return is - was, false
	case was < 1<<32 && was >= 1<<31 && is < 1<<31:
		return is + 1<<32 - was, false
	}
	return is, true
}

func (b *Book) gap(after, before time.Time) {
	g := protocol.UsageGap{Before: before.Unix()}
	if !after.IsZero() {
		g.After = after.Unix()
	}
	if n := len(b.state.Gaps); n > 0 && b.state.Gaps[n-1] == g {
		return
	}
	b.state.Gaps = append(b.state.Gaps, g)
	b.state.Gaps = b.state.Gaps[max(0, len(b.state.Gaps)-protocol.MaxUsageGaps):]
	b.version++
}

// spread gives each quarter-hour its share of what went by between two times; the last one has what does not divide.
func (b *Book) spread(mac, name string, in, out uint64, since, now time.Time) {
	to := now.Unix()
	from := since.Unix()
	if since.IsZero() || from >= to || to-from > Keep*86400 {
		from = to - 1 // the clock was set: what is known is that it went by
	}
	least := max(b.state.Began, b.state.Today.Day*96) // days before are on the disk
	first, last := max(from/900, least), max(to/900, least)
	leftIn, leftOut := in, out
	for q := first; q < last; q++ {
		part := float64(min((q+1)*900, to)-max(q*900, from)) / float64(to-from)
		i, o := min(uint64(float64(in)*part), leftIn), min(uint64(float64(out)*part), leftOut)
		b.add(mac, name, q, i, o)
		leftIn, leftOut = leftIn-i, leftOut-o
	}
	b.add(mac, name, last, leftIn, leftOut)
}

func (b *Book) add(mac, name string, q int64, in, out uint64) {
	d := b.day(q / 96)
	s := d.Ports[mac]
	if s == nil {
		s = &series{}
		d.Ports[mac] = s
	}
	s.Name = name
	s.In[q%96] += in
	s.Out[q%96] += out
}
