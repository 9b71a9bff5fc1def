package scan

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

// maxHeader is how much of a header is kept until it is known that somebody wants it scanned, bytes. Postfix takes about a tenth of it.
const maxHeader = 2 << 20

// dialogue is one connection of Postfix, for one mail after another.
type dialogue struct {
	server    *Server
	conn      net.Conn
	mayDelete bool
	quiet     uint32

	wanting []string // recipients as Postfix wrote them
	others  bool     // there are recipients that do not want it
	header  strings.Builder
	stream  *stream
	failed  error
}

func (d *dialogue) reset() {
	if d.stream != nil {
		d.stream.close()
	}
	*d = dialogue{server: d.server, conn: d.conn, mayDelete: d.mayDelete, quiet: d.quiet}
}

func (d *dialogue) run() error {
	r := bufio.NewReaderSize(d.conn, 64<<10)
	for {
		_ = d.conn.SetDeadline(time.Now().Add(patience))
		p, err := read(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if p.cmd == cmdQuit {
			return nil
		}
		if err := d.handle(p); err != nil {
			return err
		}
	}
}

func (d *dialogue) handle(p packet) error {
	switch p.cmd {
	case cmdOptions:
		answer, mayDelete, quiet, err := options(p.data)
		if err != nil {
			return err
		}
		d.mayDelete, d.quiet = mayDelete, quiet
		return write(d.conn, cmdOptions, answer)
	case cmdAbort, cmdQuitNew:
		d.reset()
		return nil
	case cmdMail:
		d.reset()
		return d.goOn(quietMail)
	case cmdRecipient:
		d.recipient(p.data)
		return d.goOn(quietRecipient)
	case cmdHeader:
		d.line(p.data)
		return d.goOn(quietHeader)
	case cmdHeaderEnd:
		return d.headerEnd()
	case cmdBody:
		d.body(p.data)
		return d.goOn(quietBody)
	case cmdEnd:
		d.body(p.data)
		err := d.end()
		d.reset()
		return err
	case 'D': // macros have no answer
		return nil
	default:
		return write(d.conn, replyContinue, nil)
	}
}

// goOn answers unless it was agreed not to.
func (d *dialogue) goOn(quiet uint32) error {
	if d.quiet&quiet != 0 {
		return nil
	}
	return write(d.conn, replyContinue, nil)
}

func (d *dialogue) recipient(data []byte) {
	address := texts(data)[0]
	at := strings.LastIndexByte(address, '@')
	if at >= 0 && d.server.Wants(strings.ToLower(strings.TrimSuffix(address[at+1:], ">"))) {
		d.wanting = append(d.wanting, address)
	} else {
		d.others = true
	}
}

func (d *dialogue) line(data []byte) {
	if name, value, ok := strings.Cut(strings.TrimSuffix(string(data), "\x00"), "\x00"); ok && d.header.Len() < maxHeader {
		d.header.WriteString(name + ": " + strings.ReplaceAll(value, "\n", "\r\n") + "\r\n")
	}
}

// headerEnd lets a mail pass that nobody wants scanned; otherwise clamd gets the header.
func (d *dialogue) headerEnd() error {
	if len(d.wanting) == 0 {
		d.reset()
		return write(d.conn, replyAccept, nil)
	}
	if d.stream, d.failed = open(d.server.Clamd); d.failed == nil {
		d.failed = d.stream.write([]byte(d.header.String() + "\r\n"))
	}
	d.header.Reset()
	return write(d.conn, replyContinue, nil)
}

func (d *dialogue) body(data []byte) {
	if d.stream != nil && d.failed == nil && len(data) > 0 {
		d.failed = d.stream.write(data)
	}
}

// end decides.
func (d *dialogue) end() error {
	if len(d.wanting) == 0 {
		return write(d.conn, replyAccept, nil)
	}
	found, err := "", d.failed
	if d.stream != nil {
		var said error
		if found, said = d.stream.verdict(); said != nil || found != "" {
			err = said // what clamd says goes before that it took no more
		} else if err == nil {
			return write(d.conn, replyAccept, nil)
		}
	}
	switch {
	case errors.Is(err, errLarge):
		return write(d.conn, replyAccept, nil)
	case err != nil:
		d.server.Log.Warn("mail scan: clamd does not answer; the mail is put off", "error", err)
		return write(d.conn, replyCode, []byte("451 4.7.1 The virus scanner does not answer, try again later\x00"))
	case d.others && d.mayDelete:
		for _, address := range d.wanting {
			if err := write(d.conn, replyDelete, []byte(address+"\x00")); err != nil {
				return err
			}
		}
		d.server.Log.Info("mail scan: a virus was kept from some recipients", "virus", found, "recipients", len(d.wanting))
		return write(d.conn, replyAccept, nil)
	}
	d.server.Log.Info("mail scan: a mail was refused", "virus", found)
	return write(d.conn, replyCode, []byte("550 5.7.1 The mail contains a virus: "+plain(found)+"\x00"))
}

// plain is text that can stand in a line of SMTP; % would have a meaning to Postfix.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || r == '%' {
			return '_'
		}
		return r
	}, text[:min(len(text), 100)])
}
