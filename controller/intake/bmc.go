package intake

import (
	"cmp"
	"context"
	"encoding/hex"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// BMCDraft is what a person says of how a server's power is switched.
type BMCDraft struct {
	Driver    string         `json:"driver" doc:"ipmi, redfish, wol, agent or manual."`
	Address   string         `json:"address,omitempty" doc:"ipmi: host or host:port; redfish: https://host or https://host:port; wol: broadcast address."`
	System    string         `json:"system,omitempty" doc:"redfish: id of the computer system, where the service has several."`
	Username  string         `json:"username,omitempty" doc:"ipmi, redfish."`
	Password  logging.Secret `json:"password,omitempty" doc:"ipmi, redfish. Never shown (X9). Left out: the stored one stays, as long as driver, address and user name stay."`
	MAC       string         `json:"mac,omitempty" doc:"wol: of the port that wakes the server."`
	AllowWeak bool           `json:"allow_weak,omitempty" doc:"ipmi: accept cipher suites that are refused otherwise, at your own risk."`
	Simulator string         `json:"simulator,omitempty" doc:"What plays the machine when it is not real; shown everywhere."`

	// Pin is the SHA-256 of the certificate, where the caller made it himself: there is nothing that a person
	// could compare. Nobody else can give it.
	Pin string `json:"-"`
}

func (d BMCDraft) record(server string) outofband.BMC {
	b := outofband.BMC{
		Server: server, Driver: d.Driver, Address: d.Address, System: d.System, Username: d.Username,
		MAC: d.MAC, AllowWeak: d.AllowWeak, Simulator: d.Simulator,
	}
	return b.Normal()
}

// Check records all fields that are wrong, for one server.
func (d BMCDraft) Check(c *fault.Check, look Lookup, server string) {
	b := d.record(server)
	b.Check(c)
	d.checkPassword(c, look, b)
	checkPlace(c, look, b)
}

// checkPassword wants a password where one is used, and does not let a stored one go
// to another place.
func (d BMCDraft) checkPassword(c *fault.Check, look Lookup, b outofband.BMC) {
	if !b.Remote() {
		c.Require(d.Password == "", "password", "means nothing to driver %.40s; leave it out", b.Driver)
		return
	}
	outofband.CheckPassword(c, b.Driver, string(d.Password))
	if d.Password != "" {
		return
	}
	switch old, ok := look.BMC(b.Server); {
	case !ok || old.Password.IsZero():
		c.Add("password", "is not given, and none is stored")
	case !old.SameTarget(b):
		c.Add("password", "is needed again: driver, address or user name changed, and a stored password is not sent elsewhere")
	}
}

// Small records of which servers are behind one address, so that two servers never
// have one management controller: power would be switched on the wrong machine.
const (
	bmcPlaces  = "bmc-places"
	bmcSystems = "bmc-systems"
	bmcMACs    = "bmc-macs"
)

func systemName(b outofband.BMC) string {
	if b.System == "" || b.Place() == "" {
		return ""
	}
	return b.Place() + "#" + b.System
}

func wakingMAC(b outofband.BMC) string {
	if b.Driver != outofband.DriverWOL {
		return ""
	}
	return b.MAC
}

func placesOf(b outofband.BMC) []string {
	if place := b.Place(); place != "" {
		return []string{place}
	}
	return nil
}

// checkPlace records an address that another server has.
func checkPlace(c *fault.Check, look Lookup, b outofband.BMC) {
	if mac := wakingMAC(b); mac != "" {
		if holder, taken := look.Holder(bmcMACs, mac); taken && holder != b.Server {
			c.Add("mac", "is that of %s", called(look, holder))
		}
	}
	place := b.Place()
	if place == "" {
		return
	}
	others := slices.DeleteFunc(slices.Clone(look.Users(bmcPlaces, place)), func(s string) bool { return s == b.Server })
	if len(others) == 0 {
		return
	}
	if b.System == "" {
		c.Add("address", "is that of %s; one management controller is of one server, or each names its own system", callAll(look, others))
		return
	}
	if other, ok := look.BMC(others[0]); ok && other.System == "" {
		c.Add("address", "is that of %s, which has it as a whole; give that one its own system first", called(look, others[0]))
	}
	if holder, taken := look.Holder(bmcSystems, systemName(b)); taken && holder != b.Server {
		c.Add("system", "%.80q at this address is that of %s", b.System, called(look, holder))
	}
}

// called is what a person calls a server.
func called(look Lookup, server string) string {
	if s, ok := look.Server(server); ok && s.Name != "" && s.Name != s.ID {
		return "server " + s.Name + " (" + s.ID + ")"
	}
	return "server " + server
}

func callAll(look Lookup, servers []string) string {
	const most = 6 // one more than order.Some tells
	list := make([]string, 0, most)
	for _, s := range servers[:min(len(servers), most)] {
		list = append(list, called(look, s))
	}
	return order.Some(list)
}

func moveBMC(tx *store.Tx, before, after outofband.BMC, server string) error {
	return cmp.Or(use(tx, bmcPlaces, placesOf(before), placesOf(after), server),
		rename(tx, bmcSystems, systemName(before), systemName(after), server),
		rename(tx, bmcMACs, wakingMAC(before), wakingMAC(after), server))
}

// SetBMC says how a server's power is switched, whatever was said before.
func (in *Intake) SetBMC(ctx context.Context, actor access.Actor, server string, rev int64, d BMCDraft) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil {
			return err
		}
		before, had, err := store.BMCs.Find(tx, server)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.BMCs, server, rev, before); err != nil {
			return err
		}
		if err := checked(tx, "the management controller cannot be set", func(c *fault.Check, look Lookup) { d.Check(c, look, server) }); err != nil {
			return err
		}
		b := d.pinned(inherited(d.record(server), before), actor, now)
		if err := keepSecret(in, tx, seal.BMCPassword, server, &b, d.Password); err != nil {
			return err
		}
		if reflect.DeepEqual(b, before) {
			return nil
		}
		if !before.SameMachine(b) {
			if err := quiet(tx, s, operation.HandPower); err != nil {
				return err
			}
		}
		b.ChangedAt = now
		return cmp.Or(store.BMCs.Put(tx, server, b), moveBMC(tx, before, b, server),
			audit(tx, actor, "bmc.set", "bmcs/"+server, whenHad(before, had), b, whose(s), now),
			forgetPin(tx, before, b, actor, now))
	})
}

