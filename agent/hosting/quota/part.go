package quota

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Options say where things are. The zero value is a Debian node.
type Options struct {
	Layout part.Layout
}

// Part is the part "quota". One goroutine uses it.
type Part struct {
	o      Options
	kernel keeper // nil: not looked yet
}

// keeper is what keeps limits on a kind of file system. A limit is in bytes; none is noLimit.
type keeper interface {
	// components tell what there is; kept is whether limits hold.
	components() (list []protocol.Component, kept bool)
	limit(home *os.File, uid int) (uint64, error)
	setLimit(home *os.File, uid int, limit uint64) error
	// forget removes what is recorded of a user whose home is gone.
	forget(homes *os.File, uid int) error
	// make makes a home that is not there; remove takes one away.
	make(path string, o file.Owner) error
	remove(ctx context.Context, path string) error
}

const noLimit = ^uint64(0)

// New makes the part; it looks at nothing.
func New(o Options) *Part {
	if o.Layout == (part.Layout{}) {
		o.Layout = part.Standard
	}
	return &Part{o: o}
}

// Name is "quota".
func (*Part) Name() string { return "quota" }

// Settle has nothing to do.
func (*Part) Settle(context.Context) error { return nil }

// Provide looks again what the file system can do.
func (p *Part) Provide(context.Context) part.Provision {
	p.kernel = nil
	k, err := p.look()
	if err != nil {
		return part.Provision{
			Components: []protocol.Component{{Part: p.Name(), Name: "disk quota", Problem: err.Error()}}, Switches: map[string]bool{"disk_quota": false},
		}
	}
	list, kept := k.components()
	return part.Provision{Components: list, Switches: map[string]bool{"disk_quota": kept}}
}

// look finds out what keeps limits where the homes are, or will be.
func (p *Part) look() (keeper, error) {
	if p.kernel != nil {
		return p.kernel, nil
	}
	dir, err := p.homes()
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return nil, fmt.Errorf("look at the file system of %s: %w", dir.Name(), err)
	}
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC:
		p.kernel, err = lookAtBlocks(dir, "ext4")
	case unix.XFS_SUPER_MAGIC:
		p.kernel, err = lookAtBlocks(dir, "XFS")
	case unix.BTRFS_SUPER_MAGIC:
		p.kernel, err = lookAtBtrfs(dir)
	default:
		p.kernel = nothing{fmt.Sprintf("the file system of %s (type %#x) keeps no limits: put the homes on ext4 or XFS with user quota, or on btrfs with qgroups", dir.Name(), st.Type)}
	}
	return p.kernel, err
}

// homes opens the directory of the homes, or the one above that is there already.
func (p *Part) homes() (*os.File, error) {
	for path := p.o.Layout.Homes; ; path = filepath.Dir(path) {
		dir, err := os.Open(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || path == "/" {
			return dir, err
		}
	}
}

// Ensure sets the limit. Where nothing keeps limits it does nothing: Provide tells, and the controller marks what it sold.
func (p *Part) Ensure(_ context.Context, a *part.Account) error {
	limit, err := bytes(a.DiskMiB)
	if err != nil {
		return err
	}
	k, err := p.look()
	if err != nil {
		return err
	}
	if _, none := k.(nothing); none {
		return nil
	}
	if a.UID < 1 || a.Home == "" {
		return fault.Internal("the account %s has no user yet, whose files could be limited", a.ID)
	}
	if err := p.set(k, a, limit); err != nil {
		p.kernel = nil // quota may have been switched off: look again
		return fmt.Errorf("limit the disk space of %s: %w", a.User, err)
	}
	return nil
}

func (p *Part) set(k keeper, a *part.Account, limit uint64) error {
	home, err := os.OpenFile(a.Home, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer home.Close()
	has, err := k.limit(home, a.UID)
	if err != nil || has == limit {
		return err
	}
	if err := k.setLimit(home, a.UID, limit); err != nil {
		return err
	}
	file.Step("limit " + a.User)
	if has, err = k.limit(home, a.UID); err == nil && has != limit {
		err = fault.Internal("the kernel says %s after %s was set", words(has), words(limit))
	}
	return err
}

// bytes is a limit of a document. A real zero is one byte, which each kind of file system rounds up to its unit.
func bytes(mib *uint64) (uint64, error) {
	const most = 1 << 33 // MiB: 8 EiB, more than any file system has
	switch {
	case mib == nil:
		return noLimit, nil
	case *mib == 0:
		return 1, nil
	case *mib > most:
		var c fault.Check
		c.Add("disk_mib", "is %d, more than any file system has", *mib)
		return 0, c.Err("the account's document is wrong")
	}
	return *mib << 20, nil
}

func words(limit uint64) string {
	if limit == noLimit {
		return "no limit"
	}
	return fmt.Sprintf("%d bytes", limit)
}

// Remove forgets the limit of a user whose home is gone. A home that is there keeps its limit until the part "user" removes it ([Homes]).
func (p *Part) Remove(_ context.Context, a *part.Account) ([]protocol.Found, error) {
	if a.UID == 0 {
		return nil, nil
	}
	if _, err := os.Lstat(p.o.Layout.Home(a.User)); !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return nil, p.forget(a.UID)
}

func (p *Part) forget(uid int) error {
	k, err := p.look()
	if err != nil {
		return err
	}
	homes, err := p.homes()
	if err != nil {
		return err
	}
	defer homes.Close()
	return k.forget(homes, uid)
}
