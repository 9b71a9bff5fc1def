package intake

import (
	"net/url"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/address"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// holder of a name, or the users of a record: small records of their own, so that
// two commits that must not both happen meet in one key.
type (
	nameHolder struct {
		ID string `json:"id"`
	}
	userList struct {
		IDs []string `json:"ids"`
	}
)

var (
	names = store.NewTable[nameHolder]("names", "holder of name")
	users = store.NewTable[userList]("used-by", "users of")
)

// Lookup finds what a draft refers to. A transaction is one; the API is another
// that looks at what it shows, so that all errors can be told before anything is
// tried (rule X13).
type Lookup interface {
	Location(id string) (fleet.Location, bool)
	Module(id string) (order.Module, bool)
	Image(id string) (image.Image, bool)
	Server(id string) (fleet.Server, bool)
	BMC(server string) (outofband.BMC, bool)
	Switch(id string) (outofband.Switch, bool)
	ServerGroup(id string) (reselling.ServerGroup, bool)
	Reseller(id string) (reselling.Reseller, bool)
	Offer(id string) (plan.Offer, bool)
	Customer(id string) (reselling.Customer, bool)
	CustomerOf(reference string) (reselling.Customer, bool)
	// Users are those who refer to a record of a table.
	Users(table, id string) []string
	Atlas() address.Atlas // all IP pools in short
	// Holder is the record of a table that has the name, without regard to case.
	Holder(table, name string) (id string, taken bool)
}

// lookup is a Lookup in a transaction. The first error is kept.
type lookup struct {
	tx  *store.Tx
	err error
}

func (l *lookup) keep(err error) {
	if l.err == nil {
		l.err = err
	}
}

// Location is by id.
func (l *lookup) Location(id string) (fleet.Location, bool) {
	v, ok, err := store.Locations.Find(l.tx, id)
	l.keep(err)
	return v, ok
}

// Module is by id.
func (l *lookup) Module(id string) (order.Module, bool) {
	v, ok, err := store.Modules.Find(l.tx, id)
	l.keep(err)
	return v, ok
}

// Image is by id.
func (l *lookup) Image(id string) (image.Image, bool) {
	v, ok, err := store.Images.Find(l.tx, id)
	l.keep(err)
	return v, ok
}

// Server is by id.
func (l *lookup) Server(id string) (fleet.Server, bool) {
	v, ok, err := store.Servers.Find(l.tx, id)
	l.keep(err)
	return v, ok
}

// BMC is by the server's id.
func (l *lookup) BMC(server string) (outofband.BMC, bool) {
	v, ok, err := store.BMCs.Find(l.tx, server)
	l.keep(err)
	return v, ok
}

// Switch is by id.
func (l *lookup) Switch(id string) (outofband.Switch, bool) {
	v, ok, err := store.Switches.Find(l.tx, id)
	l.keep(err)
	return v, ok
}

// ServerGroup is by id.
func (l *lookup) ServerGroup(id string) (reselling.ServerGroup, bool) {
	v, ok, err := store.ServerGroups.Find(l.tx, id)
	l.keep(err)
	return v, ok
}

// Reseller is by id.
func (l *lookup) Reseller(id string) (reselling.Reseller, bool) {
	v, ok, err := store.Resellers.Find(l.tx, id)
	l.keep(err)
	return v, ok
}

// Offer is by id.
func (l *lookup) Offer(id string) (plan.Offer, bool) {
	v, ok, err := store.Offers.Find(l.tx, id)
	l.keep(err)
	return v, ok
}

// Customer is by id.
func (l *lookup) Customer(id string) (reselling.Customer, bool) {
	v, ok, err := store.Customers.Find(l.tx, id)
	l.keep(err)
	return v, ok
}

// CustomerOf is by reference.
func (l *lookup) CustomerOf(reference string) (reselling.Customer, bool) {
	h, ok, err := references.Find(l.tx, referenceKey(reference))
	l.keep(err)
	if !ok {
		return reselling.Customer{}, false
	}
	return l.Customer(h.ID)
}

// Users are by table and id.
func (l *lookup) Users(table, id string) []string {
	ids, err := usersOf(l.tx, table, id)
	l.keep(err)
	return ids
}

// Atlas lists all pools.
func (l *lookup) Atlas() address.Atlas {
	v, _, err := store.Atlases.Find(l.tx, store.FleetAtlas)
	l.keep(err)
	return v
}

// Holder is by table and name.
func (l *lookup) Holder(table, name string) (string, bool) {
	v, ok, err := names.Find(l.tx, nameKey(table, name))
	l.keep(err)
	return v.ID, ok
}

// Lookup looks at the present snapshot.
func (in *Intake) Lookup() Lookup { return snapshot{in.store.Snapshot()} }

// snapshot is a Lookup in a snapshot.
type snapshot struct{ *store.Snapshot }

func (s snapshot) Location(id string) (fleet.Location, bool) {
	return found(store.Locations.In(s.Snapshot, id))
}

func (s snapshot) Module(id string) (order.Module, bool) {
	return found(store.Modules.In(s.Snapshot, id))
}

func (s snapshot) Image(id string) (image.Image, bool) { return found(store.Images.In(s.Snapshot, id)) }

func (s snapshot) Server(id string) (fleet.Server, bool) {
	return found(store.Servers.In(s.Snapshot, id))
}

func (s snapshot) BMC(server string) (outofband.BMC, bool) {
	return found(store.BMCs.In(s.Snapshot, server))
}

func (s snapshot) Switch(id string) (outofband.Switch, bool) {
	return found(store.Switches.In(s.Snapshot, id))
}

func (s snapshot) ServerGroup(id string) (reselling.ServerGroup, bool) {
	return found(store.ServerGroups.In(s.Snapshot, id))
}

func (s snapshot) Reseller(id string) (reselling.Reseller, bool) {
	return found(store.Resellers.In(s.Snapshot, id))
}

func (s snapshot) Offer(id string) (plan.Offer, bool) {
	return found(store.Offers.In(s.Snapshot, id))
}

func (s snapshot) Customer(id string) (reselling.Customer, bool) {
	return found(store.Customers.In(s.Snapshot, id))
}

func (s snapshot) CustomerOf(reference string) (reselling.Customer, bool) {
	h, ok := found(references.In(s.Snapshot, referenceKey(reference)))
	if !ok {
		return reselling.Customer{}, false
	}
	return s.Customer(h.ID)
}

func (s snapshot) Users(table, id string) []string {
	v, _ := found(users.In(s.Snapshot, table+"/"+id))
	return v.IDs
}

func (s snapshot) Atlas() address.Atlas {
	v, _ := found(store.Atlases.In(s.Snapshot, store.FleetAtlas))
	return v
}

func (s snapshot) Holder(table, name string) (string, bool) {
	h, ok := found(names.In(s.Snapshot, nameKey(table, name)))
	return h.ID, ok
}

func found[T any](v *T, ok bool) (T, bool) {
	if !ok {
		var none T
		return none, false
	}
	return *v, true
}

func nameKey(table, name string) string {
	return table + "/" + url.PathEscape(strings.ToLower(name))
}

// checkTaken records a name that another record of the table has.
func checkTaken(c *fault.Check, look Lookup, table, field, name, self string) {
	if holder, taken := look.Holder(table, name); taken && holder != self {
		c.Add(field, "%q is taken by %s; names differ by more than case", name, holder)
	}
}

// rename moves a name from before to after; "" is none.
func rename(tx *store.Tx, table, before, after, id string) error {
	if nameKey(table, before) == nameKey(table, after) {
		return nil
	}
	if before != "" {
		if err := names.Delete(tx, nameKey(table, before)); err != nil {
			return err
		}
	}
	if after == "" {
		return nil
	}
	return names.Put(tx, nameKey(table, after), nameHolder{ID: id})
}

// usersOf lists who refers to a record of a table.
func usersOf(tx *store.Tx, table, id string) ([]string, error) {
	v, _, err := users.Find(tx, table+"/"+id)
	return v.IDs, err
}

// use notes that user refers to each of after, and no more to the rest of before.
func use(tx *store.Tx, table string, before, after []string, user string) error {
	for _, id := range before {
		if slices.Contains(after, id) {
			continue
		}
		if err := setUse(tx, table, id, user, false); err != nil {
			return err
		}
	}
	for _, id := range after {
		if slices.Contains(before, id) {
			continue
		}
		if err := setUse(tx, table, id, user, true); err != nil {
			return err
		}
	}
	return nil
}

func setUse(tx *store.Tx, table, id, user string, on bool) error {
	ids, err := usersOf(tx, table, id)
	if err != nil {
		return err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(s string) bool { return s == user })
	if on {
		ids = append(ids, user)
	}
	if len(ids) == 0 {
		return users.Delete(tx, table+"/"+id)
	}
	return users.Put(tx, table+"/"+id, userList{IDs: ids})
}
