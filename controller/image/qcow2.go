package image

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Limits of the program that unpacks qcow2: it reads a file that a stranger may have made.
const (
	convertMemory  = "2147483648" // bytes of address space
	convertSeconds = "3600"       // of processor time
)

// convert keeps the upload in a file, checks its header and lets qemu-img write the image beside it. Both files are
// temporary; the one that is read has no name any more.
func (s *Store) convert(ctx context.Context, r io.Reader) (io.ReadCloser, error) {
	from, err := s.keepFor(r)
	if err != nil {
		return nil, err
	}
	defer os.Remove(from)
	if err := checkFile(from); err != nil {
		return nil, err
	}
	to, err := os.CreateTemp(s.dir, partial)
	if err != nil {
		return nil, fault.Unavailable("unpack qcow2: %w", err)
	}
	defer os.Remove(to.Name())
	if err := runQemu(ctx, from, to.Name()); err != nil {
		to.Close()
		return nil, err
	}
	return to, nil
}

// keepFor writes r to a temporary file and returns its name.
func (s *Store) keepFor(r io.Reader) (string, error) {
	f, err := os.CreateTemp(s.dir, partial)
	if err != nil {
		return "", fault.Unavailable("keep the upload: %w", err)
	}
	_, err = io.Copy(f, r)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

func checkFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Unavailable("read the upload: %w", err)
	}
	defer f.Close()
	head := make([]byte, 64<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && n < 72 {
		return fault.Invalid("the file is too short for qcow2")
	}
	return checkQCOW2(head[:n])
}

// The parts of a qcow2 header that say whether the file stands alone (QEMU, docs/interop/qcow2.txt).
const (
	qcow2Magic    = 0x514649fb
	dirtyBit      = 1 << 0
	corruptBit    = 1 << 1
	compressBit   = 1 << 3
	extendedL2Bit = 1 << 4
	dataFileName  = 0x44415441 // header extension
	headerEnd     = 0
)

// checkQCOW2 refuses an image that names other files, that is encrypted, too large, damaged, or has features that
// nobody has looked at. head is the beginning of the file.
func checkQCOW2(head []byte) error {
	if len(head) < 72 || binary.BigEndian.Uint32(head) != qcow2Magic {
		return fault.Invalid("the file is not qcow2")
	}
	be := binary.BigEndian
	version, backing, crypt, size := be.Uint32(head[4:]), be.Uint64(head[8:]), be.Uint32(head[32:]), be.Uint64(head[24:])
	switch {
	case version != 2 && version != 3:
		return fault.Invalid("the file is qcow2 of version %d; 2 and 3 are read", version)
	case backing != 0:
		return fault.Refused("the qcow2 image has a backing file and is only a part of an image; make a whole one: qemu-img convert -O qcow2 OLD NEW")
	case crypt != 0:
		return fault.Refused("the qcow2 image is encrypted; import it decrypted")
	case size == 0 || size > protocol.MaxRawBytes:
		return fault.Invalid("the qcow2 image has %d bytes; 1 to %d are taken", size, uint64(protocol.MaxRawBytes))
	case version == 2:
		return nil
	}
	return checkVersion3(head)
}

func checkVersion3(head []byte) error {
	if len(head) < 104 {
		return fault.Invalid("the qcow2 header is cut off")
	}
	be := binary.BigEndian
	features, length := be.Uint64(head[72:]), be.Uint32(head[100:])
	if features&corruptBit != 0 {
		return fault.Refused("the qcow2 image is marked as damaged; look at it with qemu-img check")
	}
	if unknown := features &^ (dirtyBit | compressBit | extendedL2Bit); unknown != 0 {
		return fault.Refused("the qcow2 image has features that are not taken (%#x), such as data in another file; make a plain one: qemu-img convert -O qcow2 OLD NEW", unknown)
	}
	if length < 104 || uint64(length) > uint64(len(head)) {
		return fault.Invalid("the qcow2 header has %d bytes", length)
	}
	for at := int(length); at+8 <= len(head); {
		kind, n := be.Uint32(head[at:]), be.Uint32(head[at+4:])
		switch {
		case kind == headerEnd:
			return nil
		case kind == dataFileName:
			return fault.Refused("the qcow2 image keeps its data in another file; make a plain one: qemu-img convert -O qcow2 OLD NEW")
		case n > uint32(len(head)):
			return fault.Invalid("the qcow2 header is damaged")
		}
		at += 8 + int(n+7)/8*8
	}
	return fault.Invalid("the qcow2 header has no end")
}

// runQemu checks one file and unpacks it into another that exists. A file that was cut off unpacks without complaint, with
// zeros in place of what is missing; only the check sees it.
func runQemu(ctx context.Context, from, to string) error {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		return fault.Refused("qcow2 images are unpacked by qemu-img, which this controller's machine does not have: install qemu-utils, or convert the image to raw")
	}
	plain := strings.NewReplacer(from, "the upload", to, "the image")
	text, err := confined(ctx, "qemu-img", "check", "-q", "-f", "qcow2", from)
	if left := new(exec.ExitError); errors.As(err, &left) && left.ExitCode() == leaked {
		err = nil
	}
	if err == nil {
		text, err = confined(ctx, "qemu-img", "convert", "-q", "-f", "qcow2", "-O", "raw", from, to)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return nil
	case strings.Contains(text, "No space left"):
		return fault.Unavailable("unpack qcow2: %.400s", plain.Replace(text))
	}
	return fault.Invalid("the qcow2 image is damaged: %w: %.400s", err, plain.Replace(text))
}

// leaked is what qemu-img check says of an image that only wastes space.
const leaked = 3

// confined runs a program with limits, without an environment or input, and returns what it said.
func confined(ctx context.Context, words ...string) (string, error) {
	c := exec.CommandContext(ctx, "prlimit", append([]string{"--as=" + convertMemory, "--cpu=" + convertSeconds, "--core=0"}, words...)...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	text, err := c.CombinedOutput()
	return strings.TrimSpace(string(text)), err
}
