package book

import "maps"

// Notes are what the reader of a log has to remember beside its place, by keys of its own: mail of which the beginning was read and not the end. As a change, nil is what it
// remembers no more.
type Notes map[string][]byte

// with adds a change, of which nil stays.
func (n Notes) with(changed Notes) Notes {
	if n == nil {
		n = Notes{}
	}
	maps.Copy(n, changed)
	return n
}

// Notes are those of a source.
func (b *Book) Notes(source string) Notes {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.notes[source])
}

// note adds changes to what is remembered.
func (b *Book) note(changes map[string]Notes) {
	for source, changed := range changes {
		n := b.notes[source].with(changed)
		maps.DeleteFunc(n, func(_ string, v []byte) bool { return v == nil })
		b.notes[source] = n
	}
}
