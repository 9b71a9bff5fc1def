package intake

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// domainHolder says which placement a domain name belongs to (rule X14).
type domainHolder struct {
	Placement string `json:"placement"`
}

// domains has the holder of each domain name of the whole fleet, as it is compared.
var domains = store.NewTable[domainHolder]("domains", "holder of domain")

// PlacementDraft registers what a customer has on a server.
type PlacementDraft struct {
	Kind     string   `json:"kind" doc:"account, forwarding, mailbox or database."`
	Name     string   `json:"name" doc:"Domain of an account or a forwarding, address of a mailbox, name of a database. Kept in lower case and punycode."`
	Domains  []string `json:"domains,omitempty" doc:"account: further vhosts and subdomains. A domain name belongs to one account or forwarding of the whole fleet (X14)."`
	Server   string   `json:"server,omitempty" doc:"Id of the server that it is on. None: a pool that chooses by itself gives one."`
	Reseller string   `json:"reseller,omitempty" doc:"Id of the reseller whose customer has it; none is the provider."`
	Customer string   `json:"customer,omitempty" doc:"Id of the customer."`
	DiskMiB  uint64   `json:"disk_mib,omitempty" doc:"Disk space that is promised to it. More than a server has is promised only on members of pools that oversell (S12)."`
	State    string   `json:"state,omitempty" doc:"making (unless given): it is half made. there: it is there already."`
}

func (d PlacementDraft) placement() hosting.Placement {
	return hosting.Placement{
		Kind: d.Kind, Name: d.Name, Domains: slices.Clone(d.Domains), Server: d.Server, Customer: d.Customer, DiskMiB: d.DiskMiB,
		State: cmp.Or(d.State, hosting.Making),
	}
}

// Check records what is wrong with a draft by itself.
func (d PlacementDraft) Check(c *fault.Check, look Lookup) {
	p := d.placement()
	p.Check(c)
	c.Require(p.State == hosting.Making || p.State == hosting.There, "state", "is %.40q; a placement begins as %s or %s", d.State, hosting.Making, hosting.There)
	if d.Server != "" {
		_, known := look.Server(d.Server)
		c.Require(known, "server", "%.80q does not exist; see: steelyard server list", d.Server)
	}
	if d.Customer != "" {
		customer, known := look.Customer(d.Customer)
		c.Require(known, "customer", "%.80q does not exist; see: steelyard customer list", d.Customer)
		r, _ := look.Reseller(d.Reseller)
		c.Require(!known || customer.Reseller == r.Path, "customer", "%.80q is no customer of the reseller that is named, or of the provider where none is", d.Customer)
	}
}

// Place registers what a customer has on a server: the record, how much is on the server, whose the domain names are, and where the pool stands,
// in one commit. It meets each claim of that server in the server's record and its load. Faults: invalid with all fields; refused when the server
// may not take it, with why.
func (in *Intake) Place(ctx context.Context, actor access.Actor, d PlacementDraft) (p hosting.Placement, rev int64, err error) {
	now, fresh := in.now(), id.New("plc")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		p = d.placement()
		r, known, err := store.Resellers.Find(tx, d.Reseller)
		if d.Reseller == "" {
			known = true
		}
		if err != nil {
			return err
		}
		if err := checked(tx, "the placement cannot be registered", func(c *fault.Check, look Lookup) {
			d.Check(c, look)
			c.Require(known, "reseller", "%.80q does not exist; see: steelyard reseller list", d.Reseller)
			p.Check(new(fault.Check)) // normalises
			checkDomains(c, tx, &p, look.(*lookup))
		}); err != nil {
			return err
		}
		if d.Reseller != "" {
			if _, err := working(tx, r.ID); err != nil {
				return err
			}
			p.Reseller = r.Path
		}
		p.ID, p.CreatedAt, p.ChangedAt = fresh, now, now
		if p.Server, err = chooseServer(tx, &p); err != nil {
			return err
		}
		return cmp.Or(store.Placements.Create(tx, p.ID, p), carry(tx, &p, 1), hold(tx, &p),
			audit(tx, actor, "placement.make", "placements/"+p.ID, nil, p, "", now), remember(tx, "placements", p.ID, p, now))
	})
	return p, rev, err
}

// checkDomains records domain names that belong to somebody (rule X14).
func checkDomains(c *fault.Check, tx *store.Tx, p *hosting.Placement, l *lookup) {
	for i, name := range p.FQDNs() {
		holder, taken, err := domains.Find(tx, name)
		l.keep(err)
		field := "domains"
		if i == 0 {
			field = "name"
		}
		c.Require(!taken || holder.Placement == p.ID, field, "%s belongs to placement %s already; a domain name belongs to one of the whole fleet", name, holder.Placement)
	}
}

