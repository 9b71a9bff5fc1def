package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/address"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// hall is a gate with a location, whose clock the test turns.
type hall struct {
	*gate
	clock    time.Time
	location string
}

func openHall(t *testing.T, pools ...PoolDraft) *hall {
	t.Helper()
	h := &hall{gate: openGate(t), clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	h.Intake.now = func() time.Time { return h.clock }
	l, _, err := h.CreateLocation(context.Background(), access.System, LocationDraft{Name: "Hall", ExternalID: "hall"})
	if err != nil {
		t.Fatal(err)
	}
	h.location = l.ID
	for _, p := range pools {
		h.pool(p)
	}
	return h
}

func (h *hall) pool(d PoolDraft) address.Pool {
	h.t.Helper()
	d.Location, d.Name = h.location, cmp.Or(d.Name, d.Prefix)
	p, _, err := h.CreatePool(context.Background(), access.System, d)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// order is what reconcile does for one order: n names server and service.
func (h *hall) order(n int, pools ...string) (got []address.Address, err error) {
	s := fleet.Server{ID: fmt.Sprint("srv-", n), Location: h.location}
	svc := order.Service{ID: fmt.Sprint("svc-", n), Customer: "acme"}
	err = h.change(context.Background(), func(tx *store.Tx) error {
		got, err = AssignAddresses(tx, &s, svc, pools, h.clock)
		return err
	})
	return got, err
}

func (h *hall) mustOrder(n int, pools ...string) []string {
	h.t.Helper()
	got, err := h.order(n, pools...)
	if err != nil {
		h.t.Fatal(err)
	}
	return namesOf(got)
}

func (h *hall) remove(n int) (removed []string) {
	h.t.Helper()
	h.commit(func(tx *store.Tx) (err error) {
		removed, err = RemoveAddresses(tx, fmt.Sprint("srv-", n), access.System, "deleted", h.clock)
		return err
	})
	return removed
}

func TestB4_AServerGetsOneAddressOfEachFamily(t *testing.T) {
	h := openHall(t, PoolDraft{Prefix: "192.0.2.0/30", Gateway: "192.0.2.1", SortOrder: 1}, PoolDraft{Prefix: "198.51.100.0/24", SortOrder: 2}, PoolDraft{Prefix: "2001:db8::/48"})
	for n, want := range [][]string{{"192.0.2.2", "2001:db8::"}, {"198.51.100.1", "2001:db8:0:1::"}} {
		for range 2 { // asking again changes nothing
			if got := h.mustOrder(n); !slices.Equal(got, want) {
				t.Errorf("server %d got %v, want %v", n, got, want)
			}
		}
	}
	only := store.Addresses.IDs(h.store.Snapshot())
	if len(only) != 4 {
		t.Errorf("there are the addresses %v", only)
	}
	for item := range store.Audit.Items(h.store.Snapshot()) {
		if a := item.Value; a.Action == "server.addresses" && a.Object == "servers/srv-0" && strings.Contains(string(a.After), "192.0.2.2") {
			return
		}
	}
	t.Error("no audit line tells of the addresses")
}

func TestB4_NamedPoolsInTheirOrder(t *testing.T) {
	h := openHall(t, PoolDraft{Prefix: "192.0.2.0/24"})
	second := h.pool(PoolDraft{Prefix: "198.51.100.0/24"})
	if got := h.mustOrder(1, second.ID); !slices.Equal(got, []string{"198.51.100.1"}) {
		t.Errorf("got %v", got)
	}
}

func TestB4_AnExhaustedPoolIsNamed(t *testing.T) {
	h := openHall(t, PoolDraft{Prefix: "192.0.2.0/30", Name: "small"}, PoolDraft{Prefix: "2001:db8::/48"})
	h.mustOrder(1)
	h.mustOrder(2)
	_, err := h.order(3)
	if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "small") || !strings.Contains(err.Error(), "steelyard pool create") {
		t.Errorf("the refusal is %v", err)
	}
	if held := store.Holdings.IDs(h.store.Snapshot()); len(held) != 2 {
		t.Errorf("the servers %v have addresses", held)
	}
}

func TestB36_RemovedAddressesRestBeforeAnybodyGetsThem(t *testing.T) {
	h := openHall(t, PoolDraft{Prefix: "192.0.2.0/29"}) // six addresses
	for n := range 4 {
		h.mustOrder(n)
	}
	if got := h.remove(1); !slices.Equal(got, []string{"192.0.2.2"}) {
		t.Errorf("removed %v", got)
	}
	if got := h.remove(1); len(got) != 0 {
		t.Errorf("removed again: %v", got)
	}
	h.clock = h.clock.Add(time.Hour)
	h.remove(0)
	for n, want := range []string{"192.0.2.5", "192.0.2.6", "192.0.2.2", "192.0.2.1"} { // the free ones, then who rested longest
		if got := h.mustOrder(10 + n); !slices.Equal(got, []string{want}) {
			t.Errorf("order %d got %v, want %s", n, got, want)
		}
	}
	if _, err := h.order(20); !fault.Is(err, fault.KindRefused) {
		t.Errorf("a full pool gave an address: %v", err)
	}
	h.remove(10) // .5
	h.clock = h.clock.Add(address.Rest)
	h.remove(11) // .6
	if n, err := h.ForgetAddresses(context.Background(), 10); n != 1 || err != nil {
		t.Errorf("%d forgotten, want the one that rested: %v", n, err)
	}
	if got := h.mustOrder(30); !slices.Equal(got, []string{"192.0.2.5"}) {
		t.Errorf("after a day of rest: %v", got)
	}
}

// What an earlier service left on a server is released; what a person gave it stays.
func TestB36_AnEarlierServiceLeavesNothing(t *testing.T) {
	h := openHall(t, PoolDraft{Prefix: "192.0.2.0/24"})
	h.commit(func(tx *store.Tx) error {
		return store.Servers.Put(tx, "srv-1", fleet.Server{ID: "srv-1", Location: h.location})
	})
	byHand, _, err := h.AssignAddress(context.Background(), access.System, "srv-1", AddressWish{Address: "192.0.2.200"})
	if err != nil {
		t.Fatal(err)
	}
	h.mustOrder(1)
	var got []address.Address
	h.commit(func(tx *store.Tx) error {
		got, err = AssignAddresses(tx, &fleet.Server{ID: "srv-1", Location: h.location}, order.Service{ID: "svc-next", Customer: "other"}, nil, h.clock)
		return err
	})
	if want := []string{byHand.ID, "192.0.2.2"}; !slices.Equal(namesOf(got), want) {
		t.Errorf("the server has %v, want %v", namesOf(got), want)
	}
	if old, _ := store.Addresses.View(h.store, "192.0.2.1"); old.State != address.Resting {
		t.Errorf("the earlier address is %+v", old)
	}
}

// An address is of a location: a server that has one does not leave it.
func TestB4_AServerWithAddressesStaysWhereItIs(t *testing.T) {
	h := openHall(t, PoolDraft{Prefix: "192.0.2.0/24"})
	other, _, err := h.CreateLocation(context.Background(), access.System, LocationDraft{Name: "Other", ExternalID: "other"})
	if err != nil {
		t.Fatal(err)
	}
	h.commit(func(tx *store.Tx) error {
		s := fleet.Server{ID: "srv-1", Name: "web", Location: h.location, Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimNone}}
		return store.Servers.Put(tx, s.ID, s)
	})
	if _, _, err := h.AssignAddress(context.Background(), access.System, "srv-1", AddressWish{}); err != nil {
		t.Fatal(err)
	}
	move := func() error {
		_, _, err := h.MoveServer(context.Background(), access.System, "srv-1", other.ID, "", "more room")
		return err
	}
	if err := move(); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "steelyard address release") {
		t.Errorf("moved with an address: %v", err)
	}
	h.remove(1)
	if err := move(); err != nil {
		t.Errorf("without one: %v", err)
	}
}

