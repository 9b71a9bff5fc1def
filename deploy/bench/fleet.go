package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// A large fleet, made up: some hundred configurations, 30 % of the servers free.

const (
	gib = 1 << 30
	gb  = 1_000_000_000
)

var quietLog = slog.New(slog.DiscardHandler)

// inventory is that of the nth machine.
func inventory(n int) hardware.Inventory {
	models := []string{"Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz", "Intel(R) Xeon(R) E-2288G CPU @ 3.70GHz", "AMD EPYC 7402P 24-Core Processor", "AMD EPYC 7543 32-Core Processor"}
	cores := []int{16, 8, 24, 32}
	kind, sockets := n%4, 1+n/4%2
	inv := hardware.Inventory{
		Schema:   1,
		Identity: hardware.Identity{UUID: fmt.Sprintf("4c4c4544-0000-4000-8000-%012x", n), SystemSerial: fmt.Sprintf("SN%08d", n), MACs: []string{mac(n, 0), mac(n, 1)}},
		System:   hardware.System{Vendor: "Dell Inc.", Product: "PowerEdge R640"},
		Firmware: hardware.Firmware{Vendor: "Dell Inc.", Version: "2.19.1", Date: "06/04/2023", BootMode: "uefi"},
		OS:       hardware.OS{},
	}
	for s := range sockets {
		inv.CPUs = append(inv.CPUs, hardware.CPU{Socket: fmt.Sprint("CPU", s+1), Model: models[kind], Arch: "x86_64", Cores: cores[kind], Threads: 2 * cores[kind]})
	}
	for d := range sockets * (1 << (n / 8 % 3)) {
		inv.Memory.DIMMs = append(inv.Memory.DIMMs, hardware.DIMM{Slot: fmt.Sprint("A", d+1), SizeBytes: 16 * gib << (n / 24 % 2), Type: "DDR4"})
		inv.Memory.TotalBytes += inv.Memory.DIMMs[d].SizeBytes
	}
	sizes := []uint64{480 * gb, 960 * gb, 1920 * gb, 3840 * gb}
	for d := range 1 + n/48%2 {
		inv.Disks = append(inv.Disks, hardware.Disk{Name: fmt.Sprintf("nvme%dn1", d), Type: hardware.DiskNVMe, Model: "SAMSUNG MZQL2", Serial: fmt.Sprintf("S%09d%d", n, d), SizeBytes: sizes[n/192%4]})
	}
	for i := range 2 {
		inv.NICs = append(inv.NICs, hardware.NIC{Name: fmt.Sprint("eno", i+1), Driver: "i40e", PermanentMAC: mac(n, i), MAC: mac(n, i), MaxMbps: 10000, SpeedMbps: 10000, Link: true})
	}
	return inv
}

func mac(n, i int) string {
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", n>>24&255, n>>16&255, n>>8&255, n&255, i)
}

func serverID(n int) string { return fmt.Sprintf("srv-%016d", n) }

// serverAt is the nth server with its facts. One that is free is available.
func serverAt(n int, free bool, location string) (fleet.Server, fleet.Facts) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	inv := inventory(n)
	configuration := inv.Configuration()
	key := configuration.Key()
	s := fleet.Server{
		ID: serverID(n), Name: fmt.Sprintf("node%06d", n), Location: location, Rack: fmt.Sprint("R", n/40), Environment: protocol.EnvRAM,
		InstanceID: id.Secret()[:26], Identity: inv.Identity, Approval: fleet.Approved, Cleanliness: fleet.Clean, CleanSince: now, InService: true, ServiceSince: now,
		Claim: fleet.Claim{Kind: fleet.ClaimNone, Since: now}, CertSerial: fmt.Sprintf("%032x", n), CertNotAfter: now.AddDate(1, 0, 0), CreatedAt: now, FreeSince: now,
		Diagnosis: &fleet.DiagnosisSummary{ID: id.New("opn"), At: now, Profile: "quick", ConfigurationKey: key, Checks: []protocol.Check{
			{Name: "cpu", Verdict: protocol.VerdictOK, Value: "3.1 GHz"}, {Name: "memory", Verdict: protocol.VerdictOK, Value: "no error"},
		}},
	}
	if !free {
		s.Claim, s.Cleanliness = fleet.Claim{Kind: fleet.ClaimClient, Ref: id.New("svc"), Since: now}, fleet.Dirty
	}
	digest := inv.Digest()
	return s, fleet.Facts{Server: s.ID, At: now, AgentVersion: "1.0.0", Digest: digest, Inventory: inv, Configuration: configuration, Key: key}
}

// records are the keys and values of servers from..to.
func records(from, to int, free func(n int) bool, location string) iter.Seq[kv.Op] {
	return func(yield func(kv.Op) bool) {
		for n := from; n < to; n++ {
			s, f := serverAt(n, free(n), location)
			p := fleet.Presence{Server: s.ID, Replica: "rep-bench", Since: s.CreatedAt, BootID: s.InstanceID, Environment: s.Environment, Remote: "10.0.0.1"}
			for _, r := range []struct {
				table string
				value any
			}{{store.Servers.Name(), s}, {store.Facts.Name(), f}, {store.Presences.Name(), p}} {
				text, err := json.Marshal(r.value)
				if err != nil {
					panic(err) // these types always have a JSON form
				}
				if !yield(kv.Put(r.table+"/"+s.ID, text)) {
					return
				}
			}
		}
	}
}

// write commits many records, a hundred or so at once.
func write(ctx context.Context, backend kv.KV, all iter.Seq[kv.Op]) error {
	var t kv.Txn
	flush := func() error {
		if len(t.Ops) == 0 {
			return nil
		}
		_, _, err := backend.Commit(ctx, t)
		t.Ops = t.Ops[:0:0]
		return err
	}
	for op := range all {
		if t.Ops = append(t.Ops, op); len(t.Ops) == 120 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// large is the data directory of the large fleet. It is filled at first use.
func (b *bench) large(ctx context.Context) (string, error) {
	if b.filled != "" {
		return b.filled, nil
	}
	dir := filepath.Join(b.dir, "large")
	e, err := embedded.Open(ctx, embedded.Options{Dir: dir, Logger: quietLog})
	if err != nil {
		return "", err
	}
	defer e.Close()
	backend := e.KV()
	defer backend.Close()
	if err := store.EnsureSchema(ctx, backend, 1, nil); err != nil {
		return "", err
	}
	free := func(n int) bool { return n%10 < 3 }
	if err := write(ctx, backend, records(0, b.servers, free, "loc-bench")); err != nil {
		return "", err
	}
	b.filled = dir
	return dir, putToken(ctx, backend)
}

// secret opens the API of a large fleet.
const secret = access.TokenPrefix + "benchbenchbenchbenchbenchbenchbenchbenchbenchbenchben"

func putToken(ctx context.Context, backend kv.KV) error {
	t := access.Token{ID: "tok-0000000000000000", Kind: access.TokenAPI, Name: "bench", Digest: access.Digest(secret), Role: access.RoleAdmin, CreatedAt: time.Now()}
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, _, err = backend.Commit(ctx, kv.Txn{Ops: []kv.Op{kv.Put(store.Tokens.Name()+"/"+t.ID, text)}})
	return err
}
