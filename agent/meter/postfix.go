package meter

import (
	"bytes"
	"hash/fnv"
	"net/netip"
	"time"

	"github.com/steelyard/steelyard/agent/meter/book"
)

// entry is a line of Postfix's log, as postlogd(8) writes it:
//
//	Nov 23 12:00:00 HOST postfix/PROGRAM[PID]: QUEUEID: TEXT
type entry struct {
	at      book.Quarter
	program []byte // its last name: smtpd of postfix/submission/smtpd
	pid     []byte
	id      []byte // nil: the line is about no mail
	text    []byte
}

// postfixLine takes a line apart. What others said on the way (addresses, answers) stands at the end of a line and is never taken for its beginning.
func (c *calendar) postfixLine(line []byte) (e entry, ok bool) {
	if e.at, ok = c.quarter(line); !ok {
		return e, false
	}
	_, line, ok = bytes.Cut(line[len(stamp)+1:], []byte{' '}) // the host
	if !ok {
		return e, false
	}
	tag, text, ok := bytes.Cut(line, []byte("]: "))
	n := bytes.LastIndexByte(tag, '[')
	if !ok || n < 0 || bytes.IndexByte(tag, ' ') >= 0 {
		return e, false
	}
	e.program, e.pid = tag[:n], tag[n+1:]
	e.program = e.program[bytes.LastIndexByte(e.program, '/')+1:]
	if id, rest, ok := bytes.Cut(text, []byte(": ")); ok && isQueueID(id) {
		e.id, text = id, rest
	}
	e.text = text
	return e, true
}

// isQueueID knows short ones, of hexadecimal digits, and long ones, which have no vowels: so no word is one.
func isQueueID(b []byte) bool {
	if len(b) < 6 || len(b) > 24 {
		return false
	}
	short, long := true, true
	for _, c := range b {
		digit, hex := '0' <= c && c <= '9', 'A' <= c && c <= 'F'
		letter := 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		short = short && (digit || hex)
		long = long && (digit || letter && bytes.IndexByte([]byte("aeiouAEIOU"), c) < 0)
	}
	return short || long
}

// delivery is what happened to a mail for one of its recipients:
//
//	to=<ADDRESS>, orig_to=<ADDRESS>, relay=HOST[IP]:PORT, delay=…, delays=…, dsn=…, status=sent (ANSWER)
type delivery struct {
	to, first []byte // the address, and what it was before aliases and lists made this one of it; nil: the same
	relay     netip.Addr
	sent      bool
	transfer  uint64 // the same for all recipients of one transfer
	answer    []byte
}

func delivered(e entry) (d delivery, ok bool) {
	text := e.text
	if d.to, text, ok = address(text, "to=<"); !ok {
		return d, false
	}
	if first, rest, ok := address(text, "orig_to=<"); ok {
		d.first, text = first, rest
	}
	relay, text, more := bytes.Cut(text, []byte(", "))
	if relay, ok = bytes.CutPrefix(relay, []byte("relay=")); !ok || !more {
		return d, false
	}
	d.relay = bracketed(relay)
	h := fnv.New64a()
	_, _ = h.Write(e.pid)
	_, _ = h.Write(relay)
	for !bytes.HasPrefix(text, []byte("status=")) {
		var field []byte
		if field, text, ok = bytes.Cut(text, []byte(", ")); !ok {
			return d, false
		}
		if bytes.HasPrefix(field, []byte("delays=")) {
			_, _ = h.Write(field)
		}
	}
	status, answer, _ := bytes.Cut(text, []byte{' '})
	d.sent, d.answer = string(status) == "status=sent", answer
	_, _ = h.Write(answer)
	d.transfer = h.Sum64()
	return d, true
}

// address reads an address that begins with a word and ends with ">, ", outside of quotation marks: a local part may hold anything in them.
func address(text []byte, word string) (a, rest []byte, ok bool) {
	text, ok = bytes.CutPrefix(text, []byte(word))
	if !ok {
		return nil, text, false
	}
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == '>' && !quoted:
			rest, ok = bytes.CutPrefix(text[i+1:], []byte(", "))
			return text[:i], rest, ok
		}
	}
	return nil, text, false
}

// bracketed is the address in NAME[ADDRESS]:PORT; the zero one for a socket of this machine.
func bracketed(b []byte) netip.Addr {
	i := bytes.IndexByte(b, '[')
	if i < 0 {
		return netip.Addr{}
	}
	inner, _, ok := bytes.Cut(b[i+1:], []byte{']'})
	if !ok {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(string(inner))
	return a.Unmap()
}

const stamp = "Nov 23 12:00:00"

// calendar tells the quarter-hour of a stamp without a year, in the machine's time zone: it is less than half a year from now.
type calendar struct {
	now    func() time.Time
	zone   *time.Location
	minute [len(stamp) - 3]byte // the last one, without seconds
	at     book.Quarter
}

func (c *calendar) quarter(line []byte) (book.Quarter, bool) {
	if len(line) <= len(stamp) || line[len(stamp)] != ' ' || line[len(c.minute)] != ':' {
		return 0, false
	}
	if string(c.minute[:]) == string(line[:len(c.minute)]) {
		return c.at, true
	}
	t, err := time.ParseInLocation(time.Stamp, string(line[:len(stamp)]), c.zone)
	if err != nil {
		return 0, false
	}
	now := c.now().In(c.zone)
	best := t.AddDate(now.Year()-1, 0, 0)
	for _, year := range []int{now.Year(), now.Year() + 1} {
		if other := time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, c.zone); other.Sub(now).Abs() < best.Sub(now).Abs() {
			best = other
		}
	}
	copy(c.minute[:], line)
	c.at = book.QuarterOf(best)
	return c.at, true
}
