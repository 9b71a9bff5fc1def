package link

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// enrolTimeout is what a controller has for an answer.
const enrolTimeout = 60 * time.Second

// refusal is an enrolment that only a person can mend.
type refusal struct{ cause error }

func (r *refusal) Error() string { return r.cause.Error() }
func (r *refusal) Unwrap() error { return r.cause }

// enrol gets the first certificate, or one in place of a certificate that ended
// while the machine was away.
func (l *Link) enrol(ctx context.Context) error {
	if !l.joins {
		return &refusal{fault.Denied("this agent's certificate has ended, because it was not connected for a week; join again with a new token: steelyard token create --join")}
	}
	rec, err := l.ask(ctx)
	if err != nil {
		return l.judge(err)
	}
	if err := l.adopt(rec); err != nil {
		return &refusal{err}
	}
	l.log.Info("enrolled", "server", rec.ServerID)
	return nil
}

// judge tells what time can mend from what it cannot.
func (l *Link) judge(err error) error {
	if session.ReasonOf(err) != "" {
		return err // a controller that speaks badly may be replaced by a better one
	}
	switch fault.KindOf(err) {
	case fault.KindDenied, fault.KindInvalid, fault.KindRefused, fault.KindNotFound:
		return &refusal{err}
	}
	return err
}

// ask sends one request and checks the answer against the token.
func (l *Link) ask(ctx context.Context) (Record, error) {
	rec := l.record()
	csr, err := request(rec.Key)
	if err != nil {
		return rec, err
	}
	inv := l.inventory(ctx)
	raw, err := l.dial(ctx, session.EnrolTLS(l.join.Fingerprint))
	if err != nil {
		return rec, err
	}
	conn := session.NewConn(raw, enrolTimeout)
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	req := protocol.EnrolRequest{Token: l.join.Proof(), CSR: csr, Environment: l.opt.Environment, InstanceID: rec.InstanceID, Inventory: inv}
	if err := conn.Send(protocol.KindEnrolRequest, &req); err != nil {
		return rec, err
	}
	var reply protocol.EnrolReply
	if err := conn.Expect(protocol.KindEnrolReply, &reply); err != nil {
		return rec, err
	}
	return l.accept(rec, reply)
}

// accept puts the answer into the record.
func (l *Link) accept(rec Record, reply protocol.EnrolReply) (Record, error) {
	if reply.Fault != nil {
		return rec, reply.Fault
	}
	if session.Fingerprint(reply.Authority) != l.join.Fingerprint {
		return rec, fault.Denied("the controller answered with another authority than the join token names")
	}
	rec.ServerID, rec.Certificate, rec.Authority, rec.SigningKey = reply.ServerID, reply.Certificate, reply.Authority, reply.SigningKey
	return rec, nil
}
