package linux

import "golang.org/x/sys/unix"

// Path is where a block device is found in /dev; "" for a file.
func (h *handle) Path() string {
	if !h.block {
		return ""
	}
	return h.file.Name()
}

// Number is the device number of a block device, "259:0": what it is, whatever its path leads to later.
func (h *handle) Number() string {
	var st unix.Stat_t
	if err := unix.Fstat(int(h.file.Fd()), &st); err != nil {
		return ""
	}
	return itoa(unix.Major(st.Rdev)) + ":" + itoa(unix.Minor(st.Rdev))
}