// A thousand orders at once out of one pool: each gets an address of its own, none is
// skipped, and they do not defeat each other.
func TestX2_NoAddressIsGivenTwice(t *testing.T) {
	const orders = 1000
	h := openHall(t, PoolDraft{Prefix: "198.18.0.0/16", Gateway: "198.18.0.1"}, PoolDraft{Prefix: "2001:db8::/48"})
	before := h.store.Stats()
	var wg sync.WaitGroup
	var mu sync.Mutex
	owner := map[string]int{}
	for n := range orders {
		wg.Go(func() {
			got, err := h.order(n)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || len(got) != 2 {
				t.Errorf("order %d: %v, %v", n, namesOf(got), err)
			}
			for _, a := range got {
				if other, taken := owner[a.ID]; taken {
					t.Errorf("orders %d and %d both have %s", n, other, a.ID)
				}
				owner[a.ID] = n
			}
		})
	}
	wg.Wait()
	if len(owner) != 2*orders {
		t.Fatalf("%d addresses were given", len(owner))
	}
	stats := h.store.Stats()
	if n := stats.Conflicts - before.Conflicts; n > orders/20 {
		t.Errorf("%d runs of %d orders met another one", n, orders)
	}
	space, err := address.SpaceOf(address.Pool{Prefix: "198.18.0.0/16", Gateway: "198.18.0.1", Assign: 32})
	if err != nil {
		t.Fatal(err)
	}
	highest := 0
	for id := range owner {
		if slot, ok := space.Slot(id); ok {
			highest = max(highest, int(slot))
		}
	}
	if highest > orders+orders/10 {
		t.Errorf("the highest of %d addresses has number %d", orders, highest)
	}
}

