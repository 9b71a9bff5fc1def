package meter

import (
	"fmt"
	"strings"

	"github.com/steelyard/steelyard/agent/meter/book"
)

// step is a line of Postfix's log, and what somebody pays for it.
type step struct {
	program, text string
	user          int // of n.users; -1: nobody
	in, out       uint64
}

// letter is one mail of the generator, with the lines that are still to come.
type letter struct {
	id    string
	size  uint64
	steps []step
}

func (l *letter) says(program, format string, args ...any) {
	l.steps = append(l.steps, step{program: program, text: l.id + ": " + fmt.Sprintf(format, args...), user: -1})
}

// paid says who pays for the last line.
func (l *letter) paid(user int, in, out uint64) {
	s := &l.steps[len(l.steps)-1]
	s.user, s.in, s.out = user, in, out
}

func (n *node) letter() *letter {
	n.letters++
	return &letter{id: fmt.Sprintf("%X%08X", n.rnd.IntN(15)+1, n.letters*7919), size: 300 + n.rnd.Uint64N(1e7)}
}

// comes is a mail in the queue; a deferred one says it again.
func (l *letter) comes(from string) {
	l.says("cleanup", "message-id=<x@y.test>")
	l.says("qmgr", "from=<%s>, size=%d, nrcpt=1 (queue active)", from, l.size)
}

var outsiders = []string{"mx.far.test[192.0.2.7]", "unknown[2001:db8::25]", "a.b.test[203.0.113.9]"}

func (n *node) outsider() string { return outsiders[n.rnd.IntN(len(outsiders))] }

// leaves is a transfer to others, with some recipients; user pays for it.
func (n *node) leaves(l *letter, user int) {
	n.answers++
	if n.rnd.IntN(3) == 0 {
		l.says("smtp", "to=<x@far.test>, relay=none, delay=30, delays=0/0/30/0, dsn=4.4.1, status=deferred (connect to far.test[192.0.2.7]:25: Connection refused)")
		l.says("qmgr", "from=<a>, size=%d, nrcpt=1 (queue active)>, size=%d, nrcpt=1 (queue active)", 77, l.size)
	}
	relay := n.outsider()
	for i := range 1 + n.rnd.IntN(3) {
		l.says("smtp", `to=<"a>, relay=none, status=b%d ("@far.test>, relay=%s:25, delay=1, delays=0/0/1/0.%d, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as %X)`, i, relay, n.answers, n.answers)
		if i == 0 {
			l.paid(user, 0, l.size)
		}
	}
}

// arrives is a delivery to a mailbox; user pays for the way in, if anybody does.
func (n *node) arrives(l *letter, box, user int) {
	l.says("lmtp", "to=<info@d%d.test>, relay=node[private/steelyard-lmtp], delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 <info@d%d.test> Saved)", box, box)
	if user >= 0 {
		l.paid(user, l.size, 0)
	}
}

// post makes a mail of some kind, sometimes two that go on as each other.
func (n *node) post() (list []*letter) {
	user, other := n.rnd.IntN(len(n.users)), n.rnd.IntN(len(n.users))
	l := n.letter()
	switch n.rnd.IntN(8) {
	case 0: // in, to two mailboxes
		l.says("smtpd", "client=%s", n.outsider())
		l.comes("x@far.test")
		n.arrives(l, user, user)
		n.arrives(l, other, -1)
	case 1: // a login, out in two transfers, and within
		l.says("submission/smtpd", "client=%s, sasl_method=PLAIN, sasl_username=Info@D%d.test", n.outsider(), user)
		l.comes("info@d9.test")
		l.paid(user, l.size, 0)
		n.leaves(l, user)
		n.arrives(l, other, -1)
		n.leaves(l, user)
	case 2: // a script
		l.says("pickup", "uid=%d from=<user9>", 20000+user)
		l.comes("x@d1.test")
		n.leaves(l, user)
	case 3: // a list
		l.says("smtpd", "client=%s", n.outsider())
		l.comes("x@far.test")
		return append(list, l, n.list(l, user))
	case 4: // a notice
		l.says("bounce", "sender non-delivery notification: 3F0C2984285")
		l.comes("")
		n.leaves(l, -1)
	case 5: // a program of the node's, to a mailbox
		l.says("smtpd", "client=localhost[::1]")
		l.comes("x@far.test")
		n.arrives(l, user, -1)
	case 6: // through a content filter, which gives it back
		l.says("submission/smtpd", "client=%s, sasl_method=PLAIN, sasl_username=info@d%d.test", n.outsider(), user)
		l.comes("info@d9.test")
		l.paid(user, l.size, 0)
		return append(list, l, n.filter(l, user))
	case 7: // broken off
		l.says("smtpd", "client=%s", n.outsider())
		return append(list, l)
	}
	l.says("qmgr", "removed")
	return append(list, l)
}

