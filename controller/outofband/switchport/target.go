package switchport

import (
	"context"
	"sync"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Target is a switch and how to speak to it.
type Target struct {
	Address      string // host or host:port (UDP, 161)
	Version      string // [outofband.SNMPv2c], [outofband.SNMPv3]
	Community    string // v2c
	Username     string // v3
	AuthProtocol string // v3: "SHA", "SHA-256", "SHA-512"
	AuthPassword string // v3
	PrivProtocol string // v3: "AES", "AES-256"
	PrivPassword string // v3
}

// How long one request is waited for, and how often it is sent again.
const (
	answerPatience = 1500 * time.Millisecond
	resends        = 2
)

var (
	authProtocols = map[string]gosnmp.SnmpV3AuthProtocol{"SHA": gosnmp.SHA, "SHA-256": gosnmp.SHA256, "SHA-512": gosnmp.SHA512}
	privProtocols = map[string]gosnmp.SnmpV3PrivProtocol{"AES": gosnmp.AES, "AES-256": gosnmp.AES256}
)

// Check says everything that is wrong with t, by field. Values are not repeated:
// some are secret.
func (t Target) Check(c *fault.Check) {
	if _, _, err := outofband.SplitAddress(t.Address, outofband.PortSNMP); err != nil {
		c.Add("address", "%v", err)
	}
	switch t.Version {
	case outofband.SNMPv2c:
		// One byte holds its length on the wire.
		c.Require(t.Community != "" && len(t.Community) <= 127, "community", "must have 1 to 127 bytes")
	case outofband.SNMPv3:
		t.checkUser(c)
	default:
		c.Add("version", "is %.20q; use 2c or 3", t.Version)
	}
}

// checkUser refuses what would travel unauthenticated or in clear text (noAuthNoPriv,
// authNoPriv), and passwords shorter than RFC 3414, section 11.2 allows.
func (t Target) checkUser(c *fault.Check) {
	_, auth := authProtocols[t.AuthProtocol]
	_, priv := privProtocols[t.PrivProtocol]
	c.Require(t.Username != "" && len(t.Username) <= outofband.MaxSNMPUsername, "username", "must have 1 to %d bytes", outofband.MaxSNMPUsername)
	c.Require(auth, "auth", "is %.20q; use SHA, SHA-256 or SHA-512", t.AuthProtocol)
	outofband.CheckSNMPPassword(c, "auth_password", t.AuthPassword)
	c.Require(priv, "priv", "is %.20q; use AES or AES-256", t.PrivProtocol)
	outofband.CheckSNMPPassword(c, "priv_password", t.PrivPassword)
}

// client makes the SNMP client of the target, not yet connected.
func (t Target) client(host string, port uint16) *gosnmp.GoSNMP {
	g := &gosnmp.GoSNMP{
		Target: host, Port: port, Transport: "udp",
		Timeout: answerPatience, Retries: resends,
		MaxOids: gosnmp.MaxOids,
	}
	if t.Version == outofband.SNMPv2c {
		g.Version, g.Community = gosnmp.Version2c, t.Community
		return g
	}
	g.Version, g.MsgFlags, g.SecurityModel = gosnmp.Version3, gosnmp.AuthPriv, gosnmp.UserSecurityModel
	g.SecurityParameters = &gosnmp.UsmSecurityParameters{
		UserName:               t.Username,
		AuthenticationProtocol: authProtocols[t.AuthProtocol], AuthenticationPassphrase: t.AuthPassword,
		PrivacyProtocol: privProtocols[t.PrivProtocol], PrivacyPassphrase: t.PrivPassword,
	}
	return g
}

// Open prepares to speak to a switch. It asks nothing yet: whether the switch
// answers, and to this secret, is known from the first question. Errors: invalid
// with every wrong field; unavailable when the name does not resolve.
func Open(ctx context.Context, t Target) (Switch, error) {
	var c fault.Check
	t.Check(&c)
	if err := c.Err("the switch %.80q cannot be asked", t.Address); err != nil {
		return nil, err
	}
	host, port, err := outofband.SplitAddress(t.Address, outofband.PortSNMP)
	if err != nil {
		return nil, fault.Invalid("the address of the switch %w", err)
	}
	g := t.client(host, port)
	g.Context = ctx
	if err := g.Connect(); err != nil {
		return nil, fault.Unavailable("open a socket to switch %s: %w", t.Address, err)
	}
	return &device{name: t.Address, snmp: g, turn: make(chan struct{}, 1), bridgePorts: map[int]int{}}, nil
}

// device is a switch that speaks SNMP.
type device struct {
	name string // its address: what errors call it
	snmp *gosnmp.GoSNMP
	turn chan struct{} // holds one token while a question is under way

	// Below: only by whoever has the turn.
	closed      bool
	plain       bool        // GETBULK is not answered well: GETNEXT
	bridgePorts map[int]int // ifIndex → dot1dBasePort as last read; confirmed at each use
}

// take waits for the turn. The returned context has a deadline; call done in any case.
func (d *device) take(ctx context.Context) (context.Context, func(), error) {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx, func() {}, fault.Unavailable("switch %s is busy: %w", d.name, ctx.Err())
	}
	release := func() { <-d.turn }
	if d.closed {
		release()
		return ctx, func() {}, fault.Internal("switch %s was closed", d.name)
	}
	if _, ok := ctx.Deadline(); ok {
		return ctx, release, nil
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	return ctx, func() { cancel(); release() }, nil
}

// Close waits for a question that is under way. It may be called again.
func (d *device) Close() error {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	d.closed = true
	return d.snmp.Close()
}

// memberships keeps two changes of one switch apart within this process: VLAN
// membership is a bitmap of all ports, read, changed and written back.
var memberships = keyed{held: map[string]chan struct{}{}}

// keyed is a lock for each name.
type keyed struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits until nobody else has the name, or ctx ends. The returned function gives it back.
func (k *keyed) lock(ctx context.Context, name string) (func(), error) {
	for {
		k.mu.Lock()
		other, taken := k.held[name]
		if !taken {
			mine := make(chan struct{})
			k.held[name] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.held, name)
				k.mu.Unlock()
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fault.Unavailable("another change of switch %s is under way: %w", name, ctx.Err())
		}
	}
}
