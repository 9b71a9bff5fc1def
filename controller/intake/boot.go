package intake

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/hardware/smbios"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

const (
	// BootLife is how long a boot token lasts: meanwhile the firmware has to fetch a kernel over a slow network.
	BootLife = 15 * time.Minute
	// maxBoots bounds what machines that nobody knows can make us remember; the oldest are forgotten a day after their end.
	maxBoots = 20_000
	// toldRefusals of one boot token are audited; its secret may be in the hands of a program that goes on for ever.
	toldRefusals = 8
)

// Boot is a machine that asked what to boot, as its firmware describes it.
type Boot struct {
	Server   string // which server it is; "" one that nobody knows
	MAC      string // of the card that it boots from, lower case
	UUID     string // "" it told none
	Location string // of a machine that nobody knows
	Remote   string // the address that asked
	Kexec    bool   // its running system asked, and will start the RAM environment past the firmware
}

// keys are those of the records by which its earlier token is found.
func (b Boot) keys() []string {
	keys := []string{"mac:" + b.MAC}
	if b.Server != "" {
		keys = append(keys, "server:"+b.Server)
	}
	return keys
}

// AdmitBoot makes the token with which this boot of the machine may enrol, once and soon, and returns its
// secret, which is kept nowhere (rule X9). An earlier one of the same machine is void from now on. Refused as
// unavailable are machines that nobody knows while there are too many of them.
func (in *Intake) AdmitBoot(ctx context.Context, b Boot) (t access.Token, secret string, err error) {
	if b.Server == "" && store.Boots.Len(in.store.Snapshot()) >= maxBoots {
		return t, "", fault.Unavailable("%d boots are remembered, more than a fleet has; look who asks: steelyard token list --kind boot", maxBoots)
	}
	now, fresh := in.now(), id.New("tok")
	secret = id.Secret()
	t = access.Token{
		ID: fresh, Kind: access.TokenBoot, Name: "boot of " + b.MAC, Digest: access.Digest(secret), Location: b.Location, MaxUses: 1,
		Server: b.Server, MAC: b.MAC, UUID: b.UUID, Kexec: b.Kexec, CreatedAt: now, CreatedBy: "netboot for " + b.Remote, ExpiresAt: now.Add(BootLife),
	}
	if b.Kexec {
		t.CreatedBy = "the agent at " + b.Remote
	}
	err = in.change(ctx, func(tx *store.Tx) error {
		if err := supersede(tx, b); err != nil {
			return err
		}
		for _, key := range b.keys() {
			if err := store.Boots.Put(tx, key, store.Boot{Token: t.ID}); err != nil {
				return err
			}
		}
		return cmp.Or(store.Tokens.Create(tx, t.ID, t), audit(tx, access.System, "boot.admit", "tokens/"+t.ID, nil, t, "asked from "+b.Remote, now))
	})
	return t, secret, err
}

