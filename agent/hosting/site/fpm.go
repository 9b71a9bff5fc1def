package site

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// fpm is PHP-FPM, the daemon that runs scripts.
type fpm struct{ o *Options }

func (f fpm) dir() string { return filepath.Join(f.o.Layout.State, "php") }

func (f fpm) files() map[string]string {
	return map[string]string{
		filepath.Join(f.dir(), "test.conf"): f.o.phpTest(),
		f.o.PHP.Include:                     f.o.phpInclude(),
	}
}

func (f fpm) try(ctx context.Context) error {
	_, err := daemon.Run(ctx, f.o.PHP.Program, "-t", "-y", filepath.Join(f.dir(), "test.conf"))
	return err
}

func (f fpm) whole(ctx context.Context) error {
	args := []string{"-t"}
	if f.o.PHP.Conf != "" {
		args = append(args, "-y", f.o.PHP.Conf)
	}
	_, err := daemon.Run(ctx, f.o.PHP.Program, args...)
	return err
}

// room: each account has a socket, and a pipe while it is served.
func (f fpm) room(accounts int) error {
	pid, err := f.o.PHP.daemon().PID()
	if err != nil {
		return nil //nolint:nilerr // the reload tells it
	}
	need := 2*accounts + 256
	if limit, _ := daemon.OpenFiles(pid); limit > 0 && need > limit {
		return fault.Refused("%s may have %d files open, and needs %d for %d accounts: raise LimitNOFILE of its service and restart it",
			f.o.PHP.daemon().Name, limit, need, accounts)
	}
	return nil
}

// reload lets PHP-FPM begin anew with the same process id. With files that it does not like it would end, for all accounts, so that everything is
// tested before, the operator's part too. Then the socket of the new generation appears.
func (f fpm) reload(ctx context.Context) error {
	text := strings.ToLower(rand.Text())
	if _, err := file.Write(filepath.Join(f.dir(), "generation.conf"), []byte(f.o.phpGeneration(text)), file.Root); err != nil {
		return err
	}
	if err := f.whole(ctx); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return refused{fault.Refused("PHP goes on with its former pools: %w", err)}
	}
	if err := f.o.PHP.daemon().Signal(unix.SIGUSR2); err != nil {
		return err
	}
	file.Step("reload php-fpm")
	for begun := time.Now(); ; {
		if _, err := os.Lstat(f.o.PHP.generation(text)); err == nil {
			return nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if time.Since(begun) > f.o.Wait {
			return fault.Unavailable("%s did not load the pools in %s; does its configuration include %s?", f.o.PHP.daemon().Name, f.o.Wait, f.o.PHP.Include)
		}
		if err := pause.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}
