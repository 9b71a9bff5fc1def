package site

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/file"
)

// prepare makes the directories of ours.
func (p *Part) prepare() error {
	if p.ready {
		return nil
	}
	if err := p.above(); err != nil {
		return err
	}
	dirs := append([]string{p.o.Layout.State}, p.web.dirs()...)
	if p.php != nil {
		dirs = append(dirs, p.php.dirs()...)
	}
	for _, dir := range dirs {
		if _, err := file.Dir(dir, file.Owner{Mode: 0o700}); err != nil {
			return err
		}
	}
	p.ready = true
	return nil
}

// above makes the directory of all logs, into which customers must be able to pass, to theirs; and the log of traffic, which nobody else reads.
func (p *Part) above() error {
	err := os.Mkdir(p.o.Layout.Logs, 0o755)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(p.o.traffic(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// laid tells whether our files beside those of the accounts are as they shall be.
func (p *Part) laid(files map[string]string) bool {
	for path, text := range files {
		if have, err := os.ReadFile(path); err != nil || string(have) != text {
			return false
		}
	}
	return true
}

// lay writes the files of ours that concern all accounts. When the daemon's whole configuration does not pass with them, the former ones are put back.
func (p *Part) lay(ctx context.Context, s *side, files map[string]string) error {
	if p.laid(files) {
		return nil
	}
	program, whole, conf := p.o.Nginx, nginx{o: &p.o}.whole, file.Owner{Mode: 0o644}
	if s == p.php {
		program, whole = p.o.PHP.Program, fpm{&p.o}.whole
	}
	if !daemon.IsThere(program) {
		return nil // and no account needs it: Ensure says so
	}
	if err := s.unsettle(); err != nil {
		return err
	}
	if s == p.php {
		if err := p.seed(); err != nil {
			return err
		}
	}
	former := map[string][]byte{}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		former[path], _ = os.ReadFile(path)
		if _, err := file.Write(path, []byte(files[path]), conf); err != nil {
			return errors.Join(err, back(former, conf))
		}
	}
	if err := whole(ctx); err != nil {
		return errors.Join(err, back(former, conf))
	}
	return p.rotate()
}

// seed gives PHP-FPM a pool: without any it does not run.
func (p *Part) seed() error {
	path := filepath.Join(p.php.dir, "generation.conf")
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	_, err := file.Write(path, []byte(p.o.phpGeneration("none")), file.Root)
	return err
}

func back(former map[string][]byte, o file.Owner) error {
	var errs []error
	for path, text := range former {
		var err error
		if text == nil {
			_, err = file.Remove(path)
		} else {
			_, err = file.Write(path, text, o)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// rotate writes the file for logrotate where the node has it.
func (p *Part) rotate() error {
	if _, err := os.Stat(filepath.Dir(p.o.Logrotate)); err != nil {
		return nil //nolint:nilerr // the operator rotates by other means
	}
	_, err := file.Write(p.o.Logrotate, []byte(p.o.rotation()), file.Owner{Mode: 0o644})
	return err
}
