package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"time"
)

// G1: what one idle agent costs a controller in resident memory, against brokers that hold idle
// connections for a living, and against TLS alone.

const (
	idleFew  = 2000
	idleMany = 5000
)

var idleKinds = []string{"steelyard", "nats", "grpc", "tls"}

func measureIdle(ctx context.Context, b *bench) error {
	dir := filepath.Join(b.dir, "members")
	if err := enlist(dir, idleMany); err != nil {
		return err
	}
	each := map[string][]float64{}
	left := budget{start: time.Now(), time: 100 * time.Second, done: 1} // the last round comes below
	for left.more() {
		for _, kind := range idleKinds {
			bytes, err := idleBytes(ctx, dir, kind, idleFew)
			if err != nil {
				return err
			}
			each[kind] = append(each[kind], bytes[0])
		}
	}
	many := map[string]float64{}
	for _, kind := range idleKinds { // the last round goes on to the larger number
		bytes, err := idleBytes(ctx, dir, kind, idleFew, idleMany)
		if err != nil {
			return err
		}
		each[kind] = append(each[kind], bytes[0])
		many[kind] = bytes[1]
	}
	b.reportIdle(each, many)
	return nil
}

func (b *bench) reportIdle(each map[string][]float64, many map[string]float64) {
	ours := median(each["steelyard"])
	row := func(name string) Row {
		return Row{Goal: "G1", Name: name, Ours: ours, Unit: "bytes", Limit: num(median(each["tls"]))}
	}
	for _, c := range []struct {
		kind, name string
		bound      float64
	}{{"nats", "idle agent against nats-server with TLS", 0.92}, {"grpc", "idle agent against a grpc-go stream with TLS", 0.65}, {"tls", "idle agent against TLS alone", 2}} {
		p := pairs{each["steelyard"], each[c.kind]}
		r := row(c.name)
		if c.kind != "tls" {
			r.Peer = num(median(each[c.kind]))
		}
		b.add(r.ratioAtMost(p.ratio(), c.bound))
	}
	b.add(row("idle agent").oursAtMost(44e3))
	agree := row(fmt.Sprintf("%d against %d agents, difference per agent", idleMany, idleFew))
	agree.Ours, agree.Limit = many["steelyard"], nil
	agree.Peer = num(ours)
	b.add(agree.ratioAtMost(math.Abs(many["steelyard"]/each["steelyard"][len(each["steelyard"])-1]-1), 0.05))
	b.note("G1: %d rounds; at %d connections: ours %.1f, nats-server %.1f, grpc-go %.1f, TLS alone %.1f kB each",
		len(each["steelyard"]), idleMany, many["steelyard"]/1e3, many["nats"]/1e3, many["grpc"]/1e3, many["tls"]/1e3)
}

// idleBytes is the growth of a fresh server's resident memory per connection, at each number of
// connections. Some hundred come first, so that code and pools are in memory.
func idleBytes(ctx context.Context, dir, kind string, counts ...int) ([]float64, error) {
	const warm = 200
	var address string
	server, err := spawn(ctx, &address, "serve-"+kind, dir)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	clients, err := spawn(ctx, nil, "clients", dir, kind, address)
	if err != nil {
		return nil, err
	}
	defer clients.stop()
	if err := clients.ask(nil, "dial %d", warm); err != nil {
		return nil, err
	}
	var before float64
	if err := server.ask(&before, "resident"); err != nil {
		return nil, err
	}
	var list []float64
	for _, n := range counts {
		if err := clients.ask(nil, "dial %d", n); err != nil {
			return nil, err
		}
		var now float64
		if err := server.ask(&now, "resident"); err != nil {
			return nil, err
		}
		list = append(list, (now-before)/float64(n-warm))
	}
	return list, nil
}