// inherited is what stays of the record before: the password while it goes to the same
// place, the accepted certificate while it is the same machine.
func inherited(b, before outofband.BMC) outofband.BMC {
	if before.SameTarget(b) {
		b.Password = before.Password
	}
	if before.SameMachine(b) {
		b.Pin, b.PinSeen, b.PinBy = before.Pin, before.PinSeen, before.PinBy
	}
	b.ChangedAt = before.ChangedAt
	return b
}

// pinned is b with the certificate that its maker told of.
func (d BMCDraft) pinned(b outofband.BMC, actor access.Actor, now time.Time) outofband.BMC {
	if d.Pin != "" && d.Pin != b.Pin {
		b.Pin, b.PinSeen, b.PinBy = d.Pin, "", &fleet.Note{Reason: "made by this controller", Actor: actor.Name, At: now}
	}
	return b
}

func whenHad(before any, had bool) any {
	if !had {
		return nil
	}
	return before
}

// quiet refuses to exchange the way to a server under an operation that uses it: half of its
// steps would be done to another machine. One that is held waits for a person, who may have to.
func quiet(tx *store.Tx, s fleet.Server, hand string) error {
	if s.Operation == "" {
		return nil
	}
	op, ok, err := store.Operations.Find(tx, s.Operation)
	if err != nil || !ok || op.State != operation.Running {
		return err
	}
	if !slices.ContainsFunc(op.Steps, func(p operation.Step) bool { return p.Hand == hand }) {
		return nil
	}
	return fault.Refused("operation %s (%s) is running on server %s; wait for it or cancel it, then say how the server is reached", op.ID, op.Kind, s.ID)
}

