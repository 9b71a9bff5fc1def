package intake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// systemsDepartment gets the tasks about identity and approval.
const systemsDepartment = "systems"

// Enrol takes a machine into the fleet. The same instance asking again with the same
// key gets the same server: an answer was lost. A machine that shares only a part of its identity
// with another one is taken in, and both are quarantined (rule X1).
func (in *Intake) Enrol(ctx context.Context, remote string, req protocol.EnrolRequest,
	issue func(serverID string) (authority.Issued, error),
) (protocol.EnrolReply, error) {
	req.Inventory.Clean()
	e := enrolment{in: in, req: req, remote: remote, fresh: id.New("srv"), key: keyOf(req.CSR), now: in.now()}
	err := in.change(ctx, e.decide)
	if err == nil && e.refusal != nil {
		err = e.refusal
	}
	if err != nil {
		return protocol.EnrolReply{}, err
	}
	cert, err := issue(e.server.ID)
	if err != nil {
		return protocol.EnrolReply{}, err
	}
	if err := in.certified(ctx, e.server.ID, req.InstanceID, cert); err != nil {
		return protocol.EnrolReply{}, err
	}
	in.log.Info("server enrolled", "server", e.server.ID, "name", e.server.Name, "approval", e.server.Approval, "remote", remote)
	return protocol.EnrolReply{ServerID: e.server.ID, Certificate: cert.DER, Approval: e.server.Approval}, nil
}

// certified makes the new certificate the only one that is accepted.
func (in *Intake) certified(ctx context.Context, server, instance string, cert authority.Issued) error {
	return in.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil {
			return err
		}
		if s.InstanceID != instance {
			return fault.Conflict("server %s was enrolled by another agent meanwhile; enrol again", server)
		}
		s.CertSerial, s.CertNotAfter, s.PrevSerial = cert.Serial, cert.NotAfter, ""
		return cmp.Or(forgetAlias(tx, &s), store.Servers.Put(tx, server, s))
	})
}

// enrolment is one attempt; decide may run several times.
type enrolment struct {
	in     *Intake
	req    protocol.EnrolRequest
	remote string
	fresh  string // id for a new server
	key    string // digest of the public key that the machine proved to hold
	now    time.Time
	server fleet.Server

	refusal error          // it is turned away; what was committed tells of it
	known   bool           // it was in the fleet before
	retired []fleet.Server // that had parts of it
}

func (e *enrolment) decide(tx *store.Tx) error {
	token, err := e.token(tx)
	if err != nil {
		return err
	}
	if token.Kind == access.TokenBoot {
		return e.boot(tx, token)
	}
	if err := e.usable(token); err != nil {
		return err
	}
	keys := fleet.IdentityKeys(e.req.Inventory.Identity)
	known, err := holders(tx, keys, "")
	if err != nil {
		return err
	}
	if e.retired, err = retiredWith(tx, keys); err != nil {
		return err
	}
	if again := slices.IndexFunc(known, e.repeats); again >= 0 {
		e.server = known[again]
		return nil
	}
	if token.MaxUses > 0 && token.Uses >= token.MaxUses {
		return fault.Denied("join token %s was used %d times, and no more are allowed; make a new one: steelyard token create --join", token.ID, token.Uses)
	}
	if token.MaxUses > 0 { // only then: a rack that joins at once would fight over the record
		token.Uses++
		if err := store.Tokens.Put(tx, token.ID, token); err != nil {
			return err
		}
	}
	if s, ok := e.returning(known); ok {
		return e.back(tx, s, token)
	}
	return e.add(tx, token, known)
}

// repeats tells whether the request is that of s, sent again. The instance alone proves nothing:
// it is no secret.
func (e *enrolment) repeats(s fleet.Server) bool {
	return e.req.InstanceID != "" && s.InstanceID == e.req.InstanceID && s.EnrolKey == e.key && s.Environment == e.req.Environment
}

