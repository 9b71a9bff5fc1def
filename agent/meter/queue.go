package meter

import (
	"bytes"
	"slices"

	"github.com/steelyard/steelyard/agent/meter/book"
)

// Bounds of what is remembered of mail on its way. A day has 96 quarter-hours.
const (
	mailMax    = 20_000  // mails; the oldest are given up beyond
	mailOld    = 10 * 96 // Postfix returns mail after five days
	mailBegun  = 24      // what a client began to send, and Postfix did not take for so long, was broken off
	mailOrphan = 8       // how long a mail that is gone waits for a line that says whose it was
	transfers  = 32      // of one mail, the last ones
)

// mail is one on its way: what has to be known of it when the next line comes.
type mail struct {
	At        book.Quarter // of its first line
	Size      uint64       // as Postfix's queue holds it; 0: Postfix has not taken it yet
	Outside   bool         // it came over the network, and nobody paid for that yet
	Within    bool         // it was made or brought in on this machine: whose it is a later line may say
	Gone      bool         // it left the queue
	Account   string       // who sent it; "": nobody here, or not known
	Transfers []uint64     // that were counted
	Waiting   []book.Count // bytes that somebody will pay for, when it is known who
}

// queue is Postfix's, as far as its log tells.
type queue struct {
	calendar
	mails   map[string]*mail // by queue id
	changed map[string]bool
	last    book.Quarter // when old ones were looked for
}

// load goes on with what the book remembers.
func (q *queue) load(notes book.Notes) {
	q.mails, q.changed, q.last = map[string]*mail{}, map[string]bool{}, 0
	for id, text := range notes {
		if m, err := parseMail(text); err == nil {
			q.mails[id] = m
		}
	}
}

// line counts a line of Postfix's log.
func (q *queue) line(line []byte, c *counts) (known bool) {
	e, ok := q.postfixLine(line)
	if !ok {
		return false
	}
	if e.id == nil {
		return true
	}
	switch string(e.program) {
	case "smtpd":
		return q.received(e, c)
	case "pickup":
		return q.picked(e, c)
	case "qmgr":
		return q.queued(e, c)
	}
	if !bytes.HasPrefix(e.text, []byte("to=<")) {
		return true
	}
	d, ok := delivered(e)
	return ok && q.delivered(e, d, c)
}

// open is a mail of which the first line came. A queue id comes again when its mail is gone.
func (q *queue) open(e entry) *mail {
	m := &mail{At: e.at}
	q.mails[string(e.id)] = m
	q.changed[string(e.id)] = true
	return m
}

// received reads client=NAME[ADDRESS], sasl_method=PLAIN, sasl_username=LOGIN.
func (q *queue) received(e entry, c *counts) bool {
	client, ok := bytes.CutPrefix(e.text, []byte("client="))
	if !ok {
		return true
	}
	client, rest, _ := bytes.Cut(client, []byte(", "))
	from := bracketed(client)
	m := q.open(e)
	m.Outside = from.IsValid() && !c.inside(from)
	m.Within = !m.Outside
	if _, login, ok := bytes.Cut(rest, []byte("sasl_username=")); ok {
		login, _, _ = bytes.Cut(login, []byte(", "))
		m.Account = c.domain(login)
	}
	return true
}

// picked reads uid=NUMBER from=<ADDRESS>: a program of this machine. What it says of itself behind its number is not asked.
func (q *queue) picked(e entry, c *counts) bool {
	number, ok := bytes.CutPrefix(e.text, []byte("uid="))
	if !ok {
		return true
	}
	number, _, _ = bytes.Cut(number, []byte{' '})
	m := q.open(e)
	m.Outside, m.Within, m.Account = false, true, c.number(number)
	return true
}

// queued reads from=<ADDRESS>, size=BYTES, nrcpt=NUMBER (queue active), which comes with each try, and removed.
func (q *queue) queued(e entry, c *counts) bool {
	id, m := string(e.id), q.mails[string(e.id)]
	if string(e.text) == "removed" {
		switch {
		case m == nil:
		case len(m.Waiting) > 0:
			m.Gone, m.At = true, e.at
			q.changed[id] = true
		default:
			q.drop(id)
		}
		return true
	}
	n := bytes.LastIndex(e.text, []byte(">, size="))
	if !bytes.HasPrefix(e.text, []byte("from=<")) || n < 0 {
		return true
	}
	number, _, _ := bytes.Cut(e.text[n+len(">, size="):], []byte{','})
	size, ok := digits(number)
	if !ok || size == 0 {
		return false
	}
	if m == nil { // Postfix itself made it: of a list, a notice
		m = q.open(e)
		m.Within = true
	}
	if m.Size > 0 {
		return true
	}
	m.Size = size
	q.changed[id] = true
	if m.Account != "" {
		q.arrived(m, m.Account, e.at, c)
	}
	return true
}

