package ports

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

const (
	stateFile = "now.json"
	dayEnding = ".day.json"
)

// Open reads what was counted. A state that cannot be read is put aside, and counting begins anew, with another id.
func Open(o Options) (*Book, error) {
	b := &Book{opt: o, days: map[int64]*day{}, links: map[string]link{}}
	if b.opt.Net == "" {
		b.opt.Net = "/sys/class/net"
	}
	if b.opt.Now == nil {
		b.opt.Now = time.Now
	}
	if b.opt.Counts == nil {
		b.opt.Counts = b.physical
	}
	if b.opt.Permanent == nil {
		b.opt.Permanent = b.permanent
	}
	if b.opt.sync == nil {
		b.opt.sync = replace
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fault.Unavailable("make the directory of the ports' traffic: %w", err)
	}
	if err := b.load(); err != nil {
		return nil, fault.Unavailable("read what the ports counted: %w", err)
	}
	return b, nil
}

// load reads the state, or begins one.
func (b *Book) load() error {
	path := filepath.Join(b.opt.Dir, stateFile)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return b.begin()
	case err != nil:
		return err
	}
	if err := json.Unmarshal(text, &b.state); err != nil || b.state.Today == nil || b.state.Ports == nil || b.state.ID == "" {
		if err := os.Rename(path, path+".damaged"); err != nil {
			return err
		}
		return b.begin()
	}
	if b.state.Boot != b.opt.Boot && !b.state.Clean {
		before := b.opt.Booted
		if before.IsZero() {
			before = b.opt.Now()
		}
		b.gap(b.state.At, before)
	}
	b.state.Clean = false
	return b.history()
}

// begin begins a book; what other days have is of another one.
func (b *Book) begin() error {
	now := b.opt.Now().Unix()
	b.fresh = true
	b.state = state{ID: id.New("ports"), Began: now / 900, Ports: map[string]*port{}, Today: &day{Day: now / 86400, Ports: map[string]*series{}}}
	files, err := filepath.Glob(filepath.Join(b.opt.Dir, "*"+dayEnding))
	for _, path := range files {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// history reads the days before today. One that cannot be read is missing from then on, and told as a gap.
func (b *Book) history() error {
	files, err := filepath.Glob(filepath.Join(b.opt.Dir, "*"+dayEnding))
	if err != nil {
		return err
	}
	for _, path := range files {
		n, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), dayEnding), 10, 64)
		if err != nil || n >= b.state.Today.Day { // what is in the state is written there when its day is over
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		d := &day{}
		if json.Unmarshal(text, d) != nil || d.Day != n || d.Ports == nil {
			b.gap(time.Unix(n*86400, 0), time.Unix((n+1)*86400, 0))
			if err := os.Rename(path, path+".damaged"); err != nil {
				return err
			}
			continue
		}
		b.days[n] = d
	}
	return nil
}

// day is one that is counted in: today, or another one that a look reaches.
func (b *Book) day(n int64) *day {
	if n == b.state.Today.Day {
		return b.state.Today
	}
	d := b.days[n]
	if d == nil {
		d = &day{Day: n, Ports: map[string]*series{}}
		b.days[n] = d
	}
	return d
}

// turn begins another day: a later one, or an earlier one where the clock was set back. All that a look reached was added before; the days are on the disk before the state that does not have them any more.
func (b *Book) turn(today int64) error {
	old := b.state.Today
	b.days[old.Day] = old
	for n, d := range b.days {
		if n >= old.Day && n != today && len(d.Ports) > 0 {
			if err := b.keep(d); err != nil {
				return err
			}
		}
	}
	next := b.days[today]
	if next == nil {
		next = &day{Day: today, Ports: map[string]*series{}}
	}
	delete(b.days, today)
	b.state.Today = next
	b.state.Began = min(b.state.Began, (today+1)*96-1)
	return b.forget(today)
}

func (b *Book) keep(d *day) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return b.opt.sync(b.path(d.Day), text)
}

func (b *Book) path(n int64) string {
	return filepath.Join(b.opt.Dir, strconv.FormatInt(n, 10)+dayEnding)
}

// forget drops days that are too old.
func (b *Book) forget(today int64) error {
	for n := range b.days {
		if n < today-Keep {
			if err := os.Remove(b.path(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			delete(b.days, n)
		}
	}
	return nil
}

func (b *Book) save() error {
	text, err := json.Marshal(&b.state)
	if err != nil {
		return err
	}
	if err := b.opt.sync(filepath.Join(b.opt.Dir, stateFile), text); err != nil {
		return fault.Unavailable("write down what the ports counted: %w", err)
	}
	return nil
}

// replace replaces a file as a whole, through a crash too.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync %s: %w", filepath.Dir(path), err)
	}
	return errors.Join(d.Sync(), d.Close())
}
