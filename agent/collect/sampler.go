package collect

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// Sampler reads what moves all the time, every ten seconds or so, for next to
// nothing: descriptors stay open and are read again from the start, buffers and
// the lists of the caller's Sample are used again. A Sampler belongs to one
// goroutine.
type Sampler struct {
	files  [sources]*os.File
	buffer []byte
	mounts mounts
}

// Files that are read for each sample.
const (
	fileStat = iota
	fileMemory
	fileLoad
	fileUptime
	fileDisks
	fileNet
	sources
)

var sourceNames = [sources]string{"proc/stat", "proc/meminfo", "proc/loadavg", "proc/uptime", "proc/diskstats", "proc/net/dev"}

// maxSample bounds one of these files; a host of 10,000 interfaces has 1.3 MB.
const maxSample = 8 << 20

// NewSampler opens the files below root ("" or "/" is this machine). A file that
// is not there is left out of the samples; that none is there is an error.
func NewSampler(root string) (*Sampler, error) {
	s := &Sampler{buffer: make([]byte, 16<<10), mounts: mounts{tree: newTree(root)}}
	var errs []error
	for i, name := range sourceNames {
		file, err := s.mounts.tree.open(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.files[i] = file
	}
	if len(errs) == sources {
		return nil, fmt.Errorf("open the kernel's counters below %s: %w", s.mounts.tree.root, errors.Join(errs...))
	}
	return s, nil
}

// Close closes the files.
func (s *Sampler) Close() error {
	var errs []error
	for _, f := range s.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Sample reads everything into to, whose lists are used again; the caller must
// not keep them. What cannot be read stays zero and is part of the error, the
// rest is valid.
func (s *Sampler) Sample(to *hardware.Sample) error {
	*to = hardware.Sample{
		At: time.Now(), FS: to.FS, Disks: to.Disks, Interfaces: to.Interfaces,
	}
	var failed error
	for i, file := range s.files {
		if file == nil {
			continue
		}
		data, err := s.read(i)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("sample %s: %w", sourceNames[i], err))
			continue
		}
		parse(i, data, to)
	}
	to.FS = s.mounts.sample(to.FS, to.At)
	return failed
}

func parse(source int, data []byte, to *hardware.Sample) {
	switch source {
	case fileStat:
		parseStat(data, to)
	case fileMemory:
		parseMemory(data, to)
	case fileLoad:
		parseLoad(data, to)
	case fileUptime:
		parseUptime(data, to)
	case fileDisks:
		to.Disks = parseDisks(data, to.Disks)
	case fileNet:
		to.Interfaces = parseInterfaces(data, to.Interfaces)
	}
}

// read fills the buffer from the start of a file. Of /proc/stat the first line is
// enough; the kernel would go on with a line of all interrupts.
func (s *Sampler) read(source int) ([]byte, error) {
	if source == fileStat {
		n, err := s.files[source].ReadAt(s.buffer[:512], 0)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return s.buffer[:n], err
	}
	n := 0
	for {
		if n == len(s.buffer) {
			if n >= maxSample {
				return nil, fmt.Errorf("longer than %d bytes", maxSample)
			}
			s.buffer = append(s.buffer, make([]byte, n)...)
		}
		more, err := s.files[source].ReadAt(s.buffer[n:], int64(n))
		n += more
		if errors.Is(err, io.EOF) {
			return s.buffer[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
}
