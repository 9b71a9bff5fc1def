package linux

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

// inUse refuses a disk that anything on this machine uses: a mounted file system, swap, or a
// device on top of it (RAID, LVM, crypt), on the disk or on one of its partitions.
func (m *Machine) inUse(name string) error {
	numbers, err := m.numbers(name)
	if err != nil {
		return err
	}
	for part := range numbers {
		if err := m.held(name, part); err != nil {
			return err
		}
	}
	devices := map[string]string{}
	for part, number := range numbers {
		devices[number] = part
	}
	if err := m.mounted(devices); err != nil {
		return err
	}
	return m.swapped(devices)
}

// numbers maps the disk and its partitions to their device numbers, "8:1".
func (m *Machine) numbers(name string) (map[string]string, error) {
	dir := filepath.Join(m.sys, "block", name)
	own, err := os.ReadFile(filepath.Join(dir, "dev"))
	if err != nil {
		return nil, fault.NotFound("disk %s is gone: %w", name, err)
	}
	found := map[string]string{name: strings.TrimSpace(string(own))}
	parts, err := filepath.Glob(filepath.Join(dir, name+"*", "dev"))
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		text, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		found[filepath.Base(filepath.Dir(p))] = strings.TrimSpace(string(text))
	}
	return found, nil
}

func (m *Machine) held(name, part string) error {
	dir := filepath.Join(m.sys, "block", name)
	if part != name {
		dir = filepath.Join(dir, part)
	}
	holders, err := os.ReadDir(filepath.Join(dir, "holders"))
	if err == nil && len(holders) > 0 {
		return fault.Refused("disk %s is in use: %s is part of %s", name, part, holders[0].Name())
	}
	return nil
}

// mounted looks for the devices in mountinfo (proc(5)): by number, and by the path of the source for
// file systems that number themselves (btrfs).
func (m *Machine) mounted(devices map[string]string) error {
	return lines(filepath.Join(m.prc, "self", "mountinfo"), func(line string) error {
		fields := strings.Fields(line)
		if len(fields) < 10 {
			return nil
		}
		part, ok := devices[fields[2]]
		if !ok {
			for i := 6; i+2 < len(fields); i++ {
				if fields[i] == "-" {
					part, ok = devices[number(fields[i+2])]
					break
				}
			}
		}
		if ok {
			return fault.Refused("disk is in use: %s is mounted on %s", part, fields[4])
		}
		return nil
	})
}

func (m *Machine) swapped(devices map[string]string) error {
	return lines(filepath.Join(m.prc, "swaps"), func(line string) error {
		path, _, _ := strings.Cut(line, " ")
		if part, ok := devices[number(path)]; ok {
			return fault.Refused("disk is in use: %s is swapped on", part)
		}
		return nil
	})
}

// number is the device number of a block device's path, or "".
func number(path string) string {
	var st unix.Stat_t
	if !strings.HasPrefix(path, "/") || unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return ""
	}
	return itoa(unix.Major(st.Rdev)) + ":" + itoa(unix.Minor(st.Rdev))
}

func lines(path string, each func(string) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Refused("cannot tell whether the disk is in use: %w", err)
	}
	defer func() { _ = f.Close() }()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if err := each(s.Text()); err != nil {
			return err
		}
	}
	return s.Err()
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