// More orders than addresses: exactly as many succeed as there are.
func TestX2_TheLastAddressesGoToAsManyAsThereAre(t *testing.T) {
	h := openHall(t, PoolDraft{Prefix: "192.0.2.0/27"})
	h.mustOrder(0)
	h.remove(0) // rests, and is given in the end
	var wg sync.WaitGroup
	var mu sync.Mutex
	owner := map[string]int{}
	refused := 0
	for n := range 100 {
		wg.Go(func() {
			got, err := h.order(1 + n)
			for fault.Is(err, fault.KindUnavailable) { // the snapshot is behind; reconcile asks again too
				got, err = h.order(1 + n)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case fault.Is(err, fault.KindRefused):
				refused++
			case err != nil || len(got) != 1:
				t.Errorf("order %d: %v, %v", n, got, err)
			default:
				owner[got[0].ID]++
			}
		})
	}
	wg.Wait()
	if len(owner) != 30 || refused != 70 {
		t.Errorf("%d addresses given, %d refused: %v", len(owner), refused, owner)
	}
}

func TestB43_TheInstalledSystemIsHandedItsNetwork(t *testing.T) {
	h := openHall(t, PoolDraft{Prefix: "192.0.2.0/24", Gateway: "192.0.2.1", DNS: []string{"192.0.2.53", "2001:db8::53"}},
		PoolDraft{Prefix: "2001:db8::/48", Gateway: "fe80::1", DNS: []string{"2001:db8::53"}, Reserved: []string{"2001:db8::/64"}})
	h.mustOrder(1)
	h.commit(func(tx *store.Tx) error {
		nics := []hardware.NIC{{Name: "eno1", PermanentMAC: "02:00:00:00:00:01"}, {Name: "eno2", PermanentMAC: "02:00:00:00:00:02", Link: true}}
		return store.Facts.Put(tx, "srv-1", fleet.Facts{Inventory: hardware.Inventory{NICs: nics}})
	})
	var got, none *protocol.Network
	h.commit(func(tx *store.Tx) (err error) {
		if got, err = NetworkOf(tx, "srv-1"); err != nil {
			return err
		}
		none, err = NetworkOf(tx, "srv-2")
		return err
	})
	want := protocol.Network{
		MAC: "02:00:00:00:00:02", Addresses: []string{"192.0.2.2/24", "2001:db8:0:1::1/64"},
		Gateway4: "192.0.2.1", Gateway6: "fe80::1", DNS: []string{"192.0.2.53", "2001:db8::53"},
	}
	if got == nil || fmt.Sprint(*got) != fmt.Sprint(want) || none != nil {
		t.Errorf("got %+v, and %+v for a server without addresses", got, none)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("the agent would refuse it: %v", err)
	}
}

