package collect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"

	"github.com/mdlayher/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// askKernel fills in what netlink knows: permanent MACs, addresses, link modes.
// What one question does not answer leaves the others.
func askKernel(ctx context.Context, ports []hardware.NIC) error {
	return errors.Join(askLinks(ports), askModes(ctx, ports))
}

func askLinks(ports []hardware.NIC) error {
	var errs []error
	for i := range ports {
		link, err := netlink.LinkByName(ports[i].Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("ask for %s: %w", ports[i].Name, err))
			continue
		}
		if hw := link.Attrs().PermHWAddr; len(hw) == 6 {
			if m := mac(net.HardwareAddr(hw).String()); m != "" {
				ports[i].PermanentMAC = m
			}
		}
		addresses, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			errs = append(errs, fmt.Errorf("ask for the addresses of %s: %w", ports[i].Name, err))
		}
		ports[i].Addresses = lasting(addresses)
	}
	return errors.Join(errs...)
}

// lasting keeps addresses that somebody assigned: no link-local ones, none that
// the kernel made up for privacy and drops again.
func lasting(addresses []netlink.Addr) []string {
	kept := []string{}
	for _, a := range addresses {
		if a.IPNet == nil || a.IP.IsLinkLocalUnicast() || a.Flags&(unix.IFA_F_TEMPORARY|unix.IFA_F_DEPRECATED|unix.IFA_F_TENTATIVE) != 0 {
			continue
		}
		kept = append(kept, a.IPNet.String())
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}

// askModes reads the best supported speed. Virtual ports and kernels before 5.6
// tell none; that is no failure.
func askModes(ctx context.Context, ports []hardware.NIC) error {
	client, err := ethtool.New()
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask ethtool: %w", err)
	}
	defer client.Close()
	for i := range ports {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		mode, err := client.LinkMode(ethtool.Interface{Name: ports[i].Name})
		if err != nil {
			continue
		}
		for _, m := range mode.Ours {
			ports[i].MaxMbps = max(ports[i].MaxMbps, modeSpeed(m.Name))
		}
	}
	return nil
}

var modeName = regexp.MustCompile(`^([0-9]+)base`)

// modeSpeed is 10000 of "10000baseT/Full", 0 of "Autoneg".
func modeSpeed(name string) int {
	m := modeName.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}
