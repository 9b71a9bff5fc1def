package intake

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
)

// Succeed notes the agent of the system that is being written to a server's disk (rule B43). Only the operation that
// writes it may have one; a successor that never reported is replaced. The answer is what the customer wrote for
// cloud-init: it is told to the machine itself, past outbox and journal.
func (in *Intake) Succeed(ctx context.Context, server string, next fleet.Successor) (userData logging.Secret, err error) {
	err = in.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil {
			return err
		}
		op, ok, err := store.Operations.Find(tx, s.Operation)
		if err != nil {
			return err
		}
		if !ok || op.Kind != operation.Install || operation.Final(op.State) || op.Current >= len(op.Steps) ||
			op.Steps[op.Current].Command != protocol.CommandImage || op.Steps[op.Current].State != operation.StepSent {
			return fault.Refused("no system is being written to server %s now", server)
		}
		next.Operation = op.ID
		s.Successor = &next
		if op.Order != "" && in.ring != nil {
			if userData, err = seal.UserDataOf(in.store, in.ring, op.Order); err != nil {
				return err
			}
		}
		return store.Servers.Put(tx, server, s)
	})
	return userData, err
}

// Arrived makes the agent of the installed system that of the server: the one that wrote it is void from now on.
func (in *Intake) Arrived(ctx context.Context, server, serial string) error {
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil || s.CertSerial == serial {
			return err
		}
		next := s.Successor
		if next == nil || next.Serial != serial {
			return fault.Denied("server %s does not wait for this system; it was installed anew meanwhile", server)
		}
		before := s
		s.InstanceID, s.CertSerial, s.CertNotAfter, s.PrevSerial, s.EnrolKey = next.InstanceID, next.Serial, next.NotAfter, "", ""
		s.Environment, s.Installed, s.Successor = protocol.EnvInstalled, next.Operation, nil
		return cmp.Or(forgetAlias(tx, &s), store.Servers.Put(tx, server, s),
			audit(tx, access.System, "server.installed", "servers/"+server, before, s, "its installed system reported", now))
	})
}
