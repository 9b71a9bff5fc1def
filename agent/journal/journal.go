package journal

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Bounds of what is kept.
const (
	KeepAcked = 32
	MaxOpen   = 16
	compactAt = 1 << 20 // bytes of the file
)

// events of the journal.
const (
	received = "received"
	started  = "started"
	noted    = "noted"
	permit   = "permit"
	finished = "finished"
	acked    = "acked"
	promised = "promised"
	settled  = "settled"
	epoch    = "epoch"
)

// event is one line.
type event struct {
	Do      string            `json:"do"`
	ID      string            `json:"id,omitempty"` // of the command
	Command *protocol.Command `json:"command,omitempty"`
	Result  *protocol.Result  `json:"result,omitempty"`
	Note    json.RawMessage   `json:"note,omitempty"`
	Permit  string            `json:"permit,omitempty"`
	Until   *time.Time        `json:"until,omitempty"` // of the permit
	Epoch   uint64            `json:"epoch,omitempty"`
	Boot    string            `json:"boot,omitempty"` // of the machine, with a promise
}

// record is what is known of one command.
type record struct {
	command protocol.Command
	started bool
	acked   bool
	note    json.RawMessage
	result  *protocol.Result
	promise string // boot in which something is to be done after the result; "" nothing is
}

type use struct {
	command string
	until   time.Time
}

// Journal remembers commands. Make one with Open or InMemory.
type Journal struct {
	mu      sync.Mutex
	file    *file // nil: in memory
	now     func() time.Time
	epoch   uint64
	order   []string // ids, oldest first
	records map[string]*record
	permits map[string]use
}

// InMemory makes a journal that ends with the process.
func InMemory() *Journal { return &Journal{now: time.Now} }

// Receive records a command before anything is done about it. known tells that the id was
// received before: then nothing is recorded, whatever the command says. Faults: refused for an older
// epoch (rule X5), unavailable when too many results wait to be acknowledged.
func (j *Journal) Receive(cmd protocol.Command) (known bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.records[cmd.ID]; ok {
		return true, nil
	}
	if cmd.Epoch < j.epoch {
		return false, fault.Refused("command %s is of epoch %d; this server is at epoch %d", cmd.ID, cmd.Epoch, j.epoch)
	}
	if n := j.open(); n >= MaxOpen {
		return false, fault.Unavailable("%d commands are unfinished or not acknowledged; the next one has to wait", n)
	}
	return false, j.write(event{Do: received, ID: cmd.ID, Command: &cmd})
}

// Refuse records a command and its refusal at once: it is never started.
func (j *Journal) Refuse(cmd protocol.Command, res protocol.Result) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.records[cmd.ID]; ok {
		return nil
	}
	cmd.Epoch = min(cmd.Epoch, j.epoch) // a refused command teaches nothing
	return j.write(event{Do: received, ID: cmd.ID, Command: &cmd, Result: &res})
}

// Start records that the deed begins now. It may be called again after a crash.
func (j *Journal) Start(id string) error {
	return j.change(id, func(r *record) (event, bool) {
		return event{Do: started, ID: id}, !r.started
	})
}

// Note keeps what the deed wants to know after a crash; the newest note of a command counts.
func (j *Journal) Note(id string, note any) error {
	text, err := json.Marshal(note)
	if err != nil {
		return err
	}
	return j.change(id, func(*record) (event, bool) {
		return event{Do: noted, ID: id, Note: text}, true
	})
}

// Recall reads the newest note of a command into note; false when there is none.
func (j *Journal) Recall(id string, note any) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.records[id]
	if r == nil || r.note == nil {
		return false, nil
	}
	return true, json.Unmarshal(r.note, note)
}

// UsePermit spends a permit on a command; until is when the permit ends by itself. The same
// command may use it again, after a crash. Faults: refused when another command has used it.
func (j *Journal) UsePermit(id, command string, until time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if u, ok := j.permits[id]; ok {
		if u.command == command {
			return nil
		}
		return fault.Refused("permit %s was used by command %s; a permit serves once", id, u.command)
	}
	return j.write(event{Do: permit, ID: command, Permit: id, Until: &until})
}

// Promise records that something is to be done once the result is told, in this boot of the machine and no
// other. The first promise of a command stays.
func (j *Journal) Promise(id, boot string) error {
	return j.change(id, func(r *record) (event, bool) {
		return event{Do: promised, ID: id, Boot: boot}, r.promise == "" && r.result == nil
	})
}

// Promised is the boot that a promise was made in; "" when nothing is promised.
func (j *Journal) Promised(id string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if r := j.records[id]; r != nil {
		return r.promise
	}
	return ""
}

// Settle records that a promise was kept, or that it will not be.
func (j *Journal) Settle(id string) error {
	return j.change(id, func(r *record) (event, bool) {
		return event{Do: settled, ID: id}, r.promise != ""
	})
}

// Finish records the result, before anybody hears of it. A second result for one
// command is ignored: the first one stays.
func (j *Journal) Finish(res protocol.Result) error {
	return j.change(res.Command, func(r *record) (event, bool) {
		return event{Do: finished, ID: res.Command, Result: &res}, r.result == nil
	})
}

