package outofband

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Ports that are used unless an address names one.
const (
	PortIPMI    = 623 // IPMI 2.0, section 13.1.2
	PortRedfish = 443
	PortWOL     = 9
	PortSNMP    = 161
)

// maxAddress is longer than any host name with a port and a scheme.
const maxAddress = 300

// SplitAddress reads "host", "host:port", "[v6]:port", "[v6]" or a bare v6 address. The
// host comes in lower case, an IP address in its shortest form; without a port it is
// the one given. Errors are for a person, to stand behind the field's name.
func SplitAddress(text string, standard uint16) (host string, port uint16, err error) {
	if text == "" || len(text) > maxAddress {
		return "", 0, fmt.Errorf("is empty or longer than %d characters; give host or host:port", maxAddress)
	}
	host, port = text, standard
	if ip, err := netip.ParseAddr(text); err == nil {
		host, err = checkIP(ip)
		return host, port, err
	}
	bracketed := strings.HasPrefix(text, "[")
	if bracketed && strings.HasSuffix(text, "]") {
		host = text[1 : len(text)-1]
	} else if strings.Contains(text, ":") {
		var digits string
		if host, digits, err = net.SplitHostPort(text); err != nil {
			return "", 0, fmt.Errorf("%.80q is not host:port; an IPv6 address with a port is [address]:port", text)
		}
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || n == 0 {
			return "", 0, fmt.Errorf("has the port %.20q; ports are 1 to 65535", digits)
		}
		port = uint16(n)
	}
	host, err = checkHost(host, bracketed)
	return host, port, err
}

// hostName is what RFC 1123, section 2.1, allows, in lower case.
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

func checkHost(host string, bracketed bool) (string, error) {
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && bracketed == ip.Is6():
		return checkIP(ip)
	case bracketed || err == nil:
		return "", fmt.Errorf("has %.80q in it; brackets are for IPv6 addresses, which need them before a port", host)
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	if len(name) > 253 || !hostName.MatchString(name) || strings.Trim(last, "0123456789") == "" { // RFC 1123, section 2.1: a name does not end like an IP address
		return "", fmt.Errorf("%.80q is neither a host name nor an IP address", host)
	}
	return name, nil
}

func checkIP(ip netip.Addr) (string, error) {
	ip = ip.Unmap()
	switch {
	case ip.Zone() != "":
		return "", errors.New("has a zone, which means nothing on another controller; use an address that all controllers reach")
	case ip.IsUnspecified() || ip.IsMulticast():
		return "", fmt.Errorf("%s is not the address of one machine", ip)
	}
	return ip.String(), nil
}

// joinAddress is the form that is stored: without a port that is the standard one, except after an
// IPv6 address, where it is never in doubt.
func joinAddress(host string, port, standard uint16) string {
	if port == standard && !strings.Contains(host, ":") {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// splitURL reads "https://host[:port]" and nothing more.
func splitURL(text string) (host string, port uint16, err error) {
	if text == "" || len(text) > maxAddress {
		return "", 0, fmt.Errorf("is empty or longer than %d characters; give https://host", maxAddress)
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", 0, fmt.Errorf("%.80q is no URL; give https://host", text)
	}
	switch {
	case u.Scheme == "http":
		return "", 0, errors.New("is http, which would send the password in clear text; give https://host")
	case u.Scheme != "https" || u.Opaque != "" || u.Host == "":
		return "", 0, fmt.Errorf("%.80q is not https://host or https://host:port", text)
	case u.User != nil:
		return "", 0, errors.New("holds a user name or password; give them in their own fields")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", 0, errors.New("has something behind the host; the service is always below /redfish/v1")
	}
	return SplitAddress(u.Host, PortRedfish)
}

// ParseMAC reads the address of one Ethernet port, with colons, hyphens or dots, and gives it with
// colons in lower case.
func ParseMAC(text string) (string, error) {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		return "", fmt.Errorf("%.40q is not a MAC address like 02:00:5e:10:00:01", text)
	}
	if mac[0]&1 != 0 || mac.String() == "00:00:00:00:00:00" {
		return "", fmt.Errorf("%s is not the address of one port", mac)
	}
	return mac.String(), nil
}
