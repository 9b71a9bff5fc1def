package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/subscription"
	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/gateway/gatewaytest"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/controller/usage"
	"github.com/steelyard/steelyard/protocol"
)

// usageAccount is the id of an account of the nth server.
func usageAccount(n, i int) string { return fmt.Sprintf("acc-%08d%08d", n, i) }

// sold are the records of accounts with limits of 1 GiB of space and 10 TiB of traffic, a hundred on each server.
func sold(servers []string) iter.Seq[kv.Op] {
	limits := plan.Values{plan.DiskMiB: plan.Number(1 << 10), plan.TrafficMiB: plan.Number(10 << 20), plan.Overuse: plan.Chosen(plan.Normal)}.Complete()
	return func(yield func(kv.Op) bool) {
		for n, server := range servers {
			for i := range usageReported {
				id := usageAccount(n, i)
				for table, v := range map[string]any{
					store.Accounts.Name() + "/" + id:          account.Account{ID: id, Domain: id + ".test", User: id, Server: server, Subscription: "sub-" + id, State: account.There},
					store.Subscriptions.Name() + "/sub-" + id: subscription.Subscription{ID: "sub-" + id, Name: id, Server: server, Values: limits},
				} {
					text, err := json.Marshal(v)
					if err != nil {
						panic(err) // these types always have a JSON form
					}
					if !yield(kv.Put(table, text)) {
						return
					}
				}
			}
		}
	}
}

// ledger is a controller's, over a state that has the accounts of servers.
func ledger(ctx context.Context, backend kv.KV, servers []string, fresh bool) (*usage.Ledger, *store.Store, error) {
	if fresh {
		if err := store.EnsureSchema(ctx, backend, 1, nil); err != nil {
			return nil, nil, err
		}
		if err := write(ctx, backend, sold(servers)); err != nil {
			return nil, nil, err
		}
	}
	state := store.New(backend, quietLog)
	l := usage.New(usage.Options{Store: state, Logger: quietLog, Now: time.Now}, nil)
	go func() { _ = state.Run(ctx) }()
	go func() { _ = l.Run(ctx) }()
	return l, state, state.Ready(ctx)
}

// serveUsage is the child that is a controller: arguments are the members and the directory of etcd, which may have been another's that was killed.
func serveUsage(args []string) (any, func([]string) (any, error), error) {
	ctx := context.Background()
	auth, members, err := enlisted(args[0])
	if err != nil {
		return nil, nil, err
	}
	_, err = os.Stat(args[1])
	fresh := os.IsNotExist(err)
	e, err := embedded.Open(ctx, embedded.Options{Dir: args[1], Logger: quietLog})
	if err != nil {
		return nil, nil, err
	}
	fleet := gatewaytest.New()
	var servers []string
	for _, m := range members {
		fleet.PutServer(m.record())
		servers = append(servers, m.ID)
	}
	l, state, err := ledger(ctx, e.KV(), servers, fresh)
	if err != nil {
		return nil, nil, err
	}
	g, err := gateway.New(gateway.Options{
		Authority: auth, Certificate: auth.ServerCertificate(), Directory: fleet, Intake: quiet{fleet}, Presence: fleet, Images: fleet, Usage: l,
		Replica: "bench", HandshakesPerSecond: 1e5, Heartbeat: 20 * time.Minute, SampleEvery: time.Hour,
	})
	if err != nil {
		return nil, nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	go func() { _ = g.Run(ctx, ln) }()
	return ln.Addr().String(), func(words []string) (any, error) {
		switch words[0] {
		case "settle":
			for _, s := range servers {
				if err := l.Settle(ctx, s); err != nil {
					return nil, err
				}
			}
			return nil, nil
		case "sum":
			return storedUsage(l, state)
		}
		return figures(words)
	}, nil
}

// storedUsage is what etcd has of both months.
func storedUsage(l *usage.Ledger, state *store.Store) (sum [2]uint64, err error) {
	for item := range store.Usage.Items(state.Snapshot()) {
		month, _, _, _ := store.UsageOfKey(item.ID)
		which := 0
		if month == l.Now() {
			which = 1
		}
		if err := core.Rows(item.Value.Rows, func(_ []byte, r *core.Row) bool { sum[which] += r.Traffic.Total(); return true }); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// heapServers have a hundred accounts each.
const heapServers = 1000

// fillHeap is the child that tells how much memory an account's month takes, over everything that is known of the account already.
func fillHeap([]string) (any, func([]string) (any, error), error) {
	return nil, func([]string) (any, error) {
		ctx := context.Background()
		servers := make([]string, heapServers)
		for i := range servers {
			servers[i] = serverID(i)
		}
		l, _, err := ledger(ctx, memkv.New(memkv.Options{}), servers, true)
		if err != nil {
			return nil, err
		}
		months := monthNames(l.Calendar())
		before := heapAfterGC()
		for n, server := range servers {
			rep := &protocol.UsageReport{Seq: 1, Book: fmt.Sprint("book-", n), Zone: l.Calendar().Zone, Months: months[1:], Accounts: usageReport(nil, usageNames(n), n, 1, 1)}
			if err := l.Report(server, nil, rep, func(uint64) {}); err != nil {
				return nil, err
			}
		}
		after := heapAfterGC()
		runtime.KeepAlive(l)
		return (after - before) / (heapServers * usageReported), nil
	}, nil
}

func heapAfterGC() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// monthNames are the last one and the running one.
func monthNames(u protocol.UsageMonths) []string {
	now := time.Now().Unix() / 900
	for i, m := range u.Months {
		if i > 0 && m.From <= now && now < m.To {
			return []string{u.Months[i-1].Name, m.Name}
		}
	}
	return nil
}
