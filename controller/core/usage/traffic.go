package usage

import "github.com/steelyard/steelyard/protocol"

// Traffic is what was transferred, in bytes, by class: protocol.UsageWWW, UsageFTP, UsageMail.
type Traffic [protocol.UsageClasses]protocol.Traffic

// WWW is what sites received and sent.
func (t *Traffic) WWW() uint64 { return t[protocol.UsageWWW].In + t[protocol.UsageWWW].Out }

// FTP is what FTP sessions transferred, both ways.
func (t *Traffic) FTP() uint64 { return t[protocol.UsageFTP].In + t[protocol.UsageFTP].Out }

// Mail is what mail transferred, both ways.
func (t *Traffic) Mail() uint64 { return t[protocol.UsageMail].In + t[protocol.UsageMail].Out }

// Total is the sum of the classes.
func (t *Traffic) Total() (n uint64) {
	for _, c := range t {
		n += c.In + c.Out
	}
	return n
}

// Add adds other figures.
func (t *Traffic) Add(o *Traffic) {
	for i := range t {
		t[i].In += o[i].In
		t[i].Out += o[i].Out
	}
}

// MaxTraffic bounds one figure of a month, in bytes: a node that says more is wrong (400 Gbit/s for a month are a seventh of it), and no sum of a fleet overflows.
const MaxTraffic = 1 << 60

// Plausible reports whether a node may say this.
func (t *Traffic) Plausible() bool {
	for _, c := range t {
		if c.In > MaxTraffic || c.Out > MaxTraffic {
			return false
		}
	}
	return true
}
