package mail

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/mail/scan"
)

// Scanned reports whether mail to a domain is scanned for viruses; package scan asks with text from outside. It may be called from any goroutine.
func (p *Part) Scanned(domain string) bool {
	if !file.IsDomain(domain) {
		return false
	}
	_, err := os.Lstat(p.dir("scan", domain))
	return err == nil
}

// noPostfix is how long Scan waits where it cannot listen, because Postfix is not installed yet.
const noPostfix = time.Minute

// Scan is the milter that scans mail, until the context ends. It may run beside the other methods.
func (p *Part) Scan(ctx context.Context, log *slog.Logger) {
	for ctx.Err() == nil {
		l, err := p.listen()
		if err == nil {
			err = (&scan.Server{Wants: p.Scanned, Clamd: p.o.Clamd, Log: log}).Serve(ctx, l)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Error("mail is not scanned for viruses", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(noPostfix):
		}
	}
}

// listen makes the socket, in a directory that Postfix alone can enter.
func (p *Part) listen() (net.Listener, error) {
	owner, err := user.Lookup("postfix")
	if err != nil {
		return nil, fs.ErrNotExist
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(p.o.Queue, "private", socketScan)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an agent that was killed
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chmod(path, 0o600), os.Lchown(path, uid, -1)); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}
