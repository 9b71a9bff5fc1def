package wipe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Drives of the test's own behind the kernel's own SCSI layer: the kernel hands each command to this process (TCMU,
// linux/target_core_user.h), and shows the drive as a disk like any other. What no emulator has can so be tried on the way that
// commands really go.

const targets = "/sys/kernel/config/target"

// commander answers SCSI commands. data is what came, or has room for what goes; sense is nil when all is well.
type commander func(cdb, data []byte) (sense []byte)

// attach shows a drive to the kernel as the n-th one.
func attach(t *testing.T, n int, name string, size int, answer commander) {
	t.Helper()
	if n == 0 {
		if err := unix.Mount("configfs", "/sys/kernel/config", "configfs", 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			t.Fatal(err)
		}
		for _, dir := range []string{"/core/user_0", "/loopback/naa.5001405000000001/tpgt_1/lun"} {
			if err := os.MkdirAll(targets+dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		put(t, targets+"/loopback/naa.5001405000000001/tpgt_1/nexus", "naa.5001405000000002")
	}
	core := targets + "/core/user_0/" + name
	lun := fmt.Sprintf("%s/loopback/naa.5001405000000001/tpgt_1/lun/lun_%d", targets, n)
	for _, dir := range []string{core, lun} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, core+"/control", fmt.Sprintf("dev_config=test/%s,dev_size=%d,hw_block_size=512,nl_reply_supported=-1", name, size))
	put(t, core+"/enable", "1")
	r, err := openRing(name)
	if err != nil {
		t.Fatal(err)
	}
	go r.serve(answer) // until the machine is switched off
	if err := os.Symlink(core, lun+"/drive"); err != nil {
		t.Fatal(err)
	}
}

// ring is the memory that is shared with the kernel.
type ring struct {
	file *os.File
	mem  []byte
}

func openRing(name string) (*ring, error) {
	names, err := filepath.Glob("/sys/class/uio/uio*/name")
	if err != nil {
		return nil, err
	}
	for _, path := range names {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if filepath.Base(string(text[:max(0, len(text)-1)])) != name {
			continue
		}
		dir := filepath.Dir(path)
		size, err := os.ReadFile(dir + "/maps/map0/size")
		if err != nil {
			return nil, err
		}
		var n int
		if _, err := fmt.Sscanf(string(size), "0x%x", &n); err != nil {
			return nil, err
		}
		fd, err := unix.Open("/dev/"+filepath.Base(dir), unix.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		mem, err := unix.Mmap(fd, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return &ring{os.NewFile(uintptr(fd), name), mem}, err
	}
	return nil, fmt.Errorf("the kernel shows no ring for %s in %v", name, names)
}

// Places in the mailbox (struct tcmu_mailbox) and in an entry (struct tcmu_cmd_entry).
const (
	boxRing, boxSize, boxHead, boxTail = 4, 8, 12, 64

	entryOp, entryFlags           = 0, 7
	entryCount, entryCDB, entryIO = 8, 24, 48
	entryStatus, entrySense       = 8, 16
	opCommand                     = 1
	unknownOp                     = 1
)

func (r *ring) word(at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.mem[at])) }

// serve answers commands for ever.
func (r *ring) serve(answer commander) {
	signal := make([]byte, 4)
	for {
		if _, err := unix.Read(int(r.file.Fd()), signal); err != nil && !errors.Is(err, unix.EINTR) {
			panic(err)
		}
		for tail := *r.word(boxTail); tail != atomic.LoadUint32(r.word(boxHead)); {
			entry := r.mem[*r.word(boxRing)+tail:]
			length := binary.LittleEndian.Uint32(entry[entryOp:])
			switch length & 7 {
			case opCommand:
				r.command(entry, answer)
			case 0:
			default:
				entry[entryFlags] |= unknownOp
			}
			tail = (tail + length&^7) % *r.word(boxSize)
			atomic.StoreUint32(r.word(boxTail), tail)
		}
		if _, err := unix.Write(int(r.file.Fd()), make([]byte, 4)); err != nil {
			panic(err)
		}
	}
}

// command answers one entry. Its data lie in pieces.
func (r *ring) command(entry []byte, answer commander) {
	le := binary.LittleEndian
	type piece struct{ at, n uint64 }
	var pieces []piece
	var data []byte
	for i := range le.Uint32(entry[entryCount:]) {
		p := piece{le.Uint64(entry[entryIO+16*i:]), le.Uint64(entry[entryIO+16*i+8:])}
		pieces = append(pieces, p)
		data = append(data, r.mem[p.at:p.at+p.n]...)
	}
	cdb := r.mem[le.Uint64(entry[entryCDB:]):][:16]
	sense := answer(cdb, data)
	rest := data
	for _, p := range pieces {
		rest = rest[copy(r.mem[p.at:p.at+p.n], rest):]
	}
	clear(entry[entryStatus : entrySense+96])
	if sense != nil {
		entry[entryStatus] = 2 // check condition
		copy(entry[entrySense:entrySense+96], sense)
	}
}
