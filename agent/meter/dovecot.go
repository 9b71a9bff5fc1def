package meter

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/steelyard/steelyard/agent/meter/book"
)

const dovecotStamp = "2006-01-02T15:04:05-0700"

// dovecot reads a line of Dovecot's log as agent/hosting/mail has it written:
//
//	2026-11-23T12:00:00+0100 imap(ADDRESS)<PID><SESSION>: Info: Disconnected: Logged out … in=BYTES out=BYTES rip=ADDRESS
//
// It ends a session of IMAP or POP3, however long it was: what counts is the quarter-hour of that end. The figures are Dovecot's own, at the very end of a line, where nothing stands that
// a client said.
func dovecot(line []byte) (user []byte, q book.Quarter, t book.Traffic, from netip.Addr, ok bool) {
	if len(line) <= len(dovecotStamp) || line[len(dovecotStamp)] != ' ' {
		return nil, 0, t, from, false
	}
	at, err := time.Parse(dovecotStamp, string(line[:len(dovecotStamp)]))
	if err != nil {
		return nil, 0, t, from, false
	}
	q, line = book.QuarterOf(at), line[len(dovecotStamp)+1:]
	protocol, rest, _ := bytes.Cut(line, []byte{'('})
	if p := string(protocol); p != "imap" && p != "pop3" {
		return nil, q, t, from, true
	}
	user, rest, ok = bytes.Cut(rest, []byte(")<"))
	_, text, ok1 := bytes.Cut(rest, []byte(">: Info: "))
	if !ok || !ok1 || !bytes.HasPrefix(text, []byte("Disconnected")) && !bytes.HasPrefix(text, []byte("Connection closed")) {
		return nil, q, t, from, true
	}
	n := bytes.LastIndex(text, []byte(" in="))
	if n < 0 {
		return nil, q, t, from, false
	}
	in, text, _ := bytes.Cut(text[n+len(" in="):], []byte(" out="))
	out, rip, _ := bytes.Cut(text, []byte(" rip="))
	var ok2 bool
	t.In, ok1 = digits(in)
	t.Out, ok2 = digits(out)
	from, err = netip.ParseAddr(string(rip))
	return user, q, t, from.Unmap(), ok1 && ok2 && err == nil
}

// session counts a line of Dovecot's.
func session(line []byte, c *counts) (known bool) {
	user, q, t, from, known := dovecot(line)
	if known && from.IsValid() && !c.inside(from) {
		c.add(c.domain(user), q, book.Mail, t)
	}
	return known
}