// Mixed quarantines the servers that a machine which starts from the network has parts of: cards or boards were swapped, and an
// operation that works on one of them would work on another (rule X1).
func (in *Intake) Mixed(ctx context.Context, servers []string, b Boot) error {
	servers = slices.DeleteFunc(slices.Clone(servers), func(id string) bool {
		s, ok := store.Servers.View(in.store, id)
		return !ok || s.Quarantine != nil || s.Approval == fleet.Retired
	})
	if len(servers) == 0 {
		return nil
	}
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		for _, id := range servers {
			if err := mix(tx, id, b, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func mix(tx *store.Tx, server string, b Boot, now time.Time) error {
	s, ok, err := store.Servers.Find(tx, server)
	if err != nil || !ok || s.Quarantine != nil {
		return err
	}
	before, reason := s, "a machine with parts of several servers started from the network (network card "+b.MAC+", UUID "+cmp.Or(b.UUID, "none")+")"
	s.Quarantine = &fleet.Note{Reason: reason, Actor: access.System.Name, At: now}
	return cmp.Or(store.Servers.Put(tx, s.ID, s), audit(tx, access.System, "server.quarantine", "servers/"+s.ID, before, s, reason, now),
		conflictTask(tx, s.ID, "Server "+s.Name+" has parts of another server, or another one has its parts", "At "+now.UTC().Format(time.RFC3339)+" "+reason+
			". Nothing is written to the disks of these servers. Look at network cards and boards; put them back, or start every machine so that it reports what it has; then end the quarantine and retry what is held.", now))
}

// supersede voids the earlier tokens of a machine.
func supersede(tx *store.Tx, b Boot) error {
	for _, key := range b.keys() {
		last, _, err := store.Boots.Find(tx, key)
		if err != nil {
			return err
		}
		old, ok, err := store.Tokens.Find(tx, last.Token)
		if err != nil {
			return err
		}
		if !ok || old.Revoked {
			continue
		}
		old.Revoked = true
		if err := store.Tokens.Put(tx, old.ID, old); err != nil {
			return err
		}
	}
	return nil
}

// forgetBoot deletes what names a token that goes.
func forgetBoot(tx *store.Tx, t *access.Token) error {
	if t.Kind != access.TokenBoot {
		return nil
	}
	for _, key := range (Boot{Server: t.Server, MAC: t.MAC}).keys() {
		newest, ok, err := store.Boots.Find(tx, key)
		if err != nil {
			return err
		}
		if !ok || newest.Token != t.ID {
			continue
		}
		if err := store.Boots.Delete(tx, key); err != nil {
			return err
		}
	}
	return nil
}

// boot lets in the machine that the token was made for: as the server that it is, with its approval, its owner and what is known
// of its disks as they were, because the controller itself started this boot; or as one that nobody knows.
func (e *enrolment) boot(tx *store.Tx, t access.Token) error {
	e.refusal = nil
	keys := fleet.IdentityKeys(e.req.Inventory.Identity)
	known, err := holders(tx, keys, "")
	if err != nil {
		return err
	}
	if e.retired, err = retiredWith(tx, keys); err != nil {
		return err
	}
	if why := e.unbootable(t); why != "" {
		return e.turnAway(tx, t, why)
	}
	if again := slices.IndexFunc(known, e.repeats); again >= 0 {
		e.server = known[again]
		return nil
	}
	if t.Uses >= t.MaxUses {
		return e.turnAway(tx, t, "was used before, with another key")
	}
	s, ok, err := store.Servers.Find(tx, t.Server)
	switch {
	case err != nil:
		return err
	case t.Server != "" && (!ok || s.Approval == fleet.Rejected || s.Approval == fleet.Retired):
		return e.turnAway(tx, t, "is for server "+t.Server+", which was rejected, retired or merged meanwhile")
	}
	t.Uses++
	if err := store.Tokens.Put(tx, t.ID, t); err != nil {
		return err
	}
	if t.Server != "" {
		return e.rebooted(tx, s, t)
	}
	if s, ok := e.returning(known); ok { // it became known while it booted
		return e.back(tx, s, t)
	}
	return e.add(tx, t, known)
}

// unbootable tells why the machine may not use the token; "" it may.
func (e *enrolment) unbootable(t access.Token) string {
	inv := &e.req.Inventory
	asked := smbios.UUID(t.UUID)
	switch {
	case t.Revoked:
		return "is void: the machine was started again since, or somebody revoked it"
	case !e.now.Before(t.ExpiresAt):
		return "ended at " + t.ExpiresAt.UTC().Format(time.RFC3339)
	case e.req.Environment != protocol.EnvRAM && e.req.Environment != protocol.EnvRescue:
		return "is for the RAM environment, and the agent says that it is in another one"
	case !slices.Contains(cards(inv), t.MAC):
		return "is for the machine with the network card " + t.MAC + ", and this one has no such card"
	case asked != "" && inv.Identity.UUID != "" && asked != smbios.UUID(inv.Identity.UUID) && asked != mixed(smbios.UUID(inv.Identity.UUID)):
		return "is for the machine with the UUID " + asked + ", and this one has another"
	}
	return ""
}

// cards are all addresses of the machine's network cards, burnt in or set: firmware may boot from either.
func cards(inv *hardware.Inventory) (macs []string) {
	for _, m := range inv.Identity.MACs {
		macs = append(macs, strings.ToLower(m))
	}
	for _, n := range inv.NICs {
		macs = append(macs, strings.ToLower(n.PermanentMAC), strings.ToLower(n.MAC))
	}
	return macs
}

// mixed is a UUID with its first three fields in the other byte order: before SMBIOS 2.6 it was not said which one is
// meant, and firmware and kernel may differ.
func mixed(uuid string) string {
	raw, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil || len(raw) != 16 {
		return ""
	}
	slices.Reverse(raw[0:4])
	slices.Reverse(raw[4:6])
	slices.Reverse(raw[6:8])
	text := hex.EncodeToString(raw)
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

// turnAway refuses and commits a line about it: the secret of the token is in other hands, or a machine hangs.
func (e *enrolment) turnAway(tx *store.Tx, t access.Token, why string) error {
	e.refusal = fault.Denied("boot token %s %s; start the machine from the network again", t.ID, why)
	if t.Refusals >= toldRefusals {
		return nil
	}
	t.Refusals++
	return cmp.Or(store.Tokens.Put(tx, t.ID, t),
		audit(tx, e.actor(t), "boot.refuse", "tokens/"+t.ID, nil, nil, "boot token "+t.ID+" "+why, e.now))
}

// rebooted makes this boot the server's agent. The former agent's certificate is void with that, and its session ends. What a
// simulated or sandboxed agent said of disks says nothing of the machine's own, and of what an installed system did to
// them nobody knows. If the machine is not what it was, a person is asked (rule X1).
func (e *enrolment) rebooted(tx *store.Tx, s fleet.Server, t access.Token) (err error) {
	before := s
	if s.Successor, err = rests(tx, &s); err != nil {
		return err
	}
	if s.Environment != protocol.EnvRAM {
		s = s.Soiled(e.now)
	}
	if (s.Environment == protocol.EnvSandbox || s.Environment == protocol.EnvSimulated) && s.InService {
		s.InService, s.ServiceSince = false, e.now
	}
	s.InstanceID, s.EnrolKey, s.Environment, s.CertSerial, s.PrevSerial = e.req.InstanceID, e.key, e.req.Environment, "", ""
	s.BootedAt = e.now
	if !t.Kexec {
		s.NetbootedAt = e.now
	}
	e.server, e.known = s, true
	return cmp.Or(
		store.Servers.Put(tx, s.ID, s),
		audit(tx, e.actor(t), "server.boot", "servers/"+s.ID, before, s, "", e.now),
		identify(tx, s, e.req.Inventory.Identity, e.now))
}

// rests is the agent that may come back when the server starts from its disk again: that of a customer's system, unless the
// server is being taken from him or written anew. His root may have copied its key, and would otherwise end an erase with it.
func rests(tx *store.Tx, s *fleet.Server) (*fleet.Successor, error) {
	op, _, err := store.Operations.Find(tx, s.Operation)
	if err != nil {
		return nil, err
	}
	running := op.Kind != "" && !operation.Final(op.State)
	switch {
	case running && (op.Kind == operation.Delete || op.Kind == operation.Erase):
		return nil, nil
	case running && op.Kind == operation.Install, s.Environment != protocol.EnvInstalled, s.CertSerial == "",
		s.Claim.Kind == fleet.ClaimNone || s.Claim.Kind == fleet.ClaimHeld:
		return s.Successor, nil
	}
	return &fleet.Successor{InstanceID: s.InstanceID, Serial: s.CertSerial, NotAfter: s.CertNotAfter, Operation: s.Installed}, nil
}

// NetbootKey is the dedupe key of the task about dnsmasq on a machine with a controller.
func NetbootKey(host string) string { return "netboot/" + host }

// NetbootTrouble asks a person to look why dnsmasq does not run on a machine; without a reason it does again.
func (in *Intake) NetbootTrouble(ctx context.Context, host, reason string) error {
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		if reason == "" {
			return CloseTask(tx, NetbootKey(host), access.System.Name, "dnsmasq runs again", now)
		}
		return FileTask(tx, task.New(id.At("tsk", now), systemsDepartment, task.Failure, NetbootKey(host), "No server can start from the network at controller "+host,
			"dnsmasq ends each time that it is started: "+reason+". It is tried again every minute; this task closes itself when it runs.", now))
	})
}
