package intake

import (
	"cmp"
	"context"
	"fmt"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// SwitchDraft is what a person says of a switch.
type SwitchDraft struct {
	Name           string         `json:"name" doc:"Shown to people; unique without regard to case."`
	Location       string         `json:"location" doc:"Id of the location whose servers are plugged into it."`
	Driver         string         `json:"driver" doc:"snmp, or manual: a person switches ports, asked by a task."`
	Address        string         `json:"address,omitempty" doc:"snmp: host or host:port."`
	Version        string         `json:"version,omitempty" doc:"snmp: 2c or 3."`
	Community      logging.Secret `json:"community,omitempty" doc:"2c: one that may write. Never shown (X9); left out, the stored one stays."`
	Username       string         `json:"username,omitempty" doc:"3."`
	AuthProtocol   string         `json:"auth,omitempty" doc:"3: SHA, SHA-256 or SHA-512."`
	AuthPassword   logging.Secret `json:"auth_password,omitempty" doc:"3: at least 8 bytes. Never shown."`
	PrivProtocol   string         `json:"priv,omitempty" doc:"3: AES or AES-256."`
	PrivPassword   logging.Secret `json:"priv_password,omitempty" doc:"3: at least 8 bytes. Never shown."`
	QuarantineVLAN int            `json:"quarantine_vlan,omitempty" doc:"VLAN that ports of servers being deleted are put into, 1 to 4094; 0 is none."`
	Simulator      string         `json:"simulator,omitempty" doc:"What plays the switch when it is not real; shown everywhere."`
}

// DraftOfSwitch is the draft that would make s, without its secrets.
func DraftOfSwitch(s outofband.Switch) SwitchDraft {
	return SwitchDraft{
		Name: s.Name, Location: s.Location, Driver: s.Driver, Address: s.Address, Version: s.Version, Username: s.Username,
		AuthProtocol: s.AuthProtocol, PrivProtocol: s.PrivProtocol, QuarantineVLAN: s.QuarantineVLAN, Simulator: s.Simulator,
	}
}

func (d SwitchDraft) record() outofband.Switch {
	s := outofband.Switch{
		Name: d.Name, Location: d.Location, Driver: d.Driver, Address: d.Address, Version: d.Version, Username: d.Username,
		AuthProtocol: d.AuthProtocol, PrivProtocol: d.PrivProtocol, QuarantineVLAN: d.QuarantineVLAN, Simulator: d.Simulator,
	}
	return s.Normal()
}

const switchPlaces = "switch-places"

// Check records all fields that are wrong; self is the switch that is edited.
func (d SwitchDraft) Check(c *fault.Check, look Lookup, self string) {
	s := d.record()
	order.CheckName(c, "name", d.Name)
	s.Check(c)
	d.checkSecrets(c, look, s, self)
	checkTaken(c, look, "switches", "name", d.Name, self)
	if place := s.Place(); place != "" {
		if holder, taken := look.Holder(switchPlaces, place); taken && holder != self {
			other, _ := look.Switch(holder)
			c.Add("address", "is that of switch %s (%s)", other.Name, holder)
		}
	}
	_, ok := look.Location(d.Location)
	c.Require(ok, "location", "%.80q does not exist; see: steelyard location list", d.Location)
}

// checkSecrets wants the secrets that the version needs, and does not let stored ones go to
// another place.
func (d SwitchDraft) checkSecrets(c *fault.Check, look Lookup, s outofband.Switch, self string) {
	old, _ := look.Switch(self)
	kept := old.SameTarget(s)
	snmp := s.Driver == outofband.SwitchSNMP
	secret := func(field string, given logging.Secret, stored access.Sealed, needed bool, check func()) {
		switch {
		case !needed:
			c.Require(given == "", field, "means nothing to this driver and version; leave it out")
		case given != "":
			check()
		case stored.IsZero():
			c.Add(field, "is not given, and none is stored")
		case !kept:
			c.Add(field, "is needed again: driver, address, version or user name changed, and a stored secret is not sent elsewhere")
		}
	}
	v2, v3 := snmp && s.Version == outofband.SNMPv2c, snmp && s.Version == outofband.SNMPv3
	secret("community", d.Community, old.Community, v2, func() { outofband.CheckCommunity(c, string(d.Community)) })
	secret("auth_password", d.AuthPassword, old.AuthPassword, v3, func() { outofband.CheckSNMPPassword(c, "auth_password", string(d.AuthPassword)) })
	secret("priv_password", d.PrivPassword, old.PrivPassword, v3, func() { outofband.CheckSNMPPassword(c, "priv_password", string(d.PrivPassword)) })
}

// sealed puts the secrets of the draft into s, and takes over those of before that stay.
func (d SwitchDraft) sealed(in *Intake, tx *store.Tx, s *outofband.Switch, before outofband.Switch) error {
	if before.SameTarget(*s) {
		s.Community, s.AuthPassword, s.PrivPassword = before.Community, before.AuthPassword, before.PrivPassword
	}
	return cmp.Or(keepSecret(in, tx, seal.SwitchCommunity, s.ID, s, d.Community),
		keepSecret(in, tx, seal.SwitchAuthPassword, s.ID, s, d.AuthPassword),
		keepSecret(in, tx, seal.SwitchPrivPassword, s.ID, s, d.PrivPassword))
}

// CreateSwitch adds a switch.
func (in *Intake) CreateSwitch(ctx context.Context, actor access.Actor, d SwitchDraft) (s outofband.Switch, rev int64, err error) {
	now, fresh := in.now(), id.New("swi")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the switch cannot be made", func(c *fault.Check, look Lookup) { d.Check(c, look, "") }); err != nil {
			return err
		}
		s = d.record()
		s.ID, s.CreatedAt = fresh, now
		if err := d.sealed(in, tx, &s, outofband.Switch{}); err != nil {
			return err
		}
		return cmp.Or(store.Switches.Create(tx, s.ID, s), nameSwitch(tx, outofband.Switch{}, s, s.ID),
			audit(tx, actor, "switch.create", "switches/"+s.ID, nil, s, "", now),
			remember(tx, "switches", s.ID, withoutBoxes(s), now))
	})
	return s, rev, err
}

