package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// G2: how long a dead agent stays unnoticed, what a heartbeat writes, and what it costs. The
// controller is the real one with embedded etcd; beside its sessions a wheel turns with the rest of a
// fleet of 100,000.

const (
	liveSessions = 3000
	liveSilent   = 100
	fakeEntries  = 90_000
	fakeSilent   = 900
	echoSessions = 500
	echoBeats    = 20 // of each in a round; a session may send 400 at once
)

func measureLiveness(ctx context.Context, b *bench) error {
	dir := filepath.Join(b.dir, "live")
	if err := enlist(dir, liveSessions); err != nil {
		return err
	}
	if err := b.detection(ctx, dir); err != nil {
		return err
	}
	return b.heartbeatCost(ctx, dir)
}

func (b *bench) detection(ctx context.Context, dir string) error {
	var address string
	server, err := spawn(ctx, &address, "serve-live", dir, filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	defer server.stop()
	clients, err := spawn(ctx, nil, "clients", dir, "steelyard", address)
	if err != nil {
		return err
	}
	defer clients.stop()
	if err := clients.ask(nil, "dial %d", liveSessions); err != nil {
		return err
	}
	for pending := 1; pending > 0 && ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
		if err := server.ask(&pending, "pending"); err != nil {
			return err
		}
	}
	if err := server.ask(nil, "fakes %d %d", fakeEntries, fakeSilent); err != nil {
		return err
	}
	if err := clients.ask(nil, "pulse %d", int(heartbeat.Seconds())); err != nil {
		return err
	}
	if err := b.writesOfHeartbeats(ctx, server, clients); err != nil {
		return err
	}
	return b.silences(ctx, server, clients)
}

// writesOfHeartbeats compares revisions around some thousands of heartbeats.
func (b *bench) writesOfHeartbeats(ctx context.Context, server, clients *child) error {
	var before, after, beatsBefore, beats int64
	if err := sleep(ctx, time.Second); err != nil { // the last presence is written
		return err
	}
	for _, step := range []func() error{
		func() error { return server.ask(&before, "revision") },
		func() error { return clients.ask(&beatsBefore, "beats") },
		func() error { return sleep(ctx, heartbeat+2*time.Second) },
		func() error { return clients.ask(&beats, "beats") },
		func() error { return server.ask(&after, "revision") },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	beats -= beatsBefore
	if beats < liveSessions {
		return fmt.Errorf("only %d heartbeats in %v; the machine is too busy", beats, heartbeat)
	}
	r := Row{Goal: "G2", Name: fmt.Sprintf("etcd revisions for %d heartbeats", beats), Ours: float64(after - before), Unit: "writes"}
	r.Peer = num(float64(beats)) // a Kubernetes lease is one write each
	b.add(r.oursAtMost(0))
	return nil
}

// silences lets agents fall silent without closing anything, and waits until all were noticed.
func (b *bench) silences(ctx context.Context, server, clients *child) error {
	if err := server.ask(nil, "watch %d", liveSilent); err != nil {
		return err
	}
	var heard, noticed []int64
	if err := clients.ask(&heard, "silence %d", liveSilent); err != nil {
		return err
	}
	longest, missing := 0.0, liveSilent
	for until := time.Now().Add(silence + 10*time.Second); missing > 0 && time.Now().Before(until); {
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
		if err := server.ask(&noticed, "noticed %d", liveSilent); err != nil {
			return err
		}
		longest, missing = 0, 0
		for i, at := range noticed {
			if at == 0 {
				missing++
				continue
			}
			longest = max(longest, float64(at-heard[i])/1e9)
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d silent agents were never noticed", missing, liveSilent)
	}
	var f noticedFakes
	if err := server.ask(&f, "slowest"); err != nil {
		return err
	}
	var sessions int
	if err := server.ask(&sessions, "sessions"); err != nil {
		return err
	}
	if f.Count != fakeSilent || sessions != liveSessions-liveSilent {
		return fmt.Errorf("%s of %d silent entries were noticed, and %d sessions are left of %d", f, fakeSilent, sessions, liveSessions-liveSilent)
	}
	r := Row{Goal: "G2", Name: fmt.Sprintf("a silent agent is noticed (slowest of %d among %d sessions)", liveSilent, liveSessions), Ours: longest, Unit: "s", Limit: num(silence.Seconds())}
	r.Peer = num(2000) // what Nomad's limit of 50 heartbeats a second stretches it to at 100,000 clients
	w := Row{Goal: "G2", Name: fmt.Sprintf("a silent entry is noticed (slowest of %d among %d on a wheel)", fakeSilent, fakeEntries), Ours: f.Seconds, Unit: "s", Limit: num(silence.Seconds())}
	b.add(r.oursAtMost(45), w.oursAtMost(45))
	return nil
}

// heartbeatCost is the server's CPU for a heartbeat against an echo over TLS and yamux.
func (b *bench) heartbeatCost(ctx context.Context, dir string) error {
	kinds := []string{"steelyard", "echo"}
	servers, clients := map[string]*child{}, map[string]*child{}
	for _, kind := range kinds {
		var address string
		s, err := spawn(ctx, &address, "serve-"+kind, dir)
		if err != nil {
			return err
		}
		defer s.stop()
		c, err := spawn(ctx, nil, "clients", dir, kind, address)
		if err != nil {
			return err
		}
		defer c.stop()
		if err := c.ask(nil, "dial %d", echoSessions); err != nil {
			return err
		}
		servers[kind], clients[kind] = s, c
	}
	var cost pairs
	for r := range 2*rounds + 1 {
		each := map[string]float64{}
		for _, kind := range kinds {
			var err error
			if each[kind], err = costOf(servers[kind], clients[kind]); err != nil {
				return err
			}
		}
		if r > 0 {
			cost.add(each["steelyard"], each["echo"])
		}
	}
	r := Row{Goal: "G2", Name: "server CPU for a heartbeat, against an echo over TLS and yamux", Ours: median(cost.a), Limit: num(median(cost.b)), Unit: "µs"}
	b.add(r.ratioAtMost(cost.ratio(), 1.5))
	return nil
}

// costOf is the server's CPU for one message, in µs.
func costOf(server, clients *child) (float64, error) {
	var before, after time.Duration
	if err := server.ask(&before, "cpu"); err != nil {
		return 0, err
	}
	if err := clients.ask(nil, "beat %d", echoBeats); err != nil {
		return 0, err
	}
	if err := server.ask(&after, "cpu"); err != nil {
		return 0, err
	}
	return micros(after-before) / (echoSessions * echoBeats), nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
