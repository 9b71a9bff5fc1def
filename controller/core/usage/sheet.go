package usage

import (
	"slices"
	"strings"
)

// Sheet is a column of cells by account, in the order of their ids: the densest form that is searched in a few dozen nanoseconds and written in order. The zero value is empty.
type Sheet[C any] struct {
	accounts []string
	cells    []C
}

// Len is how many accounts it has.
func (s *Sheet[C]) Len() int { return len(s.accounts) }

// Find is the cell of an account; nil: it has none. It is good until the next Cell or Drop.
func (s *Sheet[C]) Find(account string) *C {
	if i, ok := slices.BinarySearch(s.accounts, account); ok {
		return &s.cells[i]
	}
	return nil
}

// FindBytes is Find, of an id that is not a string yet. from is where to look first: reports are written in the order of ids, and then each is found at once. next is the place behind it.
func (s *Sheet[C]) FindBytes(account []byte, from int) (c *C, next int) {
	if from < len(s.accounts) && s.accounts[from] == string(account) {
		return &s.cells[from], from + 1
	}
	i, ok := slices.BinarySearchFunc(s.accounts, account, func(a string, b []byte) int { return strings.Compare(a, string(b)) })
	if !ok {
		return nil, i
	}
	return &s.cells[i], i + 1
}

// Cell is that of an account, made where it is missing. It is good until the next Cell or Drop.
func (s *Sheet[C]) Cell(account string) *C {
	i := len(s.accounts)
	if i > 0 && s.accounts[i-1] >= account {
		var there bool
		if i, there = slices.BinarySearch(s.accounts, account); there {
			return &s.cells[i]
		}
	}
	var none C
	s.accounts, s.cells = slices.Insert(tight(s.accounts), i, account), slices.Insert(tight(s.cells), i, none)
	return &s.cells[i]
}

// tight leaves room for an eighth more, where append would double: sheets are most of what a controller of many accounts remembers.
func tight[T any](list []T) []T {
	if len(list) < cap(list) {
		return list
	}
	return append(make([]T, 0, len(list)+len(list)/8+4), list...)
}

// Drop takes away the accounts that gone names.
func (s *Sheet[C]) Drop(gone func(account string) bool) {
	n := 0
	for i, a := range s.accounts {
		if !gone(a) {
			s.accounts[n], s.cells[n] = a, s.cells[i]
			n++
		}
	}
	clear(s.accounts[n:])
	s.accounts, s.cells = s.accounts[:n], s.cells[:n]
}

// Each goes through all in the order of ids.
func (s *Sheet[C]) Each(yield func(account string, c *C) bool) {
	for i := range s.accounts {
		if !yield(s.accounts[i], &s.cells[i]) {
			return
		}
	}
}