// withoutBoxes keeps of each secret only that there is one: stored answers live on
// after a rotation.
func withoutBoxes(s outofband.Switch) outofband.Switch {
	for _, box := range []*access.Sealed{&s.Community, &s.AuthPassword, &s.PrivPassword} {
		if !box.IsZero() {
			*box = access.Sealed{Box: []byte{0}}
		}
	}
	return s
}

func nameSwitch(tx *store.Tx, before, after outofband.Switch, swiID string) error {
	user := func(s outofband.Switch) string { return "switch " + s.Name + " (" + swiID + ")" }
	var from, to []string
	if before.Location != "" {
		from = []string{before.Location}
	}
	if after.Location != "" {
		to = []string{after.Location}
	}
	return cmp.Or(rename(tx, "switches", before.Name, after.Name, swiID), rename(tx, switchPlaces, before.Place(), after.Place(), swiID),
		use(tx, "locations", from, nil, user(before)), use(tx, "locations", nil, to, user(after)))
}

// EditSwitch changes a switch that is still at revision rev.
func (in *Intake) EditSwitch(ctx context.Context, actor access.Actor, swiID string, rev int64,
	edit func(SwitchDraft) (SwitchDraft, error),
) (s outofband.Switch, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Switches.Get(tx, swiID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Switches, swiID, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfSwitch(before))
		if err != nil {
			return err
		}
		s = d.record()
		s.ID, s.CreatedAt = before.ID, before.CreatedAt
		if err := checked(tx, "the switch cannot be changed", func(c *fault.Check, look Lookup) {
			d.Check(c, look, swiID)
			in.checkWired(c, look, before, s)
		}); err != nil {
			return err
		}
		if err := d.sealed(in, tx, &s, before); err != nil {
			return err
		}
		return cmp.Or(store.Switches.Put(tx, swiID, s), nameSwitch(tx, before, s, swiID),
			audit(tx, actor, "switch.edit", "switches/"+swiID, before, s, "", now))
	})
	return s, at, err
}

// checkWired records what a switch with servers on it may not become.
func (in *Intake) checkWired(c *fault.Check, look Lookup, before, after outofband.Switch) {
	servers := look.Users("switches", before.ID)
	if len(servers) == 0 {
		return
	}
	if before.Location != after.Location {
		c.Add("location", "cannot be changed while ports of %s are on it; take them off first", callAll(look, servers))
	}
	if after.QuarantineVLAN == before.QuarantineVLAN {
		return
	}
	var clash []string
	for _, server := range servers {
		w, ok := store.Wirings.View(in.store, server)
		if ok && !fits(*w, after) {
			clash = append(clash, server)
		}
	}
	if len(clash) > 0 {
		c.Add("quarantine_vlan", "does not go with the ports of %s; give each a VLAN of its own service first", callAll(look, clash))
	}
}

func fits(w outofband.Wiring, s outofband.Switch) bool {
	var c fault.Check
	for _, p := range w.Ports {
		if p.Switch == s.ID {
			p.CheckVLAN(&c, "port", s)
		}
	}
	return c.Err("a port does not fit") == nil
}

// DeleteSwitch removes a switch that no server is plugged into.
func (in *Intake) DeleteSwitch(ctx context.Context, actor access.Actor, swiID string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		s, err := store.Switches.Get(tx, swiID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Switches, swiID, rev, s); err != nil {
			return err
		}
		servers, err := usersOf(tx, "switches", swiID)
		if err != nil {
			return err
		}
		if len(servers) > 0 {
			return fault.Refused("switch %s has ports of %s; take them off first", s.Name, order.Some(in.serverNames(servers)))
		}
		return cmp.Or(store.Switches.Delete(tx, swiID), nameSwitch(tx, s, outofband.Switch{}, swiID),
			audit(tx, actor, "switch.delete", "switches/"+swiID, s, nil, "", now))
	})
}

// serverNames are servers as a person calls them, from the present snapshot.
func (in *Intake) serverNames(ids []string) []string {
	list := make([]string, len(ids))
	for i, server := range ids {
		list[i] = called(in.Lookup(), server)
	}
	return list
}

// portField names a port of a request.
func portField(i int) string { return fmt.Sprintf("ports[%d]", i) }
