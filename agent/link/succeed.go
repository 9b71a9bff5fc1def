package link

import (
	"context"

	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// Succession is what the agent that installs a system is given for it.
type Succession struct {
	Record   Record // of the agent that will run there
	UserData string // what the customer wrote for cloud-init; it is kept nowhere else
}

// Successor makes the identity of the agent that will run on the system which is being installed: a key and an instance
// of its own, and their certificate for the same server. It belongs into the state directory of that system ([Dir.Save])
// and nowhere else. Faults: refused while no image command is in work, unavailable when no controller answers.
func (l *Link) Successor(ctx context.Context) (Succession, error) {
	rec := l.record()
	rec.InstanceID = id.New("ins")
	var err error
	if rec.Key, err = newKey(); err != nil {
		return Succession{}, err
	}
	ask := protocol.Succeed{InstanceID: rec.InstanceID}
	if ask.CSR, err = request(rec.Key); err != nil {
		return Succession{}, err
	}
	var reply protocol.Succeeded
	if _, err := l.question(ctx, protocol.ALPNSucceed, protocol.KindSucceed, &ask, protocol.KindSucceeded, &reply); err != nil {
		return Succession{}, err
	}
	if reply.Fault != nil {
		return Succession{}, reply.Fault
	}
	rec.Certificate = reply.Certificate
	_, err = rec.identity()
	return Succession{rec, reply.UserData}, err
}
