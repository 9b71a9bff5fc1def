package quota

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Use is what the kernel counts of an account's home.
type Use struct {
	Bytes uint64
	Files uint64
	Exact bool // everything in the home and nothing else: its project. Otherwise all files of the user, wherever they lie on that file system
}

// Used asks the kernel, for one call of it; ok is false where it does not count blocks by user or project (btrfs counts by subvolume, some time behind). A home that is not there has none.
func (p *Part) Used(path string, uid int) (u Use, ok bool, err error) {
	k, err := p.look()
	if err != nil {
		return u, false, err
	}
	b, counts := k.(blocks)
	if !counts {
		return u, false, nil
	}
	home, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ENOENT) {
		return u, false, nil
	}
	if err != nil {
		return u, false, err
	}
	defer func() { _ = home.Close() }()
	kind := userQuota
	if b.project {
		if u.Exact, err = inProject(home, uid); err != nil {
			return u, false, err
		}
	}
	if u.Exact {
		kind = projectQuota
	} else if !b.user {
		return u, false, nil
	}
	r, err := b.record(home, kind, uid)
	u.Bytes, u.Files = r.space, r.inodes
	return u, err == nil, err
}
