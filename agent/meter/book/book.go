package book

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/meter/tail"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// Bounds of what is kept.
const (
	Keep     = 100 * 24 * time.Hour // of quarter-hours: the running month and the last two
	KeepGaps = 16                   // of each source
)

// Book is open until Close. Make one with Open.
type Book struct {
	mu      sync.Mutex
	dir     string
	now     func() time.Time
	file    *os.File // the newest; nil: none yet, or writing to it failed and the book is to be opened anew
	day     string
	size    int64
	broken  error
	id      string
	months  []Month
	sources map[string]Source
	notes   map[string]Notes // by source
	totals  map[string]*sums
	version uint64
}

// sums are the totals of one account, in the order of the months.
type sums struct {
	version uint64
	months  []Totals
}

// Batch is one piece of a log and what was counted in it.
type Batch struct {
	Source   string
	From, To tail.Place
	Counted  []Counted
	Unknown  uint64 // lines
	Skipped  uint64 // bytes
	Lost     *tail.Gap
	Notes    Notes // what changed
}

// Open reads a book, or begins one in an empty directory (mode 0700). A book whose end is torn is shortened. A file that cannot be read at all is put aside as
// ".damaged", and the day before goes on.
func Open(dir string, now func() time.Time) (*Book, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	b := &Book{dir: dir, now: now, id: id.New("book"), version: 1}
	b.take(&head{ID: b.id})
	files, err := names(dir)
	if err != nil {
		return nil, err
	}
	for _, path := range slices.Backward(files) {
		switch err := b.enter(path); {
		case err == nil:
			return b, nil
		case !errors.Is(err, errFrame):
			return nil, fmt.Errorf("read what was counted: %w", err)
		}
		if err := os.Rename(path, fmt.Sprintf("%s.damaged-%d", path, now().Unix())); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// enter goes on in a file.
func (b *Book) enter(path string) error {
	end, err := scan(path, b.take, b.apply)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(end), f.Sync()); err != nil {
		_ = f.Close()
		return err
	}
	b.file, b.size = f, end
	b.day = filepath.Base(path)[:len(byDay)]
	return nil
}

// take is the state that a head tells.
func (b *Book) take(h *head) {
	b.id, b.months = h.ID, h.Months
	b.sources = map[string]Source{}
	maps.Copy(b.sources, h.Sources)
	b.notes = map[string]Notes{}
	b.note(h.Notes)
	b.totals = map[string]*sums{}
	for account, months := range h.Totals {
		if len(months) == len(b.months) {
			b.totals[account] = &sums{version: b.version, months: months}
		}
	}
}

// apply adds a commit to the state.
func (b *Book) apply(c *commit) {
	maps.Copy(b.sources, c.Sources)
	b.note(c.Notes)
	b.add(c.Counted)
}

// add adds counts to the totals of months.
func (b *Book) add(counted []Counted) {
	for _, a := range counted {
		s := b.totals[a.Account]
		if s == nil {
			s = &sums{months: make([]Totals, len(b.months))}
			b.totals[a.Account] = s
		}
		s.version = b.version
		for _, c := range a.Counts {
			if i := b.month(c.Quarter); i >= 0 && c.Class < Classes {
				s.months[i][c.Class].add(c.Traffic)
			}
		}
	}
}

// month is the one of a quarter-hour; -1: none that the controller named.
func (b *Book) month(q Quarter) int {
	return slices.IndexFunc(b.months, func(m Month) bool { return m.From <= q && q < m.To })
}

// ID names the book; another one counts from nothing.
func (b *Book) ID() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.id
}

// Source is what is known of a log.
func (b *Book) Source(name string) Source {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sources[name]
}

// Commit writes batches down, all of them or none, and returns when they are on the disk. Errors: conflict where a batch does not begin at its
// source's place; unavailable when they could not be written: nothing is counted then, and the pieces are to be read again.
func (b *Book) Commit(batches ...Batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := commit{Sources: map[string]Source{}, Notes: map[string]Notes{}}
	for _, x := range batches {
		s, ok := c.Sources[x.Source]
		if !ok {
			s = b.sources[x.Source]
		}
		if !s.Place.Equal(x.From) {
			return fault.Conflict("the log %s was read to byte %d of its file, not to byte %d: read it from there", x.Source, s.Place.Offset, x.From.Offset)
		}
		c.Sources[x.Source] = s.behind(x)
		if c.Counted == nil {
			c.Counted = slices.Clip(x.Counted) // most commits are of one log
		} else {
			c.Counted = append(c.Counted, x.Counted...)
		}
		if len(x.Notes) > 0 {
			c.Notes[x.Source] = c.Notes[x.Source].with(x.Notes)
		}
	}
	if err := b.write(&c); err != nil {
		return err
	}
	b.version++
	b.apply(&c)
	return nil
}

// behind is what is known of a log after a batch.
func (s Source) behind(x Batch) Source {
	s.Place, s.Unknown, s.Skipped = x.To, s.Unknown+x.Unknown, s.Skipped+x.Skipped
	if x.Lost != nil {
		s.Gaps = append(slices.Clone(s.Gaps), *x.Lost)
		s.Gaps = s.Gaps[max(0, len(s.Gaps)-KeepGaps):]
	}
	return s
}

// write puts a commit on the disk.
func (b *Book) write(c *commit) error {
	if b.broken != nil {
		return b.broken
	}
	if day := b.now().UTC().Format(byDay); b.file == nil || day > b.day {
		if err := b.begin(day); err != nil {
			return fault.Unavailable("begin the book of %s in %s: %v", day, b.dir, err)
		}
	}
	text, err := frame(c)
	if err != nil {
		return err
	}
	if _, err := b.file.WriteAt(text, b.size); err != nil { // the next commit, or the next opening, writes over what is there of it
		return fault.Unavailable("write down what was counted in %s: %v", b.dir, err)
	}
	if err := b.file.Sync(); err != nil { // what is on the disk now is not known, and a second sync would tell nothing
		b.broken = fault.Unavailable("write down what was counted in %s: %v; it is read again at the next start of the agent", b.dir, err)
		return b.broken
	}
	b.size += int64(len(text))
	return nil
}

// begin makes the file of a day and shortens the one before.
func (b *Book) begin(day string) error {
	text, err := frame(&head{ID: b.id, Months: b.months, Sources: b.sources, Totals: b.sums(), Notes: b.notes})
	if err != nil {
		return err
	}
	path := filepath.Join(b.dir, day+ending)
	if err := lay(path, text); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	old := b.file
	b.file, b.day, b.size = f, day, int64(len(text))
	if old == nil {
		return nil
	}
	return errors.Join(old.Close(), shorten(old.Name()), b.forget())
}

// forget removes files that are too old.
func (b *Book) forget() error {
	files, err := names(b.dir)
	if err != nil {
		return err
	}
	limit := b.now().UTC().Add(-Keep).Format(byDay)
	for _, path := range files {
		if filepath.Base(path)[:len(byDay)] < limit {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}

// Close ends the use of the book. Everything that was committed is on the disk already.
func (b *Book) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = fault.Unavailable("the book in %s is closed", b.dir)
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}
