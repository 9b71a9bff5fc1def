package quota

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/protocol"
)

// Homes makes and removes homes as the limits need it. It is the Homes of the part "user".
type Homes struct{ p *Part }

// Homes of the part.
func (p *Part) Homes() Homes { return Homes{p} }

// Make makes a home, or gives the one that is there its owner and mode.
func (h Homes) Make(path string, o file.Owner) error {
	k, err := h.p.look()
	if err != nil {
		return err
	}
	return k.make(path, o)
}

// Remove takes a home and everything in it away, and then what is recorded of its owner, who is its group.
func (h Homes) Remove(ctx context.Context, path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); errors.Is(err, unix.ENOENT) {
		_, err = file.RemoveAll(ctx, path) // what a crash may have left beside it
		return err
	} else if err != nil {
		return err
	}
	k, err := h.p.look()
	if err != nil {
		return err
	}
	if err := k.remove(ctx, path); err != nil || st.Gid == 0 {
		return err
	}
	return h.p.forget(int(st.Gid))
}

// directories are homes that are nothing more.
type directories struct{}

func (directories) make(path string, o file.Owner) error {
	_, err := file.Dir(path, o)
	return err
}

func (directories) remove(ctx context.Context, path string) error {
	_, err := file.RemoveAll(ctx, path)
	return err
}

// nothing keeps no limits.
type nothing struct{ why string }

func (n nothing) components() ([]protocol.Component, bool) {
	return []protocol.Component{{Part: "quota", Name: "disk quota", Problem: n.why}}, false
}
func (nothing) limit(*os.File, int) (uint64, error)      { return noLimit, nil }
func (nothing) setLimit(*os.File, int, uint64) error     { return nil }
func (nothing) forget(*os.File, int) error               { return nil }
func (nothing) make(path string, o file.Owner) error     { return directories{}.make(path, o) }
func (nothing) remove(c context.Context, p string) error { return directories{}.remove(c, p) }