// hold makes the domain names those of the placement.
func hold(tx *store.Tx, p *hosting.Placement) error {
	for _, name := range p.FQDNs() {
		if err := domains.Create(tx, name, domainHolder{p.ID}); err != nil {
			return err
		}
	}
	return nil
}

// carry counts a placement on its server, or takes it away.
func carry(tx *store.Tx, p *hosting.Placement, by int) error {
	load, _, err := store.Loads.Find(tx, p.Server)
	if err != nil {
		return err
	}
	load = load.Change(p, by)
	if load.Placements == 0 {
		return store.Loads.Delete(tx, p.Server)
	}
	return store.Loads.Put(tx, p.Server, load)
}

// chooseServer finds the server of a placement: the one that it names, one that its reseller has by plan (rule H18), or one of a pool that chooses by itself.
func chooseServer(tx *store.Tx, p *hosting.Placement) (string, error) {
	own, err := takenBy(tx, p.Reseller)
	if err != nil {
		return "", err
	}
	switch {
	case p.Server != "" && len(own) > 0 && !slices.Contains(own, p.Server):
		return "", fault.Refused("everything new of this reseller goes to the servers that he has by plan (%s), and server %s is none of them", strings.Join(own, ", "), p.Server)
	case p.Server != "":
		_, err := hasRoom(tx, p, p.Server, oversells(tx, p))
		return p.Server, err
	case len(own) > 0:
		pool := reselling.Pool{Policy: reselling.FirstFit, Members: own, Oversell: true} // hasRoom looks at each
		left := tries
		return pick(tx, p, &pool, &left)
	}
	return chooseFromPools(tx, p)
}

// oversells reports whether a server is a member of a pool of the service that oversells.
func oversells(tx *store.Tx, p *hosting.Placement) func(server string) bool {
	return func(server string) bool {
		for item := range store.ServerPools.Items(tx.Hint()) {
			pool := item.Value
			if pool.Oversell && pool.Service == hosting.ServiceOf(p.Kind) && slices.Contains(pool.Members, server) {
				read, known, err := store.ServerPools.Find(tx, pool.ID)
				return err == nil && known && read.Oversell && slices.Contains(read.Members, server)
			}
		}
		return false
	}
}

// chooseFromPools asks the pools of the service that choose by themselves, by name.
func chooseFromPools(tx *store.Tx, p *hosting.Placement) (string, error) {
	service := hosting.ServiceOf(p.Kind)
	var names, ids []string
	for item := range store.ServerPools.Items(tx.Hint()) {
		if item.Value.Automatic && item.Value.Service == service {
			ids, names = append(ids, item.ID), append(names, item.Value.Name)
		}
	}
	if len(ids) == 0 {
		return "", fault.Refused("name a server: no pool for %s chooses one by itself; see: steelyard server-pool list --service %s", service, service)
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(names[slices.Index(ids, a)], names[slices.Index(ids, b)]) })
	var last error
	left := tries
	for _, poolID := range ids {
		pool, known, err := store.ServerPools.Find(tx, poolID)
		if err != nil {
			return "", err
		}
		if !known || !pool.Automatic || pool.Service != service {
			continue
		}
		server, err := pick(tx, p, &pool, &left)
		switch {
		case err == nil && pool.Policy != reselling.RoundRobin:
			return server, nil
		case err == nil:
			pool.Last = server
			return server, store.ServerPools.Put(tx, pool.ID, pool)
		case !fault.Is(err, fault.KindRefused):
			return "", err
		}
		last = err
	}
	return "", cmp.Or(last, error(fault.Refused("no pool for %s chooses a server by itself any more", service)))
}

// tries is how many members of pools one commit reads.
const tries = 12

// pick takes members in the order of the policy until one takes the placement: what the snapshot shows chooses, what the commit reads decides.
func pick(tx *store.Tx, p *hosting.Placement, pool *reselling.Pool, left *int) (string, error) {
	snap, list := tx.Hint(), []reselling.Candidate{}
	for _, member := range pool.Members {
		c := reselling.Candidate{Server: member, Wanted: p.DiskMiB, Capacity: capacityIn(snap, member)}
		if load, ok := store.Loads.In(snap, member); ok {
			c.Promised = load.PromisedMiB
		}
		if c.Capacity == 0 { // its disks are not known: whether it fits is said below
			c.Capacity = 1
		}
		list = append(list, c)
	}
	why := error(fault.Refused("no server of the pool has room for %d MiB more; add members, or let the pool oversell", p.DiskMiB))
	for ; *left > 0; *left-- {
		server := pool.Pick(list)
		if server == "" {
			break
		}
		_, err := hasRoom(tx, p, server, func(string) bool { return pool.Oversell && pool.ID != "" || pool.ID == "" && oversells(tx, p)(server) })
		if err == nil {
			return server, nil
		}
		if !fault.Is(err, fault.KindRefused) && !fault.Is(err, fault.KindNotFound) {
			return "", err
		}
		why = fault.Refused("no server of the pool takes it; of the last one: %s", fault.From(err).Message)
		list = slices.DeleteFunc(list, func(c reselling.Candidate) bool { return c.Server == server })
	}
	return "", why
}

