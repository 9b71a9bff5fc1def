package intake

import (
	"cmp"
	"context"
	"reflect"
	"slices"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// WiringDraft is what a person says of the switch ports of a server.
type WiringDraft struct {
	Ports []PortDraft `json:"ports" doc:"All ports of the server; an empty list takes it off."`
}

// PortDraft is one of them.
type PortDraft struct {
	Switch string `json:"switch" doc:"Id of the switch."`
	By     string `json:"by" doc:"How the port is found: name, alias, index, mac or lldp."`
	Value  string `json:"value" doc:"Of that: Gi1/0/7, 10107, or a MAC address of the server."`
	VLAN   int    `json:"vlan,omitempty" doc:"Untagged VLAN in service; 0 leaves it alone. Needed where the switch has a quarantine VLAN."`
}

func (d WiringDraft) record(server string) outofband.Wiring {
	w := outofband.Wiring{Server: server, Ports: make([]outofband.Port, len(d.Ports))}
	for i, p := range d.Ports {
		w.Ports[i] = outofband.Port(p).Normal()
	}
	return w
}

// switchPorts are the names of ports that are taken.
const switchPorts = "switch-ports"

// Check records all fields that are wrong, for one server.
func (d WiringDraft) Check(c *fault.Check, look Lookup, server string) {
	if len(d.Ports) > outofband.MaxPorts {
		c.Add("ports", "has %d entries; %d are the most", len(d.Ports), outofband.MaxPorts)
		return
	}
	s, _ := look.Server(server)
	seen := map[string]bool{}
	for i, p := range d.record(server).Ports {
		field := portField(i)
		p.Check(c, field)
		c.Require(!seen[p.Name()], field, "is in the list twice")
		seen[p.Name()] = true
		if holder, taken := look.Holder(switchPorts, p.Name()); taken && holder != server {
			c.Add(field+".value", "this port is that of %s", called(look, holder))
		}
		if p.Switch != "" {
			checkSwitchOf(c, look, p, field, s.Location)
		}
	}
}

func checkSwitchOf(c *fault.Check, look Lookup, p outofband.Port, field, location string) {
	sw, ok := look.Switch(p.Switch)
	if !ok {
		c.Add(field+".switch", "%.80q does not exist; see: steelyard switch list", p.Switch)
		return
	}
	c.Require(location == "" || location == sw.Location, field+".switch", "%s is in another location than the server", sw.Name)
	p.CheckVLAN(c, field, sw)
}

// SetPorts says which switch ports a server is plugged into, whatever was said before.
func (in *Intake) SetPorts(ctx context.Context, actor access.Actor, server string, rev int64, d WiringDraft) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil {
			return err
		}
		before, had, err := store.Wirings.Find(tx, server)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Wirings, server, rev, before); err != nil {
			return err
		}
		if err := checked(tx, "the ports cannot be set", func(c *fault.Check, look Lookup) { d.Check(c, look, server) }); err != nil {
			return err
		}
		w := d.record(server)
		if reflect.DeepEqual(w.Ports, before.Ports) || len(w.Ports) == 0 && !had {
			return nil
		}
		if err := quiet(tx, s, operation.HandPorts); err != nil {
			return err
		}
		w.ChangedAt = now
		if err := movePorts(tx, before, w); err != nil {
			return err
		}
		if len(w.Ports) == 0 {
			return cmp.Or(store.Wirings.Delete(tx, server), audit(tx, actor, "ports.delete", "wirings/"+server, before, nil, whose(s), now))
		}
		return cmp.Or(store.Wirings.Put(tx, server, w), audit(tx, actor, "ports.set", "wirings/"+server, whenHad(before, had), w, whose(s), now))
	})
}

// movePorts keeps the lists of who has a port and who is on a switch.
func movePorts(tx *store.Tx, before, after outofband.Wiring) error {
	old, fresh := listPorts(before, outofband.Port.Name), listPorts(after, outofband.Port.Name)
	for _, name := range old {
		if !slices.Contains(fresh, name) {
			if err := rename(tx, switchPorts, name, "", after.Server); err != nil {
				return err
			}
		}
	}
	for _, name := range fresh {
		if !slices.Contains(old, name) {
			if err := rename(tx, switchPorts, "", name, after.Server); err != nil {
				return err
			}
		}
	}
	on := func(p outofband.Port) string { return p.Switch }
	return use(tx, "switches", listPorts(before, on), listPorts(after, on), after.Server)
}

// listPorts is a property of all ports, each value once.
func listPorts(w outofband.Wiring, of func(outofband.Port) string) (list []string) {
	for _, p := range w.Ports {
		list = append(list, of(p))
	}
	slices.Sort(list)
	return slices.Compact(list)
}
