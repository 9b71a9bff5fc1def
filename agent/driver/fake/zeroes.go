package fake

// WriteZeroes is a disk's command for writing zeros, with the time and the faults of a write that sends none.
func (h *handle) WriteZeroes(off, n int64) error { return h.Zero(off, n) }