// TestB43_VLANAndBondReachTheInstalledSystem, and what a system could not have is refused in words.
func TestB43_VLANAndBondReachTheInstalledSystem(t *testing.T) {
	h := openHall(t, PoolDraft{Prefix: "192.0.2.0/24", VLAN: 40}, PoolDraft{Prefix: "2001:db8::/48", VLAN: 40, Reserved: []string{"2001:db8::/64"}})
	h.mustOrder(1)
	const one, two = "02:00:00:00:00:01", "02:00:00:00:00:02"
	h.commit(func(tx *store.Tx) error {
		return store.Servers.Put(tx, "srv-1", fleet.Server{ID: "srv-1", Name: "web1", Location: h.location, Identity: hardware.Identity{MACs: []string{one, two}}})
	})
	edit := func(mode string, members ...string) error {
		_, _, err := h.EditServer(context.Background(), access.System, "srv-1", AnyRevision, func(d ServerDraft) (ServerDraft, error) {
			d.BondMode, d.BondMembers = mode, members
			return d, nil
		})
		return err
	}
	for field, err := range map[string]error{
		"bond_mode": edit("lacp", one, two), "bond_members": edit("802.3ad", one), "bond_members ": edit("802.3ad", one, "02:00:00:00:00:03"), "bond_members  ": edit("", one, two),
	} {
		f := new(fault.Fault)
		if !errors.As(err, &f) || f.Kind != fault.KindInvalid || len(f.Fields) != 1 || f.Fields[0].Name != strings.TrimSpace(field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := edit("802.3ad", "02-00-00-00-00-02", strings.ToUpper(one)); err != nil {
		t.Fatal(err)
	}
	network := func() (n *protocol.Network, err error) {
		_ = h.change(context.Background(), func(tx *store.Tx) error { n, err = NetworkOf(tx, "srv-1"); return nil })
		return n, err
	}
	n, err := network()
	if err != nil || n.VLAN != 40 || n.Bond == nil || n.Bond.Mode != "802.3ad" || !slices.Equal(n.Bond.Members, []string{two, one}) || n.Validate() != nil {
		t.Errorf("%+v %v", n, err)
	}
	h.commit(func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, "srv-1")
		s.Identity.MACs = []string{one}
		return cmp.Or(err, store.Servers.Put(tx, "srv-1", s))
	})
	if _, err := network(); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), two) {
		t.Errorf("a card that was taken out: %v", err)
	}
	if err := edit("", two, one); err != nil { // --bond-mode "" alone: the members stay in the request
		t.Fatal(err)
	}
	if n, err := network(); err != nil || n.Bond != nil {
		t.Errorf("without a bond: %+v %v", n, err)
	}
	if s, _ := store.Servers.View(h.store, "srv-1"); s == nil || s.BondMembers != nil {
		t.Errorf("members of no bond are left: %+v", s)
	}
	h.commit(func(tx *store.Tx) error {
		for i := range store.Pools.Items(h.store.Snapshot()) {
			if p := *i.Value; p.Family == address.IPv6 {
				p.VLAN = 0
				return store.Pools.Put(tx, p.ID, p)
			}
		}
		return errors.New("no pool")
	})
	if _, err := network(); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "VLAN 40") || !strings.Contains(err.Error(), "untagged") {
		t.Errorf("two VLANs: %v", err)
	}
}

// A pool is deleted only when nobody has, or gets, an address out of it.
func TestB4_DeletingAPoolMeetsNoOrder(t *testing.T) {
	for range 20 {
		h := openHall(t)
		p := h.pool(PoolDraft{Prefix: "192.0.2.0/24"})
		var wg sync.WaitGroup
		var deleted, ordered error
		wg.Go(func() { _, deleted = h.DeletePool(context.Background(), access.System, p.ID, AnyRevision) })
		wg.Go(func() { _, ordered = h.order(1, p.ID) })
		wg.Wait()
		used, known := store.Addresses.View(h.store, "192.0.2.1")
		left, exists := store.Pools.View(h.store, p.ID)
		switch {
		case deleted == nil && (exists || known || ordered == nil):
			t.Fatalf("deleted, but pool %v, address %v, order %v", exists, used, ordered)
		case deleted != nil && (!exists || left.Closed || ordered != nil || !known):
			t.Fatalf("not deleted (%v), but pool %+v, address %v, order %v", deleted, left, used, ordered)
		}
	}
}

func TestB4_AClosedPoolHandsOutNothing(t *testing.T) {
	h := openHall(t, PoolDraft{Prefix: "192.0.2.0/24", Closed: true, Name: "old"}, PoolDraft{Prefix: "198.51.100.0/24", SortOrder: 1})
	if got := h.mustOrder(1); !slices.Equal(got, []string{"198.51.100.1"}) {
		t.Errorf("got %v", got)
	}
}

// Choosing an address out of a pool with 50,000 in use.
func BenchmarkAssign(b *testing.B) {
	for _, prefix := range []string{"198.18.0.0/16", "2001:db8::/48"} {
		b.Run(prefix, func(b *testing.B) { benchmarkAssign(b, prefix) })
	}
}

func benchmarkAssign(b *testing.B, prefix string) {
	h := openHall(&testing.T{}, PoolDraft{Prefix: prefix})
	p := *func() *address.Pool {
		for i := range store.Pools.Items(h.store.Snapshot()) {
			return i.Value
		}
		return nil
	}()
	space, err := address.SpaceOf(p)
	if err != nil {
		b.Fatal(err)
	}
	var slots []uint64
	for slot := range space.Vacant(0, nil) {
		if slots = append(slots, slot); len(slots) == 50_000 {
			break
		}
	}
	for part := range slices.Chunk(slots, 100) {
		if err := h.change(context.Background(), func(tx *store.Tx) error {
			for _, slot := range part {
				a := space.Record(p.ID, slot)
				a.State = address.Used
				if err := store.Addresses.Put(tx, a.ID, a); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n > 10_000 {
			b.Fatal("the pool is too small for this benchmark")
		}
		if _, err := h.order(n); err != nil {
			b.Fatal(err)
		}
	}
}