// Ack records that the controller has the result. Unknown ids are ignored.
func (j *Journal) Ack(id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if r := j.records[id]; r == nil || r.result == nil || r.acked {
		return nil
	}
	return j.write(event{Do: acked, ID: id})
}

// Advance raises the newest epoch seen; it never falls.
func (j *Journal) Advance(to uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if to <= j.epoch {
		return nil
	}
	return j.write(event{Do: epoch, Epoch: to})
}

// Epoch is the newest epoch seen.
func (j *Journal) Epoch() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.epoch
}

// Result gives the stored result of a command, or false while there is none.
func (j *Journal) Result(id string) (protocol.Result, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if r := j.records[id]; r != nil && r.result != nil {
		return *r.result, true
	}
	return protocol.Result{}, false
}

// Unacked are the results that nobody acknowledged, oldest first.
func (j *Journal) Unacked() []protocol.Result {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []protocol.Result
	for _, id := range j.order {
		if r := j.records[id]; r.result != nil && !r.acked {
			list = append(list, *r.result)
		}
	}
	return list
}

// Acked tells whether the controller has the result of a command.
func (j *Journal) Acked(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.records[id]
	return r != nil && r.acked
}

// Unfinished are the commands without a result or with a promise that is not settled, oldest first: what
// to go on with.
func (j *Journal) Unfinished() []protocol.Command {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []protocol.Command
	for _, id := range j.order {
		if r := j.records[id]; r.result == nil || r.promise != "" {
			list = append(list, r.command)
		}
	}
	return list
}

// open counts the commands that still need something. The caller holds the lock.
func (j *Journal) open() int {
	n := 0
	for _, r := range j.records {
		if !r.acked {
			n++
		}
	}
	return n
}

// change writes the event that f makes for a known command, if f wants it.
func (j *Journal) change(id string, f func(*record) (event, bool)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.records[id]
	if r == nil {
		return fault.Internal("command %s was never received", id)
	}
	if e, ok := f(r); ok {
		return j.write(e)
	}
	return nil
}

// write makes the event durable and then true. The caller holds the lock.
func (j *Journal) write(e event) error {
	if j.file != nil {
		if err := j.file.append(e); err != nil {
			return fault.Unavailable("write the journal: %w", err)
		}
	}
	j.apply(e)
	j.trim()
	if j.file != nil && j.file.size > max(compactAt, 2*j.file.compacted) {
		if err := j.file.replace(j.events()); err != nil {
			return fault.Unavailable("compact the journal: %w", err)
		}
	}
	return nil
}

// apply is the one place where events become state; reading the file uses it too.
func (j *Journal) apply(e event) {
	if j.records == nil {
		j.records, j.permits = map[string]*record{}, map[string]use{}
	}
	r := j.records[e.ID]
	switch {
	case e.Do == epoch:
		j.epoch = max(j.epoch, e.Epoch)
	case e.Do == permit && e.Until != nil:
		j.permits[e.Permit] = use{e.ID, *e.Until}
	case e.Do == received && r == nil && e.Command != nil:
		j.records[e.ID] = &record{command: *e.Command, result: e.Result}
		j.order = append(j.order, e.ID)
		j.epoch = max(j.epoch, e.Command.Epoch)
	case r == nil: // trimmed meanwhile
	case e.Do == started:
		r.started = true
	case e.Do == noted:
		r.note = e.Note
	case e.Do == finished:
		r.result, r.note = e.Result, nil
	case e.Do == acked:
		r.acked = true
	case e.Do == promised:
		r.promise = e.Boot
	case e.Do == settled:
		r.promise = ""
	}
}

// trim forgets the oldest acknowledged commands and the permits that have ended. A permit outlives its end
// by a day, so that a clock that was set back does not bring it to life again.
func (j *Journal) trim() {
	n := 0
	for _, r := range j.records {
		if r.acked {
			n++
		}
	}
	j.order = slices.DeleteFunc(j.order, func(id string) bool {
		drop := n > KeepAcked && j.records[id].acked
		if drop {
			n--
			delete(j.records, id)
		}
		return drop
	})
	for id, u := range j.permits {
		if j.now().After(u.until.Add(24 * time.Hour)) {
			delete(j.permits, id)
		}
	}
}

// events are the fewest that make the present state.
func (j *Journal) events() []event {
	list := []event{{Do: epoch, Epoch: j.epoch}}
	for id, u := range j.permits {
		list = append(list, event{Do: permit, ID: u.command, Permit: id, Until: &u.until})
	}
	for _, id := range j.order {
		r := j.records[id]
		list = append(list, event{Do: received, ID: id, Command: &r.command})
		if r.started {
			list = append(list, event{Do: started, ID: id})
		}
		if r.note != nil {
			list = append(list, event{Do: noted, ID: id, Note: r.note})
		}
		if r.promise != "" {
			list = append(list, event{Do: promised, ID: id, Boot: r.promise})
		}
		if r.result != nil {
			list = append(list, event{Do: finished, ID: id, Result: r.result})
		}
		if r.acked {
			list = append(list, event{Do: acked, ID: id})
		}
	}
	return list
}

// Close closes the file. The journal must not be used afterwards.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	return j.file.close()
}
