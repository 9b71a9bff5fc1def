package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/gateway/gatewaytest"
	"github.com/steelyard/steelyard/controller/gateway/wheel"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/kv"
)

// live is a controller's way in as it ships: embedded etcd, store, intake, presence, gateway with the
// standard heartbeat; and a wheel with very many more entries beside it.
type live struct {
	gate     *gateway.Gateway
	kv       kv.KV
	presence *store.PresenceWriter
	members  []member

	mu    sync.Mutex
	found map[string]int64 // when a silent server was noticed, Unix nanoseconds
	fakes fakes
}

// fromStore answers the gateway from the snapshot.
type fromStore struct{ store *store.Store }

func (d fromStore) Server(id string) (fleet.Server, bool) {
	s, ok := store.Servers.View(d.store, id)
	if !ok {
		return fleet.Server{}, false
	}
	return *s, true
}

func (d fromStore) Commands(server string) (list []operation.Command) {
	for i := range store.Commands.From(d.store.Snapshot(), server+"/") {
		if !strings.HasPrefix(i.ID, server+"/") {
			break
		}
		list = append(list, *i.Value)
	}
	return list
}

// serveLive is the role: arguments are the members' directory and one for the state.
func serveLive(args []string) (any, func([]string) (any, error), error) {
	ctx := context.Background()
	auth, members, err := enlisted(args[0])
	if err != nil {
		return nil, nil, err
	}
	e, err := embedded.Open(ctx, embedded.Options{Dir: args[1], Logger: quietLog})
	if err != nil {
		return nil, nil, err
	}
	l := &live{kv: e.KV(), members: members, found: map[string]int64{}}
	s := store.New(l.kv, quietLog)
	go func() { _ = s.Run(ctx) }()
	if err := s.Ready(ctx); err != nil {
		return nil, nil, err
	}
	for chunk := range slices.Chunk(members, 100) {
		if _, err := s.Change(ctx, func(tx *store.Tx) error { return putAll(tx, chunk) }); err != nil {
			return nil, nil, err
		}
	}
	l.presence = store.NewPresenceWriter(l.kv, "bench", 0, quietLog)
	go func() { _ = l.presence.Run(ctx) }()
	l.gate, err = gateway.New(gateway.Options{
		Authority: auth, Certificate: auth.ServerCertificate(), Directory: fromStore{s}, Intake: intake.New(s, quietLog, time.Now),
		Presence: l.presence, Images: gatewaytest.New(), Replica: "bench", HandshakesPerSecond: 1e5,
	})
	if err != nil {
		return nil, nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	go func() { _ = l.gate.Run(ctx, ln) }()
	return ln.Addr().String(), l.ask, nil
}

func putAll(tx *store.Tx, members []member) error {
	for _, m := range members {
		if err := store.Servers.Put(tx, m.ID, m.record()); err != nil {
			return err
		}
	}
	return nil
}

func (l *live) ask(words []string) (any, error) {
	ctx := context.Background()
	switch words[0] {
	case "revision":
		p, err := l.kv.List(ctx, store.Servers.Name()+"/", kv.ListOptions{Limit: 1})
		return p.Rev, err
	case "pending":
		return l.presence.Pending(), nil
	case "sessions":
		return l.gate.Stats().Sessions, nil
	case "fakes": // so many on a wheel, so many of them silent from the first tick on
		l.fakes.start(number(words, 1), number(words, 2))
		return nil, nil
	case "slowest": // to be noticed among the fakes, in seconds, and how many were
		return l.fakes.slowest(), nil
	case "watch": // the first so many sessions
		go l.watch(number(words, 1))
		return nil, nil
	case "noticed":
		l.mu.Lock()
		defer l.mu.Unlock()
		list := make([]int64, 0, len(l.found))
		for _, m := range l.members[:number(words, 1)] {
			list = append(list, l.found[m.ID])
		}
		return list, nil
	}
	return figures(words)
}

// watch looks who is gone, ten times a second.
func (l *live) watch(n int) {
	for left := n; left > 0; time.Sleep(100 * time.Millisecond) {
		l.mu.Lock()
		for _, m := range l.members[:n] {
			if l.found[m.ID] == 0 && !l.gate.Connected(m.ID) {
				l.found[m.ID] = time.Now().UnixNano()
				left--
			}
		}
		l.mu.Unlock()
	}
}

// Heartbeats as they ship.
const (
	heartbeat = 15 * time.Second
	silence   = 3 * heartbeat
)

// fakes are entries of a wheel without a connection.
type fakes struct {
	wheel   *wheel.Wheel
	entries []fake
	mu      sync.Mutex
	longest time.Duration
	noticed int
}

type fake struct {
	wheel.Entry
	last time.Time
}

// start touches all entries once a heartbeat, except the silent ones.
func (f *fakes) start(n, silent int) {
	f.entries = make([]fake, n)
	f.wheel = wheel.New(silence, time.Second, func(owner any) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.longest = max(f.longest, time.Since(owner.(*fake).last))
		f.noticed++
	}, func(any) {})
	for i := range f.entries {
		e := &f.entries[i]
		e.Owner, e.last = e, time.Now()
		f.wheel.Add(&e.Entry)
	}
	go f.wheel.Run(context.Background())
	go func() {
		const parts = 150
		for i := 0; ; i = (i + 1) % parts {
			for k := max(silent, n*i/parts); k < n*(i+1)/parts; k++ {
				f.wheel.Touch(&f.entries[k].Entry)
				f.entries[k].last = time.Now()
			}
			time.Sleep(heartbeat / parts)
		}
	}()
}

// noticedFakes is what slowest answers.
type noticedFakes struct {
	Seconds float64
	Count   int
}

func (f *fakes) slowest() noticedFakes {
	f.mu.Lock()
	defer f.mu.Unlock()
	return noticedFakes{f.longest.Seconds(), f.noticed}
}

func (n noticedFakes) String() string { return fmt.Sprintf("%d within %.1f s", n.Count, n.Seconds) }
