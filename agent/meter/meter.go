package meter

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	Now  func() time.Time // tells whether a renamed log is still written to
}

// Meter counts. Not safe for concurrent use.
type Meter struct {
	o       Options
	sources []*source
	buf     []byte
	samples map[string]string // by source: its last unknown line
}

// New makes a meter. It opens nothing.
func New(o Options) *Meter {
	return &Meter{o: o, buf: make([]byte, chunk), samples: map[string]string{}, sources: []*source{
		{"www", tail.New(o.WWW, o.Now), book.WWW, www}, {"ftp", tail.New(o.FTP, o.Now), book.FTP, ftp},
	}}
}

// Look counts what was written since the last look; users are the accounts of the node by the name of their user. It ends when everything that was there was
// counted, or with ctx. The error tells of logs that could not be read; all others were counted.
func (m *Meter) Look(ctx context.Context, users map[string]string) error {
	r := &round{m: m, c: &counts{at: map[string]int{}, users: users}}
	var bad []error
	for _, s := range m.sources {
		bad = append(bad, r.read(ctx, s))
	}
	return errors.Join(append(bad, r.commit())...)
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
	return r.m.o.Book.Commit(waiting...)
}
