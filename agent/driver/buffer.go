package driver

import "unsafe"

// Block is what offsets and lengths are multiples of, in bytes: the largest
// logical sector in use, and a page.
const Block = 4096

// Buffer makes n bytes that begin at a multiple of Block, as direct I/O wants
// them (open(2), O_DIRECT).
func Buffer(n int) []byte {
	b := make([]byte, n+Block)
	skip := 0
	if over := int(uintptr(unsafe.Pointer(&b[0])) % Block); over != 0 {
		skip = Block - over
	}
	return b[skip : skip+n : skip+n]
}

// RoundUp is the least multiple of Block that is not below n.
func RoundUp(n int64) int64 { return (n + Block - 1) / Block * Block }
