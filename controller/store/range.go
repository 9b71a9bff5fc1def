package store

import "sort"

// Range is a part of an index in a snapshot, whose records are known by their
// position. Counting it, and reading one, costs O(log n).
type Range[T any] struct {
	tree     *tree[*Item[T]]
	from, to int
}

// Range is the part of an index whose values start with prefix, in the order of its
// values, then of ids.
func (t Table[T]) Range(s *Snapshot, index, prefix string) Range[T] {
	r := Range[T]{tree: t.rows(s).index(index)}
	r.from = r.position(func(key string) bool { return key >= prefix })
	r.to = r.position(func(key string) bool { return key >= prefix && (len(key) < len(prefix) || key[:len(prefix)] != prefix) })
	return r
}

// position of the first key for which reached is true.
func (r Range[T]) position(reached func(key string) bool) int {
	return sort.Search(r.tree.Len(), func(i int) bool {
		key, _, _ := r.tree.GetAt(i)
		return reached(key)
	})
}

// Len is the number of records.
func (r Range[T]) Len() int { return r.to - r.from }

// At is the i-th record; i is below Len.
func (r Range[T]) At(i int) Item[T] {
	_, it, _ := r.tree.GetAt(r.from + i)
	return *it
}
