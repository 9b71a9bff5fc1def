package switchport

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/steelyard/steelyard/pkg/fault"
)

// maxGet is how many objects one GET asks for: an answer of this many numbers and
// short texts fits into one Ethernet frame.
const maxGet = 24

// exchange sends one request and returns its answer. The answer's status is the
// caller's; everything else that can be wrong with it is an error here.
func (d *device) exchange(ctx context.Context, request func() (*gosnmp.SnmpPacket, error)) (*gosnmp.SnmpPacket, error) {
	if err := ctx.Err(); err != nil {
		return nil, d.silent(err)
	}
	d.snmp.Context = ctx
	conn := d.snmp.Conn
	// The client looks at the context only between two attempts.
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	answer, err := request()
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, d.silent(ctx.Err())
	case err != nil:
		return nil, d.failed(err)
	case answer.PDUType != gosnmp.GetResponse:
		return nil, fault.Unavailable("switch %s answered with a %s instead of a response", d.name, answer.PDUType)
	}
	return answer, nil
}

func (d *device) silent(cause error) error {
	return fault.Unavailable("switch %s did not answer in time: %w", d.name, cause)
}

// failed gives an error of the SNMP client its kind. Its text is ours: that of the
// client may hold a stack.
func (d *device) failed(err error) error {
	switch {
	case errors.Is(err, gosnmp.ErrUnknownUsername):
		return fault.Denied("switch %s does not know the SNMPv3 user", d.name)
	case errors.Is(err, gosnmp.ErrWrongDigest):
		return fault.Denied("switch %s does not accept the SNMPv3 authentication; check auth protocol and password", d.name)
	case errors.Is(err, gosnmp.ErrDecryption):
		return fault.Denied("switch %s cannot decrypt what it gets; check SNMPv3 priv protocol and password", d.name)
	case errors.Is(err, gosnmp.ErrUnknownSecurityLevel):
		return fault.Denied("switch %s does not offer this SNMPv3 user authentication and privacy (authPriv)", d.name)
	case strings.Contains(err.Error(), "not authentic"):
		// What a switch says to a user that it does not know is not signed, so the client
		// does not believe it; every attempt ended like that.
		return fault.Denied("switch %s does not authenticate itself to us; check SNMPv3 user, auth protocol and auth password", d.name)
	case errors.Is(err, gosnmp.ErrMaxRetriesExceeded), isTimeout(err):
		return fault.Unavailable("switch %s does not answer; check its address, its access list, and the community or user: a wrong one is met with silence", d.name)
	case strings.Contains(err.Error(), "connection refused"):
		return fault.Unavailable("switch %s: nothing listens at this port; is SNMP switched on?", d.name)
	case strings.HasPrefix(err.Error(), "recover:"):
		return fault.Unavailable("switch %s sent an answer that cannot be decoded", d.name)
	}
	return fault.Unavailable("ask switch %s: %w", d.name, err)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// get reads single objects; those that the switch does not have, or that have no
// value it can tell, are left out.
func (d *device) get(ctx context.Context, oids ...string) (map[string]gosnmp.SnmpPDU, error) {
	out := make(map[string]gosnmp.SnmpPDU, len(oids))
	for len(oids) > 0 {
		n := min(len(oids), maxGet)
		if err := d.getInto(ctx, oids[:n], out); err != nil {
			return nil, err
		}
		oids = oids[n:]
	}
	return out, nil
}

// getInto reads a few objects. A switch that cannot answer them together (too big, or an
// old agent that gives up at the first missing one) is asked for half of them.
func (d *device) getInto(ctx context.Context, oids []string, out map[string]gosnmp.SnmpPDU) error {
	answer, err := d.exchange(ctx, func() (*gosnmp.SnmpPacket, error) { return d.snmp.Get(oids) })
	if err != nil {
		return err
	}
	if answer.Error == gosnmp.NoError {
		return d.collect(answer.Variables, oids, out)
	}
	if forbidden(answer.Error) {
		return d.refused("read", answer.Error)
	}
	if len(oids) == 1 {
		return nil
	}
	half := len(oids) / 2
	return errors.Join(d.getInto(ctx, oids[:half], out), d.getInto(ctx, oids[half:], out))
}

// collect takes over the values of exactly what was asked for.
func (d *device) collect(vars []gosnmp.SnmpPDU, oids []string, out map[string]gosnmp.SnmpPDU) error {
	if len(vars) != len(oids) {
		return fault.Unavailable("switch %s answered %d values when asked for %d", d.name, len(vars), len(oids))
	}
	for i, p := range vars {
		if p.Name != oids[i] {
			return fault.Unavailable("switch %s answered %.80s when asked for %s", d.name, p.Name, oids[i])
		}
		if present(p) {
			out[p.Name] = p
		}
	}
	return nil
}

// set writes objects, all or none. Errors: refused when the switch says no,
// unavailable when it may say yes later.
func (d *device) set(ctx context.Context, what string, vars ...gosnmp.SnmpPDU) error {
	answer, err := d.exchange(ctx, func() (*gosnmp.SnmpPacket, error) { return d.snmp.Set(vars) })
	if err != nil {
		return err
	}
	switch answer.Error {
	case gosnmp.NoError:
		return nil
	case gosnmp.GenErr, gosnmp.ResourceUnavailable, gosnmp.CommitFailed, gosnmp.UndoFailed, gosnmp.TooBig:
		return fault.Unavailable("switch %s could not %s (%s)", d.name, what, answer.Error)
	}
	return d.refused(what, answer.Error)
}

// forbidden are the statuses of missing rights.
func forbidden(s gosnmp.SNMPError) bool {
	return s == gosnmp.NoAccess || s == gosnmp.AuthorizationError
}

func (d *device) refused(what string, status gosnmp.SNMPError) error {
	switch status {
	case gosnmp.NoAccess, gosnmp.AuthorizationError, gosnmp.NotWritable, gosnmp.ReadOnly, gosnmp.NoSuchName:
		return fault.Refused("switch %s does not let us %s (%s); give the community or user the right to, see docs/switches.md", d.name, what, status)
	}
	return fault.Refused("switch %s refuses to %s (%s)", d.name, what, status)
}