// arrived counts once that the mail came over the network.
func (q *queue) arrived(m *mail, account string, at book.Quarter, c *counts) {
	if m.Outside && account != "" {
		m.Outside = false
		c.add(account, at, book.Mail, book.Traffic{In: m.Size})
	}
}

func (q *queue) delivered(e entry, d delivery, c *counts) (known bool) {
	m := q.mails[string(e.id)]
	if m == nil || m.Size == 0 {
		return false // its beginning was not read
	}
	account := c.domain(d.first)
	if account == "" {
		account = c.domain(d.to)
	}
	if m.Outside && account != "" {
		q.arrived(m, account, e.at, c)
		q.changed[string(e.id)] = true
	}
	switch {
	case !d.sent:
	case string(e.program) == "local":
		q.handOn(e, d.answer, "forwarded as ", account, c)
	case !d.relay.IsValid():
	case c.inside(d.relay):
		q.handOn(e, d.answer, "queued as ", m.Account, c)
	case m.transferred(d.transfer):
		q.changed[string(e.id)] = true
		q.pay(m, account, e.at, c)
	}
	return true
}

// transferred remembers a transfer; false: it is known.
func (m *mail) transferred(t uint64) bool {
	if slices.Contains(m.Transfers, t) {
		return false
	}
	m.Transfers = append(m.Transfers, t)
	m.Transfers = m.Transfers[max(0, len(m.Transfers)-transfers):]
	return true
}

// pay counts that a mail left: who sent it pays, or whose address or list passed it on.
func (q *queue) pay(m *mail, recipient string, at book.Quarter, c *counts) {
	account := m.Account
	if account == "" {
		account = recipient
	}
	if account == "" {
		if m.Within {
			m.wait(at)
		}
		return
	}
	c.add(account, at, book.Mail, book.Traffic{Out: m.Size})
}

func (m *mail) wait(at book.Quarter) {
	if n := len(m.Waiting); n == 0 || m.Waiting[n-1].Quarter != at {
		m.Waiting = append(m.Waiting, book.Count{Quarter: at, Class: book.Mail})
	}
	m.Waiting[len(m.Waiting)-1].Traffic.Out += m.Size
}

// handOn says whose a mail is that goes on under another queue id, as the answer of this one says: from a list, or a content filter gave it back. What a list makes may be known
// before its own first line.
func (q *queue) handOn(e entry, answer []byte, word, account string, c *counts) {
	_, id, ok := bytes.Cut(answer, []byte(word))
	id = bytes.TrimRight(id, ")")
	if !ok || account == "" || !isQueueID(id) {
		return
	}
	m := q.mails[string(id)]
	if m == nil && string(e.program) == "local" {
		m = &mail{At: e.at, Within: true}
		q.mails[string(id)] = m
	}
	if m == nil || !m.Within || m.Account != "" {
		return
	}
	m.Account = account
	for _, w := range m.Waiting {
		c.add(account, w.Quarter, w.Class, w.Traffic)
	}
	m.Waiting = nil
	if q.changed[string(id)] = true; m.Gone {
		q.drop(string(id))
	}
}

func (q *queue) drop(id string) {
	delete(q.mails, id)
	q.changed[id] = true
}

// notes are what changed since the last time, and how many mails were given up.
func (q *queue) notes(now book.Quarter) (book.Notes, uint64) {
	given := q.forget(now)
	n := book.Notes{}
	for id := range q.changed {
		n[id] = q.mails[id].text()
	}
	clear(q.changed)
	return n, given
}

// forget gives up what is too old, or too much. It looks once in a quarter-hour of the log.
func (q *queue) forget(now book.Quarter) (given uint64) {
	if now == q.last && len(q.mails) <= mailMax {
		return 0
	}
	q.last = now
	for id, m := range q.mails {
		if age := now - m.At; m.Gone && age > mailOrphan || m.Size == 0 && age > mailBegun {
			q.drop(id)
		} else if age > mailOld {
			q.drop(id)
			given++
		}
	}
	if len(q.mails) <= mailMax {
		return given
	}
	ids := make([]string, 0, len(q.mails))
	for id := range q.mails {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return q.mails[a].before(q.mails[b], a, b) })
	for _, id := range ids[:len(ids)-mailMax*9/10] {
		if q.mails[id].Size > 0 {
			given++
		}
		q.drop(id)
	}
	return given
}
