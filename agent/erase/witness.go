package erase

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/steelyard/steelyard/agent/driver"
)

// A witness is what is remembered of a disk before its drive empties itself, to tell whether anything changed: pieces at
// random places, eight bytes of place and eight of digest each. Where there was nothing worth remembering, noise is put
// first, so that every piece would be known again.
const (
	witnesses    = 128
	witnessBytes = driver.Block
	witnessEntry = 16
)

// remember takes the witness, once, if a rung may be tried. Without one, noise is not believed to be an erased disk.
func (d *disk) remember(rungs []driver.Rung) {
	fit := slices.ContainsFunc(rungs, func(r driver.Rung) bool { return r.Unfit == "" })
	busy := slices.ContainsFunc(rungs, func(r driver.Rung) bool { return r.Running })
	if len(d.mark.Witness) > 0 || !fit || busy || d.size() < 2*witnessBytes {
		return
	}
	var list []byte
	for _, off := range places(d.size(), witnesses, witnessBytes) {
		digest, err := d.witnessAt(off)
		if err != nil {
			return
		}
		list = append(binary.LittleEndian.AppendUint64(list, uint64(off)), digest...)
	}
	if d.dev.Sync() == nil {
		d.mark.Witness = list
	}
}

// witnessAt is the digest of what is at a place, or of the noise that is put there.
func (d *disk) witnessAt(off int64) ([]byte, error) {
	buf := driver.Buffer(witnessBytes)
	if _, err := d.dev.ReadAt(buf, off); err != nil {
		return nil, err
	}
	if uniform(buf) {
		_, _ = rand.Read(buf) // never fails: crypto/rand ends the process instead
		if _, err := d.dev.WriteAt(buf, off); err != nil {
			return nil, err
		}
	}
	return digest(buf), nil
}

func digest(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:8]
}

func uniform(b []byte) bool {
	for _, c := range b {
		if c != b[0] {
			return false
		}
	}
	return true
}

// unchanged counts the remembered pieces that are what they were.
func (d *disk) unchanged() (kept, of int, err error) {
	buf := driver.Buffer(witnessBytes)
	for w := d.mark.Witness; len(w) >= witnessEntry; w = w[witnessEntry:] {
		off := int64(binary.LittleEndian.Uint64(w))
		if off < 0 || off > d.size()-witnessBytes {
			return 0, 0, fmt.Errorf("a remembered place %d is none of the disk", off)
		}
		if _, err := d.dev.ReadAt(buf, off); err != nil {
			return 0, 0, fmt.Errorf("read at byte %d: %w", off, err)
		}
		of++
		if string(digest(buf)) == string(w[8:witnessEntry]) {
			kept++
		}
	}
	return kept, of, nil
}
