package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// longest is what unix(7) has room for in the name of a socket, in bytes.
const longest = 107

// listen makes the control socket, readable and writable by its owner from the first moment: it is
// made where nobody else can look, and then given its name. What a dead process left there is replaced.
func listen(ctx context.Context, path string) (net.Listener, error) {
	if err := free(ctx, path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".") // mode 0700
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	first := filepath.Join(dir, "s")
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", first)
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(first, 0o600), os.Rename(first, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("make the control socket: %w", err), ln.Close())
	}
	return &named{ln, sync.OnceValue(func() error { return errors.Join(ln.Close(), os.Remove(path)) })}, nil
}

// free refuses a path that holds anything but a socket that nobody listens on.
func free(ctx context.Context, path string) error {
	if len(path) > longest {
		return fault.Invalid("the path of a socket has at most %d bytes; give a shorter one than %s", longest, path)
	}
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("make the control socket: %w", err)
	case st.Mode().Type() != os.ModeSocket:
		return fault.Refused("%s exists and is no socket; give another path", path)
	}
	d := net.Dialer{Timeout: time.Second}
	if conn, err := d.DialContext(ctx, "unix", path); err == nil {
		_ = conn.Close()
		return fault.Conflict("another simulated fleet listens on %s; give another path", path)
	}
	return nil
}

// named is a listener whose name goes when it is closed.
type named struct {
	net.Listener
	remove func() error // closes and removes, once
}

func (n *named) Close() error { return n.remove() }
