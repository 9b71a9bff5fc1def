package book

import (
	"bufio"
	"bytes"
	"errors"
	"maps"
	"os"
	"slices"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Report is what one account had in the months, as sums: the same report may come twice, late or after a newer one.
type Report struct {
	Account string
	Months  []Totals // in the order of Months
}

// Months are the controller's months that totals are made for.
func (b *Book) Months() []Month {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.months)
}

// SetMonths takes the controller's months, makes the totals anew from all quarter-hours that are kept, and writes them down. The same months again cost nothing.
func (b *Book) SetMonths(months []Month) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Equal(months, b.months) {
		return nil
	}
	for i, m := range months {
		if m.To <= m.From || i > 0 && m.From < months[i-1].To {
			return fault.Invalid("month %s begins at %s and ends at %s: months follow each other", m.Name, m.From.Start(), m.To.Start())
		}
	}
	files, err := names(b.dir)
	if err != nil {
		return err
	}
	was, totals := b.months, b.totals
	b.version++
	b.months, b.totals = slices.Clone(months), map[string]*sums{}
	if err := b.again(files); err != nil {
		b.months, b.totals = was, totals
		return fault.Unavailable("make the totals of months anew: %v", err)
	}
	return nil
}

// again makes the totals from all files, and writes a new head for the newest: its totals are those before its own commits.
func (b *Book) again(files []string) error {
	add := func(c *commit) { b.add(c.Counted) }
	for _, path := range files {
		if b.file == nil || path != b.file.Name() {
			if _, err := scan(path, func(*head) {}, add); err != nil && !errors.Is(err, errFrame) {
				return err
			}
		}
	}
	if b.file == nil {
		return nil
	}
	if err := b.rehead(); err != nil {
		return err
	}
	_, err := scan(b.file.Name(), func(*head) {}, add)
	return err
}

// rehead writes the newest file anew, with a head of these totals and the commits that it has.
func (b *Book) rehead() error {
	path := b.file.Name()
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r := bufio.NewReader(bytes.NewReader(text))
	var h head
	end, err := unframe(r, &h)
	if err != nil {
		return err
	}
	h.Months, h.Totals = b.months, b.sums()
	first, err := frame(&h)
	if err != nil {
		return err
	}
	if err := lay(path, first, text[end:b.size]); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		b.broken = err
		return err
	}
	_ = b.file.Close()
	b.file, b.size = f, b.size-end+int64(len(first))
	return nil
}

func (b *Book) sums() map[string][]Totals {
	all := make(map[string][]Totals, len(b.totals))
	for account, s := range b.totals {
		all[account] = s.months
	}
	return all
}

// Changed are the accounts that something was counted for since a version, and the version to ask with next; 0: all. In the order of their names.
func (b *Book) Changed(since uint64) ([]Report, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Report
	for _, account := range slices.Sorted(maps.Keys(b.totals)) {
		if s := b.totals[account]; s.version > since {
			list = append(list, Report{Account: account, Months: slices.Clone(s.months)})
		}
	}
	return list, b.version
}

// Quarters are the quarter-hours of an account from one to before another in which something was counted, in their order.
func (b *Book) Quarters(account string, from, to Quarter) ([]Count, error) {
	b.mu.Lock()
	files, err := names(b.dir)
	b.mu.Unlock()
	sum := quarters{}
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		_, err = scan(path, func(*head) {}, func(c *commit) {
			for _, a := range c.Counted {
				if a.Account == account {
					sum.add(a.Counts, from, to)
				}
			}
		})
		if err != nil && !errors.Is(err, errFrame) {
			return nil, err
		}
	}
	return sum.flat(), nil
}
