package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// G4: what a report of usage costs, both ends together. Reports of a hundred accounts, of which each has something new in the running month and its figures of the last one, go to three servers in
// turns: a controller with its sessions, its ledger and etcd; a server that has nothing but TLS, a codec made for these numbers and an array of totals; and one that takes JSON by HTTP/1.1 over TLS.
// Totals are exact in the end, also after a controller that was killed.

const (
	usageConns    = 64
	usageReported = 100 // accounts of a report
	usageSlice    = 80  // reports of a session: more at once and the controller ends it
	usageSlices   = 8
)

var usageKinds = []string{"steelyard", "tls", "json"}

// usageCost is what a slice took.
type usageCost struct{ CPU, Wall float64 } // ms of both ends, and s, for each report

func measureReports(ctx context.Context, b *bench) error {
	members := filepath.Join(b.dir, "reporting")
	if err := enlist(members, usageConns); err != nil {
		return err
	}
	ends := map[string]*usageEnds{}
	for _, kind := range usageKinds {
		e, err := startUsage(ctx, members, kind, filepath.Join(b.dir, "usage-"+kind))
		if err != nil {
			return err
		}
		defer e.stop()
		ends[kind] = e
	}
	cpu, wall := map[string][]float64{}, map[string][]float64{}
	for round := range usageSlices + 1 {
		for _, kind := range usageKinds {
			c, err := ends[kind].slice()
			if err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			if round > 0 { // in the first one rooms are made and limits looked up
				cpu[kind], wall[kind] = append(cpu[kind], c.CPU), append(wall[kind], c.Wall)
			}
		}
	}
	for _, kind := range usageKinds {
		if err := ends[kind].exact(); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	if err := ends["steelyard"].killed(ctx, members); err != nil {
		return fmt.Errorf("a controller that was killed: %w", err)
	}
	var heap float64
	c, err := spawn(ctx, nil, "usage-heap")
	if err != nil {
		return err
	}
	defer c.stop()
	if err := c.ask(&heap, "fill"); err != nil {
		return err
	}
	b.reportReports(cpu, wall, heap)
	return nil
}

func (b *bench) reportReports(cpu, wall map[string][]float64, heap float64) {
	ours, floor, peer := median(cpu["steelyard"]), pairs{cpu["steelyard"], cpu["tls"]}, pairs{cpu["json"], cpu["steelyard"]}
	row := Row{Goal: "G4", Name: "report of 100 accounts, CPU of both ends, against TLS, a codec of its own and an array", Ours: ours * 1000, Limit: num(median(cpu["tls"]) * 1000), Unit: "µs"}
	b.add(row.ratioAtMost(floor.ratio(), 1.6))
	row.Name, row.Limit, row.Peer = "report of 100 accounts, CPU of both ends, JSON by HTTP against it", nil, num(median(cpu["json"])*1000)
	b.add(row.ratioAtLeast(peer.ratio(), 5))
	speed := make([]float64, len(wall["steelyard"]))
	for i, w := range wall["steelyard"] {
		speed[i] = 1 / w
	}
	b.add(
		Row{Goal: "G4", Name: "reports a second, both ends on two cores", Ours: median(speed), Peer: num(1 / median(wall["json"])), Limit: num(1 / median(wall["tls"])), Unit: "reports/s"}.oursAtLeast(10_000),
		Row{Goal: "G4", Name: "heap of an account's traffic of a month", Ours: heap, Unit: "bytes"}.oursAtMost(80),
	)
	b.note("G4: every figure of %d accounts was exact in etcd in the end, and again after the controller was killed -9 in the middle of reports", usageConns*usageReported)
}

// usageEnds are a server and its clients.
type usageEnds struct {
	kind, dir       string
	server, clients *child
}

func startUsage(ctx context.Context, members, kind, dir string) (e *usageEnds, err error) {
	e = &usageEnds{kind: kind, dir: dir}
	var address string
	if e.server, err = spawn(ctx, &address, "usage-"+kind, members, dir); err != nil {
		return nil, err
	}
	if e.clients, err = spawn(ctx, nil, "usage-clients", members, kind); err != nil {
		e.server.stop()
		return nil, err
	}
	return e, e.clients.ask(nil, "to %s", address)
}

func (e *usageEnds) stop() { e.clients.stop(); e.server.stop() }

// slice sends some reports on each connection, all of them at once, until they are taken in and, where that is what the server does, stored.
func (e *usageEnds) slice() (c usageCost, err error) {
	if err := e.clients.ask(nil, "dial"); err != nil {
		return c, err
	}
	before, err := e.cpu()
	if err != nil {
		return c, err
	}
	start := time.Now()
	if err := e.clients.ask(nil, "send %d", usageSlice); err != nil {
		return c, err
	}
	if err := e.server.ask(nil, "settle"); err != nil {
		return c, err
	}
	c.Wall = time.Since(start).Seconds() / (usageConns * usageSlice)
	after, err := e.cpu()
	c.CPU = millis(after-before) / (usageConns * usageSlice)
	return c, err
}

func (e *usageEnds) cpu() (time.Duration, error) {
	var server, clients time.Duration
	if err := e.server.ask(&server, "cpu"); err != nil {
		return 0, err
	}
	err := e.clients.ask(&clients, "cpu")
	return server + clients, err
}

// exact compares what the server has with what was sent last.
func (e *usageEnds) exact() error {
	var sent, has [2]uint64 // of both months
	if err := e.clients.ask(&sent, "sum"); err != nil {
		return err
	}
	if err := e.server.ask(&has, "sum"); err != nil {
		return err
	}
	if sent != has {
		return fmt.Errorf("%d bytes were reported and %d are there", sent, has)
	}
	return nil
}

// killed ends the server in the middle of reports, and looks whether all is there when it was told again.
func (e *usageEnds) killed(ctx context.Context, members string) error {
	if err := e.clients.ask(nil, "dial"); err != nil {
		return err
	}
	cut := make(chan error, 1)
	go func() { cut <- e.clients.ask(nil, "send %d", usageSlice) }()
	time.Sleep(100 * time.Millisecond)
	_ = e.server.cmd.Process.Kill()
	<-cut // most of them broke off
	e.server.stop()
	var address string
	var err error
	if e.server, err = spawn(ctx, &address, "usage-"+e.kind, members, e.dir); err != nil {
		return err
	}
	if err := e.clients.ask(nil, "to %s", address); err != nil {
		return err
	}
	if err := e.clients.ask(nil, "dial"); err != nil {
		return err
	}
	if err := e.clients.ask(nil, "send 1"); err != nil {
		return err
	}
	if err := e.server.ask(nil, "settle"); err != nil {
		return err
	}
	return e.exact()
}
