package fake

import (
	"bytes"
	"hash/maphash"
	"sync"
)

// pageSize is a compromise: small enough that zeros around data cost little, big
// enough that the table of a disk stays small.
const pageSize = 64 << 10

// Pages keeps the content of many disks, each different page once. The zero value
// is not ready; see NewPages. It is safe for concurrent use.
type Pages struct {
	mu   sync.Mutex
	seed maphash.Seed
	by   map[uint64][]*page // by hash; the list is for collisions
}

type page struct {
	data [pageSize]byte
	hash uint64
	refs int
}

// NewPages makes an empty store.
func NewPages() *Pages {
	return &Pages{seed: maphash.MakeSeed(), by: map[uint64][]*page{}}
}

var zeroPage [pageSize]byte

// intern gives the page that holds data, or nil when data is all zero. The caller owns one
// reference, to be given back to release.
func (s *Pages) intern(data []byte) *page {
	if bytes.Equal(data, zeroPage[:]) {
		return nil
	}
	h := maphash.Bytes(s.seed, data)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.by[h] {
		if bytes.Equal(p.data[:], data) {
			p.refs++
			return p
		}
	}
	p := &page{hash: h, refs: 1}
	copy(p.data[:], data)
	s.by[h] = append(s.by[h], p)
	return p
}

// release gives a reference back.
func (s *Pages) release(p *page) {
	if p == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.refs--; p.refs > 0 {
		return
	}
	list := s.by[p.hash]
	for i, other := range list {
		if other == p {
			list[i] = list[len(list)-1]
			list = list[:len(list)-1]
			break
		}
	}
	if len(list) == 0 {
		delete(s.by, p.hash)
	} else {
		s.by[p.hash] = list
	}
}

// Len is the number of different pages that are kept.
func (s *Pages) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, list := range s.by {
		n += len(list)
	}
	return n
}
