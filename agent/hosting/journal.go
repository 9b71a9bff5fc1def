package hosting

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// journal keeps one file for each account's document: a directory of 5,000 small files is read in a moment, and a change writes one. They hold
// digests of passwords: only root reads them. Without a directory nothing is kept, for simulated nodes. Results are not kept: after a start every account is looked at again, which tells them anew.
type journal struct{ dir string }

const suffix = ".json"

func openJournal(dir string) (*journal, error) {
	if dir == "" {
		return &journal{}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Unavailable("make the directory of hosted accounts: %w", err)
	}
	return &journal{dir}, nil
}

// load reads all documents; what a crash left half written has another name.
func (j *journal) load() (list []protocol.HostedAccount, err error) {
	if j.dir == "" {
		return nil, nil
	}
	files, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, fault.Unavailable("read the directory of hosted accounts: %w", err)
	}
	for _, f := range files {
		path := filepath.Join(j.dir, f.Name())
		if !strings.HasSuffix(f.Name(), suffix) {
			_ = os.Remove(path)
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fault.Unavailable("read a hosted account: %w", err)
		}
		var a protocol.HostedAccount
		if err := json.Unmarshal(text, &a); err != nil || fileName(a.ID) != f.Name() {
			return nil, fault.Internal("%s is damaged (%v); move it away, and the controller sends the account's document again", path, err)
		}
		list = append(list, a)
	}
	return list, nil
}

func fileName(id string) string {
	if id == "" || strings.ContainsAny(id, "/\x00") || strings.HasPrefix(id, ".") {
		return ""
	}
	return id + suffix
}

// put keeps documents, all of them with two syncs: thousands come at once after a reinstallation. What is there after a crash is whole, whichever it is.
func (j *journal) put(list []protocol.HostedAccount) error {
	if j.dir == "" {
		return nil
	}
	written := make([]string, 0, len(list))
	for i := range list {
		name, err := j.write(&list[i])
		if err != nil {
			return fault.Unavailable("keep the document of hosted account %s: %w", list[i].ID, err)
		}
		written = append(written, name)
	}
	if err := j.sync(); err != nil {
		return err
	}
	for i, name := range written {
		if err := os.Rename(name, filepath.Join(j.dir, fileName(list[i].ID))); err != nil {
			return fault.Unavailable("keep the document of hosted account %s: %w", list[i].ID, err)
		}
	}
	return j.sync()
}

func (j *journal) write(a *protocol.HostedAccount) (string, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(j.dir, "new-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	return f.Name(), errors.Join(err, f.Close())
}

func (j *journal) sync() error {
	f, err := os.Open(j.dir)
	if err != nil {
		return fault.Unavailable("sync the directory of hosted accounts: %w", err)
	}
	if err = errors.Join(unix.Syncfs(int(f.Fd())), f.Close()); err != nil {
		return fault.Unavailable("sync the directory of hosted accounts: %w", err)
	}
	return nil
}

func (j *journal) remove(id string) error {
	if j.dir == "" {
		return nil
	}
	if err := os.Remove(filepath.Join(j.dir, fileName(id))); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.Unavailable("forget hosted account %s: %w", id, err)
	}
	return nil
}
