package snmpsim

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/gosnmp/gosnmp"
)

// Value is the value of an object, of the Go type that gosnmp marshals.
type Value struct {
	Type gosnmp.Asn1BER
	Data any
}

// key is an OID such that keys compare as OIDs do: four bytes a part, big endian.
type key string

func parseKey(oid string) (key, error) {
	parts := strings.Split(strings.TrimPrefix(oid, "."), ".")
	b := make([]byte, 0, 4*len(parts))
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return "", fmt.Errorf("%.80q is no OID", oid)
		}
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	if len(parts) < 2 || len(parts) > 128 || parts[0] > "2" || len(parts[0]) > 1 {
		return "", fmt.Errorf("%.80q is no OID", oid)
	}
	return key(b), nil
}

func (k key) String() string {
	var b strings.Builder
	for i := 0; i < len(k); i += 4 {
		b.WriteByte('.')
		b.WriteString(strconv.FormatUint(uint64(binary.BigEndian.Uint32([]byte(k[i:i+4]))), 10))
	}
	return b.String()
}

// Tree is what an agent knows.
type Tree struct {
	mu     sync.RWMutex
	keys   []key // sorted
	values map[key]Value
	live   map[key]func() Value // values that are made when they are asked for
}

// NewTree makes an empty one.
func NewTree() *Tree { return &Tree{values: map[key]Value{}, live: map[key]func() Value{}} }

// Put sets an object, also a new one.
func (t *Tree) Put(oid string, v Value) error {
	k, err := parseKey(oid)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(k, v)
	return nil
}

func (t *Tree) put(k key, v Value) {
	if _, there := t.values[k]; !there {
		i := sort.Search(len(t.keys), func(i int) bool { return t.keys[i] >= k })
		t.keys = slices.Insert(t.keys, i, k)
	}
	t.values[k] = v
}

// Delete forgets an object.
func (t *Tree) Delete(oid string) {
	k, err := parseKey(oid)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, there := slices.BinarySearch(t.keys, k); there {
		t.keys = slices.Delete(t.keys, i, i+1)
		delete(t.values, k)
	}
}

// Get reads an object.
func (t *Tree) Get(oid string) (Value, bool) {
	k, err := parseKey(oid)
	if err != nil {
		return Value{}, false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.get(k)
}

func (t *Tree) get(k key) (Value, bool) {
	if f := t.live[k]; f != nil {
		return f(), true
	}
	v, ok := t.values[k]
	return v, ok
}

// next is the first object after k.
func (t *Tree) next(k key) (key, Value, bool) {
	i := sort.Search(len(t.keys), func(i int) bool { return t.keys[i] > k })
	if i == len(t.keys) {
		return "", Value{}, false
	}
	v, _ := t.get(t.keys[i])
	return t.keys[i], v, true
}

// Len is the number of objects.
func (t *Tree) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.keys)
}