// keyOf is the digest of the public key of a certificate request; "" for one that is none, which
// gets no certificate either.
func keyOf(csr []byte) string {
	req, err := authority.CheckRequest(csr)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(req.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// token finds the token by its secret. Every other refusal is told only to who knows that.
func (e *enrolment) token(tx *store.Tx) (access.Token, error) {
	name, secret, _ := strings.Cut(e.req.Token, ".")
	denied := fault.Denied("the join token is not known here; make one: steelyard token create --join")
	if !id.Valid("tok", name) {
		return access.Token{}, denied
	}
	t, ok, err := store.Tokens.Find(tx, name)
	if err != nil {
		return t, err
	}
	sum := sha256.Sum256([]byte(secret))
	if !ok || t.Kind != access.TokenJoin && t.Kind != access.TokenBoot || subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(t.Digest)) != 1 {
		return t, denied
	}
	return t, nil
}

// usable refuses a join token that is over or was revoked.
func (e *enrolment) usable(t access.Token) error {
	switch {
	case t.Revoked:
		return fault.Denied("join token %s was revoked; make a new one: steelyard token create --join", t.ID)
	case !t.ExpiresAt.IsZero() && !e.now.Before(t.ExpiresAt):
		return fault.Denied("join token %s ended at %s; make a new one: steelyard token create --join", t.ID, t.ExpiresAt.Format(time.RFC3339))
	}
	return nil
}

// returning finds the one server that this machine was before its agent was
// installed anew: the same in every part, alone, and not connected now.
func (e *enrolment) returning(known []fleet.Server) (fleet.Server, bool) {
	if len(known) != 1 || e.in.store.Connected(known[0].ID) {
		return fleet.Server{}, false
	}
	match, _ := fleet.Compare(known[0].Identity, e.req.Inventory.Identity)
	return known[0], match == fleet.Same
}

// back gives a known machine a new certificate. Somebody has to approve it again:
// whoever holds a join token could otherwise take a server's place. In another environment other disks are
// meant than those that were proven empty, and than those that somebody allowed to be erased.
func (e *enrolment) back(tx *store.Tx, s fleet.Server, token access.Token) error {
	before := s
	if s.Environment != e.req.Environment {
		s = s.Soiled(e.now)
		if s.InService && !token.AutoApprove {
			s.InService, s.ServiceSince = false, e.now
		}
	}
	s.InstanceID, s.EnrolKey, s.Environment, s.CertSerial, s.PrevSerial = e.req.InstanceID, e.key, e.req.Environment, "", ""
	if !token.AutoApprove {
		s.Approval, s.ApprovedBy = fleet.Pending, nil
	}
	e.server, e.known = s, true
	return cmp.Or(
		store.Servers.Put(tx, s.ID, s),
		audit(tx, e.actor(token), "server.enrol_again", "servers/"+s.ID, before, s, "", e.now),
		e.approvalTask(tx))
}

func (e *enrolment) add(tx *store.Tx, token access.Token, known []fleet.Server) error {
	e.server = fleet.Server{
		ID: e.fresh, Name: nameOf(&e.req.Inventory, e.fresh), Location: token.Location, Environment: e.req.Environment,
		InstanceID: e.req.InstanceID, EnrolKey: e.key, Identity: e.req.Inventory.Identity, Approval: fleet.Pending,
		Claim: fleet.Claim{Kind: fleet.ClaimNone, Since: e.now}, Cleanliness: fleet.Dirty, CleanSince: e.now,
		ServiceSince: e.now, CreatedAt: e.now, FreeSince: e.now,
	}
	if token.Kind == access.TokenBoot {
		e.server.NetbootedAt = e.now
	}
	if token.AutoApprove && len(e.retired) == 0 {
		e.server.Approval, e.server.InService = fleet.Approved, true
		e.server.ApprovedBy = &fleet.Note{Reason: "join token " + token.ID, Actor: token.CreatedBy, At: e.now}
	}
	if len(known) > 0 {
		if err := conflict(tx, &e.server, known, e.now); err != nil {
			return err
		}
	}
	return cmp.Or(
		store.Servers.Create(tx, e.server.ID, e.server),
		index(tx, e.server.ID, nil, e.server.Keys()),
		putFacts(tx, e.server.ID, "", protocol.Report{Inventory: e.req.Inventory}, e.now),
		audit(tx, e.actor(token), "server.enrol", "servers/"+e.server.ID, nil, e.server, "", e.now),
		e.approvalTask(tx))
}

func (e *enrolment) actor(token access.Token) access.Actor {
	return access.Actor{Name: token.Kind + " token " + token.ID + " from " + e.remote}
}

func (e *enrolment) approvalTask(tx *store.Tx) error {
	s := e.server
	if s.Approval != fleet.Pending {
		return nil
	}
	t := task.New(id.At("tsk", e.now), systemsDepartment, task.Approval, ApprovalKey(s.ID), "Approve server "+s.Name, e.question(), e.now)
	t.Server = s.ID
	return FileTask(tx, t)
}

// question is what a person should look at before the machine is approved.
func (e *enrolment) question() string {
	s := e.server
	if e.known {
		return "Server " + s.ID + " was known before and comes with a new key: it has a new disk or was installed anew, or another machine says that it is this one. " +
			"Look at the machine, then approve or reject it."
	}
	text := "Server " + s.ID + " asks to join the fleet. Compare its serial number with the delivery, then approve or reject it. " +
		"If it is a server that is known already, with a new board or disk, say which: steelyard server adopt " + s.ID + " --as SERVER."
	for _, old := range e.retired {
		text += " Parts of it were those of server " + old.Name + " (" + old.ID + "), retired"
		if by := old.ApprovedBy; by != nil {
			text += " by " + by.Actor + " at " + by.At.UTC().Format("2006-01-02 15:04 UTC") + ": " + by.Reason
		}
		text += "."
	}
	return text
}

func nameOf(inv *hardware.Inventory, fallback string) string {
	if h := inv.OS.Hostname; h != "" && h != "localhost" && h != "(none)" {
		return h
	}
	return fallback
}
