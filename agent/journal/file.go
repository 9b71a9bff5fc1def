package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

// maxLine bounds one event, in bytes: a result holds an inventory.
const maxLine = 8 << 20

// file is the durable half of a Journal.
type file struct {
	path      string
	f         *os.File
	size      int64
	compacted int64 // size after the last compaction
	broken    error // an append failed and could not be taken back
}

// Open reads the journal of that path, or makes a new one. Only one process may have
// it open. Faults: conflict when another one has, internal when the file is
// damaged.
func Open(path string) (*Journal, error) {
	j := InMemory()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fault.Conflict("the journal %s is in use by another agent", path)
	}
	size, err := read(f, j.apply)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("read the journal %s: %w", path, err)
	}
	j.file = &file{path: path, f: f, size: size, compacted: size}
	if err := j.file.settle(); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	j.now = time.Now
	j.trim()
	return j, nil
}

// read applies every whole line and returns where the last one ends.
func read(f io.Reader, apply func(event)) (int64, error) {
	r := bufio.NewReaderSize(f, 64<<10)
	var size int64
	for number := 1; ; number++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return size, nil // what follows the last newline was torn by a crash
		}
		if err != nil {
			return size, err
		}
		e, bad := decode(line)
		if bad != nil {
			if _, err := r.Peek(1); errors.Is(err, io.EOF) {
				return size, nil // the last line, written in two pieces
			}
			return size, fault.Internal("line %d is damaged (%w); look at what the agent did, then move the file away", number, bad)
		}
		apply(e)
		size += int64(len(line))
	}
}

func encode(e event) ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	if len(text) > maxLine {
		return nil, fault.Refused("an event of %d bytes is too big for the journal", len(text))
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(text), text), nil
}

func decode(line []byte) (e event, err error) {
	sum, text, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	if !ok || string(sum) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(text)) {
		return e, errors.New("its checksum is wrong")
	}
	return e, json.Unmarshal(text, &e)
}

// settle cuts off a torn end and makes the file's own entry durable.
func (f *file) settle() error {
	if err := f.f.Truncate(f.size); err != nil {
		return err
	}
	if _, err := f.f.Seek(f.size, io.SeekStart); err != nil {
		return err
	}
	return syncDir(f.path)
}

// append writes one event and returns when it is on the disk. After an error the file is as
// it was before, or the journal refuses to go on.
func (f *file) append(e event) error {
	if f.broken != nil {
		return f.broken
	}
	line, err := encode(e)
	if err != nil {
		return err
	}
	_, err = f.f.Write(line)
	if err == nil {
		err = f.f.Sync()
	}
	if err != nil {
		f.broken = f.settle()
		return err
	}
	f.size += int64(len(line))
	return nil
}

// replace writes a new file with events and puts it in the place of the old one.
func (f *file) replace(events []event) error {
	fresh, err := os.OpenFile(f.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	size, err := fill(fresh, events)
	if err == nil {
		err = unix.Flock(int(fresh.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = os.Rename(f.path+".new", f.path)
	}
	if err != nil {
		return errors.Join(err, fresh.Close(), os.Remove(f.path+".new"))
	}
	old := f.f
	f.f, f.size, f.compacted = fresh, size, size
	return errors.Join(old.Close(), syncDir(f.path))
}

func fill(w *os.File, events []event) (int64, error) {
	var size int64
	for _, e := range events {
		line, err := encode(e)
		if err != nil {
			return 0, err
		}
		n, err := w.Write(line)
		if err != nil {
			return 0, err
		}
		size += int64(n)
	}
	return size, w.Sync()
}

func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f *file) close() error { return f.f.Close() }
