package meter

import (
	"bytes"

	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/agent/meter/tail"
)

// source is one log that is read.
type source struct {
	name  string
	log   *tail.Log
	look  uint64 // in which it was asked for last
	count func(line []byte, c *counts) (known bool)
}

// counts are those of one piece of a log.
type counts struct {
	list    []book.Counted
	at      map[string]int // account: index in list
	account string         // of the lines of this log; "" for one of many accounts
	users   map[string]string
}

// add counts; lines of one quarter-hour mostly follow each other.
func (c *counts) add(account string, q book.Quarter, class book.Class, t book.Traffic) {
	if t.In == 0 && t.Out == 0 {
		return
	}
	i, ok := c.at[account]
	if !ok {
		i = len(c.list)
		c.at[account] = i
		c.list = append(c.list, book.Counted{Account: account})
	}
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

// countWWW counts a line of an account's site.
func countWWW(line []byte, c *counts) bool {
	q, t, ok := www(line)
	if ok {
		c.add(c.account, q, book.WWW, t)
	}
	return ok
}

// countFTP counts a line of the log of all logins. A login that is nobody's here is known: it was removed, or is the operator's own.
func countFTP(line []byte, c *counts) bool {
	user, q, t, ok := ftp(line)
	if account := c.users[user]; ok && account != "" {
		c.add(account, q, book.FTP, t)
	}
	return ok
}

// batch counts a piece.
func (s *source) batch(p tail.Piece, c *counts, unknown func(source string, line []byte)) book.Batch {
	clear(c.at)
	c.list = nil
	b := book.Batch{Source: s.name, From: p.From, To: p.To, Skipped: uint64(p.Skipped), Lost: p.Lost}
	for lines := p.Lines; len(lines) > 0; {
		n := bytes.IndexByte(lines, '\n')
		line := lines
		if n >= 0 {
			line, lines = lines[:n], lines[n+1:]
		} else {
			lines = nil
		}
		if !s.count(line, c) {
			b.Unknown++
			unknown(s.name, line)
		}
	}
	b.Counted = c.list
	return b
}
