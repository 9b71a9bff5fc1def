package quota

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// groups keeps limits by the group of a home's subvolume, on btrfs. A group has the number of its subvolume.
type groups struct{}

// From linux/btrfs.h and linux/btrfs_tree.h.
const (
	makeSubvolume   = 0x5000940E
	removeSubvolume = 0x5000940F
	searchTree      = 0xD0009411
	lookUp          = 0xD0009412
	changeGroup     = 0x4010942A
	limitGroup      = 0x8030942B
	listSubvolumes  = 0xD000943D

	quotaTree  = 8
	groupLimit = 244
	ofSpace    = 1   // BTRFS_QGROUP_LIMIT_MAX_RFER
	topInode   = 256 // of every subvolume
)

func lookAtBtrfs(dir *os.File) (keeper, error) {
	_, err := searchLimit(dir, 0)
	if errors.Is(err, unix.ENOENT) {
		return nothing{"quota is not on, so limits of disk space are not kept: btrfs quota enable " + dir.Name()}, nil
	}
	return groups{}, err
}

func (groups) components() ([]protocol.Component, bool) {
	return []protocol.Component{{Part: "quota", Name: "btrfs qgroups"}}, true
}

// subvolume is the number of the one that an open directory is in, and whether the directory is its top.
func subvolume(dir *os.File) (id uint64, top bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return 0, false, err
	}
	args := [512]uint64{1: topInode}
	err = ioctl(dir.Fd(), lookUp, unsafe.Pointer(&args))
	return args[0], st.Ino == topInode, err
}

// own is the group of a home; one that is no subvolume has none.
func own(home *os.File) (uint64, error) {
	id, top, err := subvolume(home)
	if err == nil && !top {
		err = fault.Refused("%s is a directory and no subvolume, so it cannot be limited: move it away, btrfs subvolume create it, and copy what was in it back with its owners and modes", home.Name())
	}
	return id, err
}

func (groups) limit(home *os.File, _ int) (uint64, error) {
	id, err := own(home)
	if err != nil {
		return 0, err
	}
	if n, err := nested(home); err != nil || n > 0 {
		return 0, errors.Join(err, fault.Refused("%s has %d subvolumes that the customer made, which no limit holds for: delete them", home.Name(), n))
	}
	return searchLimit(home, id)
}

// nested counts subvolumes directly in this one.
func nested(home *os.File) (int, error) {
	var args [512]uint64
	err := ioctl(home.Fd(), listSubvolumes, unsafe.Pointer(&args))
	if errors.Is(err, unix.EOVERFLOW) { // more than one answer holds
		return 255, nil
	}
	return int(args[511] & 0xFF), err
}

// searchLimit reads what is recorded of a group; one without a record has no limit.
func searchLimit(dir *os.File, group uint64) (uint64, error) {
	var args [4096]byte
	le := binary.LittleEndian
	le.PutUint64(args[0:], quotaTree)
	le.PutUint64(args[24:], group)   // from
	le.PutUint64(args[32:], group)   // to
	le.PutUint64(args[48:], noLimit) // any transaction
	le.PutUint32(args[56:], groupLimit)
	le.PutUint32(args[60:], groupLimit)
	le.PutUint32(args[64:], 1)
	if err := ioctl(dir.Fd(), searchTree, unsafe.Pointer(&args)); err != nil {
		return 0, err
	}
	const head, item = 104, 32
	if le.Uint32(args[64:]) == 0 || le.Uint64(args[head+item:])&ofSpace == 0 {
		return noLimit, nil
	}
	return le.Uint64(args[head+item+8:]), nil
}

func (groups) setLimit(home *os.File, _ int, limit uint64) error {
	id, err := own(home)
	if err != nil {
		return err
	}
	args := [6]uint64{id, ofSpace, limit} // struct btrfs_ioctl_qgroup_limit_args; the largest number takes the limit away
	return ioctl(home.Fd(), limitGroup, unsafe.Pointer(&args))
}

// forget has nothing to do: a group goes with its subvolume.
func (groups) forget(*os.File, int) error { return nil }

// volume is struct btrfs_ioctl_vol_args.
type volume struct {
	fd   int64
	name [4088]byte
}

func (groups) make(path string, o file.Owner) error {
	parent, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer parent.Close()
	var v volume
	copy(v.name[:len(v.name)-1], filepath.Base(path))
	err = ioctl(parent.Fd(), makeSubvolume, unsafe.Pointer(&v))
	if err == nil {
		file.Step("subvolume " + path)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return &os.PathError{Op: "make subvolume", Path: path, Err: err}
	}
	_, err = file.Dir(path, o)
	return err
}

// remove takes a subvolume away as a whole; one with others in it, and a plain directory, file by file. A group that the kernel keeps is destroyed.
func (groups) remove(ctx context.Context, path string) error {
	group, err := destroy(path)
	if err != nil {
		return err
	}
	if group == 0 {
		return directories{}.remove(ctx, path)
	}
	parent, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer parent.Close()
	args := [2]uint64{0, group}
	err = ioctl(parent.Fd(), changeGroup, unsafe.Pointer(&args))
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTCONN) {
		return nil // gone already; or this kernel drops it by itself when the space is free
	}
	return err
}

// destroy removes a subvolume and tells its group; 0 when it cannot be done that way.
func destroy(path string) (group uint64, err error) {
	home, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return 0, err
	}
	group, top, err := subvolume(home)
	if n, many := nested(home); many != nil || n > 0 {
		top = false
	}
	if err := errors.Join(err, home.Close()); err != nil || !top {
		return 0, err
	}
	parent, err := os.Open(filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	defer parent.Close()
	var v volume
	copy(v.name[:len(v.name)-1], filepath.Base(path))
	if err := ioctl(parent.Fd(), removeSubvolume, unsafe.Pointer(&v)); err != nil {
		return 0, &os.PathError{Op: "remove subvolume", Path: path, Err: err}
	}
	file.Step("remove subvolume " + path)
	return group, nil
}
