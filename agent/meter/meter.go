package meter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/agent/meter/tail"
)

const (
	chunk     = 1 << 20 // bytes that are read at once
	atOnce    = 64      // pieces that are committed at once
	sampleMax = 300     // bytes of an unknown line
)

// Options of a meter.
type Options struct {
	Book *book.Book
	WWW  string           // path of nginx's log of traffic
	FTP  string           // path of ProFTPD's log
	SMTP string           // path of Postfix's log; "" it is not counted
	IMAP string           // path of Dovecot's log; "" it is not counted
	Now  func() time.Time // tells whether a renamed log is still written to, and the year of a line of Postfix

	User   func(uid string) string // name of a Unix user; nil: as the machine says
	Inside func(netip.Addr) bool   // whether traffic with an address stays on this machine; nil: its own addresses
}

// Meter counts. Not safe for concurrent use.
type Meter struct {
	o       Options
	sources []*source
	buf     []byte
	samples map[string]string // by source: its last unknown line
	looked  map[string]looked // by source
}

// New makes a meter. It opens nothing.
func New(o Options) *Meter {
	q := &queue{calendar: calendar{now: o.Now, zone: time.Local}}
	m := &Meter{o: o, buf: make([]byte, chunk), samples: map[string]string{}, looked: map[string]looked{}}
	for _, s := range []struct {
		path string
		source
	}{
		{o.WWW, source{name: "www", class: book.WWW, read: www}},
		{o.FTP, source{name: "ftp", class: book.FTP, read: ftp}},
		{o.SMTP, source{name: "smtp", class: book.Mail, every: q.line, queue: q}},
		{o.IMAP, source{name: "imap", class: book.Mail, every: session}},
	} {
		if s.path != "" {
			s.source.log = tail.New(s.path, o.Now)
			m.sources = append(m.sources, &s.source)
		}
	}
	return m
}

// Look counts what was written since the last look; users are the accounts of the node by what lines call them: bob for the name of a user, @example.org for a domain whose mail is
// his ([Names]). It ends when everything that was there was
// counted, or with ctx. The error tells of logs that could not be read; all others were counted.
func (m *Meter) Look(ctx context.Context, users map[string]string) error {
	r := &round{m: m, c: &counts{at: map[string]int{}, slots: map[string]int{}, users: users, host: m.o.host()}}
	bad := make([]error, 0, len(m.sources)+1)
	for _, s := range m.sources {
		bad = append(bad, r.read(ctx, s))
	}
	bad = append(bad, r.commit())
	m.note(bad)
	return errors.Join(bad...)
}

// Samples are lines that nobody knew, the last one of each source.
func (m *Meter) Samples() map[string]string { return maps.Clone(m.samples) }

func (m *Meter) unknown(source string, line []byte) {
	m.samples[source] = strings.ToValidUTF8(string(line[:min(len(line), sampleMax)]), "�")
}

// round is one look.
type round struct {
	m       *Meter
	c       *counts
	waiting []book.Batch
}

// read reads a log to its end.
func (r *round) read(ctx context.Context, s *source) error {
	place := r.m.o.Book.Source(s.name).Place
	if s.queue != nil && s.queue.mails == nil {
		s.queue.load(r.m.o.Book.Notes(s.name))
	}
	for ctx.Err() == nil {
		piece, err := s.log.Next(place, r.m.buf)
		if err != nil {
			return fmt.Errorf("read %s: %w", filepath.Clean(s.log.Path), err)
		}
		if piece.To.Equal(place) && piece.Lost == nil {
			return nil
		}
		r.waiting = append(r.waiting, s.batch(piece, r.c, r.m.unknown))
		place = piece.To
		if len(r.waiting) >= atOnce {
			if err := r.commit(); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// commit writes down what waits.
func (r *round) commit() error {
	if len(r.waiting) == 0 {
		return nil
	}
	waiting := r.waiting
	r.waiting = nil
	waiting[len(waiting)-1].Counted = r.c.take() // all of them are written, or none
	err := r.m.o.Book.Commit(waiting...)
	for _, s := range r.m.sources {
		if err != nil && s.queue != nil {
			s.queue.mails = nil // what was read is read again
		}
	}
	return err
}
