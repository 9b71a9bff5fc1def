package erase

import (
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/pace"
	"github.com/steelyard/steelyard/protocol"
)

// reach is how far a disk is: bytes emptied and read back, of its size and what a proof reads.
type reach struct {
	at    uint64
	note  string
	meter pace.Meter
}

func (d *disk) total() uint64 { return d.ref.SizeBytes + proofBytes(d.ref.SizeBytes) }

// stand says where the disk is now.
func (d *disk) stand(at uint64, note string) {
	d.tell(func() { d.now.at, d.now.note = at, note })
}

// advance counts n more bytes.
func (d *disk) advance(n uint64, note string) {
	d.tell(func() { d.now.at, d.now.note = d.now.at+n, note })
}

func (d *disk) tell(change func()) {
	e := d.erasing
	e.mu.Lock()
	change()
	d.now.at = min(d.now.at, d.total())
	var done uint64
	for _, one := range e.work {
		done += one.now.at
	}
	note := d.now.note + " " + d.ref.Name
	e.mu.Unlock()
	e.job.Report(done, e.total, "bytes", note)
}

// parts tells how far each disk is.
func (e *erasing) parts() []protocol.Part {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]protocol.Part, 0, len(e.work))
	for _, d := range e.work {
		p := protocol.Part{Name: driver.Describe(d.ref), Done: d.now.at, Total: d.total(), Note: d.now.note}
		p.Rate, p.Left = d.now.meter.Read(now, p.Done, p.Total)
		list = append(list, p)
	}
	return list
}
