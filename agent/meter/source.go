package meter

import (
	"bytes"
	"net/netip"

	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/agent/meter/tail"
)

// source is one log that is read.
type source struct {
	name  string
	log   *tail.Log
	class book.Class
	read  func(line []byte) (user []byte, q book.Quarter, t book.Traffic, ok bool)
	every func(line []byte, c *counts) (known bool) // instead of read, where a line says it otherwise
	queue *queue                                    // what is on its way in this log; nil: each line stands for itself
}

// counts are those of one piece of a log.
type counts struct {
	list  []book.Counted    // of the pieces that go into one commit
	at    map[string]int    // account: index in list
	slots map[string]int    // user: the same; lines of few users follow each other
	users map[string]string // account by name, as Look gets them
	host  *host
	name  []byte // room for one
	rooms []book.Count
}

// add counts for an account.
func (c *counts) add(account string, q book.Quarter, class book.Class, t book.Traffic) {
	if account != "" && t != (book.Traffic{}) {
		c.count(c.slot(account), q, class, t)
	}
}

// slot is where an account is in the list.
func (c *counts) slot(account string) int {
	i, ok := c.at[account]
	if !ok {
		i = len(c.list)
		c.at[account] = i
		c.list = append(c.list, book.Counted{Account: account, Counts: c.room()})
	}
	return i
}

// room is for the one count that most accounts have, a few hundred to an allocation.
func (c *counts) room() []book.Count {
	if len(c.rooms) == 0 {
		c.rooms = make([]book.Count, 256)
	}
	r := c.rooms[:0:1]
	c.rooms = c.rooms[1:]
	return r
}

// take is what was counted; it begins anew.
func (c *counts) take() []book.Counted {
	list := c.list
	clear(c.at)
	clear(c.slots)
	c.list = nil
	return list
}

// count adds to what an account has; lines of one quarter-hour mostly follow each other.
func (c *counts) count(i int, q book.Quarter, class book.Class, t book.Traffic) {
	a := &c.list[i]
	for j := len(a.Counts) - 1; j >= 0; j-- {
		if n := &a.Counts[j]; n.Quarter == q && n.Class == class {
			n.Traffic.In += t.In
			n.Traffic.Out += t.Out
			return
		}
	}
	a.Counts = append(a.Counts, book.Count{Quarter: q, Class: class, Traffic: t})
}

// of counts for a user. One who is nobody's here was removed, or is the operator's own.
func (c *counts) of(user []byte, q book.Quarter, class book.Class, t book.Traffic) {
	if t == (book.Traffic{}) {
		return
	}
	i, ok := c.slots[string(user)]
	if !ok {
		account := c.users[string(user)]
		if account == "" {
			return
		}
		i = c.slot(account)
		c.slots[string(user)] = i
	}
	c.count(i, q, class, t)
}

// domain is the account whose the mail of an address is; "" nobody's here.
func (c *counts) domain(address []byte) string {
	n := bytes.LastIndexByte(address, '@')
	if n < 0 {
		return ""
	}
	c.name = append(c.name[:0], address[n:]...)
	for i, b := range c.name {
		if 'A' <= b && b <= 'Z' {
			c.name[i] = b + 'a' - 'A'
		}
	}
	return c.users[string(c.name)]
}

// number is the account of a Unix user; "" nobody's here.
func (c *counts) number(uid []byte) string { return c.users[c.host.user(string(uid))] }

// inside tells whether an address is this machine's.
func (c *counts) inside(a netip.Addr) bool { return c.host.inside(a) }

// line counts a line. A user who is nobody's here is known: he was removed, or is the operator's own.
func (s *source) line(line []byte, c *counts) bool {
	if s.every != nil {
		return s.every(line, c)
	}
	user, q, t, ok := s.read(line)
	if ok {
		c.of(user, q, s.class, t)
	}
	return ok
}

// batch counts a piece. What it counted is in c.
func (s *source) batch(p tail.Piece, c *counts, unknown func(source string, line []byte)) book.Batch {
	b := book.Batch{Source: s.name, From: p.From, To: p.To, Skipped: uint64(p.Skipped), Lost: p.Lost}
	for lines := p.Lines; len(lines) > 0; {
		n := bytes.IndexByte(lines, '\n')
		line := lines
		if n >= 0 {
			line, lines = lines[:n], lines[n+1:]
		} else {
			lines = nil
		}
		if !s.line(line, c) {
			b.Unknown++
			unknown(s.name, line)
		}
	}
	if s.queue != nil {
		var given uint64
		if b.Notes, given = s.queue.notes(s.queue.at); given > 0 {
			b.Unknown += given
			unknown(s.name, []byte("mails on their way that were given up: too old, or too many"))
		}
	}
	return b
}
