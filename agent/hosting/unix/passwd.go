package unix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

// passwd are the four files in which the system keeps users and groups.
type passwd struct {
	dir                            string
	users, groups, shadow, gshadow *table
}

func newPasswd(dir string) *passwd {
	return &passwd{
		dir, newTable(dir, "passwd", true), newTable(dir, "group", true), newTable(dir, "shadow", false), newTable(dir, "gshadow", false),
	}
}

// lockPatience is how long others may hold the lock of passwd; the C library waits as long.
const lockPatience = 15 * time.Second

func (p *passwd) read() error {
	for _, t := range []*table{p.groups, p.gshadow, p.shadow, p.users} {
		if err := t.read(); err != nil {
			return err
		}
	}
	if !p.users.there() || !p.groups.there() || !p.shadow.there() {
		return fault.Refused("%s has no passwd, group and shadow: a hosting node keeps its users there", p.dir)
	}
	return nil
}

// edit changes the files under the lock. f sees them as they are then. A new user is written from the group to passwd, so that nobody sees him before he is complete.
func (p *passwd) edit(ctx context.Context, f func()) error {
	lock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := p.read(); err != nil {
		return err
	}
	f()
	for _, t := range []*table{p.groups, p.gshadow, p.shadow, p.users} {
		if err := t.write(); err != nil {
			t.at = nil // what is in memory is not what is there
			return err
		}
	}
	return p.read()
}

// lock takes the lock of lckpwdf(3): a POSIX lock of the whole of .pwd.lock. Ours belongs to the open file, so that no other close in this process gives it up.
func (p *passwd) lock(ctx context.Context) (*os.File, error) {
	name := filepath.Join(p.dir, ".pwd.lock")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockPatience); ; {
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
		}
		if time.Now().After(end) {
			return nil, errors.Join(fault.Unavailable("another program has locked %s for more than %v", name, lockPatience), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