// whose tells the audit log that a server which is not free was re-wired.
func whose(s fleet.Server) string {
	if s.Claim.Kind == fleet.ClaimNone || s.Claim.Kind == "" {
		return ""
	}
	return "server " + s.ID + " " + taken(s.Claim)
}

// DeleteBMC forgets the management controller: power is then switched by the agent and by hand.
func (in *Intake) DeleteBMC(ctx context.Context, actor access.Actor, server string, rev int64) (at int64, err error) {
	now := in.now()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil {
			return err
		}
		b, err := store.BMCs.Get(tx, server)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.BMCs, server, rev, b); err != nil {
			return err
		}
		if err := quiet(tx, s, operation.HandPower); err != nil {
			return err
		}
		return cmp.Or(store.BMCs.Delete(tx, server), moveBMC(tx, b, outofband.BMC{}, server),
			audit(tx, actor, "bmc.delete", "bmcs/"+server, b, nil, whose(s), now),
			forgetPin(tx, b, outofband.BMC{}, actor, now))
	})
}

func pinTask(server string) string { return "bmc-pin/" + server }

// forgetPin closes the task of a certificate that waits no more.
func forgetPin(tx *store.Tx, before, after outofband.BMC, actor access.Actor, now time.Time) error {
	if before.PinSeen == "" || after.PinSeen != "" {
		return nil
	}
	return CloseTask(tx, pinTask(before.Server), actor.Name, "the management controller was set anew", now)
}

// SawCertificate keeps the certificate (SHA-256 of its DER form, hexadecimal) that a management controller
// showed and that nobody has accepted, and files a task. It is only kept for the address that
// it was seen at; seeing it again changes nothing.
func (in *Intake) SawCertificate(ctx context.Context, server, address, sha256 string) error {
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		b, ok, err := store.BMCs.Find(tx, server)
		if err != nil || !ok || b.Address != address || b.PinSeen == sha256 || b.Pin == sha256 {
			return err
		}
		before := b
		b.PinSeen = sha256
		k := task.New(id.At("tsk", now), systemsDepartment, task.Approval, pinTask(server), "Accept the certificate of the management controller of server "+server,
			"It shows the certificate "+sha256+", which nobody has accepted; it gets no password until then. Compare it with what the machine itself says, then: "+
				"steelyard server bmc approve-pin "+server+" --sha256 "+sha256, now)
		k.Server = server
		return cmp.Or(store.BMCs.Put(tx, server, b), FileTask(tx, k),
			audit(tx, access.System, "bmc.certificate_seen", "bmcs/"+server, before, b, "", now))
	})
}

// ApprovePin accepts the certificate that was seen, and no other.
func (in *Intake) ApprovePin(ctx context.Context, actor access.Actor, server, sha256 string) (at int64, err error) {
	now := in.now()
	pin, err := fingerprint(sha256)
	if err != nil {
		return 0, err
	}
	return in.store.Change(ctx, func(tx *store.Tx) error {
		b, err := store.BMCs.Get(tx, server)
		if err != nil || b.Pin == pin && b.PinSeen == "" {
			return err
		}
		switch b.PinSeen {
		case pin:
		case "":
			return fault.Refused("no certificate of server %s waits for approval; one does after the controller has met it", server)
		default:
			return fault.Refused("the certificate that was seen of server %s is %s, not the one given; compare again", server, b.PinSeen)
		}
		before := b
		b.Pin, b.PinSeen, b.ChangedAt = pin, "", now
		b.PinBy = &fleet.Note{Reason: "compared", Actor: actor.Name, At: now}
		return cmp.Or(store.BMCs.Put(tx, server, b), audit(tx, actor, "bmc.approve_pin", "bmcs/"+server, before, b, "", now),
			CloseTask(tx, pinTask(server), actor.Name, "the certificate was accepted", now))
	})
}

// fingerprint is a SHA-256 in the form that is stored; people paste it with colons.
func fingerprint(text string) (string, error) {
	pin := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(text), ":", ""))
	raw, err := hex.DecodeString(pin)
	var c fault.Check
	c.Require(err == nil && len(raw) == 32, "sha256", "is not a SHA-256: 64 hexadecimal digits")
	return pin, c.Err("the certificate cannot be accepted")
}
