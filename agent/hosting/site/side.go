package site

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/file"
)

// server is a daemon that reads one file for each account.
type server interface {
	// try tests the files in the directory next by themselves.
	try(ctx context.Context) error
	// room is how many accounts the daemon can serve, as far as its limit of open files goes; the fault says how to raise it.
	room(accounts int) error
	// reload returns when the daemon serves what is written. An error that is a *refused means that the files are to blame.
	reload(ctx context.Context) error
}

// refused is the error of a reload after which the daemon has its former files.
type refused struct{ error }

// side is the files of one daemon.
type side struct {
	dir     string // State/nginx or State/php
	live    string // name of the directory in it which the daemon reads
	server  server
	pending map[string]change // by user
	dirty   bool              // what is loaded may be something else than what is written
	looked  bool              // whether the mark of an earlier process was looked for
}

// change is what the file of a user shall become.
type change struct{ id, text string }

func (s *side) dirs() []string {
	return []string{s.dir, filepath.Join(s.dir, s.live), filepath.Join(s.dir, "next")}
}

func (s *side) path(user string) string { return filepath.Join(s.dir, s.live, user+".conf") }
func (s *side) mark() string            { return filepath.Join(s.dir, "unsettled") }
func (s *side) next(user string) string { return filepath.Join(s.dir, "next", user+".conf") }

// want remembers what the file of a user shall be; fresh tells whether there was none.
func (s *side) want(id, user, text string) (fresh bool, err error) {
	have, err := os.ReadFile(s.path(user))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	delete(s.pending, user)
	if err != nil || string(have) != text {
		s.pending[user] = change{id, text}
	}
	return err != nil, nil
}

// drop takes the file of a user away. Until Settle the daemon goes on with what it has loaded.
func (s *side) drop(user string) error {
	delete(s.pending, user)
	if _, err := os.Lstat(s.path(user)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := s.unsettle(); err != nil {
		return err
	}
	_, err := file.Remove(s.path(user))
	return err
}

// unsettle makes it known, also after a crash, that a reload is due.
func (s *side) unsettle() error {
	s.dirty = true
	_, err := file.Write(s.mark(), nil, file.Root)
	return err
}

// settle brings what is pending to the daemon. blamed are accounts whose files it does not take; the rest is served, unless there is an error too.
func (s *side) settle(ctx context.Context) (blamed map[string]error, err error) {
	if !s.looked {
		_, err := os.Lstat(s.mark())
		s.dirty = s.dirty || !errors.Is(err, os.ErrNotExist)
		s.looked = true
	}
	changes := s.pending
	s.pending = map[string]change{}
	blamed = map[string]error{}
	if len(changes) > 0 {
		s.fit(changes, blamed)
		if err := s.test(ctx, changes, blamed); err != nil {
			return blamed, err
		}
	}
	if len(changes) == 0 && !s.dirty {
		return blamed, nil
	}
	for {
		err := s.apply(ctx, changes)
		user := s.culprit(err, changes)
		if user == "" {
			return blamed, err
		}
		blamed[changes[user].id] = err
		delete(changes, user)
	}
}

// culprit is the user whose file the daemon named when it refused all: it does not get on with something that is not among the changed files.
func (s *side) culprit(err error, changes map[string]change) string {
	var no refused
	if !errors.As(err, &no) {
		return ""
	}
	for user := range changes {
		if strings.Contains(err.Error(), s.path(user)) {
			return user
		}
	}
	return ""
}

// fit gives new accounts up that the daemon has no room for.
func (s *side) fit(changes map[string]change, blamed map[string]error) {
	list, _ := os.ReadDir(filepath.Join(s.dir, s.live))
	count := len(list)
	for _, user := range slices.Sorted(maps.Keys(changes)) {
		if _, err := os.Lstat(s.path(user)); err == nil {
			continue
		}
		if err := s.server.room(count + 1); err != nil {
			blamed[changes[user].id] = err
			delete(changes, user)
			continue
		}
		count++
	}
}

// test lets the daemon look at the changed files, and finds those that it does not like.
func (s *side) test(ctx context.Context, changes map[string]change, blamed map[string]error) error {
	users := slices.Sorted(maps.Keys(changes))
	if err := s.lay(users, changes); err != nil {
		return err
	}
	if s.server.try(ctx) == nil {
		return s.lay(nil, nil)
	}
	s.search(ctx, users, changes, blamed)
	return errors.Join(s.lay(nil, nil), ctx.Err())
}

// search halves the files until each that does not pass is found: few tests when few are wrong.
func (s *side) search(ctx context.Context, users []string, changes map[string]change, blamed map[string]error) {
	if len(users) == 0 || ctx.Err() != nil {
		return
	}
	err := s.lay(users, changes)
	if err == nil {
		err = s.server.try(ctx)
	}
	if err == nil {
		return
	}
	if len(users) == 1 {
		blamed[changes[users[0]].id] = err
		delete(changes, users[0])
		return
	}
	s.search(ctx, users[:len(users)/2], changes, blamed)
	s.search(ctx, users[len(users)/2:], changes, blamed)
}

// lay makes the directory next hold the files of these users and no others. They need not survive a crash.
func (s *side) lay(users []string, changes map[string]change) error {
	dir := filepath.Join(s.dir, "next")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, user := range users {
		if err := os.WriteFile(s.next(user), []byte(changes[user].text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// apply puts tested files into place and lets the daemon load them; if it refuses, the former ones are put back.
func (s *side) apply(ctx context.Context, changes map[string]change) error {
	if err := s.unsettle(); err != nil {
		return err
	}
	former := map[string][]byte{}
	for _, user := range slices.Sorted(maps.Keys(changes)) {
		former[user], _ = os.ReadFile(s.path(user))
		if _, err := file.Write(s.path(user), []byte(changes[user].text), file.Root); err != nil {
			return errors.Join(err, s.restore(former))
		}
	}
	err := s.server.reload(ctx)
	var no refused
	if errors.As(err, &no) {
		return errors.Join(err, s.restore(former))
	}
	if err != nil {
		return err
	}
	s.dirty = false
	_, err = file.Remove(s.mark())
	return err
}

func (s *side) restore(former map[string][]byte) error {
	var errs []error
	for user, text := range former {
		var err error
		if text == nil {
			_, err = file.Remove(s.path(user))
		} else {
			_, err = file.Write(s.path(user), text, file.Root)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
