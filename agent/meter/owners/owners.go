package owners

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Keep is how long a name stays with an account that is gone.
const Keep = 7 * 24 * time.Hour

// Owners are read from a file and written to it.
type Owners struct {
	path  string
	now   func() time.Time
	names map[string]owner
	users map[string]string // what Map returns
}

// owner of a name.
type owner struct {
	Account string    `json:"account"`
	Gone    time.Time `json:"gone,omitzero"` // since when the account has the name no more
}

// Open reads the file; it may be missing. One that cannot be read is put aside, because what it says of accounts that are there is learned anew.
func Open(path string, now func() time.Time) (*Owners, error) {
	o := &Owners{path: path, now: now, names: map[string]owner{}}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Unavailable("read whose the names in logs are: %v", err)
	}
	if err == nil && json.Unmarshal(text, &o.names) != nil {
		o.names = map[string]owner{}
		if err := os.Rename(path, path+".damaged"); err != nil {
			return nil, err
		}
	}
	o.index()
	return o, nil
}

// Map is the account of each name. It is not changed any more, another one takes its place.
func (o *Owners) Map() map[string]string { return o.users }

// Known tells whether all these names are an account's.
func (o *Owners) Known(account string, names []string) bool {
	for _, name := range names {
		if o.users[name] != account {
			return false
		}
	}
	return true
}

// Learn gives accounts those of their names that nobody has; taken tells that they have others, which are another's still.
func (o *Owners) Learn(list map[string][]string) (taken bool, err error) {
	changed := false
	for account, names := range list {
		for _, name := range names {
			switch was, ok := o.names[name]; {
			case !ok || was.Account == account && !was.Gone.IsZero():
				o.names[name], changed = owner{Account: account}, true
			case was.Account != account:
				taken = true
			}
		}
	}
	return taken, o.save(changed)
}

// Hand gives accounts all of their names, whoever had them.
func (o *Owners) Hand(list map[string][]string) error {
	changed := false
	for account, names := range list {
		for _, name := range names {
			if mine := (owner{Account: account}); o.names[name] != mine {
				o.names[name], changed = mine, true
			}
		}
	}
	return o.save(changed)
}

// Tidy notes which accounts are gone, and forgets names of those that are gone for long. has is the account of each name now.
func (o *Owners) Tidy(has map[string]string) error {
	changed := false
	now := o.now().UTC()
	for name, was := range o.names {
		switch there := has[name] == was.Account; {
		case there && !was.Gone.IsZero():
			o.names[name], changed = owner{Account: was.Account}, true
		case !there && was.Gone.IsZero():
			o.names[name], changed = owner{Account: was.Account, Gone: now}, true
		case !there && now.Sub(was.Gone) > Keep:
			delete(o.names, name)
			changed = true
		}
	}
	return o.save(changed)
}

// index makes the map anew.
func (o *Owners) index() {
	o.users = make(map[string]string, len(o.names))
	for name, owner := range o.names {
		o.users[name] = owner.Account
	}
}

// save replaces the file.
func (o *Owners) save(changed bool) error {
	if !changed {
		return nil
	}
	o.index()
	text, err := json.Marshal(o.names)
	if err != nil {
		return err
	}
	if err := replace(o.path, text); err != nil {
		return fault.Unavailable("keep whose the names in logs are: %v", err)
	}
	return nil
}

func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
