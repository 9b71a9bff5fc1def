package driver

import (
	"testing"
	"unsafe"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

func TestB44_ADiskIsNamedBySerialOrWWNAndSize(t *testing.T) {
	sda := protocol.DiskRef{Name: "sda", Serial: "S1", WWN: "naa.1", SizeBytes: 100}
	for _, c := range []struct {
		what string
		want protocol.DiskRef
		same bool
	}{
		{"another kernel name", protocol.DiskRef{Name: "sdz", Serial: "s1", WWN: "NAA.1", SizeBytes: 100}, true},
		{"serial alone", protocol.DiskRef{Serial: "S1", SizeBytes: 100}, true},
		{"WWN alone", protocol.DiskRef{WWN: "naa.1", SizeBytes: 100}, true},
		{"another size", protocol.DiskRef{Name: "sda", Serial: "S1", WWN: "naa.1", SizeBytes: 101}, false},
		{"another serial", protocol.DiskRef{Name: "sda", Serial: "S2", SizeBytes: 100}, false},
		{"equal serial, another WWN", protocol.DiskRef{Name: "sda", Serial: "S1", WWN: "naa.2", SizeBytes: 100}, false},
		{"only the name", protocol.DiskRef{Name: "sda", SizeBytes: 100}, false},
	} {
		if got := Same(sda, c.want); got != c.same {
			t.Errorf("%s: same = %v", c.what, got)
		}
	}
}

func TestB44_SharedAndNamelessDisksAreRefused(t *testing.T) {
	a := protocol.DiskRef{Name: "sda", WWN: "naa.1", SizeBytes: 100}
	b := protocol.DiskRef{Name: "sdb", WWN: "naa.1", SizeBytes: 100}
	for _, c := range []struct {
		list []protocol.DiskRef
		want protocol.DiskRef
		kind fault.Kind
	}{
		{[]protocol.DiskRef{a, b}, a, fault.KindRefused},
		{[]protocol.DiskRef{a}, protocol.DiskRef{Name: "sda", SizeBytes: 100}, fault.KindInvalid},
		{nil, a, fault.KindNotFound},
		{[]protocol.DiskRef{a}, a, ""},
	} {
		if _, err := Find(c.list, c.want); fault.KindOf(err) != c.kind {
			t.Errorf("find %v in %v: %v", c.want, c.list, err)
		}
	}
}

func TestBuffersAreAligned(t *testing.T) {
	for _, n := range []int{1, Block, 1 << 20} {
		b := Buffer(n)
		if len(b) != n || uintptr(unsafe.Pointer(&b[0]))%Block != 0 {
			t.Errorf("a buffer of %d bytes has %d and begins at %p", n, len(b), &b[0])
		}
	}
}