// hasRoom asks one server, read in the commit.
func hasRoom(tx *store.Tx, p *hosting.Placement, server string, oversell func(string) bool) (fleet.Server, error) {
	s, err := placeable(tx, server, p.Reseller)
	if err == nil {
		err = carriesKind(s, p.Kind)
	}
	if err == nil && p.Managed {
		err = carriesAccounts(tx, &s)
	}
	if err != nil || p.DiskMiB == 0 {
		return s, err
	}
	load, _, err := store.Loads.Find(tx, server)
	if err != nil {
		return s, err
	}
	f, _, err := store.Facts.Find(tx, server)
	if err != nil {
		return s, err
	}
	if has := diskOf(&f); (load.PromisedMiB > has || p.DiskMiB > has-load.PromisedMiB) && !oversell(server) {
		return s, fault.Refused("server %s has %d MiB of disk, of which %d are promised; %d more would be oversold, which none of its pools allows", s.Name, has, load.PromisedMiB, p.DiskMiB)
	}
	return s, nil
}

// diskOf is the disk space of a server, in MiB: what is promised on it is compared with it.
func diskOf(f *fleet.Facts) (mib uint64) {
	for _, d := range f.Configuration.Disks {
		mib += uint64(d.Count) * (d.SizeBytes >> 20)
	}
	return mib
}

func capacityIn(snap *store.Snapshot, server string) uint64 {
	if f, ok := store.Facts.In(snap, server); ok {
		return diskOf(f)
	}
	return 0
}

// SetPlacementState says how far a placement is made or removed.
func (in *Intake) SetPlacementState(ctx context.Context, actor access.Actor, placementID, state, message string) (p hosting.Placement, rev int64, err error) {
	now := in.now()
	var c fault.Check
	c.Require(slices.Contains(hosting.States, state), "state", "is %.40q; use %s", state, strings.Join(hosting.States, ", "))
	c.Require(len(message) <= MaxReason, "message", "is longer than %d bytes", MaxReason)
	if err := c.Err("the placement stays as it is"); err != nil {
		return p, 0, err
	}
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Placements.Get(tx, placementID)
		if err != nil {
			return err
		}
		p = before
		if err := byItself(&p); err != nil {
			return err
		}
		if p.State != state && !hosting.Placements.Has(p.State, state) {
			return fault.Refused("placement %s is %s; it cannot become %s", p.ID, p.State, state)
		}
		if p.State == state && p.Message == message {
			return nil
		}
		p.State, p.Message, p.ChangedAt = state, message, now
		return cmp.Or(store.Placements.Put(tx, p.ID, p), audit(tx, actor, "placement."+state, "placements/"+p.ID, before, p, message, now))
	})
	return p, rev, err
}

// Unplace records that a placement is gone, all of it: the server is used by one less, and the domain names are free.
func (in *Intake) Unplace(ctx context.Context, actor access.Actor, placementID string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		p, err := store.Placements.Get(tx, placementID)
		if err != nil {
			return err
		}
		if err := cmp.Or(unchanged(in, store.Placements, placementID, rev, p), byItself(&p)); err != nil {
			return err
		}
		return cmp.Or(store.Placements.Delete(tx, placementID), carry(tx, &p, -1), release(tx, &p),
			audit(tx, actor, "placement.remove", "placements/"+p.ID, p, nil, "", now))
	})
}

// byItself refuses to say by hand how far something is that a node of this fleet carries.
func byItself(p *hosting.Placement) error {
	if !p.Managed {
		return nil
	}
	noun := map[string]string{hosting.Account: "account", hosting.Forwarding: "forward"}[p.Kind]
	return fault.Refused("placement %s is carried by a node of this fleet, which says how far it is; see: steelyard %s show %s", p.ID, noun, p.ID)
}

// release frees the domain names of a placement.
func release(tx *store.Tx, p *hosting.Placement) error {
	for _, name := range p.FQDNs() {
		holder, taken, err := domains.Find(tx, name)
		if err != nil {
			return err
		}
		if taken && holder.Placement == p.ID {
			if err := domains.Delete(tx, name); err != nil {
				return err
			}
		}
	}
	return nil
}
