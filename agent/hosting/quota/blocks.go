package quota

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// blocks keeps limits by the numbers of users and projects, on ext4 and XFS. Both speak the same calls (quotactl_fd(2), Linux 5.14).
type blocks struct {
	directories
	name    string
	user    bool // limits of users hold
	project bool // limits of projects hold
}

// From linux/quota.h and linux/dqblk_xfs.h.
const (
	userQuota    = 0
	projectQuota = 2
	getQuota     = 0x800007
	setQuota     = 0x800008
	getState     = 'X'<<8 + 8

	validSpace  = 1 // QIF_BLIMITS
	validInodes = 4 // QIF_ILIMITS

	userEnforced    = 1 << 1
	projectEnforced = 1 << 5

	quotaBlock = 1024 // bytes: the unit of limits
)

// record is struct if_dqblk.
type record struct {
	spaceHard, spaceSoft, space, inodesHard, inodesSoft, inodes, spaceTime, inodesTime uint64
	valid                                                                              uint32
	_                                                                                  uint32
}

// quotactl asks for a kind of quota of the file system that dir is on.
func quotactl(dir *os.File, command, kind, id int, at unsafe.Pointer) error {
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, dir.Fd(), uintptr(command<<8|kind), uintptr(id), uintptr(at), 0, 0)
	if errno == 0 {
		return nil
	}
	return errno
}

// lookAtBlocks asks which limits hold. That a file system counts is not enough: ext4 counts without a mount option, and limits nobody.
func lookAtBlocks(dir *os.File, name string) (keeper, error) {
	state := [32]uint64{1} // struct fs_quota_statv, version 1; the flags are its second 16 bits
	err := quotactl(dir, getState, userQuota, 0, unsafe.Pointer(&state))
	if errors.Is(err, unix.ENOSYS) && quotactl(dir, getQuota, userQuota, 0, unsafe.Pointer(&record{})) == unix.ENOSYS {
		return nothing{"this kernel has no quotactl_fd (Linux 5.14): limits of disk space are not kept"}, nil
	}
	var flags uint64
	if err == nil {
		flags = state[0] >> 16 & 0xFFFF
	}
	b := blocks{name: name, user: flags&userEnforced != 0, project: flags&projectEnforced != 0}
	if !b.user && !b.project {
		return nothing{howTo(name)}, nil
	}
	return b, nil
}

func howTo(name string) string {
	if name == "ext4" {
		return "user quota is not on, so limits of disk space are not kept: unmount the file system of the homes, tune2fs -O quota on its device, and mount it with the option usrquota"
	}
	return "user quota is not on, so limits of disk space are not kept: mount the file system of the homes with the option uquota (for the root file system: rootflags=uquota)"
}

func (b blocks) components() (list []protocol.Component, kept bool) {
	user := protocol.Component{Part: "quota", Name: b.name + " user quota"}
	if !b.user {
		user.Problem = "only project quota is on, out of which a customer can take his files: " + howTo(b.name)
	}
	list = append(list, user)
	if b.project {
		list = append(list, protocol.Component{Part: "quota", Name: b.name + " project quota"})
	}
	return list, b.user
}

// kinds that hold here.
func (b blocks) kinds() (kinds []int) {
	if b.user {
		kinds = append(kinds, userQuota)
	}
	if b.project {
		kinds = append(kinds, projectQuota)
	}
	return kinds
}

// limit is what all kinds agree on; where they differ it is what no limit can be, so that it is set again.
func (b blocks) limit(home *os.File, uid int) (uint64, error) {
	const differ = noLimit - 1
	if b.project {
		if in, err := inProject(home, uid); err != nil || !in {
			return differ, err
		}
	}
	var limit uint64
	for i, kind := range b.kinds() {
		r, err := b.record(home, kind, uid)
		if err != nil {
			return 0, err
		}
		got := r.limit()
		if i > 0 && got != limit {
			return differ, nil
		}
		limit = got
	}
	return limit, nil
}

// record of a user or project. One that the file system has not is one without limits.
func (blocks) record(dir *os.File, kind, id int) (r record, err error) {
	err = quotactl(dir, getQuota, kind, id, unsafe.Pointer(&r))
	if errors.Is(err, unix.ENOENT) {
		return record{}, nil
	}
	if errors.Is(err, unix.ESRCH) {
		return r, fault.Refused("quota was switched off")
	}
	return r, err
}

// limit in bytes. Documents have whole MiB, so anything below is a real zero: XFS rounds it up to a block of its own.
func (r record) limit() uint64 {
	switch {
	case r.spaceHard == 0:
		return noLimit
	case r.spaceHard < 1<<20/quotaBlock:
		return 1
	}
	return r.spaceHard * quotaBlock
}

func (b blocks) setLimit(home *os.File, uid int, limit uint64) error {
	r := record{valid: validSpace}
	switch limit {
	case noLimit:
	case 1:
		r.spaceHard = 1
	default:
		r.spaceHard = limit / quotaBlock
	}
	for _, kind := range b.kinds() {
		if err := quotactl(home, setQuota, kind, uid, unsafe.Pointer(&r)); err != nil {
			return err
		}
	}
	if !b.project {
		return nil
	}
	return putIntoProject(home, uid)
}

// forget takes all limits away. A record without limits and without files is none: the file systems drop or ignore it.
func (b blocks) forget(homes *os.File, uid int) error {
	for _, kind := range b.kinds() {
		r, err := b.record(homes, kind, uid)
		if err != nil {
			return err
		}
		if r.spaceHard == 0 && r.spaceSoft == 0 && r.inodesHard == 0 && r.inodesSoft == 0 {
			continue
		}
		if err := quotactl(homes, setQuota, kind, uid, unsafe.Pointer(&record{valid: validSpace | validInodes})); err != nil {
			return err
		}
	}
	return nil
}