// list is what a mail becomes that a list passes on. Which of the two says first that it is the same is a matter of luck.
func (n *node) list(l *letter, user int) *letter {
	child := n.letter()
	child.comes("news-owner@d9.test")
	forwarded := step{program: "local", user: user, in: l.size, text: l.id + fmt.Sprintf(": to=<news=d%d.test@localhost>, orig_to=<news@d%d.test>, relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (forwarded as %s)", user, user, child.id)}
	removed := step{program: "qmgr", text: l.id + ": removed", user: -1}
	if at := n.rnd.IntN(3); at < 2 {
		child.steps = append(child.steps[:at], append([]step{forwarded, removed}, child.steps[at:]...)...)
		n.leaves(child, user)
		n.arrives(child, 0, -1)
		child.says("qmgr", "removed")
	} else {
		n.leaves(child, user)
		child.says("qmgr", "removed")
		child.steps = append(child.steps, forwarded, removed)
	}
	child.steps = append(l.steps, child.steps...)
	l.steps = nil
	return child
}

func (n *node) filter(l *letter, user int) *letter {
	child := n.letter()
	child.says("smtpd", "client=localhost[127.0.0.1]")
	child.comes("info@d9.test")
	back := step{program: "smtp", user: -1, text: l.id + fmt.Sprintf(": to=<x@far.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as %s)", child.id)}
	if n.rnd.IntN(2) == 0 {
		child.steps = append(child.steps, back)
		n.leaves(child, user)
		child.says("qmgr", "removed")
	} else {
		n.leaves(child, user)
		child.says("qmgr", "removed")
		child.steps = append(child.steps, back)
	}
	child.steps = append(child.steps, step{program: "qmgr", text: l.id + ": removed", user: -1})
	child.steps = append(l.steps, child.steps...)
	l.steps = nil
	return child
}

// writes lets one of the mails that are on their way go a line further, or begins one.
func (n *node) writes() {
	if len(n.way) == 0 || len(n.way) < 20 && n.rnd.IntN(8) == 0 {
		n.way = append(n.way, n.post()...)
	}
	n.goesOn(n.rnd.IntN(len(n.way)))
}

// goesOn writes the next line of a mail, or takes it from the list when there is none.
func (n *node) goesOn(i int) {
	l := n.way[i]
	if len(l.steps) == 0 {
		n.way = append(n.way[:i], n.way[i+1:]...)
		return
	}
	s := l.steps[0]
	l.steps = l.steps[1:]
	n.says(s.program, s.text)
	if s.user >= 0 {
		n.had(fmt.Sprint("user", s.user), book.Mail, s.in, s.out)
	}
}

func (n *node) says(program, text string) {
	n.append(n.smtp(), fmt.Sprintf("%s node postfix/%s[1000]: %s\n", n.now.Local().Format("Jan _2 15:04:05"), program, text))
}

// session writes the end of a session of IMAP or POP3, or of a login that failed, or one of the node's own.
func (n *node) session(user int) {
	in, out := n.rnd.Uint64N(1e5), n.rnd.Uint64N(1e9)
	at := n.now.Local().Format(dovecotStamp)
	line := fmt.Sprintf("%s imap(info@d%d.test)<1><s>: Info: Disconnected: Connection closed (X in=1 out=2 rip=192.0.2.1 finished) deleted=0 expunged=0 in=%d out=%d rip=2001:db8::1\n", at, user, in, out)
	switch n.rnd.IntN(4) {
	case 0:
		line = strings.Replace(line, "2001:db8::1", "127.0.0.1", 1)
		in, out = 0, 0
	case 1:
		line = fmt.Sprintf("%s imap-login: Info: Disconnected: Aborted login (auth failed): user=<info@d%d.test>, rip=192.0.2.1, session=<%X> in=5 out=6 rip=192.0.2.1\n", at, user, n.rnd.Uint64())
		in, out = 0, 0
	}
	n.append(n.imap(), line)
	n.had(fmt.Sprint("user", user), book.Mail, in, out)
}
